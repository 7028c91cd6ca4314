"""Phonemes heard and phonemes aligned, on real speech."""

from itertools import pairwise

import numpy as np
import pytest

from real3d_core.errors import SoundError
from real3d_core.motion import phonemes as module
from real3d_core.motion.loudness import loudness
from real3d_core.motion.phonemes import Phoneme, align, recognise


def symbols_at(said: list[Phoneme], times: np.ndarray) -> np.ndarray:
    return np.array([p.symbol for p in said])[np.searchsorted([p.start for p in said], times, side="right") - 1]


def filled(said: list[Phoneme]) -> list[Phoneme]:
    """With empty phonemes in the gaps."""
    edges = [0.0, *(p.end for p in said)]
    return sorted([*said, *(Phoneme(edge, edge, "") for edge in edges if edge not in {p.start for p in said})], key=lambda p: p.start)


def agreement(one: list[Phoneme], other: list[Phoneme], end: float) -> float:
    """Share of the moments up to `end` seconds in which two readings name the same phoneme."""
    times = np.arange(0.005, end, 0.01)
    return float(np.mean(symbols_at(one, times) == symbols_at(other, times)))


def test_phonemes_cover_the_sound_without_gaps(clip, speech, aligned):
    phonemes = aligned[clip]
    assert phonemes[0].start == 0
    assert phonemes[-1].end == pytest.approx(len(speech[clip]) / 16000)
    assert all(before.end == after.start for before, after in pairwise(phonemes))


def test_words_surely_heard_are_those_of_the_transcript(clip, speech, recognised, aligned):
    """A guess among 40 phonemes would agree in a twentieth of the time."""
    sure = filled(recognised[clip])
    known = [p for p in sure if p.symbol]
    assert sum(p.end - p.start for p in known) >= 0.5 * len(speech[clip]) / 16000
    times = np.concatenate([np.arange(p.start + 0.005, p.end, 0.01) for p in known])
    assert np.mean(symbols_at(sure, times) == symbols_at(aligned[clip], times)) >= 0.75


def test_alignment_speaks_the_words_of_the_transcript(aligned):
    said = [phoneme.symbol for phoneme in aligned["librivox_0880_en.wav"] if phoneme.symbol != "SIL"]
    assert " ".join(said[:3]) == "HH IY W"
    assert " ".join(said[-6:]) == "Y AH NG M AE N"


def test_pieces_are_short_and_cut_where_it_is_quiet(speech):
    level = loudness(np.tile(speech["librivox_0870_en.wav"], 9))
    pieces = module._pieces(level)
    assert pieces[0][0] == 0 and pieces[-1][1] == len(level)
    assert all(before[1] == after[0] for before, after in pairwise(pieces))
    assert max(last - first for first, last in pieces) <= 100 * module.PIECE_SECONDS
    assert max(level[first] for first, _ in pieces[1:]) < np.median(level) - 15


def test_pieces_leave_no_seams(pocketsphinx, speech, recognised, monkeypatch):
    whole = filled(recognised["librivox_0870_en.wav"])
    monkeypatch.setattr(module, "PIECE_SECONDS", 4.0)
    assert agreement(filled(recognise(speech["librivox_0870_en.wav"])), whole, 7.1) >= 0.85


def test_long_sounds_are_aligned_in_groups_of_words(pocketsphinx, speech, transcripts, aligned, monkeypatch):
    monkeypatch.setattr(module, "PIECE_SECONDS", 4.0)
    first, second = speech
    together = align(np.concatenate([speech[first], speech[second]]), f"{transcripts[first]} {transcripts[second]}")
    shift = len(speech[first]) / 16000
    apart = aligned[first] + [Phoneme(p.start + shift, p.end + shift, p.symbol) for p in aligned[second]]
    assert agreement(together, apart, 10.0) >= 0.9


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
def test_the_shortest_sounds_are_no_trouble(pocketsphinx, speech, length):
    heard = recognise(speech["librivox_0880_en.wav"][8000 : 8000 + length])
    assert all(0 <= p.start < p.end <= length / 16000 + 0.01 for p in heard)


def test_nothing_is_said_in_noise(pocketsphinx):
    noise = 0.1 * np.random.default_rng(0).standard_normal(32000).astype(np.float32)
    assert recognise(noise) == []
