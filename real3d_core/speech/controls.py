"""From a voice to the controls of a face (DESIGN section 3, spec 08 section 7)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..errors import SoundError
from ..one_thread import blas_on_one_thread
from ..stream import FPS
from .acting import ACTED, acted_face, asked
from .alignment import fit_transcript, refuse_too_many_words, spoken_at
from .articulation import Articulation, articulate
from .loudness import STEP, STEP_RATE, at_times, loudness
from .phonemes import Phoneme, align, phoneme_source_available
from .prosody import prosody
from .spelling import questions_of
from .viseme_network import viseme_posteriors
from .visemes import NAMES, VISEME_OF_SOUND

SPEECH_CONTROLS = ("jaw_open", "lips_wide", "lips_round", "lips_press", "lip_lower_tuck", "lip_upper_raise", "speaking")
MOUTH_SIZE = ("jaw_open", "lips_wide", "lips_round", "lip_upper_raise")  # what the amplitude scales

RAMP = 0.06  # seconds in which lips close or open around a closure
GLIDE = 0.55  # part of a diphthong that belongs to its first half
SHORTEST_CLOSURE = 0.06  # seconds
LONGEST_HOLD = 0.09  # seconds a closure is drawn out at most in order to be seen in two frames; always in one


@blas_on_one_thread()
def speech_controls(
    samples: np.ndarray,
    frames: int,
    fps: float = FPS,
    transcript: str | None = None,
    amplitude: float = 1.0,
    acting: float = 0.0,
    seed: int = 0,
) -> dict[str, np.ndarray]:
    """What a face does while it says this.

    Frame i shows the moment (i + 1/2)/fps. The same input gives the same curves. Any language will do;
    where pocketsphinx is installed, it times the words of a transcript.

    Args:
        samples: [L] float in [-1, 1] at 16 kHz, mono.
        frames: how many frames to make; those after the end of the sound rest.
        fps: frames per second.
        transcript: what is said, in Latin letters, if known: then every closure is where it belongs.
        amplitude: scales how far the mouth opens, spreads and rounds, 0 or more; closures stay closed.
        acting: scales what brows, lids and cheeks do to go with it, 0 or more; a question mark in the transcript is acted too.
        seed: of the acting.
    Returns:
        [frames] float32 in 0..1 for every name in SPEECH_CONTROLS, and in acting.ACTED where there is any acting; 0 is the portrait's own
        rest, which lips reach exactly in long pauses. `speaking` says how far the others start from relaxed lips that touch instead.
    Raises:
        SoundError: there are no samples, or the transcript cannot be aligned with them.
    """
    if len(samples) == 0:
        raise SoundError("The sound holds no samples: give a sound of at least a fifth of a second.")
    articulation = _articulation(samples, transcript)
    times = (np.arange(frames) + 0.5) / fps
    curves = {name: at_times(curve, times) for name, curve in articulation.curves.items()}
    for name in MOUTH_SIZE:
        curves[name] = curves[name] * amplitude
    hold = max(SHORTEST_CLOSURE, min(2.0 / fps, max(1.0 / fps, LONGEST_HOLD)))
    curves["lips_press"] = _held(articulation.closures, times, hold)
    curves["lip_lower_tuck"] = _held(articulation.tucks, times, min(hold, max(1.0 / fps, SHORTEST_CLOSURE)))
    if acting:
        questions = asked(articulation.words, questions_of(transcript or ""))
        for name, curve in acted_face(prosody(samples), times, curves["lips_wide"], seed, questions).items():
            curves[name] = acting * curve
    names = dict.fromkeys((*SPEECH_CONTROLS, *(ACTED if acting else ())))
    return {name: np.clip(curves[name], 0.0, 1.0).astype(np.float32) for name in names}


def _articulation(samples: np.ndarray, transcript: str | None) -> Articulation:
    written = transcript if transcript and transcript.strip() else None
    if written is not None:
        refuse_too_many_words(written, len(samples) / STEP)
    shares = viseme_posteriors(samples)
    words: dict[int, tuple[float, float]] = {}
    if written is not None and phoneme_source_available():
        phonemes = align(samples, written)
        shares, words = _said(phonemes, shares), spoken_at((one.start, one.end, one.word) for one in phonemes)
    elif written is not None:
        shares, words = fit_transcript(shares, written)
    return replace(articulate(shares, loudness(samples)), words=words)


def _said(phonemes: list[Phoneme], shares: np.ndarray) -> np.ndarray:
    """The shares, certain wherever a phoneme is known."""
    certain = np.eye(len(NAMES), dtype=shares.dtype)
    shares = shares.copy()
    for phoneme in phonemes:
        visemes = VISEME_OF_SOUND[phoneme.symbol]
        edges = [phoneme.start, phoneme.end]
        if len(visemes) == 2:
            edges.insert(1, phoneme.start + GLIDE * (phoneme.end - phoneme.start))
        for name, start, end in zip(visemes, edges, edges[1:], strict=False):
            shares[round(start * STEP_RATE) : round(end * STEP_RATE)] = certain[NAMES.index(name)]
    return shares


def _held(spans: tuple[tuple[float, float, float], ...], times: np.ndarray, shortest: float) -> np.ndarray:
    """[T] a curve that stands at `strength` in every span, which lasts at least `shortest` seconds, with soft flanks between."""
    holds = []
    for start, end, strength in spans:
        missing = max(shortest - (end - start), 0.0)
        begin = max(start - 0.6 * missing, 0.0)  # lips close before the sound rather than after it
        holds.append((begin, max(end, begin + shortest), strength))
    curve = np.zeros(len(times))
    for i, (start, end, strength) in enumerate(holds):
        before = start - holds[i - 1][1] if i else np.inf
        after = holds[i + 1][0] - end if i + 1 < len(holds) else np.inf
        rise, fall = (np.clip(gap / 2, 0.01, RAMP) for gap in (before, after))
        near = slice(*np.searchsorted(times, (start - rise, end + fall)))
        outside = np.maximum((start - times[near]) / rise, (times[near] - end) / fall)
        curve[near] = np.maximum(curve[near], strength * 0.5 * (1.0 + np.cos(np.pi * np.clip(outside - 1e-9, 0.0, 1.0))))
    return curve
