"""Lips from the spectrum alone, where no phoneme recogniser is installed: less than phonemes know, more than a loudness meter."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import convolve1d, gaussian_filter1d, label, maximum_filter1d

from .articulation import SMOOTHING, Articulation
from .loudness import SILENCE, SOUND_RATE, STEP, STEP_RATE, loudness, voice_activity

FRAME = 400  # samples of one spectrum, 25 ms
BLOCK = 1000  # spectra made at once
SPAN = 30.0  # dB between a mouth hardly open and wide open
CLOSURE_STEPS = (4, 20)  # a stop or a nasal lasts this many steps; shorter dips are flutter, longer ones pauses
CLOSURE_DEPTH = 12.0  # dB that the middle of the spectrum must fall and rise again


def acoustic_estimate(samples: np.ndarray) -> Articulation:
    """The same curves that phonemes would give, guessed from how the energy is spread over the spectrum.

    Opening follows the band of the first formant of open vowels; width the balance of front to back vowels and the hiss of s;
    closures are short dips between voiced sounds whose surroundings have the low second formant of b, p and m.

    Args:
        samples: [L] float in [-1, 1] at 16 kHz, mono.
    """
    level = loudness(samples)
    activity = voice_activity(level)
    bands = ((700, 1300), (1300, 4000), (1700, 2800), (500, 4000), (3500, 7500))
    low, upper, front, middle, hiss = _bands(samples, len(level), bands)

    spoken = np.where(level < SILENCE, 0.0, np.clip((activity - 0.15) / 0.2, 0.0, 1.0))
    opening = _fullness(0.7 * low + 0.3 * upper) * spoken
    voiced = _fullness(middle) * spoken
    balance = front - low - _nearby_mean(front - low, spoken)
    frontness = np.tanh(balance / 12.0)
    sibilance = np.clip((hiss - middle + 3.0) / 10.0, 0.0, 1.0) * spoken
    wide = np.maximum(np.clip(frontness, 0.0, 1.0) * voiced, 0.45 * sibilance)
    rounded = 2.0 * np.clip(-frontness, 0.0, 1.0) * voiced * (1.0 - opening)

    hann = np.hanning(int(SMOOTHING * STEP_RATE) + 2)[1:-1]
    smooth = {
        name: np.clip(convolve1d(curve, hann / hann.sum(), mode="nearest"), 0.0, 1.0)
        for name, curve in {"jaw_open": opening, "lips_wide": wide, "lips_round": rounded, "lip_upper_raise": 0.4 * wide}.items()
    }
    return Articulation({**smooth, "brow_raise": np.zeros(len(level))}, _closures(middle, balance), ())


def _bands(samples: np.ndarray, steps: int, edges: tuple[tuple[float, float], ...]) -> list[np.ndarray]:
    """[steps] dB between each pair of frequencies in hertz, around the middle of every step."""
    margin = (FRAME - STEP) // 2
    padded = np.pad(samples.astype(np.float32), (margin, FRAME + STEP))
    windows = np.lib.stride_tricks.sliding_window_view(padded, FRAME)[::STEP][:steps]
    frequency = np.linspace(0.0, SOUND_RATE / 2, 257)
    inside = np.array([(frequency >= low) & (frequency < high) for low, high in edges], np.float64)
    power = np.concatenate(
        [
            np.abs(np.fft.rfft(windows[first : first + BLOCK] * np.hanning(FRAME), 512)) ** 2 @ inside.T
            for first in range(0, steps, BLOCK)  # spectra of a long sound at once would fill the memory
        ]
    )
    return list(gaussian_filter1d(10.0 * np.log10(power.T + 1e-9), 1.0, axis=1))


def _fullness(decibels: np.ndarray) -> np.ndarray:
    """0..1, 1 at the highest level within 4 seconds; that peak is never taken so low that silence would count as full."""
    peak = np.maximum(maximum_filter1d(gaussian_filter1d(decibels, 2.0), 8 * STEP_RATE + 1), -20.0)
    return np.clip(1.0 + (decibels - peak) / SPAN, 0.0, 1.0)


def _nearby_mean(decibels: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """The mean within some seconds, over speech only."""
    total, share = (gaussian_filter1d(curve, 2.0 * STEP_RATE, mode="constant") for curve in (decibels * weight, weight))
    return total / (share + 1e-6)


def _closures(middle: np.ndarray, balance: np.ndarray) -> tuple[tuple[float, float, float], ...]:
    """(start, end, 1.0) in seconds of the dips that look like b, p or m: dark sound (balance below 0) on both sides."""
    reach = CLOSURE_STEPS[1] // 2 + 2
    before = maximum_filter1d(middle, 2 * reach + 1, origin=reach)
    after = maximum_filter1d(middle, 2 * reach + 1, origin=-reach)
    dips, count = label(np.minimum(before, after) - middle > CLOSURE_DEPTH)
    closures = []
    for index in range(1, count + 1):
        steps = np.flatnonzero(dips == index)
        start, end = steps[0], steps[-1] + 1
        beside = np.r_[max(start - 6, 0) : start, end : min(end + 6, len(middle))]
        if CLOSURE_STEPS[0] <= end - start <= CLOSURE_STEPS[1] and np.mean(balance[beside]) < 0.0:
            closures.append((start / STEP_RATE, end / STEP_RATE, 1.0))
    return tuple(closures)
