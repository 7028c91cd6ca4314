"""The face model as the networks are driven by it: PNCC pictures and key points of one person's expressions and poses."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ...face.track import FaceTrack
from ...progress import Progress, no_progress
from ...render.camera import camera_from_pose, smooth_cameras, smooth_track
from .basel import IDENTITIES, FaceModel, torso_key_points
from .fit import FaceFit, fit_clip
from .pncc import PnccRenderer

_TRACK_WINDOW = 2.2  # face heights: side of the square about the face that a driving clip is fitted in
_WINDOW = 7  # frames of either smoothing


@dataclass(frozen=True)
class DrivenFace:
    """face: the user's face model. device: where the pictures are drawn."""

    face: FaceModel
    device: torch.device | str = "cpu"

    def pictures(self, fit: FaceFit) -> Callable[[Tensor], Tensor]:
        """The function from expressions [n, 64] to PNCC pictures [n, 3, 512, 512] of the person of a fit."""
        person = self.face.shape.of_person(fit.identity).to(self.device)
        nobody = torch.zeros(1, IDENTITIES, device=self.device)
        draw = PnccRenderer(self.face, self.device)
        return lambda expression: draw(person.points(nobody, expression.to(self.device)))

    def source_key_points(self, fit: FaceFit) -> Tensor:
        """[1, 68, 3] key points of the portrait, -1..1, third column 0."""
        pose = (fit.euler[:1], fit.translation[:1])
        return self._flat(torso_key_points(self.face.torso_shape, fit.identity, fit.expression[:1], *pose))

    def driving_key_points(self, fit: FaceFit, expression: Tensor, trajectory: Trajectory) -> Tensor:
        """[T, 68, 3] of the person of a fit with expressions [T, 64] in the poses of a trajectory: clamped first, then smoothed."""
        pose = (trajectory.euler, trajectory.translation)
        return self._flat(smooth_track(torso_key_points(self.face.torso_shape, fit.identity, expression, *pose), _WINDOW))

    def fit_shots(self, track: FaceTrack, progress: Progress = no_progress) -> list[FaceFit]:
        """The face model fitted to each shot of a driving clip: in square frames as they are, else in a square about the face."""
        shots = np.unique(track.shots)
        fits = []
        for number, shot in enumerate(shots):
            landmarks, side = self._square(track, track.shots == shot)
            fits.append(fit_clip(self.face, landmarks, side, _share_of(progress, number, len(shots))))
        return fits

    def _flat(self, points: Tensor) -> Tensor:
        return F.pad(points, (0, 1)).to(self.device)

    def _square(self, track: FaceTrack, frames: np.ndarray) -> tuple[np.ndarray, int]:
        width, height = track.frame_size or (0, 0)
        landmarks = track.landmarks[frames]
        return (landmarks, height) if width == height > 0 else _square_about_face(landmarks)


def _square_about_face(landmarks: np.ndarray) -> tuple[np.ndarray, int]:
    """[T, 478, 3] in pixels of any picture -> the same in a square about the face, and its side: fits know only square pictures."""
    side = max(1, round(_TRACK_WINDOW * float(np.median(np.ptp(landmarks[..., 1], axis=1)))))
    corner = np.median(landmarks[..., :2].mean(axis=1), axis=0) - side / 2
    return np.concatenate([landmarks[..., :2] - corner, landmarks[..., 2:]], axis=-1), side


@dataclass(frozen=True)
class Trajectory:
    """Absolute head pose of T frames, unsmoothed. euler: [T, 3] radians. translation: [T, 3] dm."""

    euler: Tensor
    translation: Tensor

    def __len__(self) -> int:
        return self.euler.shape[0]


def trajectory_cameras(trajectory: Trajectory) -> Tensor:
    """[T, 25] float32 smoothed cameras. Key points and PNCC pictures use unsmoothed motion (spec 06 section 12, item 4)."""
    return smooth_cameras(camera_from_pose(trajectory.euler, trajectory.translation), _WINDOW)


def _share_of(progress: Progress, number: int, parts: int) -> Progress:
    """Reports one of several equal parts of the work, the number-th."""
    return lambda done, total: progress(number * total + done, parts * total)
