"""What a transcript adds to hearing."""

from itertools import pairwise

import numpy as np
import pytest

from real3d_core.errors import SoundError
from real3d_core.speech import alignment as module
from real3d_core.speech.alignment import fit_transcript
from real3d_core.speech.visemes import CLOSED, NAMES, VISEME_OF_SOUND


def heard(*names: str, steps: int = 10) -> np.ndarray:
    """[N, visemes] posteriors that name these visemes for some steps each; "tongue/closed" is more likely tongue than closed."""
    rows = np.full((len(names), len(NAMES)), 0.01)
    for row, name in zip(rows, names, strict=True):
        for likely, one in zip((0.6, 0.3), name.split("/"), strict=False):
            row[NAMES.index(one)] = likely
    return np.repeat(rows / rows.sum(1, keepdims=True), steps, axis=0).astype(np.float32)


def said(posteriors: np.ndarray, transcript: str) -> np.ndarray:
    """The visemes alone."""
    return fit_transcript(posteriors, transcript)[0]


def visemes_of(shares: np.ndarray) -> list[str]:
    """The visemes in order, without repetitions."""
    path = shares.argmax(1)
    return [NAMES[name] for i, name in enumerate(path) if i == 0 or name != path[i - 1]]


def test_a_closure_that_was_misheard_is_put_right():
    shares = said(heard("rest", "ah", "tongue/closed", "ah", "rest"), "ama")
    assert visemes_of(shares) == ["rest", "ah", "closed", "ah", "rest"]
    assert (shares[22:28].argmax(1) == CLOSED).all()


def test_a_closure_nobody_wrote_is_taken_out():
    assert "closed" not in visemes_of(said(heard("rest", "ah", "closed/tongue", "ah", "rest"), "ala"))


def test_vowels_are_left_to_the_sound():
    assert visemes_of(said(heard("rest", "oo", "closed", "eh", "rest"), "apa")) == ["rest", "oo", "closed", "eh", "rest"]


def test_words_may_follow_each_other_with_and_without_a_pause():
    for between in ((), ("rest",)):
        shares = said(heard("closed", "ee", *between, "teeth", "ah"), "be fa")
        assert visemes_of(shares) == ["closed", "ee", *between, "teeth", "ah"]


def test_words_are_found_in_time(posteriors, transcripts, clip, spoken_at):
    """The first sound and the last pause of the clip, and every word between the ones around it."""
    times = fit_transcript(posteriors[clip], transcripts[clip])[1]
    spans = [times[number] for number in range(len(transcripts[clip].split()))]
    assert all(start < end for start, end in spans) and all(a[1] <= b[0] for a, b in pairwise(spans))
    voiced = np.flatnonzero(spoken_at[clip](np.arange(0, 8, 0.01)) != "SIL") / 100
    assert abs(spans[0][0] - voiced[0]) < 0.15 and abs(spans[-1][1] - voiced[voiced < len(posteriors[clip]) / 100 - 0.3][-1]) < 0.25


def test_shares_add_up_to_one(posteriors, transcripts, clip):
    assert np.allclose(said(posteriors[clip], transcripts[clip]).sum(1), 1, atol=1e-5)


def test_hearing_gets_better_with_the_words(posteriors, transcripts, spoken_at):
    """Where pocketsphinx's dictionary knows b, p, m, f or v, so does the spelling; borders differ by a step or two."""
    right = {True: [], False: []}
    for name, shares in posteriors.items():
        symbols = spoken_at[name]((np.arange(len(shares)) + 0.5) / 100)
        for known, path in ((True, said(shares, transcripts[name]).argmax(1)), (False, shares.argmax(1))):
            pairs = [(NAMES[viseme], symbol) for viseme, symbol in zip(path, symbols, strict=True) if symbol in ("B", "P", "M", "F", "V")]
            right[known] += [viseme in VISEME_OF_SOUND[symbol] for viseme, symbol in pairs]
    assert np.mean(right[True]) >= np.mean(right[False]) + 0.02


def test_blocks_do_not_matter(posteriors, transcripts, monkeypatch):
    name = "librivox_0870_en.wav"
    whole = said(posteriors[name], transcripts[name])
    monkeypatch.setattr(module, "BLOCK", 50)
    assert np.array_equal(said(posteriors[name], transcripts[name]), whole)


def test_other_words_do_not_fit(posteriors, transcripts):
    name = "librivox_0870_en.wav"
    with pytest.raises(SoundError, match="does not fit"):
        said(posteriors[name], transcripts["librivox_0880_en.wav"])


def test_a_transcript_far_too_long_does_not_fit(posteriors, transcripts):
    with pytest.raises(SoundError, match="does not fit"):
        said(posteriors["librivox_0880_en.wav"][:40], transcripts["librivox_0870_en.wav"])


def test_a_word_in_another_alphabet_is_named(posteriors):
    with pytest.raises(SoundError, match="'молодой'"):
        said(posteriors["librivox_0880_en.wav"], "he was молодой")


@pytest.mark.parametrize("steps", [0, 1, 2])
def test_almost_no_sound_does_not_fit(steps):
    with pytest.raises(SoundError, match="does not fit"):
        said(heard("rest", steps=steps), "maybe a bumble bee")
