"""Smoothstep, for masks and weights."""

import numpy as np


def smooth_step(x: np.ndarray) -> np.ndarray:
    """0 up to x = 0, 1 from x = 1 on, level at both ends."""
    x = np.clip(x, 0, 1)
    return x * x * (3 - 2 * x)
