"""Rows about lids that a driving clip moves.

The opening of an eye is its height over its width, the mean of both eyes; the driver's is taken over that of its neutral frame, the
portrait's over that of the frame in which nothing moves. Looked at are the clip's frames near a blink and every tenth other one.

The clips are may_5s.mp4, carphone.mp4 (blinks of one frame) and one rendered from the portrait p009, whose lids close and open within 0.8
seconds, half way and then all the way.
"""

from __future__ import annotations

import numpy as np
import torch

from real3d_core.analytic.controls import BASIS
from real3d_core.face.track import FaceTrack, track_face
from real3d_core.mediapipe_models.model_files import ModelFolders
from real3d_core.motion.motion import Motion

from .rows import Row, at_least, within
from .subject import Media, Subject, as_bytes, some_of

_CLIPS = ("may_5s.mp4", "carphone.mp4")
_DRIVER = "p009"
_BLINK = 0.6  # of open: an eye that is less open blinks
_NEAR = 5  # frames before and after a blink that are all looked at
_EVERY = 10


def correlation_and_gain(driver: np.ndarray, seen: np.ndarray) -> tuple[float, float]:
    """Of what is seen with what the driver does, and the slope of the line that predicts the one from the other. Both [T]."""
    return float(np.corrcoef(driver, seen)[0, 1]), float(np.polyfit(driver, seen, 1)[0])


def near_blinks(opening: np.ndarray) -> np.ndarray:
    """Numbers of the frames to look at, from openings [T] of which 1 is open."""
    frames = np.arange(len(opening))
    blinks = np.flatnonzero(opening < _BLINK)
    near = np.abs(frames[:, None] - blinks[None]).min(axis=1, initial=len(opening)) <= _NEAR
    return np.flatnonzero(near | (frames % _EVERY == 0))


def slow_blinks(media: Media) -> FaceTrack:
    """The rendered driver."""
    driver = Subject(_DRIVER, media.portraits()[_DRIVER], media)
    closed = torch.cat([share * torch.sin(torch.linspace(0, torch.pi, 21)[:-1]) ** 2 for share in (0.6, 1.0)])
    frames = driver.render(Motion.still(BASIS, len(closed)).with_controls(blink_left=closed, blink_right=closed))
    return track_face((as_bytes(frame) for frame in frames), ModelFolders())


def _lids(subject: Subject) -> list[tuple[float, float]]:
    """Of every clip."""
    media = subject.media
    return [_driven_by(subject, track) for track in (*(media.track(clip) for clip in _CLIPS if media.present), media.once(slow_blinks))]


def _driven_by(subject: Subject, track: FaceTrack) -> tuple[float, float]:
    opening = track.eye_opening.mean(axis=1)
    opening = opening / opening[track.neutral_frames()]
    chosen = near_blinks(opening)
    motion = subject.avatar.video_to_motion(track)
    seen = subject.measure(some_of(motion, chosen))
    return correlation_and_gain(opening[chosen], seen.eye_opening.mean(axis=1) / subject.rest.eye_opening.mean())


def _correlation(subject: Subject) -> list[float]:
    return [correlation for correlation, _ in subject.once(_lids)]


def _gain(subject: Subject) -> list[float]:
    return [gain for _, gain in subject.once(_lids)]


ROWS = (
    Row("lids", "lids driven by three clips: correlation", at_least(0.9), _correlation, 2),
    Row("lids_gain", "    gain", within(0.85, 1.1), _gain, 2),
)
