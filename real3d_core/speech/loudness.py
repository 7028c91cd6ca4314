"""How loud a voice is over time, and where it speaks."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter1d, maximum_filter1d

SOUND_RATE = 16000  # samples per second of every sound in this package
STEP_RATE = 100  # steps per second of every curve made from sound
STEP = SOUND_RATE // STEP_RATE
SILENCE = -70.0  # dB of full scale; quieter is nobody speaking


def at_times(curve: np.ndarray, times: np.ndarray, after: float | None = 0.0) -> np.ndarray:
    """A curve of 10 ms steps at these times, seconds; `after` beyond its end, None: its last value."""
    return np.interp(times, (np.arange(len(curve)) + 0.5) / STEP_RATE, curve, right=after)


def loudness(samples: np.ndarray) -> np.ndarray:
    """Level per step of 10 ms, over a window of 25 ms.

    Args:
        samples: [L] float in [-1, 1] at 16 kHz.
    Returns:
        [ceil(L / 160)] dB of full scale, -120 for digital silence.
    """
    steps = -(-len(samples) // STEP)
    power = np.zeros(steps * STEP)
    power[: len(samples)] = np.square(samples, dtype=np.float64)
    total = np.concatenate([[0.0], np.cumsum(power)])
    centre = np.arange(steps) * STEP + STEP // 2
    half = SOUND_RATE // 80
    start, stop = np.maximum(centre - half, 0), np.minimum(centre + half, len(power))
    mean = (total[stop] - total[start]) / (stop - start)
    return 10.0 * np.log10(np.maximum(mean, 1e-12))


def voice_activity(level: np.ndarray) -> np.ndarray:
    """How much of a voice there is per step, 0 (silence) .. 1 (as loud as this voice gets nearby).

    The reference is the loudest level within 4 seconds, so a step does not depend on sound far away.

    Args:
        level: [N] dB, from `loudness`.
    """
    reference = np.maximum(maximum_filter1d(gaussian_filter1d(level, 3), 8 * STEP_RATE + 1), SILENCE + 25.0)
    return np.clip((level - reference + 35.0) / 35.0, 0.0, 1.0)
