"""Values at certain times, written one moment per line, and what is between them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.interpolate import PchipInterpolator

from .errors import Real3DError

_MOST = 1000


def keyframes(text: str, read: Callable[[str], tuple[float, ...]], whose: str, example: str) -> tuple[np.ndarray, np.ndarray]:
    """The seconds [K] of keyframes, ascending, and the values [K, V] at these; empty lines and those that begin with # say nothing.

    Args:
        read: one line -> its seconds and values; raises a Real3DError if it cannot.
        whose: what they move, as a word in the error. example: of a line, likewise.

    Raises:
        Real3DError: a line cannot be read, times repeat, or there is none.
    """
    keys = sorted(read(line) for line in text.splitlines() if line.strip() and not line.strip().startswith("#"))
    if not 1 <= len(keys) <= _MOST:
        raise Real3DError(f"The {whose} has no keyframes: write one per line, such as {example}.")
    times, values = np.array([key[0] for key in keys]), np.array([key[1:] for key in keys])
    if (np.diff(times) < 1e-6).any():
        raise Real3DError(f"Two keyframes of the {whose} have the same time: give each its own.")
    return times, values


def between_keyframes(times: np.ndarray, values: np.ndarray, frames: int, fps: float) -> np.ndarray:
    """[frames, V] softly from one to the next, never beyond either; held before the first and after the last."""
    at = np.clip(np.arange(frames) / fps, times[0], times[-1])
    return PchipInterpolator(times, values)(at) if len(times) > 1 else np.repeat(values, frames, axis=0)
