"""The marcher of ray_marching.py for devices that are not to be waited for: all rays of all frames are marched alike.

It makes the same steps whatever the planes and cameras hold: no list of the rays that hit something, no loop that ends early. So the
host never asks the device for a number, and goes on with other work while the device computes.
"""

from __future__ import annotations

import torch
from torch import Tensor

from .camera import camera_rays
from .decoder import PlaneDecoder
from .march_inputs import checked_inputs, full_float32, wants_gradients
from .planes import Planes
from .ray_marching import (
    OFFICIAL,
    HeadRender,
    MarchSettings,
    coarse_depths,
    march,
    march_rays,
    marched_box,
    ray_box,
    refuse_blind,
    require_as_many,
    sample_numbers,
)
from .table_marching import march_table

_AT_ONCE = 2**19  # samples in memory


def march_torch(
    planes: Planes, decoder: PlaneDecoder, cameras: Tensor, settings: MarchSettings = OFFICIAL, first_frame: int = 0
) -> HeadRender:
    """By plain PyTorch wherever the planes are: `march_table` on a processor, which is faster there, and `march_dense` elsewhere."""
    marcher = march_table if planes.features.device.type == "cpu" else march_dense
    return marcher(planes, decoder, cameras, settings, first_frame)


def march_dense(
    planes: Planes, decoder: PlaneDecoder, cameras: Tensor, settings: MarchSettings = OFFICIAL, first_frame: int = 0
) -> HeadRender:
    """Renders heads: for each frame what `march` returns of it alone.

    The bounds of planes and the cameras are best left on the processor, where it costs nothing to refuse cameras without rays; elsewhere
    they see nothing. Hands over to `march` where gradients are asked for.
    """
    given = cameras
    planes, decoder, cameras = checked_inputs(planes, decoder, cameras)
    if given.device.type == "cpu":
        refuse_blind(*camera_rays(given.float(), 2), first_frame)
    if wants_gradients(planes, decoder, cameras):
        return march(planes, decoder, cameras, settings, first_frame)
    require_as_many(planes, cameras)
    numbers = range(len(cameras))
    with full_float32(cameras.device):
        frames = [_marched(planes.frame(i), decoder, cameras[i : i + 1], settings, first_frame + i) for i in numbers]
    features, depth, opacity = (torch.cat(parts) for parts in zip(*frames, strict=True))
    return HeadRender(features, depth, opacity, cameras)


def _marched(planes: Planes, decoder: PlaneDecoder, camera: Tensor, settings: MarchSettings, frame: int) -> tuple[Tensor, Tensor, Tensor]:
    """Features [1, 32, R, R], depth and opacity [1, 1, R, R] of one frame."""
    side = settings.resolution
    origins, directions = (rays[0].contiguous() for rays in camera_rays(camera, side))
    lower, upper = marched_box(planes).to(camera, non_blocking=True)
    near, far = ray_box(origins, directions, lower, upper)
    hit = far > near
    first, last = near.where(hit, torch.inf).amin(), near.where(hit, -torch.inf).amax()  # what rays that miss the cube borrow
    near, far = near.where(hit, first), far.where(hit, last)
    marched = hit if planes.bounds is not None else hit.any().expand_as(hit)
    jitter, positions = sample_numbers(settings, frame, camera.device)
    depths = coarse_depths(near, far, jitter)
    at_once = max(_AT_ONCE // (settings.coarse + settings.fine), 1)
    parts = (one.expand(len(hit), -1).split(at_once) for one in (origins, directions, depths, positions))
    chunks = [march_rays(planes.grids()[0], planes.box_side, decoder, *chunk) for chunk in zip(*parts, strict=True)]
    colour, depth, opacity = (torch.cat(part) for part in zip(*chunks, strict=True))

    sees = marched & (colour.sum(dim=1) + opacity).isfinite()
    closest, farthest = depths[:, 0].where(marched, torch.inf).amin(), depths[:, -1].where(marched, -torch.inf).amax()
    depth = depth.where(sees, torch.inf).nan_to_num(nan=torch.inf).clamp(closest, farthest)
    depth = depth.where(marched.any(), origins.norm(dim=-1))
    colour, opacity = colour.where(sees[:, None], 0.0), opacity.where(sees, 0.0)
    images = (values.T.reshape(1, -1, side, side) for values in (colour * 2 - 1, depth[:, None], opacity[:, None]))
    features, depth, opacity = images
    return features, depth, opacity
