"""Blinking without a model to copy."""

from __future__ import annotations

import math

import numpy as np

from ..smooth_step import smooth_step
from ..stream import FPS

BLINK_MODES = ("natural", "periodic", "none")

INTERVAL = (2.5, 5.5)  # seconds from one natural blink to the next
PERIOD = 4.0  # seconds from one periodic blink to the next
CLOSING = (0.08, 0.10)  # seconds
OPENING = (0.15, 0.20)
STILL_FRAMES = 3  # at the end, in which no lid moves; the first blink comes late enough by itself


def blink_curve(frames: int, fps: float = FPS, seed: int = 0, mode: str = "natural") -> np.ndarray:
    """How far the lids are closed per frame.

    Lids fall quickly and rise more slowly, and every blink shuts them completely in at least one frame. Blink k is drawn from the
    seed and k alone, so a longer clip begins with the frames of a shorter one; only a blink that the end would cut off is left out.

    Args:
        frames: how many.
        fps: frames per second.
        seed: any integer; used by "natural" only.
        mode: "natural" (irregular, every 2.5 to 5.5 s), "periodic" (every 4 s) or "none".
    Returns:
        [frames] float32 in 0..1, 1 is shut.
    Raises:
        ValueError: the mode is none of BLINK_MODES.
    """
    if mode not in BLINK_MODES:
        raise ValueError(f"blink mode '{mode}' is none of {', '.join(BLINK_MODES)}")
    curve = np.zeros(frames, np.float32)
    if mode == "none":
        return curve
    shut, number = 0.0, 0
    while True:
        wait, closing, opening = _drawn(seed, number, mode)
        shut += wait
        middle = math.ceil(shut * fps)  # lids meet exactly on a frame
        first, last = middle - math.ceil(closing * fps), middle + math.ceil(opening * fps)
        if last >= frames - STILL_FRAMES:
            return curve
        time = (np.arange(first, last) - middle) / fps
        curve[first:last] = smooth_step(np.where(time < 0, 1.0 + time / closing, 1.0 - time / opening))
        number += 1


def _drawn(seed: int, number: int, mode: str) -> tuple[float, float, float]:
    """Seconds from the last blink to this one, of closing and of opening."""
    if mode == "periodic":
        return PERIOD if number else PERIOD / 2, CLOSING[0], OPENING[0]
    draw = np.random.default_rng([seed % 2**32, number])
    wait = draw.uniform(*INTERVAL)
    return (wait if number else wait / 2), draw.uniform(*CLOSING), draw.uniform(*OPENING)
