"""Forced alignment of a transcript: the visemes of its words, in order, at the times that fit the sound best."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from ..errors import SoundError
from .articulation import closures_favoured
from .loudness import STEP_RATE
from .spelling import pronounce, words_of
from .visemes import NAMES, VISEME_OF_SOUND, VOWELS

LEAST_FIT = -0.5  # mean log likelihood per step below which these words were not said here
FASTEST = 3.0  # steps that a sound of a word lasts at least, on average
SHORTEST_CONTACT = 5  # steps that lips touch each other or the teeth
SKIP = -6.0  # log likelihood of a letter that is written but not spoken
LONGEST_SKIP = 3  # sounds and pauses left out in a row at most
UNHEARD = 0.02  # least probability of a viseme that the network does not find
BLOCK = 1000  # steps between the scores that are kept on the way

_MISFIT = "The transcript does not fit the sound: write exactly what is said, or leave the transcript empty."
_INSIDE = ("tongue", "s", "sh")  # consonants made inside the mouth, which spelling confuses


@dataclass(frozen=True)
class _Sound:
    """visemes: [visemes] bool, those it may show; skip: log likelihood that it is left out; word: its word's number, None for a pause."""

    visemes: np.ndarray
    skip: float
    word: int | None


def fit_transcript(posteriors: np.ndarray, transcript: str) -> tuple[np.ndarray, dict[int, tuple[float, float]]]:
    """Viseme probabilities restricted to what the words allow.

    Spelling is sure of the consonants made with the lips. A written vowel only says that some vowel is spoken, another consonant
    that something is said inside the mouth; which, the sound says.

    Args:
        posteriors: [N, visemes] from `viseme_posteriors`.
        transcript: what is said, in order; punctuation and case do not matter.
    Returns:
        [N, visemes] rows that sum to 1, and by a word's number (from 0) the seconds in which it is spoken.
    Raises:
        SoundError: the transcript has no words, is not in Latin letters, or plainly was not said in this sound.
    """
    refuse_too_many_words(transcript, len(posteriors))
    sounds = _sounds(words_of(transcript))
    allowed = np.stack([sound.visemes for sound in sounds])
    log_likelihoods = np.log(np.maximum(closures_favoured(posteriors) @ allowed.T.astype(np.float32), UNHEARD))
    path = _best_path(log_likelihoods, np.array([sound.skip for sound in sounds]))
    if path is None or np.log(np.maximum((posteriors * allowed[path]).sum(1), UNHEARD)).mean() < LEAST_FIT:
        raise SoundError(_MISFIT)
    shares = np.maximum(posteriors, UNHEARD) * allowed[path]
    spoken = spoken_at((step / STEP_RATE, (step + 1) / STEP_RATE, sounds[state].word) for step, state in enumerate(path))
    return shares / shares.sum(1, keepdims=True), spoken


def spoken_at(sounds: Iterable[tuple[float, float, int | None]]) -> dict[int, tuple[float, float]]:
    """By a word's number from which second to which it is spoken, of sounds in order: from, to, and the number of their word."""
    spoken: dict[int, tuple[float, float]] = {}
    for start, end, word in sounds:
        if word is not None:
            spoken[word] = (spoken.get(word, (start, end))[0], end)
    return spoken


def refuse_too_many_words(transcript: str, steps: float) -> None:
    """Raises a SoundError if the transcript has more words than fit into so many steps of 10 ms, or cannot be read."""
    if FASTEST * sum(len(pronounce(word).split()) for word in words_of(transcript)) > steps:
        raise SoundError(_MISFIT)


def _sounds(words: list[str]) -> list[_Sound]:
    """Every sound of the words with a pause, perhaps, around each word."""

    def one_of(names: tuple[str, ...], skip: float, word: int | None = None) -> _Sound:
        return _Sound(np.isin(NAMES, names), skip, word)

    pause = one_of(("rest",), 0.0)
    vowels = tuple(NAMES[i] for i in VOWELS)
    sounds = [pause]
    for number, word in enumerate(words):
        for symbol in pronounce(word).split():
            names = VISEME_OF_SOUND[symbol]
            if symbol in ("W", "Y"):
                sounds.append(one_of(names, SKIP, number))
            elif names[0] in vowels:
                sounds.append(one_of(vowels, SKIP, number))
            elif names[0] in _INSIDE:
                sounds.append(one_of(_INSIDE, SKIP, number))
            else:
                sounds += [one_of(names, -np.inf, number)] * SHORTEST_CONTACT
        sounds.append(pause)
    return sounds


def _best_path(log_likelihoods: np.ndarray, skip: np.ndarray) -> np.ndarray | None:
    """[N] the sound of every step, in order; None if they are too many for the time.

    Scores are kept every BLOCK steps only and the steps between are walked again on the way back, so memory stays small.
    """
    if len(log_likelihoods) == 0:
        return None
    score = np.full(len(skip), -np.inf)
    score[:2] = 0.0  # the first pause may be missing, and so may the last
    score += log_likelihoods[0]
    kept = []
    for start in range(1, len(log_likelihoods), BLOCK):
        kept.append(score)
        score, _ = _walk(score, log_likelihoods[start : start + BLOCK], skip)
    state = len(score) - 2 + int(score[-2:].argmax())
    if not np.isfinite(score[state]):
        return None
    path = np.empty(len(log_likelihoods), np.int64)
    for start in reversed(range(1, len(log_likelihoods), BLOCK)):
        _, advances = _walk(kept[(start - 1) // BLOCK], log_likelihoods[start : start + BLOCK], skip)
        for step in reversed(range(len(advances))):
            path[start + step] = state
            state -= int(advances[step, state])
    path[0] = state
    return path


def _walk(score: np.ndarray, log_likelihoods: np.ndarray, skip: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The scores after these steps, and [steps, sounds] by how many sounds each step went on."""
    sounds = len(score)
    cost = np.full((LONGEST_SKIP + 2, sounds), -np.inf)  # of arriving here from so many sounds before
    cost[0] = 0.0
    for far in range(1, min(LONGEST_SKIP + 2, sounds)):
        cost[far, far:] = sum(skip[far - back : sounds - back] for back in range(1, far)) if far > 1 else 0.0
    before = np.full((LONGEST_SKIP + 2, sounds), -np.inf)
    advances = np.empty(log_likelihoods.shape, np.int8)
    for step, gain in enumerate(log_likelihoods):
        for far in range(min(LONGEST_SKIP + 2, sounds)):
            before[far, far:] = score[: sounds - far]
        reached = before + cost
        advances[step] = reached.argmax(0)
        score = reached.max(0) + gain
    return score, advances
