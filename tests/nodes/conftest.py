"""The pack in a stand-in of ComfyUI, and pictures and sounds for it."""

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


def image(path: Path) -> torch.Tensor:
    """A picture as ComfyUI's IMAGE."""
    return torch.from_numpy(np.array(Image.open(path).convert("RGB"))).float()[None] / 255


def voice(host: Host, path: Path, seconds: float, start: float = 0.3) -> dict:
    """A piece of a recording as ComfyUI's AUDIO."""
    sound = host.core("media.sound").load_sound(path)
    first = round(start * sound.rate)
    return {"waveform": sound.samples[None, :, first : first + round(seconds * sound.rate)], "sample_rate": sound.rate}
