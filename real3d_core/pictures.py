"""Pictures: reading any common photo upright as RGBA, and writing PNG."""

from __future__ import annotations

import os
import warnings

import numpy as np
from PIL import Image, ImageOps

from .errors import PictureError
from .files import readable_file, written_whole

SMALLEST = 32  # pixels; no face can be recognised in less
LARGEST = 100_000_000  # pixels in all; more is a mistake or an attack on memory
_BROKEN = (OSError, SyntaxError, ValueError, EOFError, IndexError, TypeError, KeyError, RuntimeError)  # what Pillow raises on broken files


def load_picture(path: str | os.PathLike) -> np.ndarray:
    """The picture as [H, W, 4] uint8 RGBA, turned upright by its EXIF orientation; of an animation, the first frame.

    Alpha is straight (not premultiplied) and 255 where the file has none.

    Raises:
        PictureError: the file is missing, empty, no picture, damaged, smaller than 32 x 32, or larger than 100 megapixels.
    """
    found = readable_file(path, "picture", PictureError)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's remarks on damaged files; ours is the one sentence below
            with Image.open(found) as picture:
                _refuse_odd_size(picture.size, path)
                return np.array(_rgba(ImageOps.exif_transpose(picture)))
    except Image.DecompressionBombError:
        raise PictureError(f"The picture '{path}' has more than {LARGEST // 10**6} megapixels; make it smaller first.") from None
    except _BROKEN:
        raise PictureError(f"The picture '{path}' can not be read: it is damaged, incomplete, or not a picture.") from None


def save_png(path: str | os.PathLike, image: np.ndarray) -> None:
    """Writes [H, W], [H, W, 3] or [H, W, 4] uint8 as PNG, whole or not at all.

    Raises:
        OutputError: the name does not end in .png, or the place can not be written to.
    """
    with written_whole(path, (".png",)) as temporary:
        Image.fromarray(np.ascontiguousarray(image)).save(temporary, format="PNG")


def _refuse_odd_size(size: tuple[int, int], path: str | os.PathLike) -> None:
    width, height = size
    if min(size) < SMALLEST:
        raise PictureError(f"The picture '{path}' is {width} x {height} pixels; at least {SMALLEST} x {SMALLEST} are needed.")
    if width * height > LARGEST:
        raise PictureError(f"The picture '{path}' has more than {LARGEST // 10**6} megapixels; make it smaller first.")


def _rgba(picture: Image.Image) -> Image.Image:
    """Any mode to RGBA; Pillow alone would cut off, not scale, values of more than 8 bits."""
    if picture.mode.startswith(("I", "F")):
        values = np.asarray(picture, dtype=np.float64)
        picture = Image.fromarray(np.rint((values / _full_scale(picture, values)).clip(0, 1) * 255).astype(np.uint8))
    return picture.convert("RGBA")


def _full_scale(picture: Image.Image, values: np.ndarray) -> float:
    """The value that means white in a picture of more than 8 bits."""
    if picture.mode == "F" or values.max() > 65535:
        return max(float(values.max()), 1e-12) if values.max() > 1 else 1.0
    return 65535.0
