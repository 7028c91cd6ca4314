"""Slow wandering: what a living body does between its movements."""

from __future__ import annotations

import numpy as np

FREQUENCIES = np.array([0.07, 0.13, 0.22, 0.37])  # hertz of the slow movements that add up


def wander(time: np.ndarray, seed: int, stream: int) -> np.ndarray:
    """[T, 3] sums of slow sines, each column within -1..1, at these seconds.

    Args:
        seed: any integer. stream: tells independent movements of one seed apart.
    """
    draw = np.random.default_rng([seed % 2**32, stream])
    phases = draw.uniform(0.0, 2.0 * np.pi, (3, len(FREQUENCIES)))
    detune = draw.uniform(0.85, 1.15, (3, len(FREQUENCIES)))
    strength = FREQUENCIES**-0.7
    waves = np.sin(2.0 * np.pi * (FREQUENCIES * detune) * time[:, None, None] + phases)
    return (waves * strength).sum(axis=2) / strength.sum()
