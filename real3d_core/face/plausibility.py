"""What a head can do between two frames of a clip, and how far a face can turn before its landmarks are guesses."""

from __future__ import annotations

import numpy as np
import torch
from scipy.ndimage import binary_dilation, binary_opening
from scipy.spatial.transform import Rotation

from ..render.camera import matrix_to_euler
from .landmark_sets import FIRM

_TURNED = np.radians([[50, 65, 60], [70, 85, 90]])  # pitch, yaw, roll up to which landmarks are reliable, and beyond which they are guesses
_SPUN = np.radians([20, 45])  # from one frame to the next
_MOVED = (0.5, 1.2)  # decimetres, likewise
_NEARED = (1.5, 4.0)  # decimetres, likewise: a head's size trembles
_BENT = (0.05, 0.10)  # face heights by which the firm points of a face lie off those of the same person, on average
_BRIEF, _BRIEF_CLIP = 3, 25  # frames; a face that is seen for less is not followed, unless a clip is so short


def plausibility(
    rotations: np.ndarray, positions: np.ndarray, shapes: np.ndarray, shots: np.ndarray, found: np.ndarray
) -> tuple[np.ndarray, list[str]]:
    """How plausible each frame's head is, [T] in 0..1, and where it is not, two words why.

    Args:
        rotations, positions, shapes, shots: as in `FaceTrack`.
        found: [T] bool: the others are not looked at.
    """
    frames = len(found)
    turned = _falling(np.abs(matrix_to_euler(torch.from_numpy(rotations)).numpy()), *_TURNED).min(axis=1)
    leap, bent = np.ones(frames), np.ones(frames)
    for shot in np.unique(shots[found]):
        own = np.flatnonzero(found & (shots == shot))
        firm = shapes[own][:, FIRM]
        bent[own] = _falling(np.linalg.norm(firm - np.median(firm, axis=0), axis=-1).mean(axis=1), *_BENT)
        leap[own] = _leaps(rotations[own], positions[own], np.diff(own, prepend=own[:1] - 1))
    plausible = np.where(found, np.minimum(np.minimum(turned, bent), leap), 1.0)
    steady = _lasting(found & (plausible >= 0.5), shots)
    reasons = np.select(
        [turned < 0.5, bent < 0.5, leap < 0.5, ~steady], ["turned away", "unclear face", "unclear face", "unclear face"], ""
    )
    plausible = np.where(found & ~steady, np.minimum(plausible, 0.4), plausible)
    return plausible, [str(reason) if shown else "" for reason, shown in zip(reasons, found & ~steady, strict=True)]


def _leaps(rotations: np.ndarray, positions: np.ndarray, since: np.ndarray) -> np.ndarray:
    """[n]: low where a head is not where it was, relative to how many frames ago that was."""
    turn = Rotation.from_matrix(rotations)
    spun = np.concatenate([[0], (turn[1:] * turn[:-1].inv()).magnitude()]) / since if len(rotations) > 1 else np.zeros(1)
    moved = np.abs(np.diff(positions, axis=0, prepend=positions[:1])) / since[:, None]
    across = _falling(np.linalg.norm(moved[:, :2], axis=1), *_MOVED)
    return np.minimum(np.minimum(_falling(spun, *_SPUN), across), _falling(moved[:, 2], *_NEARED))


def _lasting(trusted: np.ndarray, shots: np.ndarray) -> np.ndarray:
    """Without frames next to a gap, where a face that comes or goes is seen in part, and without those that last briefly.

    Of a clip that is brief itself, whatever there is.
    """
    if trusted.all():
        return trusted
    inside = trusted & ~binary_dilation(~trusted, np.ones(3))
    steady = np.zeros_like(trusted)
    for shot in np.unique(shots[trusted]):
        steady |= binary_opening(inside & (shots == shot), np.ones(_BRIEF))
    return steady if steady.any() or len(trusted) > _BRIEF_CLIP else trusted


def _falling(value: np.ndarray, sure: float | np.ndarray, lost: float | np.ndarray) -> np.ndarray:
    return np.clip(1 - (value - sure) / (lost - sure), 0, 1)
