"""From visemes to moving lips: dominance and coarticulation (spec 08 section 7)."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from scipy.ndimage import convolve1d, gaussian_filter1d

from .loudness import SILENCE, STEP_RATE, voice_activity
from .visemes import CLOSED, NAMES, REST, TEETH, VISEMES, VOWELS

SMOOTHING = 0.11  # seconds of the Hann window at ordinary speed
ORDINARY_SOUND = 0.08  # seconds that a sound of ordinary speech lasts
SHAPE_LEAD = 0.06  # seconds by which rounding and spreading run ahead of their sound; the jaw moves with it
LONG_SILENCE = 0.2  # seconds; shorter gaps without any sound belong to stop consonants
LONGEST_BREATH = 0.8  # seconds; in a longer pause the mouth returns to its rest
BREATH_OPENING = 0.1  # in a short pause between words people breathe in with their lips a little apart
STRESS_OPENING = 0.15  # relative gain of opening per standard deviation of loudness among the vowels nearby
SWELL = 0.4  # part of the opening that comes and goes with the voice, so that a long vowel is not a frozen mouth
SET_IN = 0.1  # seconds before its first sound at which a mouth is half set for speech, at least
KEPT = 0.8  # seconds that it stays so before and after speech, unless the sound itself is off
SETTLING = 0.4  # seconds in which it goes over to speech and back to its rest
CONTACT = 4.0  # odds in favour of closed lips: a missed p is noticed, one too many hardly is
SWITCH = 1.5  # log odds that a change from one viseme to another must gain
LEAST_CLOSURE = 0.02  # seconds; shorter ones are ignored


@dataclass(frozen=True)
class Articulation:
    """What the mouth does, before it is cut into frames.

    curves: [N] in 0..1 per control, one value per step of 10 ms.
    closures: (start, end, 1.0) in seconds where the lips are shut.
    tucks: (start, end, strength) in seconds where the lower lip touches the upper teeth.
    words: (start, end) in seconds of a transcript's words by their number, as far as they are known.
    """

    curves: dict[str, np.ndarray]
    closures: tuple[tuple[float, float, float], ...]
    tucks: tuple[tuple[float, float, float], ...]
    words: dict[int, tuple[float, float]] = field(default_factory=dict)


def articulate(shares: np.ndarray, level: np.ndarray) -> Articulation:
    """Lip movement for visemes.

    Every viseme pulls each control towards its shape as far as it is likely; where neighbours disagree the one with more dominance
    wins, over a window that shrinks in fast speech. So lips begin to move 40 to 80 ms before the sound, and a k or t between two
    vowels hardly shows.

    Args:
        shares: [N, visemes] how likely each viseme is per step of 10 ms; rows sum to 1.
        level: [N] dB per step, from `loudness`.
    """
    steps = len(level)
    shares = closures_favoured(shares)
    spans = _spans(_path(shares))
    shares, breath, spans = _paused(shares, spans, level)
    stress = _stress(spans, level)
    gain = np.ones(steps)
    for span, loud in zip(spans, stress, strict=True):
        gain[span.start : span.end] += STRESS_OPENING * loud
    windows = _windows(spans, steps)
    opening = np.outer(gain, _column("opening"))
    opening[:, REST] = BREATH_OPENING * breath
    curves = {
        "jaw_open": _blend(shares, np.minimum(opening, 1.0), "grip", 0.0, windows) * _swell(level),
        "lips_wide": _blend(shares, _column("width"), "hold", SHAPE_LEAD, windows),
        "lips_round": _blend(shares, _column("rounding"), "hold", SHAPE_LEAD, windows),
        "lip_upper_raise": _blend(shares, _column("upper"), "hold", 0.0, windows),
        "speaking": _speaking(spans, level),
    }
    return Articulation(curves, _held(spans, CLOSED, "press"), _held(spans, TEETH, "teeth"))


def closures_favoured(shares: np.ndarray) -> np.ndarray:
    """[N, visemes] the same with closed lips likelier by the odds CONTACT; rows sum to 1."""
    odds = np.ones(len(NAMES), shares.dtype)
    odds[CLOSED] = CONTACT
    return shares * odds / (shares @ odds)[:, None]


@dataclass(frozen=True)
class _Span:
    """The steps start..end-1 belong to one viseme."""

    start: int
    end: int
    viseme: int

    @property
    def seconds(self) -> float:
        return (self.end - self.start) / STEP_RATE


def _column(field: str) -> np.ndarray:
    """[visemes] one field of the table."""
    return np.array([getattr(viseme, field) for viseme in VISEMES.values()])


def _path(shares: np.ndarray) -> np.ndarray:
    """[N] the likeliest sequence of visemes (Viterbi) when every change costs SWITCH."""
    likely = np.log(np.maximum(shares, 1e-6))
    score = np.zeros(len(NAMES))
    came_from = np.empty(shares.shape, np.uint8)
    own = np.arange(len(NAMES))
    for step, gain in enumerate(likely):
        best = score.argmax()
        change = score < score[best] - SWITCH
        came_from[step] = np.where(change, best, own)
        score = np.where(change, score[best] - SWITCH, score) + gain
    path = np.empty(len(shares), np.uint8)
    now = score.argmax()
    for step in range(len(shares) - 1, -1, -1):
        path[step] = now
        now = came_from[step, now]
    return path


def _spans(path: np.ndarray) -> list[_Span]:
    borders = [0, *(np.flatnonzero(np.diff(path)) + 1), len(path)]
    return [_Span(int(start), int(end), int(path[start])) for start, end in pairwise(borders) if end > start]


def _paused(shares: np.ndarray, spans: list[_Span], level: np.ndarray) -> tuple[np.ndarray, np.ndarray, list[_Span]]:
    """The mouth rests in pauses, where the network's output means nothing."""
    paused = np.zeros(len(level), bool)
    breath = np.zeros(len(level))
    for silent in _spans((level < SILENCE).astype(np.uint8)):
        paused[silent.start : silent.end] = silent.viseme == 1 and silent.seconds >= LONG_SILENCE
    for span in spans[1:-1]:
        if span.viseme == REST and span.seconds < LONGEST_BREATH and np.median(level[span.start : span.end]) > SILENCE:
            breath[span.start : span.end] = 1.0
    for span in spans:
        if span.viseme == REST and span.seconds >= LONG_SILENCE:
            paused[span.start : span.end] = True
    breath[level < SILENCE] = 0.0
    resting = np.zeros(len(NAMES))
    resting[REST] = 1.0
    path = np.concatenate([np.full(span.end - span.start, span.viseme, np.uint8) for span in spans])
    return np.where(paused[:, None], resting, shares), breath, _spans(np.where(paused, np.uint8(REST), path))


def _stress(spans: list[_Span], level: np.ndarray) -> np.ndarray:
    """How much louder each span is than the vowels within some seconds, in their standard deviations, -1.5..1.5; 0 unless a vowel."""
    stress = np.zeros(len(spans))
    vowels = [i for i, span in enumerate(spans) if span.viseme in VOWELS]
    if len(vowels) < 3:
        return stress
    centre = np.array([(spans[i].start + spans[i].end) / 2 / STEP_RATE for i in vowels])
    loud = np.array([level[spans[i].start : spans[i].end].max() for i in vowels])
    for i, time, own in zip(vowels, centre, loud, strict=True):
        near = slice(*np.searchsorted(centre, (time - 8.0, time + 8.0)))
        weight = np.exp(-0.5 * ((centre[near] - time) / 2.0) ** 2)
        mean = np.average(loud[near], weights=weight)
        spread = np.sqrt(np.average((loud[near] - mean) ** 2, weights=weight))
        stress[i] = np.clip((own - mean) / max(spread, 2.0), -1.5, 1.5)
    return stress


def _swell(level: np.ndarray) -> np.ndarray:
    """[N] factor on the opening, 1 where the voice is loudest nearby."""
    return 1.0 - SWELL * (1.0 - gaussian_filter1d(voice_activity(level), 0.03 * STEP_RATE, mode="nearest"))


def _windows(spans: list[_Span], steps: int) -> np.ndarray:
    """[N] seconds of smoothing: longer where people speak slowly."""
    count, time = np.zeros(steps), np.zeros(steps)
    for span in spans:
        if span.viseme != REST:
            middle = (span.start + span.end) // 2
            count[middle] += 1.0
            time[middle] += min(span.seconds, 2 * ORDINARY_SOUND)
    count, time = (gaussian_filter1d(curve, 0.7 * STEP_RATE, mode="constant") for curve in (count, time))
    pace = (time + 1e-3 * ORDINARY_SOUND) / (count + 1e-3) / ORDINARY_SOUND
    return SMOOTHING * np.clip(pace, 0.75, 1.4)


def _blend(shares: np.ndarray, shape: np.ndarray, dominance: str, lead: float, windows: np.ndarray) -> np.ndarray:
    """[N] the dominance-weighted mean of the shapes ([visemes] or [N, visemes]) in each step's window, `lead` seconds before the sound."""
    weights = shares * _column(dominance)
    ahead = np.minimum(np.arange(len(shares)) + round(lead * STEP_RATE), len(shares) - 1)
    value, weight = (weights * shape).sum(1)[ahead], weights.sum(1)[ahead]
    widths = np.array([0.75, 1.0, 1.4]) * SMOOTHING
    blends = []
    for width in widths:
        reach = int(width * STEP_RATE / 2)
        hann = np.hanning(2 * reach + 3)[1:-1]
        blends.append(convolve1d(value, hann, mode="nearest") / convolve1d(weight, hann, mode="nearest"))
    place = np.interp(windows, widths, np.arange(len(widths)))
    lower = np.minimum(place.astype(int), len(widths) - 2)
    between = place - lower
    blended = np.stack(blends)
    index = np.arange(len(windows))
    return (1.0 - between) * blended[lower, index] + between * blended[lower + 1, index]


def _speaking(spans: list[_Span], level: np.ndarray) -> np.ndarray:
    """[N] 1 from before the first sound of a phrase until after its last, short pauses included, easing to 0 around it."""
    speaking = np.zeros(len(level))
    off = level < SILENCE
    kept, set_in = round(KEPT * STEP_RATE), round(SET_IN * STEP_RATE)
    for number, span in enumerate(spans):
        if span.viseme != REST or (0 < number < len(spans) - 1 and span.seconds < 2 * KEPT):
            speaking[max(span.start - set_in, 0) : span.end] = 1.0
        else:
            around = np.zeros(span.end - span.start, bool)
            around[: kept if number else 0] = True
            around[max(len(around) - kept, 0) if number < len(spans) - 1 else len(around) :] = True
            speaking[span.start : span.end] = around & ~off[span.start : span.end]
    hann = np.hanning(round(SETTLING * STEP_RATE) + 2)[1:-1]
    return convolve1d(speaking, hann / hann.sum(), mode="nearest")


def _held(spans: list[_Span], viseme: int, field: str) -> tuple[tuple[float, float, float], ...]:
    """(start, end, strength) in seconds of all spans of this viseme."""
    strength = getattr(VISEMES[NAMES[viseme]], field)
    return tuple(
        (span.start / STEP_RATE, span.end / STEP_RATE, strength)
        for span in spans
        if span.viseme == viseme and span.seconds >= LEAST_CLOSURE
    )
