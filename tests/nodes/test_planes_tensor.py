"""Planes as a latent come back exactly, and what does not fit them is refused."""

import sys
import types
from dataclasses import replace

import pytest
import torch


class TestPlanesAsLatent:
    """Planes for nodes that calculate with latents."""

    @pytest.fixture
    def latent(self, host, stages):
        return host.execute("Real3DPlanesToTensor", planes=stages["planes"])[1]

    def back(self, host, planes, latent):
        return host.execute("Real3DPlanesFromTensor", planes=planes, tensor=latent)[0]

    @pytest.mark.parametrize("kind", ["planes", "moving"])
    def test_they_come_back_exactly(self, host, stages, kind):
        planes = stages[kind]
        latent = host.execute("Real3DPlanesToTensor", planes=planes)[1]
        own = planes.streams[0].frames(0, len(planes.streams[0]))
        assert latent["samples"].shape == (len(own), 96, 256, 256)
        assert torch.equal(latent["samples"][:, 32:64], own.features[:, 1]), "plane after plane"
        again = self.back(host, planes, latent)
        assert again.moving == planes.moving and again.streams[0].fps == planes.streams[0].fps
        assert torch.equal(again.streams[0].frames(0, len(own)).features, own.features)

    def test_what_others_calculate_is_what_is_rendered(self, host, stages, latent):
        changed = latent.copy()
        changed["samples"] = torch.nn.functional.interpolate(
            latent["samples"] * 0.5 + latent["samples"] * 0.5, size=(128, 128), mode="area"
        )
        planes = self.back(host, stages["planes"], changed)
        camera = host.execute("Real3DCameraPath", frames=1, portrait=stages["portrait"])[0]
        whole, half = (
            host.execute("Real3DRenderHead", avatar=stages["avatar"], planes=one, camera=camera, resolution=32)[0].streams[0].frames(0, 1)
            for one in (stages["planes"], planes)
        )
        assert (whole.opacity - half.opacity).abs().mean() < 0.05 < half.opacity.mean()

    def test_resized_planes_are_refused_where_they_would_be_moved(self, host, stages, latent):
        latent["samples"] = torch.nn.functional.interpolate(latent["samples"], scale_factor=2)
        planes = self.back(host, stages["planes"], latent)
        with pytest.raises(host.core("errors").Real3DError, match="512 x 512, the avatar moves planes of 256 x 256"):
            host.execute("Real3DMotionAdapter", avatar=stages["avatar"], planes=planes, motion=stages["motion"])

    def test_two_portraits_are_two_rows(self, host, stages, latent):
        heads = host.part("sockets").Heads
        two = heads.at_rest("analytic", stages["planes"].still("") * 2)
        both = host.execute("Real3DPlanesToTensor", planes=two)[1]
        assert torch.equal(both["samples"], torch.cat([latent["samples"]] * 2))
        assert len(self.back(host, two, both).streams) == 2

    @pytest.mark.parametrize("shape", [(1, 4, 64, 64), (2, 96, 256, 256), (1, 96, 8, 8, 8)], ids=str)
    def test_another_latent_is_refused(self, host, stages, shape):
        with pytest.raises(host.core("errors").Real3DError, match=r"these planes are \[1, 96, 256, 256\] as a latent"):
            self.back(host, stages["planes"], {"samples": torch.zeros(shape)})

    def test_numbers_of_another_avatar_are_refused(self, host, stages, latent):
        tensor = host.execute("Real3DPlanesToTensor", planes=stages["planes"])[0]
        for other in (replace(tensor, avatar="real3d"), {**latent, "real3d_avatar": "real3d"}):
            with pytest.raises(host.core("errors").Real3DError, match="those of the avatar 'real3d', the planes those of 'analytic'"):
                self.back(host, stages["planes"], other)

    def test_numbers_that_are_none_are_refused(self, host, stages, latent):
        broken = {"samples": latent["samples"] / 0}
        with pytest.raises(host.core("errors").Real3DError, match="not all finite"):
            self.back(host, stages["planes"], broken).streams[0].frames(0, 1)

    def test_a_long_film_of_planes_stops_the_nodes_behind_the_latent_only(self, host, stages, monkeypatch):
        blocker = types.SimpleNamespace(ExecutionBlocker=lambda sentence: types.SimpleNamespace(message=sentence))
        monkeypatch.setitem(sys.modules, "comfy_execution.graph_utils", blocker)
        frames = host.core("stream").FrameStream(33, 25.0, lambda start, stop: pytest.fail("computed"))
        tensor, latent = host.execute("Real3DPlanesToTensor", planes=replace(stages["moving"], streams=(frames,)))
        assert len(tensor.streams[0]) == 33 and "33 frames of planes are too many for a latent" in latent.message
