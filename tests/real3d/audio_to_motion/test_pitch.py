"""F0 against the reference tracker's values (spec 05 sections 4 and 10)."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from golden import load_vector

from real3d_core.real3d.audio_to_motion.network import pitch_bin
from real3d_core.real3d.audio_to_motion.pitch import pitch_track, voice_frequencies


def _assert_same_track(track: np.ndarray, expected: np.ndarray) -> None:
    assert ((track > 0) == (expected > 0)).all()
    np.testing.assert_allclose(track, expected, atol=0.05)


def test_hard_signal_has_the_reference_voicing_and_pitch(goldens):
    expected, _ = load_vector(goldens / "a2m_f0_hard.npz")
    _assert_same_track(voice_frequencies(expected["wav"]), expected["f0_tracker"])


def test_gated_glide_keeps_the_spectrogram_frames_only_and_gives_the_reference_bins(goldens):
    expected, _ = load_vector(goldens / "a2m_mel_f0.npz")
    padded = np.pad(expected["wav"].astype(np.float64), (0, 320))
    _assert_same_track(voice_frequencies(padded), expected["f0_tracker"])

    track = pitch_track(expected["wav"], 104)
    _assert_same_track(track[:99], expected["f0"])
    assert (track[99:] == 0).all()
    assert (pitch_bin(torch.from_numpy(track[:99])).numpy() == expected["f0_coarse"]).all()


def test_long_sound_does_not_depend_on_batches(monkeypatch):
    time = np.arange(16000 * 3) / 16000
    voice = np.sin(2 * np.pi * (140 * time + 20 * np.sin(time)))
    whole = voice_frequencies(voice)
    monkeypatch.setattr("real3d_core.real3d.audio_to_motion.pitch._BATCH", 37)
    np.testing.assert_array_equal(voice_frequencies(voice), whole)
    assert whole.min() > 100


@pytest.mark.parametrize("hertz", [82.0, 149.3, 440.0, 700.0])
def test_a_harmonic_tone_has_its_pitch(hertz: float):
    time = np.arange(16000) / 16000
    tone = sum(np.sin(2 * np.pi * k * hertz * time) / k for k in (1, 2, 3))
    np.testing.assert_allclose(voice_frequencies(tone)[2:-2], hertz, rtol=2e-3)


def test_silence_and_a_constant_are_unvoiced():
    assert (voice_frequencies(np.zeros(6400)) == 0).all()
    assert (voice_frequencies(np.full(6400, 0.25)) == 0).all()
    assert pitch_track(np.zeros(512), 8).shape == (8,)
