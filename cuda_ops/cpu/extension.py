"""Back end cpu-ext: march.cpp, compiled for this very processor."""

from __future__ import annotations

import ctypes
from pathlib import Path

import torch
from torch import Tensor

from ..build import built_library
from ..core import render
from ..fused_marching import HEAD_SOURCE, STRUCT_BYTES, Cutoffs, FusedMarcher, PackedDecoder, PackedHead, Window
from .defines import defined
from .frames import CastRays, Numbers, Picture, Steps, WholeFrames
from .polynomials import c_constants

SOURCES = (
    HEAD_SOURCE,
    *(Path(__file__).with_name(name) for name in ("vectors.h", "denormals.h", "calls.h", "cast.h", "table.h", "samples.h")),
    *(Path(__file__).with_name(name) for name in ("workspace.h", "march.cpp")),
)
MULTIPLE = 16  # the widest vectors


class Sheet(ctypes.Structure):
    """A plane as a window reads it; the same fields in calls.h."""

    _fields_ = [("features", ctypes.c_void_p), *((name, ctypes.c_int64) for name in ("channel", "row", "column"))]


class FrameRays(ctypes.Structure):
    """The rays of a frame and its picture; the same fields in calls.h."""

    _fields_ = [
        *((name, ctypes.c_int32) for name in ("side", "coarse", "fine")),
        ("origin", ctypes.c_float * 3),
        *((name, ctypes.c_void_p) for name in ("directions", "near", "far", "strata", "jitter", "positions")),
        *((name, ctypes.c_int64) for name in ("jitter_stride", "positions_stride")),
        *((name, ctypes.c_void_p) for name in ("features", "depth", "opacity")),
    ]


class Sheets(ctypes.Structure):
    """What fills a window; the same fields in calls.h."""

    _fields_ = [
        *((name, ctypes.c_int32) for name in ("first_row", "first_column", "height", "width", "count")),
        ("sheet", Sheet * 2),
    ]


def source() -> str:
    """All parts as one text, behind what they take from Python."""
    own = {"SHEET_BYTES": Sheet, "SHEETS_BYTES": Sheets, "FRAME_RAYS_BYTES": FrameRays}
    sizes = STRUCT_BYTES | {name: ctypes.sizeof(struct) for name, struct in own.items()}
    return defined(sizes) + c_constants() + "".join(path.read_text(encoding="utf-8") for path in SOURCES)


def load(flags: tuple[str, ...] | None = None) -> FusedMarcher:
    """Builds it or takes it from the cache.

    Args:
        flags: for the compiler, instead of those for this processor.

    Raises:
        Refusal: it cannot be built here.
    """
    library = built_library("march_cpu", source(), flags)
    number, pointer, real = ctypes.c_int32, ctypes.c_void_p, ctypes.c_float
    prepare = library.prepare
    prepare.argtypes = [pointer, pointer, number, number, pointer, number, pointer, pointer, number, number, number, pointer, pointer]
    prepare.restype = number
    library.cast.argtypes = [pointer, number, *[pointer] * 5]
    library.choose.argtypes = [pointer] * 5
    library.march.argtypes = [pointer, pointer, pointer, ctypes.c_int64, real, real, number]

    def project(table: render.plane_table.PlaneTable, windows: tuple[Window, ...], decoder: PackedDecoder) -> tuple[Tensor, Tensor]:
        layers = [layer for pair in zip(table.windows, windows, strict=True) for layer in _layers(*pair)]
        rectangles, sheets = zip(*layers, strict=True)
        biased = len(_layers(table.windows[0], windows[0]))
        count, units = len(layers), len(decoder.bias)
        weight = (decoder.weight.T / 3).contiguous()
        late_units = units - decoder.early_units
        early, late = (decoder.bias.new_empty(len(table), some) for some in (decoder.early_units, late_units))
        failed = prepare(
            *((Window * count)(*rectangles), (Sheets * count)(*sheets), count, biased),
            *(table.channels.data_ptr(), len(table.channels), weight.data_ptr(), decoder.bias.data_ptr()),
            *(decoder.early_units, late_units, torch.get_num_threads(), early.data_ptr(), late.data_ptr()),
        )
        _require_memory(failed)
        return early, late

    def cast(camera: Tensor, box: Tensor, rays: CastRays, span: Tensor) -> bool:
        results = (rays.directions, rays.near, rays.far, span)
        return bool(library.cast(camera.data_ptr(), rays.side, box.data_ptr(), *(tensor.data_ptr() for tensor in results)))

    def choose(rays: CastRays, numbers: Numbers, span: Tensor | None, ends: Tensor) -> tuple[Tensor, Tensor]:
        pixels, reach = rays.near.new_empty(rays.near.shape, dtype=torch.int32), rays.near.new_empty(2, 3)
        struct = _struct(rays, numbers)
        found = library.choose(
            ctypes.byref(struct), None if span is None else span.data_ptr(), pixels.data_ptr(), reach.data_ptr(), ends.data_ptr()
        )
        return pixels[:found], reach

    def march(head: PackedHead, cutoffs: Cutoffs, rays: CastRays, numbers: Numbers, pixels: Tensor, picture: Picture) -> None:
        head_struct, struct = head.as_struct(), _struct(rays, numbers, picture)
        failed = library.march(
            *(ctypes.byref(head_struct), ctypes.byref(struct), pixels.data_ptr(), len(pixels)),
            *(cutoffs.stop_below, cutoffs.colour_above, torch.get_num_threads()),
        )
        _require_memory(failed)

    return FusedMarcher(WholeFrames(Steps(cast, choose, project, march)), MULTIPLE)


def _struct(rays: CastRays, numbers: Numbers, picture: Picture | None = None) -> FrameRays:
    """Holds addresses of tensors: keep them while it is in use."""
    tensors = (rays.directions, rays.near, rays.far, numbers.strata, numbers.jitter, numbers.positions)
    coarse, fine = numbers.jitter.shape[1], numbers.positions.shape[1]
    strides = (count if len(of_rays) > 1 else 0 for count, of_rays in ((coarse, numbers.jitter), (fine, numbers.positions)))
    images = (picture.features, picture.depth, picture.opacity) if picture else ()
    return FrameRays(
        *(rays.side, coarse, fine, (ctypes.c_float * 3)(*rays.origin)),
        *(tensor.data_ptr() for tensor in tensors),
        *strides,
        *(image.data_ptr() for image in images),
    )


def _layers(window: render.plane_table.Window, struct: Window) -> list[tuple[Window, Sheets]]:
    """A window, or each layer of a stack, and what fills it."""
    area, filled = len(window.across) * len(window.down), []
    for number, planes in enumerate(window.layers()):
        rectangle = Window.from_buffer_copy(struct)
        rectangle.start += number * area
        sheets = (Sheet * 2)(*(Sheet(plane.data_ptr(), *plane.stride()) for plane in planes))
        filled.append((rectangle, Sheets(window.down.first, window.across.first, *window.sheets[0].shape[-2:], len(planes), sheets)))
    return filled


def _require_memory(failed: int) -> None:
    if failed:
        raise MemoryError("there is not enough memory to march rays")
