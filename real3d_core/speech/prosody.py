"""How something is said: the melody of a voice, the syllables that it stresses, and the pauses in which it breathes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter1d, maximum_filter1d, median_filter

from .loudness import SILENCE, SOUND_RATE, STEP_RATE, loudness, voice_activity

LOWEST, HIGHEST = 65.0, 450.0  # hertz of speaking voices
VOICED = 0.5  # autocorrelation from which on a step has a pitch
OCTAVE_COST = 0.03  # by which a pitch an octave lower has to be clearer
LEAP = 7.0  # semitones off its surroundings that no voice leaps: the octave was taken wrongly
BAR = 2.0  # seconds (standard deviation) of speech that a syllable is compared with
LOUDER, HIGHER = 6.0, 3.0  # decibels and semitones above its surroundings that make a syllable stressed
STRESSED = 0.4  # prominence from which on a syllable counts
APART = 0.3  # seconds within which only the most prominent syllable counts
PAUSE = (0.25, 1.6)  # seconds of silence in which a speaker breathes

_RATE = SOUND_RATE // 2  # voices have their pitch below 4 kHz
_WINDOW = int(0.04 * _RATE)
_SPECTRUM = 512  # points: the window and the longest lag fit
_BATCH = 1000  # steps at once, so that an hour takes little memory


@dataclass(frozen=True)
class Stress:
    """A stressed syllable.

    time: seconds, of its loudest moment. strength: 0..1. melody: -1..1, how much it is higher (above 0) or lower than what is around.
    """

    time: float
    strength: float
    melody: float


@dataclass(frozen=True)
class Prosody:
    """How something is said.

    activity: [N] how much of a voice there is per step of 10 ms, 0..1.
    stresses: in order of time.
    pauses: (start, end) in seconds, between words.
    """

    activity: np.ndarray
    stresses: tuple[Stress, ...]
    pauses: tuple[tuple[float, float], ...]


def prosody(samples: np.ndarray) -> Prosody:
    """Stressed syllables and pauses of a voice, in any language; each depends on the seconds around it only.

    Args:
        samples: [L] float in [-1, 1] at 16 kHz, mono.
    """
    level = loudness(samples)
    activity = voice_activity(level)
    return Prosody(activity, _stresses(level, activity, pitch(samples)), _pauses(level, activity))


def pitch(samples: np.ndarray) -> np.ndarray:
    """The pitch per step of 10 ms, in semitones above LOWEST; NaN where there is none. Boersma's autocorrelation method (1993).

    Args:
        samples: [L] float in [-1, 1] at 16 kHz.
    Returns:
        [ceil(L / 160)].
    """
    steps = -(-len(samples) // (SOUND_RATE // STEP_RATE))
    if len(samples) < 2 * _WINDOW:
        return np.full(steps, np.nan)
    from scipy.signal import decimate  # takes a second to load

    hop = _RATE // STEP_RATE
    padded = np.pad(decimate(np.asarray(samples, np.float64), 2, ftype="fir"), _WINDOW)
    window = np.hanning(_WINDOW)
    lags = np.arange(int(_RATE / HIGHEST), int(np.ceil(_RATE / LOWEST)) + 1)
    own = _autocorrelation(window[None])[0, lags[0] - 1 : lags[-1] + 2]
    starts = np.arange(steps) * hop + hop // 2 + _WINDOW // 2
    found = np.full(steps, np.nan)
    for first in range(0, steps, _BATCH):
        frames = padded[np.minimum(starts[first : first + _BATCH, None] + np.arange(_WINDOW), len(padded) - 1)]
        frames = (frames - frames.mean(axis=1, keepdims=True)) * window
        likeness = _autocorrelation(frames)[:, lags[0] - 1 : lags[-1] + 2] / own
        found[first : first + _BATCH] = _clearest(likeness, lags)
    found[loudness(samples) < SILENCE] = np.nan
    return _without_leaps(found)


def _autocorrelation(frames: np.ndarray) -> np.ndarray:
    """[n, lags] relative to lag 0."""
    raw = np.fft.irfft(np.abs(np.fft.rfft(frames, _SPECTRUM)) ** 2)
    return raw / np.maximum(raw[:, :1], 1e-12)


def _clearest(likeness: np.ndarray, lags: np.ndarray) -> np.ndarray:
    """[n] semitones of the lag at which a window is most like itself, between lags by a parabola; NaN if at none."""
    inner = likeness[:, 1:-1]
    peak = (inner >= likeness[:, :-2]) & (inner >= likeness[:, 2:])
    score = np.where(peak, inner - OCTAVE_COST * np.log2(lags / lags[0]), -np.inf)
    best = score.argmax(axis=1)
    before, at, after = (likeness[np.arange(len(best)), best + shift] for shift in (0, 1, 2))
    shift = np.clip(0.5 * (before - after) / np.minimum(before - 2 * at + after, -1e-9), -0.5, 0.5)
    semitones = 12.0 * np.log2(_RATE / (lags[best] + shift) / LOWEST)
    return np.where((at > VOICED) & np.isfinite(score.max(axis=1)), semitones, np.nan)


def _without_leaps(semitones: np.ndarray) -> np.ndarray:
    around = _mean_around(semitones, ~np.isnan(semitones), 0.5)
    steady = np.where(np.abs(semitones - around) > LEAP, np.nan, semitones)
    filled = np.where(np.isnan(steady), around, steady)
    return np.where(np.isnan(steady), np.nan, median_filter(filled, 5, mode="nearest"))


def _mean_around(values: np.ndarray, counts: np.ndarray, seconds: float) -> np.ndarray:
    """[N] the mean of those values that count, weighted by a Gaussian of this standard deviation."""
    weight = counts.astype(np.float64)
    total, mass = (
        gaussian_filter1d(curve, seconds * STEP_RATE, mode="constant") for curve in (np.where(counts, values, 0.0) * weight, weight)
    )
    return total / np.maximum(mass, 1e-9)


def _stresses(level: np.ndarray, activity: np.ndarray, semitones: np.ndarray) -> tuple[Stress, ...]:
    from scipy.signal import find_peaks

    syllables = gaussian_filter1d(activity, 0.04 * STEP_RATE, mode="nearest")
    peaks, _ = find_peaks(syllables, height=0.4, prominence=0.03)
    if len(peaks) == 0:
        return ()
    speaking, voiced = activity > 0.4, ~np.isnan(semitones)
    louder = (gaussian_filter1d(level, 3, mode="nearest") - _mean_around(level, speaking, BAR)) / LOUDER
    higher = np.where(voiced, semitones - _mean_around(semitones, voiced, BAR), 0.0) / HIGHER
    raised, lowered = maximum_filter1d(higher, 21), -maximum_filter1d(-higher, 21)
    melody = np.where(raised > -lowered, raised, lowered)[peaks].clip(-1.0, 1.0)
    prominence = 0.6 * louder[peaks].clip(-1.5, 1.0) + 0.6 * raised[peaks].clip(0.0, 1.2)
    order = np.argsort(-prominence)
    return tuple(
        Stress(peaks[i] / STEP_RATE, float(np.clip(prominence[i], 0.0, 1.0)), float(melody[i]))
        for i in sorted(order)
        if prominence[i] >= STRESSED and prominence[i] == prominence[np.abs(peaks - peaks[i]) <= APART * STEP_RATE].max()
    )


def _pauses(level: np.ndarray, activity: np.ndarray) -> tuple[tuple[float, float], ...]:
    quiet = np.concatenate([[0], (activity < 0.25).astype(int), [0]])
    edges = np.diff(quiet)
    spans = zip(np.flatnonzero(edges > 0) / STEP_RATE, np.flatnonzero(edges < 0) / STEP_RATE, strict=True)
    end = len(activity) / STEP_RATE
    return tuple((float(a), float(b)) for a, b in spans if a > 0 and b < end and PAUSE[0] <= b - a <= PAUSE[1])
