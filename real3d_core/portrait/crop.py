"""The square window of a photo that becomes the portrait (spec 06 section 2)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

DEFAULT_FACE_AREA = 0.2
_SIDE = 512  # the window is found on a 512 x 512 picture


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
