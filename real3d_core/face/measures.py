"""What is measured on a face's landmarks, each written once."""

from __future__ import annotations

import numpy as np

from .landmark_sets import CHIN, EYE_CORNERS, EYE_PAIRS, FOREHEAD, GAP_PAIRS, LOWER_INNER_LIP, UPPER_INNER_LIP

_OPEN, _SHUT = 0.85, 0.30  # openings of an eye, relative to rest, at which a blink begins and is complete
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
    """[..., P, D] -> [...]: height of an eye ("left" or "right") over its width."""
    height = np.mean([np.linalg.norm(points[..., a, :] - points[..., b, :], axis=-1) for a, b in EYE_PAIRS[side]], axis=0)
    outer, inner = EYE_CORNERS[side]
    return height / np.linalg.norm(points[..., outer, :] - points[..., inner, :], axis=-1)


def closed_lids(opening: np.ndarray) -> np.ndarray:
    """How far eyes are closed, 0..1, from how open they are against the face at rest."""
    return np.clip((_OPEN - opening) / (_OPEN - _SHUT), 0, 1)
