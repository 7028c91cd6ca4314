"""Composing by paint.cpp, compiled for this very processor."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from ..build import built_library
from ..core import painting
from . import ray_places_extension

SOURCE = Path(__file__).with_name("paint.cpp")
MOST_CHANNELS = 8


class Patch(ctypes.Structure):
    """The same fields in paint.cpp."""

    _fields_ = [("cells", ctypes.c_void_p), *((name, ctypes.c_int32) for name in ("left", "top", "height", "width"))]


class Layers(ctypes.Structure):
    """FrameLayers; the same fields in paint.cpp."""

    _fields_ = [
        *((name, ctypes.c_void_p) for name in ("torso", "torso_cells", "carried", "head", "outline")),
        *((name, ctypes.c_int64) for name in ("head_channel", "head_row")),
        *((name, ctypes.c_int32) for name in ("torso_side", "first_row", "coarse", "rays", "size", "top", "left", "height", "width")),
        *((name, ctypes.c_float) for name in ("opaque_from", "places_per_crop")),
    ]


def source() -> str:
    """Behind what it takes from Python."""
    sizes = f"#define LAYERS_BYTES {ctypes.sizeof(Layers)}\n#define PATCH_BYTES {ctypes.sizeof(Patch)}\n#define CELL {painting.CELL}\n"
    return sizes + SOURCE.read_text(encoding="utf-8")


def load(flags: tuple[str, ...] | None = None) -> painting.Painting:
    """Builds it or takes it from the cache.

    Args:
        flags: for the compiler, instead of those for this processor.

    Raises:
        Refusal: it cannot be built here.
    """
    library = built_library("paint_cpu", source(), flags)
    number, pointer, long = ctypes.c_int32, ctypes.c_void_p, ctypes.c_int64
    find, draw = library.look_up, library.paint
    find.argtypes = [pointer, number, number, number, pointer, pointer, long, pointer, number, pointer]
    find.restype = None
    draw.argtypes = [pointer, pointer, long, pointer, number, pointer, pointer]
    draw.restype = number

    def look_up(plate: Tensor, places: Tensor, patches: Sequence[painting.Patch] = ()) -> Tensor:
        plate, places = plate.contiguous(memory_format=torch.channels_last), places.contiguous()
        (_, channels, height, width), (rows, columns) = plate.shape, places.shape[1:]
        count = rows * columns
        found = torch.empty(channels, rows, columns)
        cells = [_with_room_behind(patch.cells) for patch in patches]
        structs = [Patch(memory.data_ptr(), *patch.corner, *patch.cells.shape[2:]) for patch, memory in zip(patches, cells, strict=True)]
        x, y = places
        find(
            *(plate.data_ptr(), height, width, channels, x.data_ptr(), y.data_ptr(), count),
            *((Patch * len(structs))(*structs), len(structs), found.data_ptr()),
        )
        return found

    def paint(layers: painting.FrameLayers, backdrop: Tensor, lacking: Tensor | None, replaced: bool) -> tuple[Tensor, Tensor]:
        size, (rows, columns) = backdrop.shape[-1], layers.box
        torso = layers.torso.contiguous(memory_format=torch.channels_last)
        backdrop = backdrop if backdrop[0].is_contiguous() else backdrop.contiguous()
        head = layers.head if layers.head.stride(2) == 1 else layers.head.contiguous()
        tensors = [torso, layers.torso_cells.contiguous(), layers.carried.contiguous(), head, layers.outline.contiguous()]
        struct = Layers(
            *(tensor.data_ptr() for tensor in tensors),
            *head.stride()[:2],
            *(torso.shape[-1], layers.first_row, layers.carried.shape[-1], layers.outline.shape[-1], size),
            *(rows.start, columns.start, rows.stop - rows.start, columns.stop - columns.start),
            *(layers.opaque_from, painting.PLACES_PER_CROP),
        )
        picture, person = torch.empty(size, size, 3), torch.empty(size, size)
        lacks = None if lacking is None else lacking.contiguous()
        failed = draw(
            *(ctypes.addressof(struct), backdrop.data_ptr(), backdrop.stride(0), None if lacks is None else lacks.data_ptr()),
            *(replaced, picture.data_ptr(), person.data_ptr()),
        )
        if failed:
            raise MemoryError("there is not enough memory to compose a frame")
        return picture, person

    coordinates = ray_places_extension.load(flags)
    return painting.Painting(look_up, paint, lambda readable, at_rest: coordinates(readable))


def _with_room_behind(cells: Tensor) -> Tensor:
    """[1, C, h, w] -> its values in the order [h, w, C], and some more."""
    return F.pad(cells[0].permute(1, 2, 0).flatten(), (0, MOST_CHANNELS))
