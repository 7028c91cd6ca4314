"""Expressions of the face model and displacements of MediaPipe's landmarks, each from the other (spec 06 sections 5 to 7).

Both are those of the mean person: how a face moves is exchanged, not what it looks like. Displacements are in face heights.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from ...face.landmark_sets import CHIN, EYE, FOREHEAD, MESH_POINTS
from ...face.measures import closed_lids, eye_opening
from ...render.camera import FACE_MODEL_CAMERA_DISTANCE
from .basel import EXPRESSIONS, FOCAL, FaceModel, LinearShape
from .fit import PICTURE

_PIXELS_PER_DECIMETRE = FOCAL / FACE_MODEL_CAMERA_DISTANCE  # of 224: what a fit of the face model measures errors in
_WITHOUT_VERTEX = {(162, 58): (127, 234, 93, 132), (389, 288): (356, 454, 323, 361)}  # along the outline, between two that have one


def rest_landmarks(face: FaceModel) -> np.ndarray:
    """[468, 3] float64: the mean face in face heights."""
    shape = face.mediapipe_shape
    return _all_points(shape.mean.double().numpy()) / _height(shape)


def expression_to_landmarks(face: FaceModel, expression: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """[T, 64] expressions -> displacements [T, 468, 3] and how far the right and the left eye are closed, [T, 2] in 0..1."""
    rest = rest_landmarks(face)
    displacements = np.einsum("tk,pck->tpc", expression.double().cpu().numpy(), _directions(face.mediapipe_shape))
    moved = rest + displacements
    opening = np.stack([eye_opening(moved, side) / eye_opening(rest, side) for side in ("right", "left")], axis=1)
    return displacements, closed_lids(opening)


def landmarks_to_expression(face: FaceModel, displacements: np.ndarray) -> Tensor:
    """Displacements [T, 468, 3] -> [T, 64] float32: the minimum of the fit's own loss for a picture, with the pose known.

    The eyes' points are left out: the lids are handled separately.
    """
    shape = face.mediapipe_shape
    weights = PICTURE.of_points().double().numpy()
    weights[EYE] = 0
    scale = np.sqrt(weights)[:, None] * _PIXELS_PER_DECIMETRE * _height(shape)
    matrix = (scale[..., None] * _directions(shape)).reshape(-1, EXPRESSIONS)
    # the fit's loss is a mean over 468 points and two coordinates, what keeps it near the mean face one over 64 coefficients
    shrink = PICTURE.expression / EXPRESSIONS * 2 * MESH_POINTS
    targets = (scale * displacements).reshape(len(displacements), -1)
    solved = np.linalg.solve(matrix.T @ matrix + shrink * np.eye(EXPRESSIONS), matrix.T @ targets.T)
    return torch.from_numpy(solved.T).float()


def _height(shape: LinearShape) -> float:
    """Decimetres."""
    return float((shape.mean[FOREHEAD] - shape.mean[CHIN]).norm())


def _directions(shape: LinearShape) -> np.ndarray:
    """[468, 3, 64]: how each coefficient moves each landmark, in face heights."""
    return _all_points(shape.expression.unflatten(0, (-1, 3)).double().numpy()) / _height(shape)


def _all_points(values: np.ndarray) -> np.ndarray:
    """[468, ...] values of the landmarks' vertices; landmarks without a vertex get values between those of their neighbours."""
    filled = values.copy()
    for (first, last), between in _WITHOUT_VERTEX.items():
        for number, point in enumerate(between, 1):
            share = number / (len(between) + 1)
            filled[point] = (1 - share) * values[first] + share * values[last]
    return filled
