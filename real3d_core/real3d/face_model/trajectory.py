"""From poses of the face model to what the networks are given: cameras and torso key points (spec 06 sections 8 and 11)."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor
from torch.nn import functional as F

from ...render.camera import camera_from_pose, smooth_cameras, smooth_track
from .fit import FaceFit
from .basel import LinearShape, torso_key_points

_WINDOW = 7  # frames of either smoothing


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


def source_key_points(torso_shape: LinearShape, source: FaceFit) -> Tensor:
    """[1, 68, 3] key points of the portrait, -1..1, third column 0.

    Args:
        torso_shape: `FaceModel.torso_shape`, whose vertices are off by one on purpose (spec 06 section 12, item 3).
    """
    return _flat(torso_key_points(torso_shape, source.identity, source.expression[:1], source.euler[:1], source.translation[:1]))


def driving_key_points(torso_shape: LinearShape, identity: Tensor, expression: Tensor, trajectory: Trajectory) -> Tensor:
    """[T, 68, 3] key points of the driving frames, -1..1, third column 0: clamped first, then smoothed over time.

    Args:
        torso_shape: `FaceModel.torso_shape`.
        identity: [1, 80] of the portrait. expression: [T, 64] of the driving frames.
        trajectory: T poses.
    """
    return _flat(smooth_track(torso_key_points(torso_shape, identity, expression, trajectory.euler, trajectory.translation), _WINDOW))


def _flat(points: Tensor) -> Tensor:
    return F.pad(points, (0, 1))
