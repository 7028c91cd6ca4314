"""Pictures brought to the portrait's square, and the part of the photo about it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor

from ..stream import FrameStream
from .crop import CropWindow

Backdrop = Tensor | FrameStream[Tensor]
"""[B, 3, size, size] in 0..1, at once or as chunks: what is behind the person, number n % B behind frame n."""


def square_backdrop(pictures: Tensor, size: int) -> Tensor:
    """[B, H, W, C] in 0..1 -> [B, 3, size, size]: the largest square in the middle of each."""
    height, width = pictures.shape[1:3]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    square = pictures[:, top : top + side, left : left + side, :3].permute(0, 3, 1, 2)
    if side == size:
        return square
    return F.interpolate(square, size=(size, size), mode="bilinear", align_corners=False, antialias=True)


def behind(backdrop: Backdrop, start: int, stop: int) -> Tensor:
    """[stop - start, 3, size, size]: the pictures behind frames start..stop-1."""
    numbers = [number % len(backdrop) for number in range(start, stop)]
    if isinstance(backdrop, Tensor):
        return backdrop[numbers] if len(backdrop) > 1 else backdrop.expand(stop - start, -1, -1, -1)
    if numbers[-1] - numbers[0] == stop - start - 1:
        return backdrop.frames(numbers[0], numbers[-1] + 1)
    return torch.cat([backdrop.frames(number, number + 1) for number in numbers])


def cut_about(windows: Sequence[CropWindow], photos: Tensor, margin: float = 0.0) -> list[tuple[CropWindow, Tensor]]:
    """The part of each photo [B, H, W, 3] about its window, `margin` of its side wider on each side, and the window's place in that part.

    All parts are as large as the largest: about a smaller window more of its photo is shown.
    """
    height, width = photos.shape[1:3]
    rows = _of_one_length([_about(window.top, window.side, margin, height) for window in windows], height)
    columns = _of_one_length([_about(window.left, window.side, margin, width) for window in windows], width)
    return [
        (replace(window, left=window.left - left, top=window.top - top), photo[top:bottom, left:right])
        for window, photo, (top, bottom), (left, right) in zip(windows, photos, rows, columns, strict=True)
    ]


def _about(start: float, side: float, margin: float, limit: int) -> tuple[int, int]:
    edge = round(margin * side)
    return max(0, int(start) - edge), min(limit, int(start + side) + edge)


def _of_one_length(spans: list[tuple[int, int]], limit: int) -> list[tuple[int, int]]:
    """Spans inside 0..limit, each widened evenly to the longest one's length."""
    length = max(stop - start for start, stop in spans)
    starts = [min(max(0, start - (length - (stop - start)) // 2), limit - length) for start, stop in spans]
    return [(start, start + length) for start in starts]
