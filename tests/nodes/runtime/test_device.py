"""Networks are on the device when they are needed, as ComfyUI manages them."""

from pathlib import Path

import pytest
import torch


class TestOffloading:
    """Avatars with networks, which ComfyUI moves to the device and away again."""

    class Trained:
        """Stands for an avatar with networks."""

        def __init__(self, stream):
            self.video, self.audio, self.stream = (torch.nn.Linear(2, 2), torch.nn.Linear(2, 2)), (torch.nn.Linear(3, 3),), stream

        def __getattr__(self, name):
            return lambda *arguments, **named: self.stream

        def video_networks(self):
            return self.video

        def audio_networks(self):
            return self.audio

    @pytest.fixture
    def trained(self, host):
        return self.Trained(host.core("stream").FrameStream(5, 25.0, lambda start, stop: torch.arange(start, stop)))

    @pytest.fixture
    def brought(self, host, monkeypatch):
        """The networks that ComfyUI is asked for, call by call."""
        calls, management = [], host.part("runtime.device").model_management
        monkeypatch.setattr(management, "load_models_gpu", lambda models, **_: calls.append(tuple(one.model for one in models)))
        return calls

    @pytest.mark.parametrize(("verb", "networks"), [("lift", "video"), ("audio_to_motion", "audio")])
    def test_networks_are_there_when_a_verb_needs_them(self, host, trained, brought, verb, networks):
        getattr(host.part("runtime.device").HostedAvatar(trained), verb)(None)
        assert brought == [getattr(trained, networks)]

    @pytest.mark.parametrize(("verb", "inputs"), [("adapt", 2), ("compose", 3), ("person_mask", 3)])
    def test_networks_are_called_back_for_every_chunk(self, host, trained, brought, verb, inputs):
        stream = getattr(host.part("runtime.device").HostedAvatar(trained), verb)(*[None] * inputs)
        assert torch.cat(list(stream.chunks(2))).tolist() == [0, 1, 2, 3, 4] and brought == [trained.video] * 3

    def test_the_built_in_avatar_needs_no_device(self, host, stages, brought):
        host.execute("Real3DImageToPlane", avatar=stages["avatar"], portrait=stages["portrait"])
        assert brought == []

    def test_the_built_in_avatar_makes_its_frames_on_comfyuis_device(self, host, monkeypatch):
        runtime, given = host.part("runtime.device"), []
        monkeypatch.setattr(host.core("analytic.avatar"), "AnalyticAvatar", lambda *_, device, **__: given.append(device))
        monkeypatch.setattr(host.core("avatar_kinds").AvatarOptions, "__post_init__", lambda self: None)
        monkeypatch.setattr(runtime.model_management, "get_torch_device", lambda: torch.device("cuda"))
        runtime._built_in.__wrapped__("analytic (built in)", None)
        runtime.new_built_in_avatar()
        assert given == [torch.device("cuda"), None], "those of the live pages leave the device to others"

    def test_networks_are_loaded_to_where_the_host_keeps_idle_models(self, host, monkeypatch):
        """Never straight to the graphics card: ComfyUI makes room first."""
        kind, runtime, given = host.core("real3d.kind"), host.part("runtime.device"), []
        monkeypatch.setattr(
            host.core("real3d.official_files"), "load_real3d_avatar", lambda options: given.append(options) or self.Trained(None)
        )
        monkeypatch.setattr(runtime.model_management, "unet_offload_device", lambda: torch.device("meta"))
        monkeypatch.setattr(runtime, "_model_path", Path)
        runtime.load_avatar("networks.ckpt", half=True)
        (options,) = given
        assert options.offload_device == torch.device("meta") and options.half and kind.KIND.name == "real3d"
