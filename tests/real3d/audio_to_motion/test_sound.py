"""Resampling to the front end's 16 kHz (spec 05 section 2)."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from real3d_core.errors import SoundError
from real3d_core.media.sound import Sound
from real3d_core.real3d.audio_to_motion.hubert import sixteen_kilohertz


def test_sixteen_kilohertz_stays_as_it_is_but_for_the_16_bits():
    wave = torch.from_numpy(np.random.default_rng(0).uniform(-0.9, 0.9, (1, 5000)).astype(np.float32))
    heard = sixteen_kilohertz(Sound(wave, 16000))
    assert heard.shape == (1, 5000)
    np.testing.assert_allclose(heard, wave, atol=1 / 32768)
    assert (heard * 32768 == np.round(heard * 32768)).all()


def test_channels_stay_apart_and_keep_their_pitch():
    time = torch.arange(44100) / 44100
    tone = 0.5 * torch.sin(2 * torch.pi * 300 * time)
    heard = sixteen_kilohertz(Sound(torch.stack([tone, torch.zeros(44100), -tone]), 44100))
    assert heard.shape[0] == 3 and abs(heard.shape[1] - 16000) <= 1
    assert np.abs(heard[1]).max() <= 1 / 32768
    expected = 0.5 * np.sin(2 * np.pi * 300 * np.arange(16000) / 16000)
    np.testing.assert_allclose(heard[0, 200:15800], expected[200:15800], atol=2e-3)


def test_an_empty_sound_is_refused():
    with pytest.raises(SoundError, match="no samples"):
        sixteen_kilohertz(Sound(torch.zeros(1, 0), 44100))
