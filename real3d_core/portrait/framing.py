"""Pictures brought to the portrait's square, and the part of the photo about it."""

from __future__ import annotations

from dataclasses import replace

import torch.nn.functional as F
from torch import Tensor

from .crop import CropWindow


def square_backdrop(pictures: Tensor, size: int) -> Tensor:
    """[B, H, W, C] in 0..1 -> [B, 3, size, size]: the largest square in the middle of each."""
    height, width = pictures.shape[1:3]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    square = pictures[:, top : top + side, left : left + side, :3].permute(0, 3, 1, 2)
    if side == size:
        return square
    return F.interpolate(square, size=(size, size), mode="bilinear", align_corners=False, antialias=True)


def cut_about(window: CropWindow, photo: Tensor, margin: float = 0.0) -> tuple[CropWindow, Tensor]:
    """The part of a photo [H, W, 3] about a window, `margin` of its side wider on each side, and the window's place in that part."""
    height, width = photo.shape[:2]
    edge = round(margin * window.side)
    left, top = max(0, int(window.left) - edge), max(0, int(window.top) - edge)
    right, bottom = min(width, int(window.left + window.side) + edge), min(height, int(window.top + window.side) + edge)
    return replace(window, left=window.left - left, top=window.top - top), photo[top:bottom, left:right]
