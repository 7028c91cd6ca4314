"""Values at certain times, written one moment per line, and what is between them."""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np
from scipy.interpolate import PchipInterpolator

from .errors import Real3DError

_SHARES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "linear": lambda t: t,
    "hold": np.floor,
    "ease_in": lambda t: t * t,
    "ease_out": lambda t: t * (2 - t),
}
"""The share of the way from a keyframe to the next at a share 0..1 of the time."""

EASINGS = ("smooth", *_SHARES)
"""How values go from a keyframe to the next; "smooth" is a curve through all keyframes."""

_MOST = 1000
_SAME = 1e-6  # seconds within which two times are one
_EASED = re.compile(r"(\s*[\d.]+)\s+([a-z_]+)\s*(?=[:;])", re.IGNORECASE)


def keyframes(
    text: str, read: Callable[[str], tuple[float, ...]], whose: str, example: str
) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    """The seconds [K] of keyframes, ascending, the values [K, V] at these, and how they go to the next: of EASINGS, after the seconds.

    Empty lines and those that begin with # say nothing.

    Args:
        read: one line without its easing -> its seconds and values; raises a Real3DError if it cannot.
        whose: what they move, as a word in the error. example: of a line, likewise.

    Raises:
        Real3DError: a line cannot be read, times repeat, or there is none.
    """
    split = (_without_easing(line) for line in text.splitlines() if line.strip() and not line.strip().startswith("#"))
    keys = sorted((read(line), easing) for line, easing in split)
    if not 1 <= len(keys) <= _MOST:
        raise Real3DError(f"The {whose} has no keyframes: write one per line, such as {example}.")
    times, values = np.array([key[0] for key, _ in keys]), np.array([key[1:] for key, _ in keys])
    if (np.diff(times) < _SAME).any():
        raise Real3DError(f"Two keyframes of the {whose} have the same time: give each its own.")
    return times, values, tuple(easing for _, easing in keys)


def between_keyframes(times: np.ndarray, values: np.ndarray, easings: tuple[str, ...], frames: int, fps: float) -> np.ndarray:
    """[frames, V] from one to the next as each of them says, never beyond either; held before the first and after the last."""
    if len(times) == 1:
        return np.repeat(values, frames, axis=0)
    at = np.clip(np.arange(frames) / fps, times[0], times[-1])
    between = PchipInterpolator(times, values)(at)
    before = np.clip(np.searchsorted(times, at + _SAME, side="right") - 1, 0, len(times) - 2)
    for easing, share in _SHARES.items():
        chosen = np.array(easings)[before] == easing
        start = before[chosen]
        passed = np.clip((at[chosen] - times[start]) / (times[start + 1] - times[start]), 0, 1)
        between[chosen] = values[start] + share(passed)[:, None] * (values[start + 1] - values[start])
    ends = values[before], values[before + 1]
    return np.clip(between, np.minimum(*ends), np.maximum(*ends))  # rounding goes beyond them


def _without_easing(line: str) -> tuple[str, str]:
    """A line such as "1.5 hold: ..." as "1.5: ..." and its easing."""
    found = _EASED.match(line)
    if not found:
        return line, "smooth"
    easing = found[2].lower()
    if easing not in EASINGS:
        raise Real3DError(
            f"The keyframe '{line.strip()[:60]}' cannot be used, as there is no easing '{easing[:40]}': choose one of {', '.join(EASINGS)}."
        )
    return found[1] + line[found.end() :], easing
