"""From phonemes to moving lips: targets, dominance and coarticulation (spec 08 section 7)."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.ndimage import convolve1d, gaussian_filter1d

from .loudness import SILENCE, STEP_RATE, voice_activity
from .phonemes import Phoneme
from .visemes import BREATH, CLOSURES, PAUSES, VOWELS, Viseme, visemes_of

SMOOTHING = 0.11  # seconds of the Hann window at ordinary speed
ORDINARY_PHONEME = 0.08  # seconds that a sound of ordinary speech lasts
SHAPE_LEAD = 0.06  # seconds by which rounding and spreading run ahead of their sound; the jaw moves with it
GLIDE = 0.55  # part of a diphthong that belongs to its first half
LONG_SILENCE = 0.2  # seconds; shorter gaps without any sound belong to stop consonants
LONGEST_BREATH = 0.8  # seconds; in a longer pause the mouth returns to its rest
STRESS_OPENING = 0.15  # relative gain of opening per standard deviation of loudness among the vowels nearby
STRESS_BROWS = 0.3
SWELL = 0.25  # part of the opening that comes and goes with the voice, so that a long vowel is not a frozen mouth


@dataclass(frozen=True)
class Articulation:
    """What the mouth does, before it is cut into frames.

    curves: [N] in 0..1 per control, one value per step of 10 ms.
    closures: (start, end, 1.0) in seconds where the lips are shut.
    tucks: (start, end, strength) in seconds where the lower lip touches the upper teeth.
    """

    curves: dict[str, np.ndarray]
    closures: tuple[tuple[float, float, float], ...]
    tucks: tuple[tuple[float, float, float], ...]


def articulate(phonemes: list[Phoneme], level: np.ndarray) -> Articulation:
    """Lip movement for phonemes.

    Every phoneme pulls each control towards its viseme; where neighbours disagree the one with more dominance wins, over a window
    that shrinks in fast speech. So lips begin to move 40 to 80 ms before the sound, and a k or t between two vowels hardly shows.

    Args:
        phonemes: without gaps, from 0 to the end of the sound.
        level: [N] dB per step of 10 ms, from `loudness`.
    """
    phonemes = _breathing(_rested(phonemes, level), level)
    steps = len(level)
    stress = _stress(phonemes, level)
    targets = [target for phoneme, loud in zip(phonemes, stress, strict=True) for target in _targets(phoneme, loud)]
    windows = _windows(phonemes, steps)
    curves = {
        "jaw_open": _blend(targets, "opening", "grip", 0.0, windows) * _swell(level),
        "lips_wide": _blend(targets, "width", "hold", SHAPE_LEAD, windows),
        "lips_round": _blend(targets, "rounding", "hold", SHAPE_LEAD, windows),
        "lip_upper_raise": _blend(targets, "upper", "hold", 0.0, windows),
        "brow_raise": _brows(phonemes, stress, steps),
    }
    return Articulation(
        curves,
        tuple((p.start, p.end, 1.0) for p in phonemes if p.symbol in CLOSURES),
        tuple((p.start, p.end, v.tuck) for p in phonemes for v in visemes_of(p.symbol) if v.tuck),
    )


@dataclass(frozen=True)
class _Target:
    """A viseme for the steps start..end-1."""

    start: int
    end: int
    viseme: Viseme


def _rested(phonemes: list[Phoneme], level: np.ndarray) -> list[Phoneme]:
    """The same phonemes, but silent wherever the sound is: a recogniser may hear things in nothing."""
    silent = np.concatenate([[False], level < SILENCE, [False]])
    starts, ends = (np.flatnonzero(np.diff(silent.astype(int)) == sign) / STEP_RATE for sign in (1, -1))
    for start, end in zip(starts, ends, strict=True):
        if end - start < LONG_SILENCE:
            continue
        before = [replace(p, end=min(p.end, start)) for p in phonemes if p.start < start]
        after = [replace(p, start=max(p.start, end)) for p in phonemes if p.end > end]
        phonemes = [*before, Phoneme(start, end, "SIL"), *after]
    return phonemes


def _breathing(phonemes: list[Phoneme], level: np.ndarray) -> list[Phoneme]:
    """The same phonemes with the short pauses between words, unless nothing at all is heard in them, marked as breath."""

    def breath(phoneme: Phoneme) -> bool:
        heard = level[round(phoneme.start * STEP_RATE) : round(phoneme.end * STEP_RATE)]
        return phoneme.symbol == "SIL" and phoneme.end - phoneme.start < LONGEST_BREATH and heard.size > 0 and np.median(heard) > SILENCE

    inner = [replace(phoneme, symbol=BREATH) if breath(phoneme) else phoneme for phoneme in phonemes[1:-1]]
    return [*phonemes[:1], *inner, *phonemes[1:][-1:]]


def _stress(phonemes: list[Phoneme], level: np.ndarray) -> np.ndarray:
    """How much louder each phoneme is than the vowels within some seconds, in their standard deviations, -1.5..1.5; 0 unless a vowel."""
    stress = np.zeros(len(phonemes))
    vowels = [i for i, phoneme in enumerate(phonemes) if phoneme.symbol in VOWELS]
    if len(vowels) < 3:
        return stress
    centre = np.array([(phonemes[i].start + phonemes[i].end) / 2 for i in vowels])
    loud = np.array([level[int(phonemes[i].start * STEP_RATE) : int(phonemes[i].end * STEP_RATE) + 1].max() for i in vowels])
    for i, time, own in zip(vowels, centre, loud, strict=True):
        weight = np.exp(-0.5 * ((centre - time) / 2.0) ** 2)
        mean = np.average(loud, weights=weight)
        spread = np.sqrt(np.average((loud - mean) ** 2, weights=weight))
        stress[i] = np.clip((own - mean) / max(spread, 2.0), -1.5, 1.5)
    return stress


def _targets(phoneme: Phoneme, stress: float) -> list[_Target]:
    visemes = visemes_of(phoneme.symbol)
    start, end = round(phoneme.start * STEP_RATE), round(phoneme.end * STEP_RATE)
    edges = [start, end] if len(visemes) == 1 else [start, start + round(GLIDE * (end - start)), end]
    gain = 1.0 + STRESS_OPENING * stress
    return [_Target(edges[i], edges[i + 1], replace(viseme, opening=min(viseme.opening * gain, 1.0))) for i, viseme in enumerate(visemes)]


def _swell(level: np.ndarray) -> np.ndarray:
    """[steps] factor on the opening, 1 where the voice is loudest nearby."""
    return 1.0 - SWELL * (1.0 - gaussian_filter1d(voice_activity(level), 0.03 * STEP_RATE, mode="nearest"))


def _windows(phonemes: list[Phoneme], steps: int) -> np.ndarray:
    """[steps] seconds of smoothing: longer where people speak slowly."""
    count, time = np.zeros(steps), np.zeros(steps)
    for phoneme in phonemes:
        if phoneme.symbol not in PAUSES:
            middle = min(int((phoneme.start + phoneme.end) / 2 * STEP_RATE), steps - 1)
            count[middle] += 1.0
            time[middle] += min(phoneme.end - phoneme.start, 2 * ORDINARY_PHONEME)
    count, time = (gaussian_filter1d(curve, 0.7 * STEP_RATE, mode="constant") for curve in (count, time))
    pace = (time + 1e-3 * ORDINARY_PHONEME) / (count + 1e-3) / ORDINARY_PHONEME
    return SMOOTHING * np.clip(pace, 0.75, 1.4)


def _blend(targets: list[_Target], field: str, dominance: str, lead: float, windows: np.ndarray) -> np.ndarray:
    """[steps] the dominance-weighted mean of the targets within each step's window, `lead` seconds ahead of the sound."""
    value, weight = np.zeros(len(windows)), np.full(len(windows), 1e-6)
    ahead = round(lead * STEP_RATE)
    for target in targets:
        span = slice(max(target.start - ahead, 0), max(target.end - ahead, 0))
        value[span] = getattr(target.viseme, field)
        weight[span] = getattr(target.viseme, dominance)
    widths = np.array([0.75, 1.0, 1.4]) * SMOOTHING
    blends = []
    for width in widths:
        reach = int(width * STEP_RATE / 2)
        hann = np.hanning(2 * reach + 3)[1:-1]
        blends.append(convolve1d(value * weight, hann, mode="nearest") / convolve1d(weight, hann, mode="nearest"))
    place = np.interp(windows, widths, np.arange(len(widths)))
    lower = np.minimum(place.astype(int), len(widths) - 2)
    between = place - lower
    blends = np.stack(blends)
    index = np.arange(len(windows))
    return (1.0 - between) * blends[lower, index] + between * blends[lower + 1, index]


def _brows(phonemes: list[Phoneme], stress: np.ndarray, steps: int) -> np.ndarray:
    """[steps] brows lifted a little on the loudest vowels."""
    lifted = np.zeros(steps)
    for phoneme, loud in zip(phonemes, stress, strict=True):
        if loud > 0.8:
            lifted[int(phoneme.start * STEP_RATE) : int(phoneme.end * STEP_RATE)] = STRESS_BROWS * (loud - 0.5)
    hann = np.hanning(int(0.5 * STEP_RATE))
    return np.clip(convolve1d(lifted, hann / hann.sum(), mode="constant") * 2.0, 0.0, STRESS_BROWS)
