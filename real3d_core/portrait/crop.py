"""The square window of a photo that becomes the portrait (spec 06 section 2)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ..ranges import DEFAULT_FACE_AREA
from ..stream import FrameStream

_SIDE = 512  # the window is found on a 512 x 512 picture
Backdrop = Tensor | FrameStream[Tensor]
"""[B, 3, size, size] in 0..1, at once or as chunks: what is behind the person, number n % B behind frame n."""


@dataclass(frozen=True)
class CropWindow:
    """A square in pixels of the original photo: its upper left corner and its side, which may be fractions."""

    left: float
    top: float
    side: float


def square_window(width: int, height: int, landmarks: np.ndarray) -> CropWindow:
    """The largest square of a photo that holds the face best: centred on it as far as the photo reaches.

    In a picture taller than wide the face sits a little above the middle, as in a portrait.
    """
    side = min(width, height)
    centre = (landmarks[:, :2].min(0) + landmarks[:, :2].max(0)) / 2
    left = np.clip(centre[0] - side / 2, 0, width - side)
    top = np.clip(centre[1] - 0.45 * side, 0, height - side)
    return CropWindow(float(round(left)), float(round(top)), float(side))


def face_window(landmarks: np.ndarray, face_area: float = DEFAULT_FACE_AREA) -> tuple[int, int, int] | None:
    """(left, top, side) of the window, in pixels of a 512 x 512 picture, in which the face fills `face_area` of the area.

    None: the face fills as much already and the picture is kept whole. Near an edge the window shrinks about the face
    and is never shifted (spec 06 section 12, item 16).

    Args:
        landmarks: [478, >= 2] in pixels of the 512 x 512 picture.
        face_area: wanted fraction of the area, 0..1.
    """
    low, high = landmarks[:, :2].min(0), landmarks[:, :2].max(0)
    if np.prod((high - low) / _SIDE) >= face_area:
        return None
    low, high = np.trunc(low).astype(int), np.trunc(high).astype(int)
    centre = (low + high) / 2
    side = int(np.sqrt(np.prod(high - low) / face_area))
    overhang = 2 * max(0.0, *(side / 2 - centre), *(centre + side / 2 - _SIDE))
    side = int(np.floor(side - overhang))
    left, top = (int(c - side / 2) for c in centre)
    right = int(centre[0] + side / 2)
    return left, top, right - left


def crop_window(width: int, height: int, landmarks: np.ndarray, face_area: float = DEFAULT_FACE_AREA) -> CropWindow:
    """The window of a photo that becomes the portrait: squared, then cropped to the wanted face area.

    Args:
        width, height: of the photo.
        landmarks: [478, >= 2] in pixels of the photo.
    """
    square = square_window(width, height, landmarks)
    scale = _SIDE / square.side
    window = face_window((landmarks[:, :2] - [square.left, square.top]) * scale, face_area)
    if window is None:
        return square
    left, top, side = window
    return CropWindow(square.left + left / scale, square.top + top / scale, side / scale)


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
