"""Maps of rays or pixels, [n, C, H, W], the same steps for all n frames at once."""

from __future__ import annotations

import math
from functools import reduce

import torch
import torch.nn.functional as F
from torch import Tensor

_REACH = 3  # rays to each side that a blur looks at


def sampled(maps: Tensor, places: Tensor, mode: str = "bilinear") -> Tensor:
    """Maps [1 or n, C, H, W] at places [n, 2, h, w], -1..1 from border to border -> [n, C, h, w]; beyond the border they go on."""
    grid = places.permute(0, 2, 3, 1)
    return F.grid_sample(maps.expand(len(places), -1, -1, -1), grid, mode=mode, padding_mode="border", align_corners=False)


def enlarged(maps: Tensor, size: int, mode: str = "bicubic") -> Tensor:
    """[n, C, R, R] -> [n, C, size, size]."""
    return F.interpolate(maps, size=(size, size), mode=mode, align_corners=False)


def blur(maps: Tensor, sigma: float) -> Tensor:
    """`ray_maps.blur`: over seven rays."""
    bell = [math.exp(-(step**2) / (2 * sigma**2)) for step in range(-_REACH, _REACH + 1)]
    for axis in (2, 3):
        side = maps.shape[axis]
        padded = F.pad(maps, (0, 0, _REACH, _REACH) if axis == 2 else (_REACH, _REACH, 0, 0), mode="replicate")
        maps = reduce(torch.add, (weight / sum(bell) * padded.narrow(axis, step, side) for step, weight in enumerate(bell)))
    return maps


def with_neighbours(maps: Tensor) -> Tensor:
    """The sums of 3 x 3 values, zeros beyond the border."""
    return 9 * F.avg_pool2d(maps, 3, stride=1, padding=1)


def continued(values: Tensor, known: Tensor, rings: int) -> tuple[Tensor, Tensor]:
    """`ray_maps.continued`: known values grow outwards ring by ring, each new one the mean of its known neighbours.

    Args:
        known: [n, 1, R, R] bool.
        rings: how many.

    Returns the values and [n, 1, R, R]: the number of the ring that each was grown in, 0 where it was known.
    """
    framed = torch.cat([values, torch.ones_like(known, dtype=values.dtype)], dim=1) * known  # the last channel counts
    away = torch.where(known, 0.0, float(rings))
    for ring in range(rings):
        around = with_neighbours(framed)
        new = (framed[:, -1:] == 0) & (around[:, -1:] > 0.5)
        framed = torch.where(new, around / around[:, -1:].clamp_min(1), framed)
        away = torch.where(new, float(ring), away)
    return framed[:, :-1], away


def stretched(mask: Tensor) -> Tensor:
    """[n, 1, R, R] bool -> floats, 1 wherever one of 3 x 3 is set."""
    return F.max_pool2d(mask.float(), 3, stride=1, padding=1)
