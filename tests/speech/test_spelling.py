"""Transcripts become words, unknown words become sounds."""

import pytest

from real3d_core.errors import SoundError
from real3d_core.speech.spelling import pronounce, words_of


def test_case_punctuation_and_accents_do_not_matter():
    assert words_of("“Déjà vu” — it's O’Hara's, isn't it?") == ["deja", "vu", "it's", "o'hara's", "isn't", "it"]


@pytest.mark.parametrize(
    "digits, spoken",
    [
        ("0", "zero"),
        ("17", "seventeen"),
        ("40", "forty"),
        ("1,984", "one thousand nine hundred eighty four"),
        ("007", "zero zero seven"),
        ("300000", "three hundred thousand"),
    ],
)
def test_numbers_are_spoken(digits, spoken):
    assert " ".join(words_of(digits)) == spoken


@pytest.mark.parametrize("transcript", ["...", "!?", "—"])
def test_a_transcript_without_words_is_refused(transcript):
    with pytest.raises(SoundError, match="no words"):
        words_of(transcript)


@pytest.mark.parametrize(
    "word, sounds",
    [("macron", "M AE K R OW N"), ("schwartz", "SH W AA R T Z"), ("bowie", "B OW IY"), ("dune", "D AH N"), ("gpt", "JH IY P IY T IY")],
)
def test_letters_suggest_sounds(word, sounds):
    assert pronounce(word) == sounds
