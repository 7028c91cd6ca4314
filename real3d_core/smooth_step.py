"""The soft step of masks, weights and movements: level at both ends."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from torch import Tensor

Value = TypeVar("Value", np.ndarray, Tensor, float)


def eased(t: Value) -> Value:
    """0 at t = 0, 1 at t = 1, softly between them; for values that lie there already."""
    return t * t * (3 - 2 * t)


def smooth_step(x: np.ndarray | float) -> np.ndarray:
    """0 up to x = 0, 1 from x = 1 on, level at both ends."""
    return eased(np.clip(x, 0, 1))
