"""Wishes for pictures of live faces, as a page sends them, and the pixels of what it gets."""

import asyncio
import io

import numpy as np
from PIL import Image

PHOTO = "real3d_portrait.jpg"


def ask(route, given=None, **others) -> tuple[int, object]:
    wish = {
        "asker": "page",
        "node": "Real3DDirectTheFace",
        "photo": {"file": PHOTO},
        "values": {"amount": 0.0, **(given or {})},
        "side": 256,
    }
    return asyncio.run(route.answer({**wish, **others}))


def pixels(answered: tuple[int, object]) -> np.ndarray:
    status, jpeg = answered
    assert status == 200 and isinstance(jpeg, bytes), answered
    return np.array(Image.open(io.BytesIO(jpeg))).astype(float) / 255
