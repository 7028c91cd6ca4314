"""Coarticulation, on phonemes whose lips everybody knows."""

import numpy as np
import pytest

from real3d_core.speech.articulation import articulate
from real3d_core.speech.visemes import NAMES, VISEME_OF_SOUND

VOICE, SILENT = -20.0, -100.0  # dB


def said(*sounds: tuple[str, float]) -> np.ndarray:
    """[N, visemes] shares of English sounds of the given seconds, one after the other; diphthongs travel in their middle."""
    indices: list[int] = []
    for symbol, seconds in sounds:
        names = VISEME_OF_SOUND[symbol]
        steps = round(seconds * 100)
        indices += [NAMES.index(names[min(i * len(names) // steps, len(names) - 1)]) for i in range(steps)]
    return np.eye(len(NAMES))[indices]


def curves(shares: np.ndarray, level: np.ndarray | None = None) -> dict[str, np.ndarray]:
    return articulate(shares, np.full(len(shares), VOICE) if level is None else level).curves


def test_open_vowels_open_wider_than_close_ones():
    opening = curves(said(("AA", 0.3), ("IY", 0.3), ("UW", 0.3)))["jaw_open"]
    assert opening[15] > 2 * opening[45] > 2.2 * opening[75]


def test_a_tongue_consonant_hardly_closes_the_mouth_but_a_labial_one_does():
    tongue = curves(said(("AA", 0.2), ("K", 0.06), ("AA", 0.2)))["jaw_open"]
    lips = curves(said(("AA", 0.2), ("F", 0.06), ("AA", 0.2)))["jaw_open"]
    assert tongue[23] > 0.65
    assert lips[23] < 0.5


def test_lips_move_before_the_sound():
    phonemes = said(("SIL", 1.0), ("W", 0.1), ("AA", 0.3), ("SIL", 1.0))
    moving = curves(phonemes)
    assert 0.04 <= 1.0 - np.flatnonzero(moving["jaw_open"] > 0)[0] / 100 <= 0.09
    assert 0.08 <= 1.0 - np.flatnonzero(moving["lips_round"] > 0)[0] / 100 <= 0.15


def test_rounding_and_spreading_follow_the_vowel():
    moving = curves(said(("IY", 0.3), ("UW", 0.3)))
    assert moving["lips_wide"][12] > 0.5 and moving["lips_round"][12] == pytest.approx(0.0, abs=1e-3)
    assert moving["lips_round"][48] > 0.8 and moving["lips_wide"][48] == pytest.approx(0.0, abs=1e-3)


def test_a_diphthong_travels():
    moving = curves(said(("SIL", 0.2), ("AW", 0.3), ("SIL", 0.2)))
    assert moving["jaw_open"][26] > moving["jaw_open"][42] + 0.2
    assert moving["lips_round"][42] > moving["lips_round"][24] + 0.3


def test_louder_vowels_open_more():
    phonemes = said(*[("AH", 0.2), ("T", 0.1)] * 6)
    level = np.full(180, VOICE)
    level[60:80] += 9.0
    opening = curves(phonemes, level)["jaw_open"]
    assert opening[70] > 1.15 * opening[10]


def test_every_control_is_exactly_at_rest_inside_a_pause():
    moving = curves(said(("AA", 0.3), ("SIL", 4.0), ("UW", 0.3)))
    for name, curve in moving.items():
        assert not curve[135:320].any(), name


def test_lips_stay_apart_for_a_breath_between_words():
    opening = curves(said(("AA", 0.3), ("SIL", 0.5), ("AA", 0.3)))["jaw_open"]
    assert 0.05 < opening[55] < 0.15


def test_what_is_heard_in_digital_silence_is_not_shown():
    level = np.full(200, VOICE)
    level[60:150] = SILENT
    opening = curves(said(("AA", 2.0)), level)["jaw_open"]
    assert opening[30] > 0.8 and opening[180] > 0.8
    assert not opening[80:130].any()


def test_fast_speech_moves_in_a_shorter_window():
    slow = curves(said(*[("AA", 0.12), ("S", 0.12)] * 10))["jaw_open"]
    fast = curves(said(*[("AA", 0.05), ("S", 0.05)] * 10))["jaw_open"]
    assert np.ptp(slow[50:200]) > 0.5
    assert np.ptp(fast[30:70]) > 0.15


def test_a_mouth_is_set_for_speech_through_pauses_for_breath_and_rests_in_long_ones():
    phonemes = said(("AA", 0.3), ("SIL", 0.6), ("AA", 0.3), ("SIL", 3.0), ("AA", 0.3))
    level = np.where(np.arange(450) < 280, -30.0, -45.0)  # the room is heard in the pauses
    speaking = curves(phonemes, level)["speaking"]
    assert speaking[:120].min() == pytest.approx(1.0)
    assert speaking[240:300].max() == pytest.approx(0.0, abs=1e-9) and speaking[425:].min() == pytest.approx(1.0)


def test_a_mouth_rests_soon_where_the_sound_is_off():
    level = np.where(np.arange(330) < 30, -30.0, -120.0)
    speaking = curves(said(("AA", 0.3), ("SIL", 3.0)), level)["speaking"]
    assert speaking[5] > 0.9 and speaking[52:].max() == pytest.approx(0.0, abs=1e-9)
