"""Fitting the face model to landmarks: one picture, or a clip with one identity (spec 06 section 7)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ...face.landmark_sets import EYE, INNER_LIP, MESH_POINTS, OUTER_LIP
from ...one_thread import one_thread
from ...progress import Progress, no_progress
from .basel import EXPRESSIONS, IDENTITIES, FaceModel, LinearShape, place, project

UPPER_LID = [161, 160, 159, 158, 157, 388, 387, 386, 385, 384]
UNMATCHED = [93, 127, 132, 234, 323, 356, 361, 454]  # points without counterpart on the face model

_STEPS = 200  # of each of the two stages
_RATE = 0.1


@dataclass(frozen=True)
class FaceFit:
    """The face model as fitted to T frames.

    identity: [1, 80]. expression: [T, 64]. euler: [T, 3] radians. translation: [T, 3] dm. All float32 on the processor.
    """

    identity: Tensor
    expression: Tensor
    euler: Tensor
    translation: Tensor

    def __len__(self) -> int:
        return self.expression.shape[0]


@dataclass(frozen=True)
class FitWeights:
    """Weights of the landmarks and of the terms that keep the fit near the mean and smooth in time."""

    eye: float
    upper_lid: float
    lip: float
    identity: float
    expression: float
    smoothness: float

    def of_points(self) -> Tensor:
        """[468] weight of each landmark."""
        weights = torch.ones(MESH_POINTS)
        weights[EYE] = self.eye
        weights[UPPER_LID] = self.upper_lid
        weights[INNER_LIP + OUTER_LIP] = self.lip
        weights[UNMATCHED] = 0.0
        return weights


PICTURE = FitWeights(eye=5.0, upper_lid=5.0, lip=2.0, identity=0.3, expression=0.05, smoothness=0.0)
CLIP = FitWeights(eye=3.0, upper_lid=20.0, lip=5.0, identity=0.2, expression=0.6, smoothness=1.0)


def fit_picture(face: FaceModel, landmarks: np.ndarray, height: int) -> FaceFit:
    """The fit of one picture.

    Args:
        landmarks: [>= 468, 2 or 3] MediaPipe points in pixels, y down.
        height: pixels of the picture, which is square.
    """
    return _fit(face, landmarks[None], height, PICTURE, no_progress)


def fit_clip(face: FaceModel, landmarks: np.ndarray, height: int, progress: Progress = no_progress) -> FaceFit:
    """The fit of a clip at 25 frames a second: one identity, an expression and a pose for each frame.

    Args:
        landmarks: [T, >= 468, 2 or 3] in pixels, y down.
        height: pixels of the frames, which are square.
        progress: of the fit's steps.
    """
    return _fit(face, landmarks, height, CLIP, progress)


def _fit(face: FaceModel, landmarks: np.ndarray, height: int, weights: FitWeights, progress: Progress) -> FaceFit:
    # The host runs nodes in inference mode, in which nothing has a gradient. The face model may have been made there as well;
    # picking its rows outside makes copies that can take part.
    with torch.inference_mode(False), torch.enable_grad(), one_thread():
        return _descend(face.mediapipe_shape, _targets(landmarks, height), weights, progress)


def _targets(landmarks: np.ndarray, height: int) -> Tensor:
    """[T, 468, 2] in 224 units, y up; the height is the unit of both axes."""
    points = torch.as_tensor(np.asarray(landmarks[:, :MESH_POINTS, :2], dtype=np.float32))
    return torch.stack([points[..., 0] * 224 / height, (height - points[..., 1]) * 224 / height], dim=-1)


def _descend(shape: LinearShape, targets: Tensor, weights: FitWeights, progress: Progress) -> FaceFit:
    frames = len(targets)
    identity = torch.zeros(1, IDENTITIES, requires_grad=True)
    expression = torch.zeros(frames, EXPRESSIONS, requires_grad=True)
    euler = torch.zeros(frames, 3, requires_grad=True)
    translation = torch.zeros(frames, 3, requires_grad=True)
    point_weights = weights.of_points()[:, None]

    def landmark_loss(points: Tensor) -> Tensor:
        return (point_weights * (project(place(points, euler, translation)) - targets) ** 2).mean()

    # The pose keeps its optimiser, with its moments and step count, through both stages. There is no third stage: the
    # published one has no effect (spec 06 section 12, item 2).
    pose = torch.optim.Adam([euler, translation], lr=_RATE)
    for step in range(_STEPS):
        progress(step, 2 * _STEPS)
        pose.zero_grad()
        landmark_loss(shape.mean[None]).backward()
        pose.step()
    coefficients = torch.optim.Adam([identity, expression], lr=_RATE)
    for step in range(_STEPS, 2 * _STEPS):
        progress(step, 2 * _STEPS)
        pose.zero_grad()
        coefficients.zero_grad()
        loss = landmark_loss(shape.points(identity, expression))
        loss = loss + weights.identity * (identity**2).mean() + weights.expression * (expression**2).mean()
        if weights.smoothness:
            bend = _bend(expression) + 0.3 * _bend(euler) + 0.3 * _bend(translation)
            loss = loss + weights.smoothness * bend
        loss.backward()
        pose.step()
        coefficients.step()
    progress(2 * _STEPS, 2 * _STEPS)
    return FaceFit(identity.detach(), expression.detach(), euler.detach(), translation.detach())


def _bend(track: Tensor) -> Tensor:
    """How much a [T, C] track departs from the middle of its neighbours; the end frames are repeated outside."""
    extended = torch.cat([track[:1], track, track[-1:]])
    return ((track - extended[:-2] / 2 - extended[2:] / 2) ** 2).mean()
