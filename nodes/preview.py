"""Previews for the page between runs: heads from any viewpoint, and the curves of a motion.

Nothing here is needed to run a workflow: the results are the same without a page.
"""

from __future__ import annotations

import asyncio
import io as byte_io
import math
import secrets
import weakref
from collections import OrderedDict
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import count
from typing import TYPE_CHECKING

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from .runtime.server import serve

if TYPE_CHECKING:
    from ..real3d_core.avatar import Avatar
    from ..real3d_core.media.sound import Sound
    from ..real3d_core.motion.motion import Motion
    from ..real3d_core.render.decoder import PlaneDecoder
    from ..real3d_core.render.planes import Planes

MOST_HEADS, MOST_PICTURES = 4, 64
SIDES = (112, 384)  # fewest and most rays per side: while a head is dragged, and once it is still in a large node
SAMPLES = 10  # per ray, in each of the two passes
LIMITS = {"yaw": (-80.0, 80.0), "pitch": (-80.0, 80.0), "roll": (-180.0, 180.0), "distance": (0.5, 2.0)}
_NO_TURN = {"yaw": 0.0, "pitch": 0.0, "roll": 0.0, "distance": 1.0}
_TOKEN_BYTES = 12

Turn = tuple[float, float, float, float]
"""yaw, pitch, roll in degrees, and the distance relative to that of the portrait's own camera."""


@dataclass(frozen=True, eq=False)
class Head:
    """A head at rest to preview.

    planes: of one frame, on the CPU, since a running workflow may need the GPU.
    euler, translation: [1, 3] of the portrait's own camera, radians and decimetres.
    """

    planes: Planes
    decoder: PlaneDecoder
    euler: Tensor
    translation: Tensor


class Gallery:
    """A bounded cache of the newest heads and their pictures. One picture is rendered at a time; outdated requests are dropped.

    A token reveals nothing about its head and cannot be guessed.
    """

    def __init__(self) -> None:
        self._heads: OrderedDict[str, tuple[weakref.ref[Planes], Head]] = OrderedDict()
        self._pictures: OrderedDict[tuple[str, Turn, int], bytes] = OrderedDict()
        self._newest: dict[str, int] = {}
        self._tickets = count()
        self._painter = ThreadPoolExecutor(1, "real3d-preview")

    def keep(self, planes: Planes, decoder: PlaneDecoder, euler: Tensor, translation: Tensor) -> str:
        """The token of a head; the same planes with the same camera keep their token."""
        for token, (source, head) in list(self._heads.items()):
            if source() is planes and head.euler.equal(euler) and head.translation.equal(translation):
                self._heads.move_to_end(token)
                return token
        token = secrets.token_urlsafe(_TOKEN_BYTES)
        bounds = None if planes.bounds is None else planes.bounds.cpu()
        shown = replace(planes, features=planes.features[:1].detach().float().cpu(), bounds=bounds)
        self._heads[token] = (weakref.ref(planes), Head(shown, decoder.to("cpu"), euler, translation))
        while len(self._heads) > MOST_HEADS:
            gone, _ = self._heads.popitem(last=False)
            self._newest.pop(gone, None)
        return token

    def picture(self, token: str, turn: Turn, side: int = SIDES[0]) -> Future[bytes | None]:
        """A PNG of a head, `side` pixels square, or None if a newer one of the same head was requested before this one was started.

        Raises:
            KeyError: there is no such head, or no longer.
        """
        head = self._heads[token][1]
        ticket = self._newest[token] = next(self._tickets)

        def paint() -> bytes | None:
            wanted = (token, turn, side)
            if wanted in self._pictures:
                return self._pictures[wanted]
            if self._newest.get(token) != ticket:
                return None
            self._pictures[wanted] = painted(head, turn, side)
            while len(self._pictures) > MOST_PICTURES:
                self._pictures.popitem(last=False)
            return self._pictures[wanted]

        return self._painter.submit(paint)


GALLERY = Gallery()


def painted(head: Head, turn: Turn, side: int) -> bytes:
    """A PNG with alpha, `side` pixels square: the raw colours of a head from a viewpoint."""
    from ..real3d_core.render.camera_paths import View, viewed_from
    from ..real3d_core.render.passes import raw_colour
    from ..real3d_core.render.ray_marching import MarchSettings
    from ..real3d_core.render.table_marching import march_table

    yaw, pitch, roll, distance = turn
    with torch.inference_mode():
        view = View(torch.deg2rad(torch.tensor([[pitch, yaw, roll]])), torch.tensor([distance]))
        cameras = viewed_from(head.euler, head.translation, view, 25.0).cameras
        render = march_table(head.planes, head.decoder, cameras, MarchSettings(side, SAMPLES, SAMPLES))
        opacity = render.opacity[0, 0, ..., None]
        colours = (raw_colour(render)[0] / opacity.clamp_min(1e-3)).clamp(0, 1)
        pixels = (torch.cat([colours, opacity.clamp(0, 1)], dim=-1) * 255).round().byte().numpy()
    encoded = byte_io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(encoded, format="PNG", compress_level=1)
    return encoded.getvalue()


def turn_of(query: Mapping[str, str]) -> Turn:
    """The viewpoint of a request, rounded to 0.1 degrees and to 0.01 of the distance.

    Raises:
        ValueError: a value is not a number, not finite or out of range.
    """
    turn = []
    for name, (low, high) in LIMITS.items():
        value = float(query.get(name, _NO_TURN[name]))
        if not math.isfinite(value) or not low <= value <= high:
            raise ValueError(f"{name} must be {low:g} to {high:g}")
        turn.append(round(value, 2 if name == "distance" else 1) + 0.0)
    yaw, pitch, roll, distance = turn
    return yaw, pitch, roll, distance


def side_of(query: Mapping[str, str]) -> int:
    """The side of the requested picture in pixels.

    Raises:
        ValueError: it is not an integer, or out of range.
    """
    side = int(query.get("side", SIDES[0]))
    if not SIDES[0] <= side <= SIDES[1]:
        raise ValueError(f"side must be {SIDES[0]} to {SIDES[1]}")
    return side


async def answer(token: str, query: Mapping[str, str]) -> tuple[int, bytes]:
    """Status and body of GET /real3d/head/{token}: 200 with a PNG, 204 if a newer picture is being rendered, 400, or 404."""
    try:
        turn, side = turn_of(query), side_of(query)
    except ValueError as failure:
        return 400, str(failure)[:200].encode()
    try:
        wanted = GALLERY.picture(token, turn, side)
    except KeyError:
        return 404, b"This head is gone: run the workflow again."
    picture = await asyncio.wrap_future(wanted)
    return (204, b"") if picture is None else (200, picture)


def shown_head(avatar: Avatar, planes: Planes, euler: Tensor, translation: Tensor) -> dict[str, list[str]]:
    """A node's `ui` with the token by which the page requests pictures of this head."""
    return {"real3d_head": [GALLERY.keep(planes, avatar.decoder, euler, translation)]}


def shown_motion(motion: Motion, sound: Sound | None = None) -> dict[str, list]:
    """A node's `ui` with the curves of a motion: lists of a few hundred numbers."""
    from ..real3d_core.motion.curves import motion_curves, sound_envelope

    curves = motion_curves(motion)
    return {
        "real3d_seconds": [len(motion) / motion.fps],
        "real3d_curves": list(curves.values()),
        "real3d_names": list(curves),
        "real3d_sound": [] if sound is None else sound_envelope(sound, len(motion) / motion.fps),
    }


serve("/real3d/head/{token:[A-Za-z0-9_-]{1,64}}", answer, "image/png")
