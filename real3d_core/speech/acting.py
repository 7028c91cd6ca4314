"""Speech that is acted: what brows, lids, cheeks and the head of a speaker do beside the lips.

Stressed syllables are underlined, most of them by the brows, the head or both; a question lifts the brows; in a pause a speaker breathes
and changes posture a little. Everything is drawn from the seed and the moment itself, so a longer sound begins like a shorter one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from scipy.ndimage import gaussian_filter1d

from ..smooth_step import smooth_step
from ..wander import wander
from .loudness import STEP_RATE, at_times
from .prosody import Prosody, Stress

ACTED = (
    *("brow_raise", "brow_inner_raise", "brow_outer_left", "brow_outer_right", "brow_furrow"),
    *("lids_wide", "lids_tight", "cheek_raise"),
)

EASE = 0.4  # seconds from the photo's own face into acting
MOST = 0.8  # of a control that acting approaches and never passes
UNDERLINED = 0.85  # part of the stressed syllables that the brows underline
NODDED = 0.75  # and that the head underlines
DRIVEN_HOME = -0.3  # melody below which a syllable is underlined by lowered brows
BALANCE = 0.45  # most that one brow rises more than the other, relative to both
MOOD = 0.07  # slow wandering of the brows while speaking
NOD, TURN, TILT = np.radians([1.8, 1.3, 1.1])  # pitch, yaw and roll of a strong stress
POSTURE = np.radians([0.8, 1.8, 1.3])  # most pitch, yaw and roll of a posture, which lasts from pause to pause
BREATH = np.radians(0.6)  # by which the head rises to breathe in
BREATH_LIFT = 0.02  # decimetres
MOST_TURNED = np.radians(4.0)  # approached, never passed
_FACE, _HEAD, _POSTURE, _MOOD = 10, 11, 12, 13  # streams of the seed

Span = tuple[float, float]


def acted_face(
    spoken: Prosody, time: np.ndarray, wide: np.ndarray, seed: int = 0, questions: Iterable[tuple[Span, Span]] = ()
) -> dict[str, np.ndarray]:
    """Controls of brows, lids and cheeks.

    Args:
        time: [T] seconds, ascending.
        wide: [T] how far the lips are spread, 0..1: cheeks follow them.
        seed: any integer.
        questions: of each the seconds of its last words, and of the last of them.
    Returns:
        [T] in 0..1 for every name in ACTED; 0 throughout where nobody speaks.
    """
    curves = {name: np.zeros(len(time)) for name in ACTED}
    for stress in spoken.stresses:
        _underline(curves, stress, time, seed)
    for words, last in questions:
        _ask(curves, words, last, time)
    for start, end in spoken.pauses:
        breath = _bump(time, start + 0.6 * (end - start), rise=0.5 * (end - start), fall=0.35)
        curves["brow_raise"] += 0.10 * breath
        curves["lids_wide"] += 0.15 * breath
    speaking = at_times(gaussian_filter1d(spoken.activity, 0.4 * STEP_RATE, mode="nearest"), time)
    both, left, right = MOOD * (1.0 + wander(time, seed, _MOOD).T) * speaking
    curves["brow_raise"] += both
    curves["brow_outer_left"] += left
    curves["brow_outer_right"] += right
    curves["cheek_raise"] += 0.35 * wide
    ease = smooth_step((time - time[:1]) / EASE)
    return {name: MOST * np.tanh(curve / MOST) * ease for name, curve in curves.items()}


def acted_head(spoken: Prosody, time: np.ndarray, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Nods, small turns and breaths of the head, [T, 3] radians about x, y, z and [T, 3] decimetres, on top of any other movement."""
    euler, lift = np.zeros((len(time), 3)), np.zeros((len(time), 3))
    for stress in spoken.stresses:
        draw = _draw(seed, _HEAD, stress.time)
        nods, up = draw.random() < NODDED, draw.random() < 0.3 * (stress.melody > 0.3)
        size = stress.strength * draw.uniform(0.5, 1.0) * nods
        turn = np.array([-0.6 * NOD if up else NOD, TURN * draw.uniform(-1, 1), TILT * draw.uniform(-1, 1)])
        euler += size * turn * _bump(time, stress.time + 0.04, rise=draw.uniform(0.18, 0.26), fall=draw.uniform(0.4, 0.6))[:, None]
    before = np.zeros(3)
    for start, end in spoken.pauses:
        posture = POSTURE * _draw(seed, _POSTURE, start).uniform(-1, 1, 3)
        euler += (posture - before) * smooth_step((time - start) / 0.8)[:, None]
        before = posture
        breath = _bump(time, start + 0.6 * (end - start), rise=0.5 * (end - start), fall=0.5)
        euler[:, 0] -= BREATH * breath
        lift[:, 1] += BREATH_LIFT * breath
    ease = smooth_step((time - time[:1]) / EASE)[:, None]
    return MOST_TURNED * np.tanh(euler / MOST_TURNED) * ease, lift * ease


def asked(words: dict[int, Span], ends: Sequence[int]) -> list[tuple[Span, Span]]:
    """`questions` for `acted_face`.

    Args:
        words: the seconds of each word by its number. ends: numbers of the words that end questions.
    """
    questions = []
    for end, after in zip(ends, [-1, *ends], strict=False):
        if end in words:
            last = words[end]
            near = [words[i][0] for i in range(after + 1, end) if i in words and words[i][0] > last[1] - 1.0]
            questions.append(((min([last[0], *near]), last[1]), last))
    return questions


def _underline(curves: dict[str, np.ndarray], stress: Stress, time: np.ndarray, seed: int) -> None:
    draw = _draw(seed, _FACE, stress.time)
    acts, low = draw.random() < UNDERLINED, draw.random() < 0.7 * (stress.melody < DRIVEN_HOME)
    size = stress.strength * draw.uniform(0.5, 1.0) * acts
    left = draw.uniform(-BALANCE, BALANCE)
    bump = size * _bump(time, stress.time - 0.02, rise=draw.uniform(0.16, 0.24), fall=draw.uniform(0.35, 0.55))
    if low:
        shares = {"brow_furrow": 0.40, "lids_tight": 0.30}
    else:
        raised = {"brow_outer_left": 0.20 * (1 + left), "brow_outer_right": 0.20 * (1 - left)}
        shares = {"brow_raise": 0.28, "brow_inner_raise": 0.08, "lids_wide": 0.25, **raised}
    for name, share in shares.items():
        curves[name] += share * bump


def _ask(curves: dict[str, np.ndarray], words: Span, last: Span, time: np.ndarray) -> None:
    peak = max(last[0], words[0] + 0.25)
    lifted = _bump(time, peak, rise=peak - words[0] + 0.2, hold=max(last[1] - peak, 0.0) + 0.25, fall=0.6)
    for name, share in (("brow_raise", 0.45), ("brow_inner_raise", 0.18), ("lids_wide", 0.30)):
        curves[name] += share * lifted


def _draw(seed: int, stream: int, moment: float) -> np.random.Generator:
    return np.random.default_rng([seed % 2**32, stream, round(moment * STEP_RATE)])


def _bump(time: np.ndarray, at: float, rise: float, fall: float, hold: float = 0.06) -> np.ndarray:
    """[T] softly from 0 to 1 at this moment and, after a while, back."""
    return smooth_step(np.where(time < at, 1.0 - (at - time) / rise, 1.0 - (time - at - hold).clip(0.0) / fall))
