"""Pictures, masks, sounds and clips of all kinds become what the core takes."""

import types

import numpy as np
import pytest
import torch
from pack_host import VideoFromFile, composing


class TestConversions:
    """Pictures, masks and sounds as other nodes hand them over."""

    @pytest.mark.parametrize("mask", [torch.zeros(1, 64, 64), torch.ones(64, 64)], ids=["empty", "inverted empty"])
    def test_a_mask_that_is_the_same_all_over_means_none(self, host, mask):
        assert host.part("conversions").person_masks(mask, 2) == [None, None]

    @pytest.mark.parametrize("shape", [(20, 30), (1, 20, 30), (1, 1, 20, 30), (1, 20, 30, 1)], ids=str)
    def test_one_mask_serves_a_batch(self, host, shape):
        masks = host.part("conversions").person_masks(torch.linspace(0, 1, 600).reshape(shape), 2)
        assert len(masks) == 2 and masks[1].shape == (20, 30)

    def test_one_small_mask_of_two_axes_serves_a_batch_of_photos(self, host):
        photo = host.inputs["portrait.png"].expand(2, -1, -1, -1)
        mask = torch.zeros(48, 64)
        mask[8:, 12:52] = 1
        person = host.execute("Real3DPreparePortrait", image=photo, person_mask=mask)[5]
        assert person.shape == (2, 512, 512) and torch.equal(person[0], person[1]) and 0.3 < person[0].mean() < 0.7

    @pytest.mark.parametrize("channels", [1, 4])
    def test_pictures_of_one_or_four_channels_do_everywhere(self, host, stages, channels):
        grey = torch.rand(1, 40, 60, 1).expand(-1, -1, -1, 3)
        other = grey[..., :1] if channels == 1 else torch.cat([grey, torch.ones(1, 40, 60, 1)], dim=-1)
        wanted, frames = (host.execute("Real3DSuperResolution", **composing(stages, background=one))[0] for one in (grey, other))
        assert torch.equal(wanted, frames)
        photo = host.inputs["portrait.png"].mean(-1, keepdim=True).expand(-1, -1, -1, 3)
        alike = photo[..., :1] if channels == 1 else torch.cat([photo, torch.ones_like(photo[..., :1])], dim=-1)
        wanted, pasted = (
            host.execute("Real3DPasteBack", frames=frames[..., :channels], portrait=stages["portrait"], original=one)[0]
            for one in (photo, alike)
        )
        assert torch.equal(wanted, pasted) and pasted.shape[-1] == 3
        square = other[:, :, :40]
        recoloured = host.execute("Real3DReplaceRenderColour", render=stages["render"], image=square)[0]
        assert recoloured.streams[0].frames(0, 1).features.shape[1] == 32

    def test_transparent_parts_of_a_picture_are_background(self, host):
        picture = host.inputs["portrait.png"]
        alpha = torch.zeros(*picture.shape[:3], 1)
        alpha[:, :190, 130:330] = 1  # head without shoulders
        cut = host.execute("Real3DPreparePortrait", image=torch.cat([picture, alpha], dim=-1))[5]
        whole = host.execute("Real3DPreparePortrait", image=picture)[5]
        assert cut[0, -8:].mean() < 0.1 < whole[0, -8:].mean()

    def test_what_hides_under_transparency_does_not_show(self, host):
        picture = torch.tensor([[[[0.2, 0.4, 0.6, 1.0], [0.9, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.5]]]])
        colours = host.part("conversions").colours
        assert torch.allclose(colours(picture), torch.tensor([[[[0.2, 0.4, 0.6], [1.0, 1.0, 1.0], [0.5, 0.5, 0.5]]]]))
        assert torch.equal(colours(picture[..., :3]), picture[..., :3])

    @pytest.mark.parametrize("channels", ["one", "equal", "unlike"])
    def test_whole_numbers_with_interleaved_channels_are_sorted_out(self, host, channels):
        voice = host.inputs["voice.wav"]["waveform"][0, 0]
        other = voice if channels == "equal" else voice.roll(3000) * 0.7
        pair = voice[None] if channels == "one" else torch.stack([voice, other])
        row = (pair.T.reshape(1, 1, -1) * 32767).to(torch.int16)
        heard = host.part("conversions").sound({"waveform": row, "sample_rate": 16000})
        assert heard.samples.shape == pair.shape
        assert torch.allclose(heard.samples, pair, atol=2e-4)

    @pytest.mark.parametrize(
        "audio",
        [
            None,
            {"waveform": None, "sample_rate": 16000},
            {"waveform": torch.zeros(1, 1, 0), "sample_rate": 16000},
            {"waveform": torch.zeros(1, 1, 160), "sample_rate": 16000},
            {"waveform": torch.zeros(1, 1, 16000), "sample_rate": 0},
        ],
        ids=["none", "silent video", "empty", "too short", "no rate"],
    )
    def test_a_sound_that_can_not_move_a_face_is_one_sentence(self, host, audio):
        with pytest.raises(host.core("errors").SoundError) as caught:
            host.part("conversions").sound(audio)
        assert "\n" not in str(caught.value)

    def test_a_part_of_a_file_drives_alone(self, host, stages, tmp_path):
        film = host.execute("Real3DTalkingPortraitToVideo", **composing(stages))[0][0]
        film.save_to(str(tmp_path / "film.mp4"))
        parts = types.SimpleNamespace(images=torch.zeros(2, 8, 8, 3), frame_rate=25)
        whole, part = (VideoFromFile(str(tmp_path / "film.mp4"), seconds, parts) for seconds in (0.24, 0.08))
        expected, clip = host.core("pipeline").clip_frames, host.part("conversions").driving_clip
        assert (expected(clip(whole)), expected(clip(part))) == (6, 2)

    def test_a_batch_of_images_drives_at_its_own_rate(self, host):
        frames = torch.arange(12.0)[:, None, None, None].expand(12, 4, 4, 3) / 255
        clip = host.part("conversions").driving_clip(None, frames, 12.5)
        pictures = [picture[0, 0, 0] for picture in clip.frames()]
        assert host.core("pipeline").clip_frames(clip) == 24 and np.array_equal(pictures, np.repeat(np.arange(12), 2))
