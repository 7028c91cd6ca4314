"""Composing by paint.cpp, compiled for this very processor."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from ..build import built_library
from ..core import painting
from . import eyes_extension, mouth_extension, ray_places_extension
from .defines import defined, text_of

MOST_CHANNELS = 8


class Patch(ctypes.Structure):
    """The same fields in paint.cpp."""

    _fields_ = [("cells", ctypes.c_void_p), *((name, ctypes.c_int32) for name in ("left", "top", "height", "width"))]


class Plate(ctypes.Structure):
    """The same fields in paint.cpp."""

    _fields_ = [
        *(("cells", ctypes.c_void_p), ("patches", ctypes.POINTER(Patch))),
        *((name, ctypes.c_int32) for name in ("height", "width", "channels", "patch_count")),
    ]


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
    structs = {"LAYERS": Layers, "PATCH": Patch, "PLATE": Plate}
    sizes = {f"{name}_BYTES": ctypes.sizeof(struct) for name, struct in structs.items()}
    return defined(sizes | {"CELL": painting.CELL}) + text_of("paint.cpp")


def load(flags: tuple[str, ...] | None = None) -> painting.Painting:
    """Builds it or takes it from the cache.

    Args:
        flags: for the compiler, instead of those for this processor.

    Raises:
        Refusal: it cannot be built here.
    """
    library = built_library("paint_cpu", source(), flags)
    number, pointer, long = ctypes.c_int32, ctypes.c_void_p, ctypes.c_int64
    find, find_by_rays, draw = library.look_up, library.look_up_rays, library.paint
    find.argtypes = [pointer, pointer, pointer, long, pointer]
    find.restype = None
    find_by_rays.argtypes = [pointer, pointer, pointer, *[number] * 6, ctypes.c_float, pointer]
    find_by_rays.restype = number
    draw.argtypes = [pointer, pointer, long, pointer, number, pointer, pointer]
    draw.restype = number

    def look_up(plate: Tensor, places: Tensor, patches: Sequence[painting.Patch] = ()) -> Tensor:
        places = places.contiguous()
        found = torch.empty(plate.shape[1], *places.shape[1:])
        struct, _memory = _plate(plate, patches)
        x, y = places
        find(ctypes.addressof(struct), x.data_ptr(), y.data_ptr(), x.numel(), found.data_ptr())
        return found

    def look_up_rays(
        plate: Tensor, places: Tensor, size: int, box: painting.Box, shown: Tensor, patches: Sequence[painting.Patch] = ()
    ) -> Tensor:
        rays, (rows, columns) = places.shape[-1], box
        away, shown = places - painting.own_places(rays), shown.contiguous()
        found = torch.empty(plate.shape[1], rows.stop - rows.start, columns.stop - columns.start)
        struct, _memory = _plate(plate, patches)
        failed = find_by_rays(
            *(ctypes.addressof(struct), away.data_ptr(), shown.data_ptr(), rays, size, rows.start, columns.start, *found.shape[1:]),
            *(painting.PLACES_PER_CROP, found.data_ptr()),
        )
        _require_memory(failed)
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
        _require_memory(failed)
        return picture, person

    coordinates, between_lips, eye = (extension.load(flags) for extension in (ray_places_extension, mouth_extension, eyes_extension))
    return painting.Painting(look_up, look_up_rays, paint, lambda readable, at_rest: coordinates(readable), between_lips, eye)


def _plate(plate: Tensor, patches: Sequence[painting.Patch]) -> tuple[Plate, list[object]]:
    """Also what it holds the addresses of."""
    plate = plate.contiguous(memory_format=torch.channels_last)
    cells = [_with_room_behind(patch.cells) for patch in patches]
    structs = [Patch(memory.data_ptr(), *patch.corner, *patch.cells.shape[2:]) for patch, memory in zip(patches, cells, strict=True)]
    array = (Patch * len(structs))(*structs)
    _, channels, height, width = plate.shape
    return Plate(plate.data_ptr(), array, height, width, channels, len(structs)), [plate, cells, array]


def _require_memory(failed: int) -> None:
    if failed:
        raise MemoryError("there is not enough memory to compose a frame")


def _with_room_behind(cells: Tensor) -> Tensor:
    """[1, C, h, w] -> its values in the order [h, w, C], and some more."""
    return F.pad(cells[0].permute(1, 2, 0).flatten(), (0, MOST_CHANNELS))
