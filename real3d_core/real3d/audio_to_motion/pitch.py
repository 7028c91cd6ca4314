"""Fundamental frequency of a voice by autocorrelation (spec 05 section 4; Boersma 1993)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .sound import RATE

HOP = 320  # samples of a frame: 50 a second

_WINDOW = 598  # samples of an analysis window
_HALF = _WINDOW // 2
_PERIOD = 200  # longest period in samples: 80 Hz
_CEILING = 750.0
_VOICING = 0.6
_SILENCE = 0.03
_OCTAVE_COST = 0.01
_SLOTS = 14  # voiced candidates of a frame; with the unvoiced one 15
_JUMP_COST = 0.35 * 0.5  # the published costs belong to steps of 0.01 s, ours are 0.02 s
_VOICING_CHANGE_COST = 0.14 * 0.5
# A peak at lag 20 refines to lag 21 at most, which is 762 Hz: above the ceiling. Such a candidate scores like the unvoiced
# one and loses the tie, so it only takes up a slot.
_SHORTEST_USEFUL_LAG = 21
_BATCH = 1500  # frames analysed at once: half a minute of sound, some 30 MB


def pitch_track(samples: np.ndarray, length: int) -> np.ndarray:
    """F0 on the frame grid of the sound features.

    Args:
        samples: [L] mono, 16 kHz, at least 512 samples.
        length: number of feature frames T8 it has to match.

    Returns: [length] float32 Hz at 50 Hz, 0 where unvoiced. Value i is centred on 0.02 (i + 1) s (spec 05 section 4.3).
    """
    padded = np.zeros((len(samples) // HOP + 1) * HOP)
    padded[: len(samples)] = samples
    kept = (len(samples) - 512) // HOP + 1  # the frames of the spectrogram that nobody computes (spec 05 section 1)
    track = voice_frequencies(padded)[: min(kept, length)]
    return np.pad(track, (0, length - len(track))).astype(np.float32)


def voice_frequencies(samples: np.ndarray) -> np.ndarray:
    """F0 of the frames centred at 0.02 (i + 1) s, i = 0 .. L / 320 - 2.

    Args:
        samples: [L] at 16 kHz, mono.

    Returns: [L // 320 - 1] float64 Hz, 0 where unvoiced.
    """
    samples = np.asarray(samples, dtype=np.float64)
    frames = len(samples) // HOP - 1
    peak = np.abs(samples - samples.mean()).max()
    if frames < 1 or peak == 0:
        return np.zeros(max(0, frames))
    batches = [_candidates(samples, peak, start, min(start + _BATCH, frames)) for start in range(0, frames, _BATCH)]
    frequency, strength, intensity = (np.concatenate(column) for column in zip(*batches, strict=True))
    return _best_path(frequency, strength, intensity)


def _candidates(samples: np.ndarray, peak: float, start: int, stop: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Per frame: frequency and strength of the voiced candidates [n, 14] (0 = empty slot) and intensity [n]."""
    centres = HOP * (np.arange(start, stop) + 1)
    around = samples[centres[:, None] + np.arange(-_HALF, _HALF)]
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(1, _WINDOW + 1) / (_WINDOW + 1))
    local_mean = around[:, _HALF - _PERIOD : _HALF + _PERIOD].mean(axis=1, keepdims=True)
    frames = (around - local_mean) * window
    local_peak = np.abs(frames[:, 198:400]).max(axis=1)
    correlation = _autocorrelation(frames) / _autocorrelation(window[None])

    peaks = _peaks(correlation)
    slots = _fill_slots(peaks, len(centres))
    chosen = slots >= 0
    chosen &= peaks.lag[slots] >= _SHORTEST_USEFUL_LAG
    chosen &= (local_peak > 0)[:, None]
    row = np.nonzero(chosen)[0]
    frequency, strength = np.zeros(slots.shape), np.zeros(slots.shape)
    frequency[chosen], strength[chosen] = _refine(correlation, row, peaks.lag[slots[chosen]])
    frequency[frequency >= _CEILING] = 0.0
    return frequency, strength, np.minimum(1.0, local_peak / peak)


def _autocorrelation(frames: np.ndarray) -> np.ndarray:
    """[n, 300] autocorrelation at the lags 0..299, 1 at lag 0; zeros for a frame of zeros."""
    spectrum = np.abs(np.fft.rfft(frames, 1024, axis=1)) ** 2
    correlation = np.fft.irfft(spectrum, 1024, axis=1)[:, : _HALF + 1]
    energy = correlation[:, :1]
    return np.divide(correlation, energy, out=np.zeros_like(correlation), where=energy > 0)


@dataclass(frozen=True)
class _Peaks:
    """Local maxima of all frames, by frame and then by rising lag; the last entry is a placeholder for empty slots."""

    frame: np.ndarray
    lag: np.ndarray
    frequency: np.ndarray
    strength: np.ndarray


def _peaks(correlation: np.ndarray) -> _Peaks:
    before, here, after = (correlation[:, 2 + shift : _PERIOD + 1 + shift] for shift in (-1, 0, 1))
    frame, lag = np.nonzero((here > _VOICING / 2) & (here > before) & (here >= after))
    lag += 2
    below, top, above = correlation[frame, lag - 1], correlation[frame, lag], correlation[frame, lag + 1]
    position = lag + 0.5 * (above - below) / (2 * top - below - above)
    strength = _at_most_one(_interpolate(correlation, frame, position, 30))
    return _Peaks(np.append(frame, 0), np.append(lag, 0), np.append(RATE / position, 80.0), np.append(strength, 0.0))


def _fill_slots(peaks: _Peaks, frames: int) -> np.ndarray:
    """[frames, 14] numbers of the peaks a frame keeps, -1 for none.

    Peaks come in rising lag; once the slots are full a peak replaces the weakest kept one if it is stronger, low pitches
    being slightly handicapped.
    """
    slots = np.full((frames, _SLOTS), -1)
    count = np.bincount(peaks.frame[:-1], minlength=frames)
    first = np.cumsum(count) - count
    slot = np.arange(len(peaks.frame) - 1) - first[peaks.frame[:-1]]
    fits = np.nonzero(slot < _SLOTS)[0]
    slots[peaks.frame[fits], slot[fits]] = fits
    merit = peaks.strength - _OCTAVE_COST * np.log2(80.0 / peaks.frequency)
    for frame in np.nonzero(count > _SLOTS)[0]:
        for late in range(first[frame] + _SLOTS, first[frame] + count[frame]):
            weakest = int(np.argmin(merit[slots[frame]]))
            if merit[late] > merit[slots[frame, weakest]]:
                slots[frame, weakest] = late
    return slots


def _refine(correlation: np.ndarray, row: np.ndarray, lag: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Frequency and strength at the maximum of the interpolated correlation within one sample of each peak.

    Parabolas through three points, on a stencil that narrows round the maximum; the last leaves under 1e-7 samples.
    """
    centre = lag.astype(np.float64)
    for reach in (0.5, 0.5, 0.2, 0.05, 0.01, 2e-3, 5e-4):
        below, top, above = (_interpolate(correlation, row, centre + shift, 70) for shift in (-reach, 0.0, reach))
        curvature = 2 * top - below - above
        step = np.divide(0.5 * (above - below), curvature, out=np.sign(above - below), where=curvature > 0)
        centre = np.clip(centre + reach * np.clip(step, -1, 1), lag - 1, lag + 1)
    return RATE / centre, _at_most_one(_interpolate(correlation, row, centre, 70))


def _at_most_one(strength: np.ndarray) -> np.ndarray:
    return np.where(strength > 1, 1 / np.maximum(strength, 1), strength)


def _interpolate(correlation: np.ndarray, row: np.ndarray, position: np.ndarray, depth: int) -> np.ndarray:
    """Correlation of frame `row` at a lag between samples, by `depth` raised-cosine windowed sinc nodes on either side.

    Every position is at most 201 and `depth` at most 70, so that the nodes never run out of the 299 computed lags.
    """
    left = np.floor(position).astype(int)
    fraction = (position - left)[:, None]
    whole = fraction[:, 0] == 0
    value = correlation[row, np.abs(left)]
    node = np.arange(depth)
    total = np.zeros(len(position))
    # sin(pi (fraction + node)) only changes its sign from node to node
    sine = np.sin(np.pi * fraction) / np.pi * (1 - 2 * (node % 2))
    for lags, distance in ((left[:, None] - node, fraction + node), (left[:, None] + 1 + node, 1 - fraction + node)):
        reach = distance[:, -1:] + 1
        weight = np.divide(sine, distance, out=np.zeros_like(distance), where=distance > 0)
        weight *= 0.5 + 0.5 * np.cos(np.pi * distance / reach)
        total += (weight * correlation[row[:, None], np.abs(lags)]).sum(axis=1)
    return np.where(whole, value, total)


def _best_path(frequency: np.ndarray, strength: np.ndarray, intensity: np.ndarray) -> np.ndarray:
    """[n] the frequencies (0 = unvoiced) whose scores less the costs of jumps are largest (spec 05 section 4.2 step 10)."""
    voiced = frequency > 0
    pitch = np.log2(np.where(voiced, frequency, 1.0))
    score = np.where(voiced, strength - _OCTAVE_COST * (np.log2(_CEILING) - pitch), -np.inf)
    silence = np.maximum(0.0, 2 - intensity / (_SILENCE / (1 + _VOICING)))
    score = np.column_stack([_VOICING + silence, score])  # candidate 0 is the unvoiced one
    pitch = np.column_stack([np.zeros(len(pitch)), pitch])
    frequency = np.column_stack([np.zeros(len(frequency)), frequency])

    came_from = np.zeros(score.shape, dtype=int)
    total = score[0]
    for frame in range(1, len(score)):
        cost = _JUMP_COST * np.abs(pitch[frame - 1][:, None] - pitch[frame])
        cost[0, 1:] = cost[1:, 0] = _VOICING_CHANGE_COST
        reached = total[:, None] - cost
        came_from[frame] = reached.argmax(axis=0)
        total = reached.max(axis=0) + score[frame]
    path = np.empty(len(score), dtype=int)
    path[-1] = total.argmax()
    for frame in range(len(score) - 1, 0, -1):
        path[frame - 1] = came_from[frame, path[frame]]
    return frequency[np.arange(len(path)), path]
