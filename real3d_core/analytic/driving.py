"""A driving clip becomes a Motion of the built-in avatar: controls as far as they go, landmark displacements for the rest."""

from __future__ import annotations

import numpy as np
import torch
from scipy.ndimage import gaussian_filter1d
from scipy.optimize import nnls
from torch import Tensor

from ..face.landmark_sets import EYE
from ..face.measures import closed_lids
from ..face.track import FaceTrack
from ..motion.bridging import Bridges
from ..motion.gaze import FULL_GAZE, GAZE_CONTROLS, gaze_of
from ..motion.landmark_motion import LandmarkMotion
from ..motion.motion import Motion
from ..one_thread import blas_on_one_thread
from ..render.camera import matrix_to_euler
from .controls import BASIS, CONTROLS, FaceControls, control_directions
from .eye_shape import lids_follow

_FITTED = ("jaw_open", "lips_wide", "lips_round", "lip_upper_raise", "lip_lower_drop", "smile", "frown", "brow_raise", "brow_furrow")
_LID_FOLDS = [247, 30, 29, 27, 28, 56, 190, 467, 260, 259, 257, 258, 286, 414]
_SHYNESS = 0.02  # regularisation that keeps controls at rest where the face gives no clear evidence of them
_OPENING = 0.3  # of an eye, in its widths
_GAZE_SMOOTHING = 0.7  # frames: eyes jump
_FARTHEST = 0.7  # decimetres that a head may leave its place: the torso stays where it is


@blas_on_one_thread()
def motion_from_track(track: FaceTrack, neutral: int | None = None, smoothing: float = 1.0) -> Motion:
    """The motion of a driving clip relative to one of its frames.

    Args:
        track: of the clip.
        neutral: number of the frame that stands for the portrait's own expression and pose; each other shot has a neutral frame of its
            own, and so has the frame's own shot for None.
        smoothing: 0 keeps every tremble of the tracker, 1 is gentle, more is softer.
    """
    at_rest = track.neutral_frames(neutral)
    bridged = track.bridges(at_rest)
    rest = track.shapes[at_rest]
    lids = bridged(closed_lids(track.eye_opening / np.maximum(track.eye_opening[at_rest], 1e-3)))
    pose = _relative_pose(track, at_rest, bridged, smoothing)
    shifts = bridged(_smooth(track.shapes - rest, 1.2 * smoothing, track.runs()))
    gaze = bridged(_smooth(track.gaze(), _GAZE_SMOOTHING * smoothing, track.runs()))
    return motion_from_landmarks(LandmarkMotion(rest[0], shifts, lids, *pose, track.fps, gaze))


def motion_from_landmarks(landmarks: LandmarkMotion) -> Motion:
    """Controls as far as they go; landmark displacements for the rest."""
    shift = landmarks.displacements.copy()
    shift[:, sorted({*EYE, *_LID_FOLDS})] = 0  # lids are driven by the blinks; as landmarks they would drag the eyeball along
    directions = control_directions(landmarks.rest)
    fitted = [CONTROLS.index(name) for name in _FITTED]
    controls = np.zeros((len(shift), len(CONTROLS)))
    gaze = [CONTROLS.index(name) for name in GAZE_CONTROLS]
    controls[:, gaze] = 0.0 if landmarks.gaze is None else landmarks.gaze / FULL_GAZE
    with_gaze = np.einsum("tc,cpd->tpd", controls[:, gaze], directions[gaze])
    controls[:, fitted] = _fit(shift - with_gaze, directions[fitted])
    left_over = shift - FaceControls(torch.from_numpy(landmarks.rest)).displacements(torch.from_numpy(controls).float()).double().numpy()
    followed = 0.0 if landmarks.gaze is None else _closed_by_gaze(landmarks.gaze)
    blinks = (landmarks.lids - followed) / (1 - followed)  # what lids do beside following the gaze, which the eyes see to
    controls[:, CONTROLS.index("blink_right")], controls[:, CONTROLS.index("blink_left")] = blinks.clip(0, 1).T
    expression = np.concatenate([controls, left_over.reshape(len(shift), -1)], axis=1)
    return Motion(BASIS, torch.from_numpy(expression).float(), landmarks.euler, landmarks.translation, landmarks.fps)


def landmarks_from_motion(motion: Motion, rest: np.ndarray) -> LandmarkMotion:
    """What a motion does to the landmarks of a face.

    Args:
        motion: of `BASIS`; speech starts from lips that touch, which the mean face's own do not quite.
        rest: [468, 3] in face heights, the face at rest in the head's own frame.
    """
    spoken = motion.with_controls(speaking=torch.tensor(0.0))  # the face that takes it over counts as one whose lips touch
    displacements = FaceControls(torch.from_numpy(rest)).displacements(spoken.expression).double().numpy()
    blinks = torch.stack([motion.control("blink_right"), motion.control("blink_left")], dim=1).double().numpy().clip(0, 1)
    gaze = gaze_of(motion).double().numpy()
    followed = _closed_by_gaze(gaze)
    lids = (followed + (1 - followed) * blinks).clip(0, 1)
    return LandmarkMotion(rest, displacements, lids, motion.euler, motion.translation, motion.fps, gaze)


def _closed_by_gaze(gaze: np.ndarray) -> np.ndarray:
    """[T, 1]: how far lids close, of the way, as they follow a gaze [T, 2]."""
    upper, lower = lids_follow(gaze[:, 1], _OPENING)
    return (upper - lower)[:, None]


def _relative_pose(track: FaceTrack, at_rest: np.ndarray, bridged: Bridges, smoothing: float) -> tuple[Tensor, Tensor]:
    """Euler angles [T, 3] (radians) and translation [T, 3] (decimetres) of the head, relative to the frames at rest [T]."""
    euler = matrix_to_euler(torch.from_numpy(track.rotations)).numpy()
    euler = euler - euler[at_rest]
    euler -= 2 * np.pi * np.round(euler / (2 * np.pi))
    turned = bridged(_smooth(euler, 2.0 * smoothing, track.runs()))
    moved = bridged(_smooth(track.positions - track.positions[at_rest], 2.0 * smoothing, track.runs()))
    moved = _FARTHEST * np.tanh(moved / _FARTHEST)
    return torch.from_numpy(turned).float(), torch.from_numpy(moved).float()


def _fit(shift: np.ndarray, directions: np.ndarray) -> np.ndarray:
    """Non-negative controls [T, C] that explain displacements [T, 468, 3] best."""
    count = len(directions)
    matrix = np.concatenate([directions.reshape(count, -1).T, _SHYNESS * np.eye(count)])
    zeros = np.zeros(count)
    return np.stack([nnls(matrix, np.concatenate([frame, zeros]))[0] for frame in shift.reshape(len(shift), -1)]).clip(0, 1.5)


def _smooth(curve: np.ndarray, sigma: float, runs: list[slice]) -> np.ndarray:
    """Gaussian over time, within each run of frames: what is held stands still."""
    smooth = curve.copy()
    for run in runs if sigma > 0 else []:
        smooth[run] = gaussian_filter1d(curve[run], sigma, axis=0, mode="nearest")
    return smooth
