"""Rows about what a control or a driving clip asks for and what is seen in the rendered frames; and how fast they are made."""

from __future__ import annotations

import time

import numpy as np
import torch

from real3d_core.analytic.controls import BASIS
from real3d_core.face.landmark_sets import EYE
from real3d_core.media.sound import load_sound
from real3d_core.motion.motion import Motion
from real3d_core.motion.pose import turn_about_neck
from real3d_core.pipeline import PipelineOptions, make_motion, render_frames
from real3d_core.render.camera import matrix_to_euler

from .rows import Row, at_least, at_most
from .subject import ASSETS, Subject, some_of

_LIDS = [*EYE, 247, 30, 29, 27, 28, 56, 190, 467, 260, 259, 257, 258, 286, 414]
_ANGLES = np.radians([-25, -20, -15, -10, -5, 5, 10, 15, 20, 25])
_EVERY = 5  # how many frames of a clip stand for one that is looked at


def _turning(subject: Subject) -> np.ndarray:
    """[20] degrees that yaw, then pitch, are seen off what was asked for, at the angles above."""
    errors = []
    for axis in (0, 1):
        euler = torch.zeros(len(_ANGLES), 3)
        euler[:, axis] = torch.from_numpy(_ANGLES).float()
        track = subject.measure(Motion.still(BASIS, len(_ANGLES)).with_pose(euler, turn_about_neck(euler)))
        seen = matrix_to_euler(torch.from_numpy(track.rotations)) - matrix_to_euler(torch.from_numpy(subject.rest.rotations))
        errors.append(np.degrees(np.abs(seen[:, axis].numpy() - _ANGLES)))
    return np.concatenate(errors)


def _turned_little(subject: Subject) -> list[float]:
    errors = subject.once(_turning)
    return [float(errors[np.tile(np.abs(_ANGLES) < np.radians(16), 2)].mean())]


def _turned_far(subject: Subject) -> list[float]:
    return [float(subject.once(_turning).mean())]


def _animation(clip: str):
    def measure(subject: Subject) -> list[float]:
        """Mean distance between commanded and seen landmark displacements, head-fixed, in units of the frame's side."""
        if not subject.media.present:
            return []
        motion = subject.avatar.video_to_motion(subject.media.track(clip))
        some = some_of(motion, slice(None, None, _EVERY))
        commanded = subject.controls.displacements(some.expression).numpy()[..., :2]
        seen = (subject.measure(some).shapes - subject.rest.shapes)[..., :2]
        points = np.setdiff1d(np.arange(468), _LIDS)  # lids have rows of their own
        return [float(np.linalg.norm(seen - commanded, axis=-1)[:, points].mean() * subject.face_in_frame)]

    return measure


def _jaw(subject: Subject) -> list[float]:
    command = torch.linspace(0, 1, 11)
    track = subject.measure(Motion.still(BASIS, 11).with_controls(jaw_open=command))
    return [float(np.corrcoef(track.lip_gap, command.numpy())[0, 1])]


def _blinking(subject: Subject) -> np.ndarray:
    """[2] how far the right and the left eye are still open at a full blink, of open."""
    one = torch.ones(1)
    track = subject.measure(Motion.still(BASIS, 1).with_controls(blink_left=one, blink_right=one))
    return track.eye_opening[0] / subject.rest.eye_opening[0]


def _blink(subject: Subject) -> list[float]:
    return [float(subject.once(_blinking).mean())]


def _less_closed_eye(subject: Subject) -> list[float]:
    return [float(subject.once(_blinking).max())]


def _faces(subject: Subject) -> list[float]:
    """Of all frames that the other chosen rows have looked at."""
    return [subject.found / subject.looked_at] if subject.looked_at else []


def _speed(subject: Subject) -> list[float]:
    """Finished 512 x 512 frames per second of wall time, 2 threads, lifting and preparing not counted."""
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    motion = make_motion(subject.avatar, PipelineOptions(), load_sound(ASSETS / "speech" / "librivox_0880_en.wav"))
    frames = render_frames(subject.avatar, subject.portrait, motion)
    frames.frames(0, 4)
    started = time.perf_counter()
    for start in range(4, 36, 4):
        frames.frames(start, start + 4)
    seconds = time.perf_counter() - started
    torch.set_num_threads(threads)
    return [32 / seconds]


ROWS = (
    Row("turning_15", "yaw and pitch error within 15 degrees", at_most(2), _turned_little, 2),
    Row("turning_25", "yaw and pitch error within 25 degrees", at_most(4), _turned_far, 2),
    Row("animation_may", "animation error, may_5s.mp4", at_most(0.008), _animation("may_5s.mp4"), 4),
    Row("animation_carphone", "animation error, carphone.mp4", at_most(0.008), _animation("carphone.mp4"), 4),
    Row("jaw", "jaw_open swept, correlation with the gap", at_least(0.97), _jaw),
    Row("blink", "eye opening at blink 1, of open", at_most(0.35), _blink),
    Row("blink_worse_eye", "    the less closed eye alone", at_most(), _less_closed_eye, 2),
)
LAST_ROWS = (
    Row("faces", "share of frames in which a face is found", at_least(1.0), _faces),
    Row("speed", "frames per second, 2 threads", at_least(2), _speed, 1),
)
