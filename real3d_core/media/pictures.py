"""Pictures: reading any common photo upright as RGBA, and writing PNG."""

from __future__ import annotations

import importlib.util
import os
import warnings
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from ..errors import PictureError
from ..files import foreign_kind, readable_file, written_whole
from .colour import in_srgb

SMALLEST = 32  # pixels; no face can be recognised in less
LARGEST = 100_000_000  # pixels in all; more is a mistake or an attack on memory
_HEIC = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"}
_AVIF = {b"avif", b"avis"}
_GREY, _RGB = 0, 2  # kinds of PNG
_BROKEN = (OSError, SyntaxError, ValueError, EOFError, IndexError, TypeError, KeyError, RuntimeError)  # what Pillow raises on broken files


def load_picture(path: str | os.PathLike) -> np.ndarray:
    """The picture as [H, W, 4] uint8 RGBA in sRGB, turned upright by its EXIF orientation; of an animation, the first frame.

    Alpha is straight (not premultiplied) and 255 where the file has none. HEIC is read where pillow-heif is installed.

    Raises:
        PictureError: the file is missing, empty, no picture, damaged, smaller than 32 x 32, or larger than 100 megapixels.
    """
    found = readable_file(path, "picture", PictureError)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's remarks on damaged files; ours is the one sentence below
            with _opened(found) as picture:
                refuse_odd_size(f"picture '{path}'", *picture.size)
                _mend_transparent_colour(picture, found)
                return np.array(in_srgb(_of_eight_bits(ImageOps.exif_transpose(picture)), found).convert("RGBA"))
    except Image.DecompressionBombError:
        raise PictureError(f"The picture '{path}' has more than {LARGEST // 10**6} megapixels; make it smaller first.") from None
    except UnidentifiedImageError:
        reason = _other_kind(found) or f"cannot be read: it is {foreign_kind(found) or 'damaged, incomplete, or not a picture'}"
        raise PictureError(f"The picture '{path}' {reason}.") from None
    except _BROKEN:
        raise PictureError(f"The picture '{path}' cannot be read: it is damaged, incomplete, or not a picture.") from None


def refuse_odd_size(what: str, width: int, height: int) -> None:
    """Refuses a picture in which no face can be found, or that would take too much memory.

    Raises:
        PictureError: it is smaller than 32 x 32 pixels or larger than 100 megapixels.
    """
    if min(width, height) < SMALLEST:
        raise PictureError(f"The {what} is {width} x {height} pixels; at least {SMALLEST} x {SMALLEST} are needed.")
    if width * height > LARGEST:
        raise PictureError(f"The {what} has more than {LARGEST // 10**6} megapixels; make it smaller first.")


def opaque(picture: np.ndarray, colour: int = 255) -> np.ndarray:
    """[H, W, 4] uint8 RGBA -> [H, W, 3] over a grey level, white if none is given: colours under full transparency do not show."""
    if picture.shape[2] == 3 or (picture[..., 3] == 255).all():
        return picture[..., :3]
    alpha = picture[..., 3:].astype(np.float32) / 255
    return np.rint(picture[..., :3] * alpha + colour * (1 - alpha)).astype(np.uint8)


def save_png(path: str | os.PathLike, image: np.ndarray) -> None:
    """Writes [H, W], [H, W, 3] or [H, W, 4] uint8 as PNG, whole or not at all.

    Raises:
        OutputError: the name does not end in .png, or the place cannot be written to.
    """
    with written_whole(path, (".png",)) as temporary:
        Image.fromarray(np.ascontiguousarray(image)).save(temporary, format="PNG")


def _opened(path: Path) -> Image.Image:
    """By Pillow, or by pillow-heif where it is installed; nothing is decoded yet."""
    try:
        return Image.open(path)
    except UnidentifiedImageError:
        if not _brands(path) & _HEIC or importlib.util.find_spec("pillow_heif") is None:
            raise
        from pillow_heif import HeifImageFile

        return HeifImageFile(path)


def _other_kind(path: Path) -> str | None:
    """What a file is that Pillow does not know, and what to do; None where that is not to be seen."""
    with open(path, "rb") as file:
        head = file.read(1000)
    brands = _brands(path)
    if brands & _AVIF and ".avif" not in Image.registered_extensions():
        return "is an AVIF picture: update Pillow to 11.3 or newer, or save it as JPEG or PNG"
    if brands & _HEIC and not brands & _AVIF:
        return "is an HEIC picture: install pillow-heif (pip install pillow-heif), or save it as JPEG or PNG"
    if (brands and not brands & _AVIF) or head.startswith(b"\x1aE\xdf\xa3") or (head[:4], head[8:12]) == (b"RIFF", b"AVI "):
        return "is a video: save one of its frames as a picture"
    if head.startswith((b"\xff\x0a", b"\0\0\0\x0cJXL ")):
        return "is a JPEG XL picture: save it as JPEG or PNG"
    if head.startswith(b"%PDF"):
        return "is a PDF document: save the photo in it as JPEG or PNG"
    if b"<svg" in head.lower():
        return "is an SVG drawing: save it as PNG"
    if head.startswith((b"#?RADIANCE", b"#?RGBE", b"\x76\x2f\x31\x01")):
        return "is a picture of light values (Radiance or OpenEXR): save it as JPEG or PNG"
    if head.startswith((b"II*\0", b"MM\0*", b"II+\0", b"MM\0+", b"FUJIFILM")):
        return "is a TIFF or a camera's raw file of a kind that Pillow does not read, or damaged: save it as JPEG or PNG"
    if head.startswith((b"ID3", b"fLaC", b"OggS")) or (head[:4], head[8:12]) == (b"RIFF", b"WAVE"):
        return "is a sound: give a photo"
    return None


def _brands(path: Path) -> set[bytes]:
    """The names by which a file of the MP4 family says what it is; empty for other files."""
    with open(path, "rb") as file:
        head = file.read(256)
    if head[4:8] != b"ftyp":
        return set()
    length = min(int.from_bytes(head[:4], "big"), len(head))
    return {head[start : start + 4] for start in (8, *range(16, length, 4)) if start + 4 <= length}


def _mend_transparent_colour(picture: Image.Image, path: Path) -> None:
    """PNG tells its transparent colour in the file's own depth, Pillow compares it with what it has made of the pixels: 8 bits each."""
    colour = picture.info.get("transparency")
    if picture.format != "PNG" or colour is None:
        return
    with open(path, "rb") as file:
        depth, kind = file.read(26)[24:]
    if kind == _GREY and depth in (2, 4):
        picture.info["transparency"] = colour * 255 // (2**depth - 1)
    elif kind == _RGB and depth == 16:
        picture.info["transparency"] = tuple(part >> 8 for part in colour)


def _of_eight_bits(picture: Image.Image) -> Image.Image:
    """Pillow alone would cut off, not scale, values of more than 8 bits."""
    if not picture.mode.startswith(("I", "F")):
        return picture
    values = np.asarray(picture, dtype=np.float64)
    scaled = Image.fromarray(np.rint((values / _full_scale(picture, values)).clip(0, 1) * 255).astype(np.uint8))
    scaled.info = dict(picture.info)
    colour = scaled.info.pop("transparency", None)
    if isinstance(colour, int):
        scaled.putalpha(Image.fromarray(np.where(values == colour, 0, 255).astype(np.uint8)))
    return scaled


def _full_scale(picture: Image.Image, values: np.ndarray) -> float:
    """The value that means white in a picture of more than 8 bits."""
    if picture.mode == "F" or values.max() > 65535:
        return max(float(values.max()), 1e-12) if values.max() > 1 else 1.0
    return 65535.0
