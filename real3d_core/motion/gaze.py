"""Where eyes look by themselves."""

from __future__ import annotations

import math

import numpy as np
import torch

from ..smooth_step import smooth_step
from ..stream import FPS
from .anatomy import soft_limit
from .motion import Motion

FULL_GAZE = math.radians(30)  # the controls gaze_x and gaze_y at 1: to the picture's right, and up
GAZE_CONTROLS = ("gaze_x", "gaze_y")

FIRST = 0.8  # seconds for which the eyes look at the viewer to begin with, at least
AT_VIEWER, AWAY = (0.5, 1.8), (0.4, 1.1)  # seconds of a fixation
ABOUT_VIEWER = np.radians([0.9, 0.6])  # standard deviations to the side and up, of fixations on the viewer's face
ASIDE = np.radians([5.0, 2.2])  # likewise, of those elsewhere
FARTHEST = np.radians([9.0, 4.5])
WANDERS = 0.3  # share of fixations on the viewer after which the eyes look elsewhere, once
SACCADE = (0.025, 0.15)  # seconds of a jump: at least, and more per radian
_STREAM = 2  # of the random numbers
_STAYS = (math.radians(14.0), math.radians(22.0))  # up to how far eyes make up for a turned head


def gaze_curve(frames: int, fps: float = FPS, seed: int = 0) -> np.ndarray:
    """Fixations with jumps between them: mostly on the viewer's face, now and then elsewhere and back.

    Fixation k is drawn from the seed and the numbers up to k alone, so a longer clip begins with the frames of a shorter one.

    Args:
        frames: how many.
        fps: frames per second.
        seed: any integer.
    Returns:
        [frames, 2] float32, radians to the picture's right and up, of eyes that look at the viewer at 0; frame 0 is at 0.
    """
    time = np.arange(frames) / fps
    gaze = np.zeros((frames, 2))
    end, place, elsewhere, number = 0.0, np.zeros(2), False, 0
    while end * fps < frames:
        draw = np.random.default_rng([seed % 2**32, number, _STREAM])
        elsewhere = number > 0 and not elsewhere and draw.uniform() < WANDERS
        target = draw.normal(size=2) * (ASIDE if elsewhere else ABOUT_VIEWER) * (number > 0)
        target = target.clip(-FARTHEST, FARTHEST)
        start, end = end, end + (FIRST if number == 0 else 0.0) + draw.uniform(*(AWAY if elsewhere else AT_VIEWER))
        jump = SACCADE[0] + SACCADE[1] * np.linalg.norm(target - place)
        during = slice(math.ceil(start * fps), math.ceil(end * fps))
        share = smooth_step((time[during] - start) / jump)[:, None]
        gaze[during] = place + (target - place) * share
        place, number = target, number + 1
    return gaze.astype(np.float32)


def has_gaze(motion: Motion) -> bool:
    """Whether the eyes of a motion can be turned."""
    return all(name in motion.basis.controls for name in GAZE_CONTROLS)


def with_gaze(motion: Motion, gaze: torch.Tensor) -> Motion:
    """The motion with eyes that are turned by gaze [T, 2], radians to the picture's right and up; as it is where they cannot be."""
    if not has_gaze(motion):
        return motion
    return motion.with_controls(**dict(zip(GAZE_CONTROLS, (gaze / FULL_GAZE).T, strict=True)))


def gaze_of(motion: Motion) -> torch.Tensor:
    """[T, 2]: what `with_gaze` was given; zeros where the eyes cannot be turned."""
    if not has_gaze(motion):
        return torch.zeros(len(motion), 2)
    return FULL_GAZE * torch.stack([motion.control(name) for name in GAZE_CONTROLS], dim=1)


def looking_about(motion: Motion, amount: float = 1.0, seed: int = 0) -> Motion:
    """The motion with eyes that move by themselves, `amount` times as far as is natural, while they stay with the viewer."""
    about = torch.from_numpy(gaze_curve(len(motion), motion.fps, seed))
    return with_gaze(motion, amount * (about + at_viewer(motion)))


def at_viewer(motion: Motion) -> torch.Tensor:
    """[T, 2]: the gaze of eyes that stay with the viewer while the motion turns the head, as far as is comfortable."""
    pitch, yaw, _ = motion.euler.unbind(1)
    return soft_limit(torch.stack([-yaw, pitch], dim=1), *_STAYS)
