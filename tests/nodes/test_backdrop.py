"""A clip behind the person goes by its own time, in every node that makes frames."""

import types
from fractions import Fraction

import pytest
import torch
from pack_host import VideoFromComponents, VideoFromFile, composing


class TestBackgroundVideo:
    """A clip behind the person."""

    @pytest.fixture(params=["file", "frames in memory"])
    def clip(self, request, counting_clip):
        greys = torch.linspace(0.2, 0.8, 5)[:, None, None, None].expand(5, 48, 96, 3)
        parts = types.SimpleNamespace(images=greys, audio=None, frame_rate=Fraction(25, 2))
        return VideoFromFile(str(counting_clip), 0.4) if request.param == "file" else VideoFromComponents(parts)

    def test_it_goes_by_its_own_time(self, host, stages, clip):
        frames = host.execute("Real3DSuperResolution", **composing(stages, background_video=clip))[0]
        wanted = torch.linspace(0.2, 0.8, 5)[[0, 0, 1, 1, 2, 2]]  # 12.5 a second shown at 25
        seen = frames[:, 1, 1].mean(-1)
        assert torch.allclose(seen, wanted, atol=0.16) and (seen[1:] - seen[:-1] > -0.01).all() and seen[-1] - seen[0] > 0.2

    def test_it_begins_again_when_it_ends(self, host, stages, clip):
        backdrop = host.part("backdrop").backdrop(None, clip, 64, 25.0)
        behind = host.core("portrait.framing").behind
        assert len(backdrop) == 10 and behind(backdrop, 0, 1).shape == (1, 3, 64, 64)
        assert torch.equal(behind(backdrop, 8, 13)[2:], behind(backdrop, 0, 3)) and not torch.equal(*behind(backdrop, 9, 11))

    def test_two_backgrounds_are_refused(self, host, stages, simple, clip):
        for make in (simple, lambda **inputs: host.execute("Real3DTalkingPortraitToVideo", **composing(stages, **inputs))):
            with pytest.raises(host.core("errors").Real3DError, match="Two backgrounds are connected"):
                make(background=torch.zeros(1, 64, 64, 3), background_video=clip)

    def test_every_node_that_makes_frames_shows_it(self, host, stages, simple, clip, tmp_path):
        lit = simple(background_video=clip, framing="crop")[1]
        assert lit[0, 1, 1].mean() == pytest.approx(0.5, abs=0.02)  # frame 14 is frame 4 of the second round, at 0.16 s
        film = host.execute("Real3DTalkingPortraitToVideo", **composing(stages, background_video=clip))[0][0]
        frames = host.execute("Real3DSuperResolution", **composing(stages, background_video=clip))[0]
        assert (film.get_components().images - frames).abs().max() <= 0.501 / 255, "a film has 8 bits per colour"
        beside = host.execute("Real3DSideBySide", **composing(stages, background_video=clip))[0]
        assert torch.equal(beside[:, :, 4 * 128 :], frames)
