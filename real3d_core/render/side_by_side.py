"""How a frame comes about, in one picture: photo, expression, raw head, depth and result, each as large as the result."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from ..stream import FrameStream
from .passes import depth_picture, raw_colour
from .ray_marching import HeadRender

PANELS = 5


def beside_each_other(
    photo: Tensor, condition: FrameStream[Tensor], renders: FrameStream[HeadRender], frames: FrameStream[Tensor]
) -> FrameStream[Tensor]:
    """Pictures [n, H, 5 H, 3] in 0..1 from left to right.

    Args:
        photo: [1, 3, S, S] in -1..1, the portrait's crop.
        condition: [n, S, S, 3] in 0..1, what told the motion adapter the expression (`Avatar.condition`).
        renders: whose raw colour and depth are shown.
        frames: [n, H, H, 3] in 0..1, the result.
    """

    def show(finished: Tensor, start: int, stop: int) -> Tensor:
        render, side = renders.frames(start, stop), finished.shape[1]
        still = (photo.permute(0, 2, 3, 1) / 2 + 0.5).expand(stop - start, -1, -1, -1)
        panels = (still, condition.frames(start, stop), raw_colour(render), depth_picture(render))
        return torch.cat([*(_resized(panel.to(finished), side) for panel in panels), finished], dim=2)

    return frames.map(show)


def _resized(pictures: Tensor, side: int) -> Tensor:
    """[n, S, S, 3] -> [n, side, side, 3]."""
    resized = F.interpolate(pictures.permute(0, 3, 1, 2), size=(side, side), mode="bilinear", align_corners=False, antialias=True)
    return resized.permute(0, 2, 3, 1).clamp(0, 1)
