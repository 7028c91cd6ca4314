"""When the sounds of an English transcript are spoken: pocketsphinx and its dictionary, where installed (spec 08 section 7)."""

from __future__ import annotations

import importlib.util
import re
from dataclasses import dataclass, replace

import numpy as np

from ..errors import SoundError
from .loudness import SOUND_RATE, STEP, STEP_RATE
from .spelling import pronounce, words_of

PIECE_SECONDS = 20.0  # a decoder's memory grows with what it hears at once


@dataclass(frozen=True)
class Phoneme:
    """One sound of speech.

    start, end: seconds from the beginning of the sound.
    symbol: ARPAbet without stress ("AA" ... "ZH"), or "SIL" for silence, breath and noise.
    word: which of the transcript's words it belongs to, counted from 0; None for SIL.
    """

    start: float
    end: float
    symbol: str
    word: int | None = None


def phoneme_source_available() -> bool:
    """Whether pocketsphinx is installed."""
    return importlib.util.find_spec("pocketsphinx") is not None


def align(samples: np.ndarray, transcript: str) -> list[Phoneme]:
    """Phonemes of speech whose words are known. Words missing from the dictionary are pronounced as they are spelt.

    Args:
        samples: [L] float in [-1, 1] at 16 kHz, mono.
        transcript: what is said, in order; punctuation and case do not matter.
    Returns:
        Phonemes in order, without gaps, from 0 to the end of the sound.
    Raises:
        SoundError: the transcript has no words, is not in English letters, or cannot have been said in this sound.
    """
    misfit = SoundError("The transcript does not fit the sound: write exactly what is said, or leave the transcript empty.")
    words = words_of(transcript)
    spoken = [segment for segment in _decode(_aligner(words), samples) if segment.symbol[0] not in "<["]
    if [segment.symbol for segment in spoken] != words:
        raise misfit
    phonemes: list[_Segment] = []
    counted = 0
    steps = -(-len(samples) // STEP)
    for first, last, group in _groups(spoken, steps):
        aligned = _aligned_words(_aligner(group), samples[first * STEP : last * STEP])
        if not aligned:
            raise misfit
        phonemes += _numbered(aligned, first, counted)
        counted += len(group)
    return _seconds(phonemes, len(samples) / SOUND_RATE)


@dataclass(frozen=True)
class _Segment:
    """What a decoder heard between two steps of 10 ms; a sound also knows the number of its word."""

    start: int
    end: int
    symbol: str
    word: int | None = None


@dataclass(frozen=True)
class _Word(_Segment):
    """A word and its phonemes."""

    phonemes: tuple[_Segment, ...] = ()


def _groups(words: list[_Segment], steps: int) -> list[tuple[int, int, list[str]]]:
    """Steps [first, last) with the words said in them; groups of PIECE_SECONDS at most, if words allow, that end in long pauses."""
    groups = []
    first = 0
    longest = int(PIECE_SECONDS * STEP_RATE)
    while steps - first > longest and len(words) > 1:
        inner = range(1, len(words))
        fitting = [i for i in inner if longest // 2 <= words[i].start - first <= longest] or [1]
        count = max(fitting, key=lambda i: words[i].start - words[i - 1].end)
        last = (words[count - 1].end + words[count].start) // 2
        groups.append((first, last, [word.symbol for word in words[:count]]))
        words, first = words[count:], last
    return [*groups, (first, steps, [word.symbol for word in words])]


def _aligner(words: list[str]):
    import pocketsphinx

    decoder = pocketsphinx.Decoder(
        hmm=pocketsphinx.get_model_path("en-us/en-us"),
        lm=None,
        dict=pocketsphinx.get_model_path("en-us/cmudict-en-us.dict"),
        beam=1e-150,  # wide: the words are known, so losing the path is worse than searching longer
        pbeam=1e-150,
        wbeam=1e-120,
        bestpath=False,
        loglevel="FATAL",
    )
    for word in words:
        if decoder.lookup_word(word) is None:
            decoder.add_word(word, pronounce(word), True)
    decoder.set_align_text(" ".join(words))
    return decoder


def _decode(decoder, samples: np.ndarray) -> list[_Segment]:
    """The decoder's segments, words without the mark of the pronunciation; empty when it heard nothing."""
    if len(samples) < STEP:
        return []
    _listen(decoder, samples)
    if decoder.hyp() is None:
        return []
    return [_Segment(s.start_frame, s.end_frame + 1, re.sub(r"\(\d+\)$", "", s.word)) for s in decoder.seg()]


def _aligned_words(decoder, samples: np.ndarray) -> list[_Word]:
    """Words with their phonemes, by a second pass over the words that the decoder hears; empty when it heard none."""
    if not _decode(decoder, samples):
        return []
    try:
        decoder.set_alignment()
    except RuntimeError:  # nothing but fillers was heard
        return []
    _listen(decoder, samples)  # no hypothesis may be asked for after this pass: pocketsphinx 5.1.1 crashes
    return [
        _Word(
            word.start,
            word.start + word.duration,
            word.name,
            None,
            tuple(_Segment(phone.start, phone.start + phone.duration, phone.name) for phone in word),
        )
        for word in decoder.get_alignment() or ()
    ]


def _listen(decoder, samples: np.ndarray) -> None:
    pcm = (np.clip(samples, -1.0, 1.0) * 32767).astype("<i2").tobytes()
    decoder.start_utt()
    decoder.process_raw(pcm, full_utt=True)
    decoder.end_utt()


def _numbered(words: list[_Word], steps: int, first: int) -> list[_Segment]:
    """The sounds of these words, so many steps later, with the number of their word; the first word has the number `first`."""
    sounds: list[_Segment] = []
    for word in words:
        number = None if word.symbol[0] in "<[" else first
        first += number is not None
        sounds += [replace(sound, start=sound.start + steps, end=sound.end + steps, word=number) for sound in word.phonemes]
    return sounds


def _seconds(segments: list[_Segment], duration: float) -> list[Phoneme]:
    """Phonemes without gaps from 0 to `duration`; fillers become SIL, slivers of one step join the sound before them."""
    edges: list[tuple[int, str, int | None]] = [(0, "SIL", None)]
    reached = 0
    for segment in segments:
        symbol = segment.symbol if segment.symbol.isalpha() else "SIL"
        if segment.start > reached + 1:
            edges.append((reached, "SIL", None))
        if segment.end - segment.start > 1 and symbol != edges[-1][1]:
            edges.append((segment.start, symbol, None if symbol == "SIL" else segment.word))
        reached = segment.end
    ends = [*(start / STEP_RATE for start, _, _ in edges[1:]), duration]
    spans = ((start / STEP_RATE, min(end, duration), symbol, word) for (start, symbol, word), end in zip(edges, ends, strict=True))
    return [Phoneme(start, end, symbol, word) for start, end, symbol, word in spans if start < end]
