"""How a film goes on where the driving clip shows no face to trust: hold, then ease to neutral, then ease back.

Every frame of the result is a blend of a frame that came before and of a frame of the clip, and the blends are the same for whatever
a motion is made of. They last longer the farther apart the two frames are, so that nothing moves too fast.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ..smooth_step import smooth_step

_HOLD = 12  # frames; a gap of up to as many is crossed directly
_FASTEST = 0.012  # face heights a frame
_SHORTEST = 6  # frames that a blend lasts at least


@dataclass(frozen=True)
class Bridges:
    """result[t] = (1 - share[t]) * result[before[t]] + share[t] * values[toward[t]], all [T]; before[t] < t wherever share[t] < 1."""

    before: np.ndarray
    toward: np.ndarray
    share: np.ndarray

    def __call__(self, values: np.ndarray) -> np.ndarray:
        """[T, ...] of the clip's frames -> the same with all gaps bridged and all cuts eased."""
        result = values.copy()
        for frame in np.flatnonzero((self.share < 1) | (self.toward != np.arange(len(self.toward)))):
            share = self.share[frame]
            result[frame] = (1 - share) * result[self.before[frame]] + share * values[self.toward[frame]]
        return result


def plan_bridges(trusted: np.ndarray, shots: np.ndarray, neutral: np.ndarray, points: np.ndarray) -> Bridges:
    """The bridges of a clip.

    Args:
        trusted: [T] bool, true somewhere. shots: [T] numbers. neutral: [T] the neutral frame of each frame's shot.
        points: [T, P, 3] where a head's points are, in face heights and relative to the neutral frame: how far it is from one to another.
    """
    frames = len(trusted)
    before, toward, share = np.arange(frames) - 1, np.arange(frames), np.ones(frames)
    begins = set((np.flatnonzero(trusted[1:] & trusted[:-1] & (shots[1:] != shots[:-1])) + 1).tolist())
    for first, stop in gaps_of(trusted):
        if first == 0:  # the face has yet to come
            toward[:stop] = neutral[stop]
            begins.add(stop)
        elif stop < frames and stop - first <= _HOLD:
            toward[first:stop] = stop
            begins.add(first)
        else:
            held = min(first + _HOLD, stop)
            share[first:held] = 0
            toward[held:stop] = neutral[first - 1]
            begins |= {held, stop}
    reached = points.astype(np.float64)
    blend: tuple[int, int] | None = None  # its first frame, and how many it lasts
    for t in range(frames):
        if t in begins:
            way = np.linalg.norm(reached[t - 1] - points[toward[t]], axis=-1).max()
            blend = t, max(_SHORTEST, math.ceil(1.5 * way / _FASTEST))
        if share[t] == 0:
            blend = None
        elif blend is not None:
            before[t], share[t] = blend[0] - 1, smooth_step((t - blend[0] + 1) / blend[1])
        reached[t] = (1 - share[t]) * reached[before[t]] + share[t] * points[toward[t]]
    return Bridges(before, toward, share)


def gaps_of(trusted: np.ndarray) -> list[tuple[int, int]]:
    """First frame of each gap, and the first one after it."""
    edges = np.diff(np.concatenate([[1], trusted.astype(int), [1]]))
    return list(zip(np.flatnonzero(edges < 0).tolist(), np.flatnonzero(edges > 0).tolist(), strict=True))
