"""Where rays arrive in the photo by ray_places.cpp, compiled for this very processor."""

from __future__ import annotations

import ctypes
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from ..build import built_library
from ..core import channels, far_side, ray_maps
from .defines import defined, text_of

NUMBERS = {
    ray_maps: "_STEP _STEP_BLUR _GROW _SKIN_GROW _SIDE_GROW _FAR_GROW _AWAY_BLUR _SHARPEST _MOVED _WHOLE",
    far_side: "_UNROLLED _FRONT _SIDE _FARTHEST _WIDEST _JITTER _TURNS_AWAY",
    channels: "_UV_GAIN _BEHIND_GAIN",
}
"""Where the core defines those that ray_places.cpp takes."""


class Known(ctypes.Structure):
    """The same fields in ray_places.cpp."""

    _fields_ = [
        *((name, ctypes.c_void_p) for name in ("from_rim", "front", "shown", "residual", "in_place", "reached")),
        *(("axes", ctypes.c_float * 6), ("per_world", ctypes.c_float)),
        *((name, ctypes.c_int32) for name in ("rays", "texels")),
    ]


class Frame(ctypes.Structure):
    """The same fields in ray_places.cpp."""

    _fields_ = [(name, ctypes.c_void_p) for name in ("sheets", "behind", "opacity", "depth", "camera")]


def source() -> str:
    """Behind what it takes from Python."""
    sizes = {"KNOWN_BYTES": ctypes.sizeof(Known), "FRAME_BYTES": ctypes.sizeof(Frame)}
    return defined(sizes, NUMBERS, whole=("GROW",)) + text_of("ray_places.cpp")


def load(flags: tuple[str, ...] | None = None) -> Callable[[ray_maps.RayCoordinates], ray_maps.FindPlaces]:
    """Builds it or takes it from the cache.

    Args:
        flags: for the compiler, instead of those for this processor.

    Raises:
        Refusal: it cannot be built here.
    """
    find = built_library("ray_places_cpu", source(), flags).ray_places
    find.argtypes = [ctypes.c_void_p] * 6
    find.restype = ctypes.c_int32

    def coordinates(readable: ray_maps.RayCoordinates) -> ray_maps.FindPlaces:
        side = readable.in_place.shape[-1]
        far = readable.far_side
        maps = [_in_fours(one) for one in (far.rim, far.front, readable.rim, readable.residual)]
        maps += [readable.in_place.contiguous(), readable.reached.contiguous()]
        axes = (ctypes.c_float * 6)(*far.photo_axes.flatten().tolist())
        known = Known(*(one.data_ptr() for one in maps), axes, far.per_world, side, far.front.shape[-1])

        def places(rays: ray_maps.FrameRays) -> ray_maps.RayPlaces:
            render = rays.render
            features = render.features[0, channels.FACE_UV.start : channels.BEHIND + 1].contiguous()
            given = [features, features[-1], *(one.contiguous() for one in (render.opacity, render.depth, render.cameras))]
            found = torch.empty(9, side, side)
            uv, near, reached, still = found.split([6, 1, 1, 1])
            frame = Frame(*(one.data_ptr() for one in given))
            results = (one.data_ptr() for one in (uv, near, reached, still))
            if find(ctypes.addressof(known), ctypes.addressof(frame), *results):
                raise MemoryError("there is not enough memory to compose a frame")
            assert maps  # the struct holds their addresses
            return ray_maps.RayPlaces(uv, near, reached, still)

        return places

    return coordinates


def _in_fours(maps: Tensor) -> Tensor:
    """[1, C <= 4, H, W] -> [H, W, 4], zeros behind."""
    return F.pad(maps[0].permute(1, 2, 0), (0, 4 - maps.shape[1])).contiguous()
