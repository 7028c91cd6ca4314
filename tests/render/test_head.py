"""Streams of planes become streams of renders."""

from dataclasses import replace

import pytest
import torch
from scenes import soft_scene

from real3d_core.render import CameraPath, MarchSettings, camera_from_pose, march, render_head
from real3d_core.stream import FrameStream

SETTINGS = MarchSettings(resolution=16, coarse=8, fine=8, seed=1)


@pytest.fixture(scope="module")
def scene():
    return soft_scene(SETTINGS)


@pytest.fixture(scope="module")
def cameras():
    euler = torch.linspace(-1.2, 1.2, 5)[:, None] * torch.tensor([[0.0, 1.0, 0.0]])
    return CameraPath(camera_from_pose(euler, torch.zeros(5, 3)).float(), 25.0)


@pytest.fixture
def planes(scene):
    """Five heads, each paler than the one before; `asked` tells which were computed."""

    def compute(start, stop):
        asked.append((start, stop))
        paler = torch.linspace(1, 0.6, 5)[start:stop].view(-1, 1, 1, 1, 1)
        return replace(scene.planes, features=scene.planes.features * paler)

    asked = []
    stream = FrameStream(5, 25.0, compute)
    stream.asked = asked
    return stream


def test_every_chunking_gives_the_same_frames(planes, scene, cameras):
    renders = render_head(planes, scene.decoder, cameras, SETTINGS)
    whole = renders.frames(0, 5)
    assert whole.features.shape == (5, 32, 16, 16)
    for part in ("features", "depth", "opacity", "cameras"):
        assert torch.equal(torch.cat([getattr(chunk, part) for chunk in renders.chunks(2)]), getattr(whole, part))


def test_nothing_is_marched_before_it_is_asked_for(planes, scene, cameras):
    renders = render_head(planes, scene.decoder, cameras, SETTINGS)
    assert planes.asked == []
    renders.frames(3, 4)
    assert planes.asked == [(3, 4)]


def test_another_marcher_is_used_as_given(planes, scene, cameras):
    plain = render_head(planes, scene.decoder, cameras, SETTINGS, march=march).frames(2, 3)
    head = scene.planes.features * torch.linspace(1, 0.6, 5)[2]
    alone = march(replace(scene.planes, features=head), scene.decoder, cameras.cameras[2:3], SETTINGS, first_frame=2)
    assert torch.equal(plain.features, alone.features)


def test_a_path_of_another_length_is_refused(planes, scene, cameras):
    with pytest.raises(ValueError, match="5 frames of planes"):
        render_head(planes, scene.decoder, CameraPath(cameras.cameras[:4], 25.0), SETTINGS)
