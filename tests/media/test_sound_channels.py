"""Many channels become two and one; no voice is lost by mixing."""

import math
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from media_files import loudest_hertz

from real3d_core.media.sound import in_stereo, load_sound, mixed_down


def noise(seconds: float, rate: int = 16000, seed: int = 0) -> torch.Tensor:
    return 0.3 * torch.randn(round(seconds * rate), generator=torch.Generator().manual_seed(seed)).clamp(-3, 3)


class TestMixing:
    """No voice is lost by mixing channels that cancel each other."""

    @pytest.mark.parametrize("gain", [-1.0, -0.6], ids=["inverted", "inverted and softer"])
    def test_an_inverted_channel_cancels_nothing(self, gain):
        voice = noise(1.0)
        assert torch.equal(mixed_down(torch.stack([voice, gain * voice])), voice)

    def test_a_constant_part_hides_no_inversion(self):
        voice = noise(1.0)
        assert torch.equal(mixed_down(torch.stack([voice + 0.5, 0.5 - voice])), voice + 0.5)

    def test_a_channel_that_is_inverted_for_a_while_counts(self):
        voice = noise(4.0)
        other = voice.clone()
        other[16000:32000] *= -1
        assert mixed_down(torch.stack([voice, other]))[16000:32000].std() > 0.9 * voice.std()

    def test_six_channels_of_which_half_are_inverted(self):
        voice = noise(1.0)
        channels = voice * torch.tensor([1.0, -1, 1, -1, 1, -1])[:, None]
        assert mixed_down(channels).std() > 0.9 * voice.std()

    def test_two_speakers_are_both_kept(self):
        both = torch.stack([noise(2.0, seed=1), noise(2.0, seed=2)])
        assert torch.equal(mixed_down(both), both.mean(dim=0))

    def test_silence_stays_silent(self):
        assert not mixed_down(torch.zeros(2, 5000)).any()


def write_layout(path: Path, layout: str, samples: dict[str, torch.Tensor], codec: str = "pcm_s16le") -> Path:
    """Named channels [L] at 48 kHz; the others of the layout are silent."""
    names = [channel.name for channel in av.AudioLayout(layout).channels]
    silence = torch.zeros_like(next(iter(samples.values())))
    channels = torch.stack([samples.get(name, silence) for name in names]).numpy()
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=48000, layout=layout)
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(channels.T.reshape(1, -1)), format="flt", layout=layout)
        frame.sample_rate, frame.pts, frame.time_base = 48000, 0, Fraction(1, 48000)
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


class TestManyChannels:
    """More than two channels become left and right by the coefficients of ITU-R BS.775, whatever asks for them."""

    HALF = 0.5**0.5

    @pytest.mark.parametrize(
        ("layout", "name", "left", "right"),
        [
            ("5.1", "FL", 1.0, 0.0),
            ("5.1", "FC", HALF, HALF),
            ("5.1", "LFE", 0.0, 0.0),
            ("5.1(side)", "SL", HALF, 0.0),
            ("7.1", "BR", 0.0, HALF),
            ("7.1", "SR", 0.0, HALF),
            ("6.1", "BC", 0.5, 0.5),
            ("quad", "BL", HALF, 0.0),
            ("2.1", "LFE", 0.0, 0.0),
            ("3.0", "FC", HALF, HALF),
        ],
    )
    def test_each_channel_has_its_share(self, tmp_path, layout, name, left, right):
        voice, other = noise(0.4, 48000).clamp(-0.5, 0.5), noise(0.4, 48000, seed=1).clamp(-0.2, 0.2)
        sound = load_sound(write_layout(tmp_path / "a.wav", layout, {name: voice, "FR": other}))
        assert (sound.samples - torch.stack([left * voice, right * voice + other])).abs().max() < 1e-4

    @pytest.mark.parametrize(("ending", "codec"), [("ac3", "ac3"), ("m4a", "aac"), ("flac", "flac"), ("opus", "libopus")])
    def test_a_voice_in_the_middle_is_heard_over_the_rumble(self, tmp_path, ending, codec):
        time = torch.arange(48000) / 48000
        voice, rumble = (0.5 * torch.sin(2 * math.pi * hertz * time) for hertz in (440, 40))
        mono = load_sound(write_layout(tmp_path / f"a.{ending}", "5.1", {"FC": voice, "LFE": rumble}, codec)).mono(16000)
        assert abs(loudest_hertz(mono, 16000) - 440) < 2
        assert 0.3 < mono[4000:12000].abs().max() < 0.4

    @pytest.mark.parametrize("count", [3, 4, 5, 6, 7, 8])
    def test_channels_without_names_are_in_the_usual_order(self, count):
        channels = torch.zeros(count, 4000)
        channels[1] = noise(0.25)
        assert torch.equal(in_stereo(channels), torch.stack([torch.zeros(4000), channels[1]]))

    def test_loud_channels_do_not_overload(self):
        voice = noise(1.0)
        both = in_stereo((voice / voice.abs().max()).expand(6, -1))
        assert 0.99 < both.abs().max() <= 1.0
        assert torch.allclose(both[0] / both.abs().max(), voice / voice.abs().max(), atol=1e-5)

    def test_an_inverted_side_cancels_nothing(self, tmp_path):
        voice = noise(0.5, 48000)
        mono = load_sound(write_layout(tmp_path / "a.wav", "5.1", {"FL": voice, "FR": -voice})).mono(48000)
        assert mono.std() > 0.9 * voice.std()

    def test_one_side_alone_is_a_voice(self, tmp_path):
        voice = noise(0.5, 48000)
        mono = load_sound(write_layout(tmp_path / "a.wav", "stereo", {"FR": voice})).mono(48000)
        assert torch.allclose(mono, voice / 2, atol=1e-4)

    def test_a_voice_where_only_rumble_should_be_is_not_lost(self, tmp_path):
        voice = noise(0.5, 48000)
        mono = load_sound(write_layout(tmp_path / "a.wav", "5.1", {"LFE": voice})).mono(48000)
        assert torch.corrcoef(torch.stack([mono, voice]))[0, 1] > 0.99

    def test_what_nobody_can_name_is_kept(self):
        channels = torch.rand(11, 100)
        assert in_stereo(channels) is channels
