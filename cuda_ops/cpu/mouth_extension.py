"""The inside of a mouth by mouth.cpp, compiled for this very processor."""

from __future__ import annotations

import ctypes
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from ..build import built_library
from ..core import mouth, mouth_light, own_teeth, plates
from .defines import defined, text_of

NUMBERS = {
    mouth: """_UPPER_TEETH _LOWER_TEETH _UPPER_EDGE _UPPER_ARCH _LOWER_ARCH _TALL _ROUND _LOWER_SHOWN _OPENS _TEETH_DEPTH
    _TONGUE_DEPTH _LIP_SHADE _LOWER_LIGHT _ROLL _ROLL_SHADE _ROLL_STARTS _CORNER _NARROW _UNDER_LIP _CAST _CLINGS
    _THROAT _INNER_CHEEK _HOLLOW _DEEPEST _STRETCH _AT_CORNERS _EVENS _LIP_AT_BITE _TIPS _LIP_RIM""",
    mouth_light: "_LUMA",
    own_teeth: "_SHOWN_WIDTH _LIP_PALE _TOOTH_PALE",
}
"""Where the core defines those that mouth.cpp takes."""


class Mouth(ctypes.Structure):
    """The same fields in mouth.cpp."""

    _fields_ = [
        ("photo", ctypes.c_void_p),
        *((name, ctypes.c_int64) for name in ("channel", "row", "pixel_on")),
        ("curves", ctypes.c_void_p),
        *((name, ctypes.c_int32) for name in ("side", "columns", "shown", "has_teeth", "has_lower_teeth")),
        *((name, ctypes.c_float) for name in ("first", "last", "half_width", "upper_middle", "lower_middle", "pixel")),
        *(("axes", ctypes.c_float * 4), ("middle", ctypes.c_float * 2)),
        *((name, ctypes.c_float) for name in ("height", "per_plate")),
        ("own", ctypes.c_float * 3),
        ("slope", ctypes.c_float),
        *((name, ctypes.c_float * 3) for name in ("teeth", "gums", "flesh", "reflected")),
        *(("one_tone", ctypes.c_float), ("tone", ctypes.c_float * 9)),
    ]


def source() -> str:
    """Behind what it takes from Python."""
    return defined({"MOUTH_BYTES": ctypes.sizeof(Mouth)}, NUMBERS) + text_of("colours.h", "mouth.cpp")


def load(flags: tuple[str, ...] | None = None) -> Callable[[mouth.MouthInterior], mouth.BetweenLips]:
    """Builds it or takes it from the cache.

    Args:
        flags: for the compiler, instead of those for this processor.

    Raises:
        Refusal: it cannot be built here.
    """
    paint = built_library("mouth_cpu", source(), flags).between_lips
    paint.argtypes = [*[ctypes.c_void_p] * 4, ctypes.c_int64, *[ctypes.c_void_p] * 2]
    paint.restype = None

    def of(readable: mouth.MouthInterior) -> mouth.BetweenLips:
        struct, memory = _struct(readable)

        def between_lips(skull: Tensor, jaw: Tensor, below_upper: Tensor, slant: Tensor) -> Tensor:
            given = [one.contiguous() for one in (skull, jaw, below_upper)]
            slant, colours = slant.contiguous(), torch.empty(len(skull), 3)
            addresses = (one.data_ptr() for one in given)
            paint(ctypes.addressof(struct), *addresses, len(skull), slant.data_ptr(), colours.data_ptr())
            assert memory  # the struct holds its addresses
            return colours

        return between_lips

    return of


def _struct(readable: mouth.MouthInterior) -> tuple[Mouth, list[object]]:
    """Also what it holds the addresses of."""
    own, light = readable._own, readable._light
    photo, channel_row_pixel = own._photo, zip(("channel", "row", "pixel_on"), own._photo.stride()[1:], strict=True)
    curves = np.stack([own._upper, own._lower, own._bite, *own._rim.T], axis=1).astype(np.float32)
    fields = {
        **{"photo": photo.data_ptr(), "curves": curves.ctypes.data, "side": photo.shape[-1], "columns": len(curves)},
        **dict(channel_row_pixel),
        **{name: getattr(own, name) for name in ("shown", "has_teeth", "has_lower_teeth", "half_width", "upper_middle", "lower_middle")},
        **{
            "first": own._x[0],
            "last": own._x[-1],
            "pixel": readable._pixel,
            "height": own._height,
            "per_plate": 1 / (1 + 2 * plates.MARGIN),
        },
        **{"axes": _floats(own._frame._axes), "middle": _floats(own._frame._middle)},
        **{"own": _floats([-1] * 3 if own.colour is None else own.colour), "slope": light._slope, "one_tone": light._one_tone},
        **{"tone": _floats(light._tone), "reflected": _floats(light._reflected)},
        **{name: _floats(getattr(light, name)) for name in ("teeth", "gums", "flesh")},
    }
    return Mouth(**fields), [photo, curves]


def _floats(values: object) -> ctypes.Array[ctypes.c_float]:
    flat = np.asarray(values, dtype=np.float32).ravel().tolist()
    return (ctypes.c_float * len(flat))(*flat)
