"""MediaPipe's face landmarker on PyTorch: finds faces, follows them through a clip, gives 478 points of each.

It repeats what MediaPipe does, down to pixels that are counted from their corners when a region is cut out, and to a clip's smoothing
by differences of unsmoothed points: the two agree to a tenth of a pixel.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..one_thread import one_thread
from .networks import FaceNetworks
from .sampling import sampled

_DETECTOR_SIDE = 128
_GRIDS = ((16, 2), (8, 6))  # cells along a side, anchors per cell
_ANCHORS = np.array([((x + 0.5) / n, (y + 0.5) / n) for n, times in _GRIDS for y in range(n) for x in range(n) for _ in range(times)])
_OVERLAP = 0.3  # boxes that share more of their union show one face
_PRESENCE = 0.5
_REGION = 1.5  # sides of a face's box that the landmark network is shown
_EYES = (33, 263)  # outer corners, from image left to image right


@dataclass(frozen=True)
class Region:
    """A square of the picture: centre and side in pixels, turned by an angle (radians, clockwise as seen)."""

    centre: np.ndarray
    side: float
    angle: float


class TorchLandmarker:
    """Faces in single pictures.

    Args:
        networks: of MediaPipe's landmarker.
        faces: how many at most.
        score: how sure the detector must be, 0..1.
    """

    def __init__(self, networks: FaceNetworks, faces: int = 1, score: float = 0.5):
        self._networks, self._faces, self._score = networks, faces, score

    def detect(self, image: np.ndarray) -> list[np.ndarray]:
        """RGB uint8 [H, W, 3] -> [478, 3] float32 in pixels per face, the surest first."""
        with one_thread():
            regions = self.regions(image)[: self._faces]
            return [face for face in (self.points(image, region) for region in regions) if face is not None]

    def regions(self, image: np.ndarray) -> list[Region]:
        """Where faces are, the surest first."""
        height, width = image.shape[:2]
        side = max(height, width)
        crop, _ = _cut(image, Region(np.array([width, height]) / 2, side, 0.0), _DETECTOR_SIDE, black_outside=True)
        boxes, logits = self._networks.detector(crop / 127.5 - 1)
        faces = _distinct(_decoded(boxes[0].numpy(), logits[0].numpy(), self._score))
        corner = (np.array([width, height]) - side) / 2
        return [_region_of_box(face * side + corner) for face in faces]

    def points(self, image: np.ndarray, region: Region) -> np.ndarray | None:
        """The [478, 3] landmarks of the face in a region, None if there is none."""
        side = self._networks.side
        crop, back = _cut(image, region, side, black_outside=False)
        points, presence = self._networks.mesh(crop / 255)
        if torch.sigmoid(presence[0]) <= _PRESENCE:
            return None
        found = points[0].numpy()
        flat = found[:, :2] @ back[:, :2].T + back[:, 2]
        return np.concatenate([flat, found[:, 2:] * (region.side / side)], axis=1).astype(np.float32)


class TorchVideoLandmarker:
    """One face through a clip: looked for until it is found, then followed, and its points smoothed."""

    def __init__(self, networks: FaceNetworks):
        self._still = TorchLandmarker(networks)
        self._region: Region | None = None
        self._smoothing = OneEuro()

    def detect(self, image: np.ndarray, time_ms: int) -> list[np.ndarray]:
        """The next frame, RGB uint8 [H, W, 3], and its time -> [478, 3] float32 in pixels, or nothing."""
        with one_thread():
            region = self._region or next(iter(self._still.regions(image)), None)
            face = None if region is None else self._still.points(image, region)
        if face is None:
            self._region, self._smoothing = None, OneEuro()
            return []
        self._region = _region_of_points(face)
        return [self._smoothing(face, time_ms / 1000, 1 / float(np.ptp(face[:, :2], axis=0).mean()))]


class OneEuro:
    """The one-euro filter of Casiez, Roussel and Vogel: the faster a coordinate moves, the less it is smoothed."""

    _CUTOFF, _BETA, _SPEED_CUTOFF = 0.05, 80.0, 1.0  # MediaPipe's, in hertz and hertz per unit of speed

    def __init__(self):
        self._time: float | None = None
        self._raw = self._smooth = self._speed = np.zeros(0)

    def __call__(self, value: np.ndarray, time: float, scale: float) -> np.ndarray:
        """The smoothed value.

        Args:
            time: seconds, later than at the call before.
            scale: what turns the value's unit into that of the filter's speed.
        """
        if self._time is None:
            self._smooth, self._speed = value, np.zeros_like(value)
        else:
            step = time - self._time
            speed = (value - self._raw) * scale / step  # MediaPipe compares unsmoothed values
            self._speed = self._speed + _share(self._SPEED_CUTOFF, step) * (speed - self._speed)
            self._smooth = self._smooth + _share(self._CUTOFF + self._BETA * np.abs(self._speed), step) * (value - self._smooth)
        self._raw, self._time = value, time
        return self._smooth


def _share(cutoff: float | np.ndarray, step: float) -> float | np.ndarray:
    return 1 / (1 + 1 / (2 * math.pi * cutoff * step))


def _cut(image: np.ndarray, region: Region, side: int, black_outside: bool) -> tuple[Tensor, np.ndarray]:
    """The region as float32 [1, side, side, 3] of whole numbers 0..255, and the [2, 3] map of its pixels back to the picture's."""
    turn = np.array([[math.cos(region.angle), -math.sin(region.angle)], [math.sin(region.angle), math.cos(region.angle)]])
    back = turn * (region.side / side)
    back = np.concatenate([back, (region.centre - back @ np.full(2, side / 2))[:, None]], axis=1)
    column, row = np.arange(side), np.arange(side)[:, None]
    x, y = (axis[0] * column + axis[1] * row + axis[2] for axis in back)
    return torch.from_numpy(sampled(image, x, y, black_outside))[None], back


def _decoded(boxes: np.ndarray, logits: np.ndarray, least: float) -> tuple[np.ndarray, np.ndarray]:
    """The detector's rows -> scores [N], and [N, 8, 2] in sides of its picture: two corners of a box, then six points of the face."""
    scores = 1 / (1 + np.exp(-np.clip(logits.astype(np.float64), -100, 100)))
    sure = scores >= least
    numbers = boxes[sure].reshape(-1, 8, 2) / _DETECTOR_SIDE
    centre, size, points = numbers[:, :1] + _ANCHORS[sure][:, None], numbers[:, 1:2], numbers[:, 2:] + _ANCHORS[sure][:, None]
    return scores[sure], np.concatenate([centre - size / 2, centre + size / 2, points], axis=1)


def _distinct(found: tuple[np.ndarray, np.ndarray]) -> list[np.ndarray]:
    """Rows that show one face become one, their mean weighted by score; the surest first."""
    scores, faces = found
    left = np.argsort(-scores)
    distinct = []
    while len(left):
        same = _overlap(faces[left[0]], faces[left]) > _OVERLAP
        same[0] = True
        distinct.append(np.average(faces[left[same]], axis=0, weights=scores[left[same]]))
        left = left[~same]
    return distinct


def _overlap(face: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Intersection over union of one box [8, 2] with others [N, 8, 2]; the first two points are the corners."""
    shared = np.clip(np.minimum(face[1], faces[:, 1]) - np.maximum(face[0], faces[:, 0]), 0, None).prod(axis=1)
    areas = np.clip(faces[:, 1] - faces[:, 0], 0, None).prod(axis=1)
    union = np.clip(face[1] - face[0], 0, None).prod() + areas - shared
    return shared / np.maximum(union, 1e-9)


def _region_of_box(face: np.ndarray) -> Region:
    """[8, 2] in pixels: the third and fourth points are the eyes."""
    return _around(face[:2], face[2], face[3])


def _region_of_points(face: np.ndarray) -> Region:
    flat = face[:, :2].astype(np.float64)
    return _around(flat, flat[_EYES[0]], flat[_EYES[1]])


def _around(points: np.ndarray, eye: np.ndarray, other_eye: np.ndarray) -> Region:
    low, high = points.min(axis=0), points.max(axis=0)
    across, down = other_eye - eye
    return Region((low + high) / 2, _REGION * float((high - low).max()), math.atan2(down, across))
