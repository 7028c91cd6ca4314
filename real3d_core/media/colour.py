"""Photos in other colours than sRGB as they are meant: by ICC profile, by the numbers of ITU-T H.273, or by PNG's gamma and primaries."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from itertools import product
from pathlib import Path

import numpy as np
from PIL import Image, ImageCms

_D65 = (0.3127, 0.329)
_PRIMARIES = {  # x, y of red, green, blue and white, by their numbers in H.273
    1: ((0.64, 0.33), (0.3, 0.6), (0.15, 0.06), _D65),
    4: ((0.67, 0.33), (0.21, 0.71), (0.14, 0.08), (0.31, 0.316)),
    5: ((0.64, 0.33), (0.29, 0.6), (0.15, 0.06), _D65),
    6: ((0.63, 0.34), (0.31, 0.595), (0.155, 0.07), _D65),
    9: ((0.708, 0.292), (0.17, 0.797), (0.131, 0.046), _D65),
    11: ((0.68, 0.32), (0.265, 0.69), (0.15, 0.06), (0.314, 0.351)),
    12: ((0.68, 0.32), (0.265, 0.69), (0.15, 0.06), _D65),
}
_ADOBE_RGB = ((0.64, 0.33), (0.21, 0.71), (0.15, 0.06), _D65)
_BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])
_WHITE = 203.0  # cd/m2 of a white page in high dynamic range (ITU-R BT.2408)
_KNEE = 0.8  # of white; what is brighter is brought together up to white
_UNLIKE = 2  # levels of 255; less is the rounding of a profile that means sRGB
_HEADER = 1 << 16  # bytes of a file in which its colours are described
_MODES = {"GRAY": ("1", "L", "LA"), "RGB": ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "YCbCr"), "CMYK": ("CMYK",)}
_AT_ONCE = 1 << 20  # pixels


@dataclass(frozen=True)
class _Space:
    """What numbers mean.

    primaries: x, y of red, green, blue and white.
    light: from values in 0..1 to light in which 1 is white.
    first: goes before an ICC profile.
    """

    primaries: tuple[tuple[float, float], ...]
    light: Callable[[np.ndarray], np.ndarray]
    first: bool = False


def in_srgb(picture: Image.Image, path: Path) -> Image.Image:
    """The picture as RGB in sRGB, with its alpha if it has one; the same picture where that changes nothing.

    A profile that is damaged, or does not go with the picture, counts as none.

    Args:
        picture: of 8 bits per channel, with the `info` that Pillow read.
        path: where it was read from; the header says what Pillow does not.
    """
    profile, coded = picture.info.get("icc_profile"), _coded(path)
    if profile and (coded is None or not coded.first):
        return _by_profile(picture, profile)
    space = coded or _described(picture)
    if space in (None, _SRGB) or picture.mode not in _MODES["RGB"]:
        return picture
    return _with_alpha_of(picture, Image.fromarray(_converted(np.asarray(_opaque(picture, "RGB")), space)))


def _by_profile(picture: Image.Image, profile: bytes) -> Image.Image:
    try:
        source = ImageCms.ImageCmsProfile(BytesIO(profile))
        space = source.profile.xcolor_space.strip()
        if picture.mode not in _MODES.get(space, ()):
            return picture
        mode = "L" if space == "GRAY" else space
        intent, flags = ImageCms.Intent.RELATIVE_COLORIMETRIC, ImageCms.Flags.BLACKPOINTCOMPENSATION
        transform = ImageCms.buildTransform(source, ImageCms.createProfile("sRGB"), mode, "RGB", intent, flags)
        probe = _probe(mode)
        meant, plain = (np.asarray(one, np.int16) for one in (ImageCms.applyTransform(probe, transform), probe.convert("RGB")))
        if np.abs(meant - plain).max() <= _UNLIKE:
            return picture
        return _with_alpha_of(picture, ImageCms.applyTransform(_opaque(picture, mode), transform))
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return picture


def _probe(mode: str) -> Image.Image:
    """A small picture of colours from all over a mode's range."""
    channels = len(Image.new(mode, (1, 1)).getbands())
    values = np.array(list(product(range(0, 256, 51 if channels > 1 else 1), repeat=channels)), np.uint8)
    return Image.frombytes(mode, (len(values), 1), values.tobytes())


def _converted(pixels: np.ndarray, space: _Space) -> np.ndarray:
    """[H, W, 3] uint8 of a space -> the same in sRGB."""
    light = space.light(np.arange(256) / 255).astype(np.float32)
    matrix = _to_srgb(space.primaries).T.astype(np.float32)
    result = np.empty_like(pixels)
    for row in range(0, len(pixels), rows := max(1, _AT_ONCE // pixels.shape[1])):
        linear = light[pixels[row : row + rows]] @ matrix
        if light[-1] > 1.001:
            linear = _softened(linear)
        result[row : row + rows] = np.rint(_srgb_value(linear.clip(0, 1)) * 255)
    return result


def _softened(linear: np.ndarray) -> np.ndarray:
    """What is brighter than white brought down towards white, its hue kept."""
    brightest = np.maximum(linear.max(axis=-1, keepdims=True), 1e-6)
    over = np.maximum(brightest - _KNEE, 0)
    return linear * ((np.minimum(brightest, _KNEE) - (1 - _KNEE) * np.expm1(-over / (1 - _KNEE))) / brightest)


def _opaque(picture: Image.Image, mode: str) -> Image.Image:
    return picture.getchannel("L") if picture.mode == "LA" and mode == "L" else picture.convert(mode)


def _with_alpha_of(picture: Image.Image, colours: Image.Image) -> Image.Image:
    if "A" in picture.getbands() or "transparency" in picture.info:
        colours.putalpha(picture.convert("RGBA").getchannel("A"))
    return colours


def _described(picture: Image.Image) -> _Space | None:
    """By PNG's chunks gAMA and cHRM, or by the mark of cameras for Adobe RGB (DCF 2.0, option file)."""
    if "srgb" in picture.info:
        return None
    gamma, chromaticity = picture.info.get("gamma"), picture.info.get("chromaticity")
    if gamma or chromaticity:
        primaries = _primaries_of(chromaticity) if chromaticity else _PRIMARIES[1]
        exponent = 1 / gamma if gamma and 0.05 < gamma < 10 else 2.2
        usual = abs(exponent - 2.2) < 0.1
        if usual and np.abs(np.subtract(primaries, _PRIMARIES[1])).max() < 0.005:
            return None
        return _Space(primaries, _srgb_light if usual else lambda value: value**exponent)
    exif = picture.getexif()
    if str(exif.get_ifd(0xA005).get(1, "")).startswith("R03"):
        return _Space(_ADOBE_RGB, lambda value: value ** (563 / 256))
    return None


def _primaries_of(chromaticity: tuple[float, ...]) -> tuple[tuple[float, float], ...]:
    """Pillow's order is that of the chunk: white, red, green, blue. Impossible ones count as those of sRGB."""
    white, red, green, blue = ((chromaticity[start], chromaticity[start + 1]) for start in (0, 2, 4, 6))
    possible = all(0 <= x <= 1 and 0 < y <= 1 for x, y in (white, red, green, blue))
    area = (red[0] - blue[0]) * (green[1] - blue[1]) - (green[0] - blue[0]) * (red[1] - blue[1])
    return (red, green, blue, white) if possible and abs(area) > 0.01 else _PRIMARIES[1]


def _coded(path: Path) -> _Space | None:
    """By the numbers of H.273 in a PNG (chunk cICP) or in an AVIF or HEIC file (box colr); None where they say nothing."""
    with open(path, "rb") as file:
        head = file.read(_HEADER)
    is_png = head.startswith(b"\x89PNG")
    if is_png and 0 < (at := head.find(b"cICP")) < head.find(b"IDAT"):
        primaries, curve = head[at + 4], head[at + 5]
    elif head[4:8] == b"ftyp" and (at := head.find(b"colrnclx")) > 0:
        primaries, curve = (int.from_bytes(head[start : start + 2], "big") for start in (at + 8, at + 10))
    else:
        return None
    if primaries not in _PRIMARIES:
        return None
    light = _CURVES.get(curve, _srgb_light)
    alike = primaries in (1, 5, 6) and light is _srgb_light
    return _SRGB if alike else _Space(_PRIMARIES[primaries], light, is_png)


def _srgb_light(value: np.ndarray) -> np.ndarray:
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)


def _srgb_value(light: np.ndarray) -> np.ndarray:
    return np.where(light <= 0.0031308, light * 12.92, 1.055 * np.maximum(light, 1e-9) ** (1 / 2.4) - 0.055)


def _pq_light(value: np.ndarray) -> np.ndarray:
    """Perceptual quantizer (SMPTE ST 2084)."""
    power = value ** (1 / 78.84375)
    return 10000 / _WHITE * (np.maximum(power - 0.8359375, 0) / (18.8515625 - 18.6875 * power)) ** (1 / 0.1593017578125)


def _hlg_light(value: np.ndarray) -> np.ndarray:
    """Hybrid log-gamma (ITU-R BT.2100) on a display of 1000 cd/m2, channel by channel."""
    scene = np.where(value <= 0.5, value**2 / 3, (np.exp((value - 0.55991073) / 0.17883277) + 0.28466892) / 12)
    return 1000 / _WHITE * scene**1.2


_SRGB = _Space(_PRIMARIES[1], _srgb_light)
_CURVES = {4: lambda value: value**2.2, 5: lambda value: value**2.8, 8: lambda value: value, 16: _pq_light, 18: _hlg_light}


def _to_srgb(primaries: tuple[tuple[float, float], ...]) -> np.ndarray:
    """[3, 3] from linear colours of these primaries to linear sRGB, their white becoming white (Bradford)."""
    return np.linalg.inv(_to_xyz(_PRIMARIES[1])) @ _adaptation(primaries[3]) @ _to_xyz(primaries)


def _to_xyz(primaries: tuple[tuple[float, float], ...]) -> np.ndarray:
    *colours, white = (_xyz(*one) for one in primaries)
    columns = np.stack(colours, axis=1)
    return columns * np.linalg.solve(columns, white)


def _adaptation(white: tuple[float, float]) -> np.ndarray:
    source, target = (_BRADFORD @ _xyz(*one) for one in (white, _D65))
    return np.linalg.inv(_BRADFORD) @ np.diag(target / source) @ _BRADFORD


def _xyz(x: float, y: float) -> np.ndarray:
    return np.array([x / y, 1.0, (1 - x - y) / y])
