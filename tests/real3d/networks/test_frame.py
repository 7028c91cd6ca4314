"""One whole frame against frame_512, and the head-only model: every part as it was loaded from one official file."""

from __future__ import annotations

import pytest
import torch

from real3d_core.real3d.checkpoint import load_networks
from real3d_core.real3d.super_resolution import HeadSuperResolution
from real3d_core.render.planes import Planes
from real3d_core.render.ray_marching import march


@pytest.fixture(scope="module")
def render(networks, canonical, residual, golden):
    """The reference planes from the reference camera."""
    camera = torch.from_numpy(golden("frame_512").arrays["camera"])
    planes = Planes(canonical.planes + residual.planes, networks.config.box_side)
    return march(planes, networks.decoder, camera, networks.config.march_settings)


def test_planes_of_the_frame(canonical, residual, golden):
    golden("frame_512").compare("planes", canonical.planes + residual.planes)


def test_rendered_head_of_the_frame(render, golden):
    reference = golden("frame_512")
    features = torch.cat((render.features[:, :3].clamp(-1, 1), render.features[:, 3:]), dim=1)
    reference.compare("feature_image", features)
    reference.compare("depth_image", render.depth)
    reference.compare("weights_image", render.opacity)


def test_frame(networks, render, framed, scene_inputs, golden):
    network = networks.super_resolution
    with torch.inference_mode():
        image = network(render.features, render.opacity, scene_inputs.driven_keypoints, framed.scene, networks.config.head_threshold)
    golden("frame_512").compare("image", image.clamp(-1, 1))


def test_head_only_checkpoint(official_tensors, scene_inputs, golden, tmp_path):
    """Without torso tensors the model is the one that shows the head alone."""
    blocks = ("superresolution.block0.", "superresolution.block1.")
    head_only = {
        name: value for name, value in official_tensors.items() if not name.startswith("superresolution.") or name.startswith(blocks)
    }
    torch.save({"state_dict": {"model": head_only}}, tmp_path / "model_ckpt_steps_1.ckpt")
    network = load_networks(tmp_path).super_resolution
    assert isinstance(network, HeadSuperResolution)
    reference = golden("sr_head")
    with torch.inference_mode():
        features, colour = network.head(scene_inputs.features, scene_inputs.features[:, :3])
        reference.compare("block0_x", features)
        reference.compare("block0_rgb", colour)
        reference.compare("block1_x", network.frame(features, colour)[0])
        reference.compare("image", network(scene_inputs.features))
