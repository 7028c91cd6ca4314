"""What is measured on a face's landmarks, each written once."""

from __future__ import annotations

import numpy as np

from .landmark_sets import (
    CHIN,
    EYE_CORNERS,
    EYE_PAIRS,
    FOREHEAD,
    GAP_PAIRS,
    LEFT_IRIS,
    LOWER_INNER_LIP,
    RIGHT_IRIS,
    UPPER_INNER_LIP,
)

EYEBALL = 0.4  # widths of an eye, from corner to corner: radius of the eyeball, 12 mm of 30
_CLOSED = np.linspace(0, 1, 11)  # how far lids are closed,
_STILL_OPEN = np.array([1, 0.95, 0.90, 0.83, 0.77, 0.67, 0.47, 0.28, 0.24, 0.21, 0.18])  # and what landmarks say is open then, of open
_PARTED = 0.018  # face heights; what MediaPipe reports for lips that touch is less


def face_height_of(points: np.ndarray) -> np.ndarray | np.floating:
    """[P, D] -> a number, or [..., P, D] -> [...]: from the top of the forehead to the chin, in the unit of the points."""
    down = points[..., FOREHEAD, :] - points[..., CHIN, :]
    return np.linalg.norm(down, axis=None if down.ndim == 1 else -1)


def lip_gap(points: np.ndarray) -> np.ndarray:
    """[..., P, D] -> [...]: the mean gap between the inner lips, in the unit of the points."""
    return np.mean([np.linalg.norm(points[..., a, :] - points[..., b, :], axis=-1) for a, b in GAP_PAIRS], axis=0)


def parted(points: np.ndarray) -> bool:
    """Whether the lips of a face [P, D] are apart, so that one looks into the mouth."""
    gaps = np.linalg.norm(points[UPPER_INNER_LIP[3:-3]] - points[LOWER_INNER_LIP[3:-3]], axis=-1)
    return bool(gaps.mean() > _PARTED * face_height_of(points))


def eye_opening(points: np.ndarray, side: str) -> np.ndarray:
    """[..., P, D] -> [...]: height of an eye ("left" or "right") over its width, seen along z where the points have one.

    The landmark model leaves the edges of closed lids apart in depth, by up to a fourth of what open ones are.
    """
    points = points[..., :2]
    height = np.mean([np.linalg.norm(points[..., a, :] - points[..., b, :], axis=-1) for a, b in EYE_PAIRS[side]], axis=0)
    outer, inner = EYE_CORNERS[side]
    return height / np.linalg.norm(points[..., outer, :] - points[..., inner, :], axis=-1)


def closed_lids(opening: np.ndarray) -> np.ndarray:
    """How far eyes are closed, 0..1, from how open they are against the face at rest."""
    return np.interp(opening, _STILL_OPEN[::-1], _CLOSED[::-1])


def iris_places(points: np.ndarray, rotations: np.ndarray) -> np.ndarray:
    """[..., 478, 3] (x right, y up, z to the viewer) and head rotations [..., 3, 3] -> [..., 2, 2].

    Where the irises of the right and the left eye are, to the head's x and y from midway between the corners of the eye, in widths of
    the eye. The landmark models give irises no depth of their own: they are taken to be as near as the lids.
    """
    places = []
    for side, iris in (("right", RIGHT_IRIS[0]), ("left", LEFT_IRIS[0])):
        corners = points[..., EYE_CORNERS[side], :]
        (upper, lower), *_ = EYE_PAIRS[side]
        centre = points[..., iris, :].copy()
        centre[..., 2] = points[..., [upper, lower], 2].mean(axis=-1)
        off = np.einsum("...i,...ij->...j", centre - corners.mean(axis=-2), rotations)
        width = np.linalg.norm(corners[..., 0, :] - corners[..., 1, :], axis=-1)
        places.append(off[..., :2] / np.maximum(width, 1e-6)[..., None])
    return np.stack(places, axis=-2)
