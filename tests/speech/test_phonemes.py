"""Phonemes of transcripts, on real speech."""

from itertools import pairwise

import numpy as np
import pytest

from real3d_core.errors import SoundError
from real3d_core.speech import phonemes as module
from real3d_core.speech.phonemes import Phoneme, align


def symbols_at(said: list[Phoneme], times: np.ndarray) -> np.ndarray:
    return np.array([p.symbol for p in said])[np.searchsorted([p.start for p in said], times, side="right") - 1]


def agreement(one: list[Phoneme], other: list[Phoneme], end: float) -> float:
    """Share of the moments up to `end` seconds in which two readings name the same phoneme."""
    times = np.arange(0.005, end, 0.01)
    return float(np.mean(symbols_at(one, times) == symbols_at(other, times)))


def test_phonemes_cover_the_sound_without_gaps(clip, speech, aligned):
    phonemes = aligned[clip]
    assert phonemes[0].start == 0
    assert phonemes[-1].end == pytest.approx(len(speech[clip]) / 16000)
    assert all(before.end == after.start for before, after in pairwise(phonemes))


def test_alignment_speaks_the_words_of_the_transcript(aligned):
    said = [phoneme.symbol for phoneme in aligned["librivox_0880_en.wav"] if phoneme.symbol != "SIL"]
    assert " ".join(said[:3]) == "HH IY W"
    assert " ".join(said[-6:]) == "Y AH NG M AE N"


def test_long_sounds_are_aligned_in_groups_of_words(pocketsphinx, speech, transcripts, aligned, monkeypatch):
    monkeypatch.setattr(module, "PIECE_SECONDS", 4.0)
    first, second = speech
    together = align(np.concatenate([speech[first], speech[second]]), f"{transcripts[first]} {transcripts[second]}")
    shift = len(speech[first]) / 16000
    apart = aligned[first] + [Phoneme(p.start + shift, p.end + shift, p.symbol) for p in aligned[second]]
    assert agreement(together, apart, 10.0) >= 0.9


def test_every_sound_knows_its_word(speech, transcripts, aligned, clip, monkeypatch):
    words = [phoneme.word for phoneme in aligned[clip] if phoneme.symbol != "SIL"]
    assert words == sorted(words) and set(words) == set(range(len(transcripts[clip].split())))
    monkeypatch.setattr(module, "PIECE_SECONDS", 2.0)
    in_pieces = [phoneme.word for phoneme in align(speech[clip], transcripts[clip]) if phoneme.symbol != "SIL"]
    assert in_pieces == sorted(in_pieces) and set(in_pieces) == set(words)


def test_a_name_missing_from_the_dictionary_is_pronounced_as_spelt(pocketsphinx, speech):
    phonemes = align(speech["librivox_0880_en.wav"], "He was not an ill-disposed Yungmanovsk")
    assert " ".join(p.symbol for p in phonemes if p.symbol != "SIL").endswith("P OW Z D Y AH NG M AE N OW V S K")


def test_a_word_in_another_alphabet_is_named(pocketsphinx, speech):
    young = "\u043c\u043e\u043b\u043e\u0434\u043e\u0439"  # in Russian
    with pytest.raises(SoundError, match=f"'{young}'"):
        align(speech["librivox_0880_en.wav"], f"he was {young}")


def test_a_transcript_far_too_long_does_not_fit(pocketsphinx, speech, transcripts):
    with pytest.raises(SoundError, match="does not fit"):
        align(speech["librivox_0880_en.wav"][:6400], transcripts["librivox_0870_en.wav"])


@pytest.mark.parametrize("length", [0, 1, 159, 3200])
def test_nothing_fits_the_shortest_sounds(pocketsphinx, speech, length):
    with pytest.raises(SoundError, match="does not fit"):
        align(speech["librivox_0880_en.wav"][8000 : 8000 + length], "he was not an ill disposed young man")
