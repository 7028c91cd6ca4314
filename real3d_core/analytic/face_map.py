"""Where in the photo the edges of the lips are, as smooth maps that compose looks up per pixel."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from scipy.interpolate import PchipInterpolator
from torch import Tensor

from ..face.landmark_sets import LOWER_INNER_LIP, MOUTH_CORNERS, UPPER_INNER_LIP
from ..face.measures import face_height_of, parted

_SIDE = 512


@dataclass(frozen=True)
class FaceMap:
    """Signed distances over the portrait's crop, in face heights; each map is [1, 1, 512, 512] and is looked up at photo coordinates.

    below_lower: how far below the inner edge of the lower lip (extended sideways beyond the mouth); negative above it.
    above_upper: how far above the inner edge of the upper lip.
    across: along the mouth from its middle.
    half_width: of the mouth.
    face_height: in crop units.
    open_at_rest: how much the photo shows of the mouth's inside, 0 or 1.
    """

    maps: Tensor
    half_width: float
    face_height: float
    open_at_rest: float

    BELOW_LOWER, ABOVE_UPPER, ACROSS = 0, 1, 2


def face_map(landmarks: Tensor) -> FaceMap:
    """The maps of a face with landmarks [478, 3] in crop units (x right, y down)."""
    points = landmarks.numpy().astype(np.float64)[:, :2]
    face_height = float(face_height_of(points))
    mouth_frame, columns, upper, lower = inner_lips(points)
    axis = (np.arange(_SIDE) + 0.5) / _SIDE
    grid = np.stack(np.meshgrid(axis, axis), axis=-1)
    along, down = mouth_frame(grid)

    is_open = parted(points)
    middle = (upper + lower) / 2
    upper_line = line(columns, upper if is_open else middle, along)
    lower_line = line(columns, lower if is_open else middle, along)

    maps = np.stack([down - lower_line, upper_line - down, along]) / face_height
    return FaceMap(
        maps=torch.from_numpy(maps).float()[None],
        half_width=float(columns[-1] - columns[0]) / 2 / face_height,
        face_height=face_height,
        open_at_rest=float(is_open),
    )


class Frame:
    """Coordinates along and below the line from one point to another, from its middle."""

    def __init__(self, start: np.ndarray, stop: np.ndarray):
        self._middle = (start + stop) / 2
        along = (stop - start) / np.linalg.norm(stop - start)
        self._axes = np.array([along, [-along[1], along[0]]]).T

    def __call__(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return self.local(points)[..., 0], self.local(points)[..., 1]

    def local(self, points: np.ndarray) -> np.ndarray:
        """[..., 2] -> [..., 2]."""
        return (points - self._middle) @ self._axes

    def of(self, points: Tensor) -> Tensor:
        """The same of a tensor."""
        return (points - torch.as_tensor(self._middle).to(points)) @ torch.as_tensor(self._axes).to(points)

    def back(self, local: Tensor) -> Tensor:
        """The points [..., 2] at such coordinates."""
        return local @ torch.as_tensor(self._axes.T).to(local) + torch.as_tensor(self._middle).to(local)

    def polyline(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Columns, made ascending, and heights of a contour."""
        along, down = self(points)
        return ascending(along), down


def inner_lips(points: np.ndarray) -> tuple[Frame, np.ndarray, np.ndarray, np.ndarray]:
    """The frame between the corners of the mouth of a face [P, 2], and in it the columns of the lips' inner edges, the upper one's and the
    lower one's heights there.
    """
    frame = Frame(*points[MOUTH_CORNERS])
    upper, lower = frame.polyline(points[UPPER_INNER_LIP]), frame.polyline(points[LOWER_INNER_LIP])
    return frame, (upper[0] + lower[0]) / 2, upper[1], lower[1]


def ascending(along: np.ndarray) -> np.ndarray:
    """Columns of a contour, each beyond the last: a turned face's far end folds back on itself."""
    return np.maximum.accumulate(along) + 1e-6 * np.arange(len(along))


def line(columns: np.ndarray, heights: np.ndarray, at: np.ndarray) -> np.ndarray:
    return PchipInterpolator(columns, heights)(np.clip(at, columns[0], columns[-1]))
