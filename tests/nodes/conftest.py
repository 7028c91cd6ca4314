"""The pack in a stand-in of ComfyUI, and pictures and sounds for it."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from pack_host import ROOT, Host
from PIL import Image

SECONDS = 0.6


@pytest.fixture(scope="session")
def host(tmp_path_factory, assets: Path) -> Host:
    """The pack loaded once, with what its examples load."""
    loaded = Host(tmp_path_factory.mktemp("comfy"))
    loaded.part("runtime.folders").films().spare = 0  # tests hold on a full disk too
    loaded.inputs = {
        "portrait.png": image(assets / "portraits" / "astronaut.png"),
        "portrait_2.png": image(assets / "portraits" / "synthetic_p002.jpg"),
        "background.png": torch.linspace(0, 1, 96)[None, :, None, None].expand(1, 96, 128, 3).contiguous(),
        "voice.wav": voice(loaded, assets / "speech" / "librivox_0880_en.wav", SECONDS),
    }
    shipped = ROOT / "example_workflows" / "input"
    loaded.inputs |= {path.name: image(path) for path in shipped.glob("*.jpg")}
    loaded.inputs["real3d_voice.wav"] = voice(loaded, shipped / "real3d_voice.wav", SECONDS)
    loaded.inputs["real3d_driving.mp4"] = shipped / "real3d_driving.mp4"
    return loaded


@pytest.fixture(scope="session")
def stages(host):
    """One portrait through all stages, small."""
    avatar = host.execute("Real3DLoadAvatar", avatar="analytic (built in)")[0]
    portrait, *layers = host.execute("Real3DPreparePortrait", image=host.inputs["portrait.png"])
    planes = host.execute("Real3DImageToPlane", avatar=avatar, portrait=portrait)[0]
    motion = host.execute("Real3DAudioToMotion", avatar=avatar, audio=host.inputs["voice.wav"])[0]
    motion = host.execute("Real3DEditMotion", motion=motion, end=0.24)[0]
    camera = host.execute("Real3DCameraPath", portrait=portrait, motion=motion)[0]
    moving = host.execute("Real3DMotionAdapter", avatar=avatar, planes=planes, motion=motion)[0]
    render = host.execute("Real3DRenderHead", avatar=avatar, planes=moving, camera=camera, resolution=64)[0]
    return {
        **{"avatar": avatar, "portrait": portrait, "layers": layers, "planes": planes, "motion": motion},
        **{"camera": camera, "moving": moving, "render": render},
    }


@pytest.fixture
def simple(host):
    """Runs the simple node, small; its results."""

    def run(**inputs) -> tuple:
        given = {"image": host.inputs["portrait.png"], "audio": host.inputs["voice.wav"], "head_pose": "static", "size": 64}
        return host.execute("Real3DTalkingPortrait", **{**given, **inputs})

    return run


@pytest.fixture(scope="session")
def counting_clip(host, tmp_path_factory):
    """A film without sound of five frames at 12.5 a second, 0.4 s, each of its own grey."""
    path = tmp_path_factory.mktemp("clips") / "counting.mp4"
    greys = torch.linspace(0.2, 0.8, 5)[:, None, None, None].expand(5, 48, 96, 3)
    stream = host.core("stream").FrameStream(5, 12.5, lambda start, stop: greys[start:stop])
    host.core("media.film").write_video(path, stream, None)
    return path


def image(path: Path) -> torch.Tensor:
    """A picture as ComfyUI's IMAGE."""
    return torch.from_numpy(np.array(Image.open(path).convert("RGB"))).float()[None] / 255


def voice(host: Host, path: Path, seconds: float, start: float = 0.3) -> dict:
    """A piece of a recording as ComfyUI's AUDIO."""
    sound = host.core("media.sound").load_sound(path)
    first = round(start * sound.rate)
    return {"waveform": sound.samples[None, :, first : first + round(seconds * sound.rate)], "sample_rate": sound.rate}


@pytest.fixture(scope="module")
def faces(host):
    """The room of live faces, with a photo in ComfyUI's input folder."""
    shutil.copy(ROOT / "example_workflows" / "input" / "real3d_portrait.jpg", host.folder / "input")
    return host.part("live_faces")


@pytest.fixture(scope="module")
def route(host, faces):
    return host.part("live_route")


@pytest.fixture
def live(route, faces, monkeypatch):
    """An empty room in place of the pack's."""
    fresh = faces.LiveFaces()
    monkeypatch.setattr(route, "LIVE", fresh)
    return fresh
