"""A motion as landmark displacements: the form in which avatars of different kinds exchange motions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from torch import Tensor


@dataclass(frozen=True)
class LandmarkMotion:
    """What a face does, by MediaPipe's 468 mesh landmarks in the head's own frame (x right, y up, z to the viewer), in face heights.

    rest: [468, 3] float64, the face that moves, at rest.
    displacements: [T, 468, 3] float64 from rest; the lids' own points are meaningless.
    lids: [T, 2] float64, how far the right and the left eye are closed, 0..1.
    euler, translation: [T, 3] as in `Motion`.
    fps: frames per second.
    gaze: [T, 2] float64, radians that the eyes are turned to the head's x and y from where they look at rest; None: not known.
    """

    rest: np.ndarray
    displacements: np.ndarray
    lids: np.ndarray
    euler: Tensor
    translation: Tensor
    fps: float
    gaze: np.ndarray | None = None
