"""Eyes by eyes.cpp, compiled for this very processor."""

from __future__ import annotations

import ctypes
from collections.abc import Callable

import numpy as np

from ..build import built_library
from ..core import eyeball, eyes, lids
from .defines import defined, text_of

NUMBERS = {
    eyes: "_HANG _SHADE",
    eyeball: "DARKEN",
    lids: "_LASHES _SETTLES _LEAVES _LINE _TURNS _SHORTEST _FANNED _BULGE _SINKS _ROUND",
}
"""Where the core defines those that eyes.cpp takes."""
PLAIN = ("down", "top", "bottom", "arch", "fold", "roots", "ends", "frame", "covered", "rim", "opacity")
COLOURS = ("picture", "white", "glint", "most", "skin")
PICTURES = ("picture", "bare", "shadow", "light", "lashed", "iris", "hairs")


class Pixel(ctypes.Structure):
    """The same fields in eyes.cpp."""

    _fields_ = [*((name, ctypes.c_float) for name in PLAIN), *((name, ctypes.c_float * 3) for name in COLOURS)]


class Eye(ctypes.Structure):
    """The same fields in eyes.cpp."""

    _fields_ = [
        *((name, ctypes.c_void_p) for name in ("pixels", *PICTURES)),
        *((name, ctypes.c_int32) for name in ("height", "width")),
        *(("across", ctypes.c_float), ("below", ctypes.c_float * 2), ("soft", ctypes.c_float)),
        *((name, ctypes.c_float * 3) for name in ("lash", "tint")),
    ]


class Pose(ctypes.Structure):
    """EyePose; the same fields in eyes.cpp."""

    _fields_ = [(name, ctypes.c_float) for name in ("right", "down", "closed", "raised", "drawn")]


def source() -> str:
    """Behind what it takes from Python."""
    sizes = {f"{struct.__name__.upper()}_BYTES": ctypes.sizeof(struct) for struct in (Pixel, Eye, Pose)}
    return defined(sizes, NUMBERS) + text_of("colours.h", "eyes.cpp")


def load(flags: tuple[str, ...] | None = None) -> Callable[[eyes.Eye], eyes.PaintEye]:
    """Builds it or takes it from the cache.

    Args:
        flags: for the compiler, instead of those for this processor.

    Raises:
        Refusal: it cannot be built here.
    """
    paint = built_library("eyes_cpu", source(), flags).paint_eye
    paint.argtypes = [ctypes.c_void_p] * 3
    paint.restype = None

    def of(readable: eyes.Eye) -> eyes.PaintEye:
        struct, memory = _struct(readable)

        def paint_eye(pose: eyes.EyePose) -> np.ndarray:
            painted = np.empty((struct.height, struct.width, 3), np.float32)
            numbers = Pose(*pose.shift, pose.closed, pose.raised, pose.drawn)
            paint(ctypes.addressof(struct), ctypes.addressof(numbers), painted.ctypes.data)
            assert memory  # the struct holds its addresses
            return painted

        return paint_eye

    return of


def _struct(readable: eyes.Eye) -> tuple[Eye, list[np.ndarray]]:
    """Also what it holds the addresses of."""
    shape, ball, lid = readable._shape, readable._ball, readable._lid
    own = {
        **{name: getattr(shape, name) for name in ("down", "top", "bottom", "arch")},
        **{"fold": lid._fold, "roots": lid._roots, "ends": lid._ends, "frame": readable._frame, "covered": lid._covered, "rim": lid._rim},
        **{"opacity": ball._opacity, "picture": readable._picture, "white": ball._white, "glint": ball._glint, "most": ball._lit},
        "skin": lid._skin,
    }
    height, width = shape.x.shape
    columns = [own[name].reshape(height, width, -1)[..., 0] for name in PLAIN] + [own[name] for name in COLOURS]
    pixels = np.ascontiguousarray(np.dstack(columns), dtype=np.float32)
    looked_up = (readable._picture, lid._bare, *readable._cast, ball._iris, lid._hairs)
    pictures = [np.ascontiguousarray(one, dtype=np.float32) for one in looked_up]
    three = ctypes.c_float * 3
    struct = Eye(
        *(array.ctypes.data for array in (pixels, *pictures)),
        *(height, width, shape.width, (ctypes.c_float * 2)(*map(float, shape.below)), readable._soft),
        *(three(*lid._lash[0, 0].tolist()), three(*np.asarray(lid._tint).tolist())),
    )
    return struct, [pixels, *pictures]
