"""Lips from the spectrum, where no recogniser is installed."""

import numpy as np
import pytest

from real3d_core.motion.acoustic import acoustic_estimate
from real3d_core.motion.articulation import articulate
from real3d_core.motion.loudness import loudness


def test_the_opening_resembles_what_phonemes_would_give(speech, aligned, clip):
    """Loudness alone reaches 0.6 here; the spectrum must do better."""
    opening = articulate(aligned[clip], loudness(speech[clip])).curves["jaw_open"]
    voiced = opening > 0.02
    assert np.corrcoef(acoustic_estimate(speech[clip]).curves["jaw_open"][voiced], opening[voiced])[0, 1] >= 0.7


def test_some_closures_are_found(speech):
    assert len(acoustic_estimate(speech["librivox_0870_en.wav"]).closures) >= 3


def test_silence_is_rest(speech):
    samples = np.concatenate([speech["librivox_0880_en.wav"], np.zeros(16000, np.float32)])
    for name, curve in acoustic_estimate(samples).curves.items():
        assert not curve[-90:].any(), name


def test_a_minute_is_estimated_like_its_parts(speech):
    """Nothing farther away than the nearest seconds matters."""
    once = speech["librivox_0870_en.wav"]
    minute = acoustic_estimate(np.tile(once, 9)).curves["jaw_open"]
    thrice = acoustic_estimate(np.tile(once, 3)).curves["jaw_open"]
    middle = slice(710, 1420)
    assert len(minute) == 6390
    assert np.allclose(minute[middle], thrice[middle], atol=0.02)


@pytest.mark.parametrize("samples", [np.zeros(3200), 0.1 * np.random.default_rng(0).standard_normal(3200), np.full(10, 0.1)])
def test_odd_sounds_give_numbers_in_range(samples):
    for curve in acoustic_estimate(samples.astype(np.float32)).curves.values():
        assert np.isfinite(curve).all() and curve.min(initial=0) >= 0 and curve.max(initial=0) <= 1
