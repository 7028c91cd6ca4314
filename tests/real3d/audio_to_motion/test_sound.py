"""Resampling to the front end's 16 kHz (spec 05 section 2)."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from real3d_core.errors import SoundError
from real3d_core.media.sound import Sound
from real3d_core.real3d.audio_to_motion.sound import audible, sixteen_kilohertz


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


class TestAudible:
    """HuBERT hears the first channel and the pitch tracker the mean: a voice that neither would hear is mixed first."""

    VOICE = 0.2 * torch.from_numpy(np.random.default_rng(0).standard_normal(16000).astype(np.float32)).clamp(-4, 4)

    def test_ordinary_channels_stay_as_published(self):
        for channels in ([self.VOICE], [self.VOICE, self.VOICE], [self.VOICE, 0.3 * self.VOICE.roll(7)], [0.6 * self.VOICE, self.VOICE]):
            sound = Sound(torch.stack(channels), 16000)
            assert torch.equal(audible(sound).samples, sound.samples)

    @pytest.mark.parametrize("gains", [(0.0, 1.0), (0.1, 1.0), (1.0, -1.0), (0.0, 0.0, 1.0, 0.0, 0.0, 0.0), (0.0, 0.0, 0.0, 0.0, 1.0, 0.0)])
    def test_a_voice_elsewhere_is_heard_by_both(self, gains):
        heard = audible(Sound(torch.tensor(gains)[:, None] * self.VOICE, 16000)).samples
        for one in (heard[0], heard.mean(dim=0)):
            assert one.std() > 0.3 * self.VOICE.std()
            assert torch.corrcoef(torch.stack([one, self.VOICE]))[0, 1] > 0.99
