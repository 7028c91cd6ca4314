"""Rows about lids that a driving clip moves.

The opening of an eye is its height over its width, the mean of both eyes; the driver's is taken over that of its neutral frame, the
portrait's over that of the frame in which nothing moves. Looked at are the frames of may_5s.mp4 near a blink and every fifth other one.
"""

from __future__ import annotations

import numpy as np
import torch

from real3d_core.analytic.controls import BASIS
from real3d_core.motion.motion import Motion

from .rows import Row, at_least, within
from .subject import Subject

_CLIP = "may_5s.mp4"
_BLINK = 0.6  # of open: an eye that is less open blinks
_NEAR = 8  # frames before and after a blink that are all looked at
_EVERY = 5


def correlation_and_gain(driver: np.ndarray, seen: np.ndarray) -> tuple[float, float]:
    """Of what is seen with what the driver does, and the slope of the line that predicts the one from the other. Both [T]."""
    return float(np.corrcoef(driver, seen)[0, 1]), float(np.polyfit(driver, seen, 1)[0])


def near_blinks(opening: np.ndarray) -> np.ndarray:
    """Numbers of the frames to look at, from openings [T] of which 1 is open."""
    frames = np.arange(len(opening))
    blinks = np.flatnonzero(opening < _BLINK)
    near = np.abs(frames[:, None] - blinks[None]).min(axis=1, initial=len(opening)) <= _NEAR
    return np.flatnonzero(near | (frames % _EVERY == 0))


def _lids(subject: Subject) -> tuple[float, float]:
    track = subject.media.track(_CLIP)
    opening = track.eye_opening.mean(axis=1)
    opening = opening / opening[track.neutral_frames()]
    chosen = torch.from_numpy(near_blinks(opening))
    motion = subject.avatar.video_to_motion(track)
    seen = subject.measure(Motion(BASIS, motion.expression[chosen], motion.euler[chosen], motion.translation[chosen]))
    return correlation_and_gain(opening[chosen], seen.eye_opening.mean(axis=1) / subject.rest.eye_opening.mean())


def _correlation(subject: Subject) -> list[float]:
    return [subject.once(_lids)[0]] if subject.media.present else []


def _gain(subject: Subject) -> list[float]:
    return [subject.once(_lids)[1]] if subject.media.present else []


ROWS = (
    Row("lids", "lids driven by may_5s.mp4: correlation", at_least(0.9), _correlation, 2),
    Row("lids_gain", "    gain", within(0.85, 1.1), _gain, 2),
)
