"""What any device computes is what the fast path of processors computes: here on a processor, since the mathematics are the same."""

import cv2
import numpy as np
import pytest
import torch
import torch.nn.functional as F

from real3d_core.analytic.avatar import AnalyticAvatar
from real3d_core.analytic.compose import Composer, Layers
from real3d_core.analytic.controls import BASIS
from real3d_core.analytic.eyes import looks
from real3d_core.analytic.on_device.composer import DeviceComposer
from real3d_core.analytic.painting import IN_TORCH
from real3d_core.motion.motion import Motion
from real3d_core.motion.pose import turn_about_neck
from real3d_core.render.head import render_head
from real3d_core.render.ray_marching import MarchSettings
from real3d_core.render.table_marching import march_table

FRAMES, SIZE = 5, 128
RAYS = MarchSettings(resolution=64, coarse=20, fine=8)
EQUAL = 1e-4


def exact_remap(picture, x, y, _, borderMode=cv2.BORDER_CONSTANT):
    """cv2.remap, which rounds places to 1/32 pixel: in all pictures before OpenCV 5, there in those of more than four channels."""
    height, width = picture.shape[:2]
    grid = torch.from_numpy(np.stack([(2 * x + 1) / width - 1, (2 * y + 1) / height - 1], axis=-1)).float()[None]
    maps = torch.from_numpy(np.atleast_3d(picture)).float().permute(2, 0, 1)[None]
    beyond = "border" if borderMode == cv2.BORDER_REPLICATE else "zeros"
    return F.grid_sample(maps, grid, padding_mode=beyond, align_corners=False)[0].permute(1, 2, 0).numpy().reshape(picture.shape)


def difference(found, expected):
    return (found - expected).abs().max().item()


@pytest.fixture(params=["portrait", "smiling", "long_haired"])
def someone(request):
    return request.getfixturevalue(request.param)


@pytest.fixture(scope="session")
def acted():
    """Rest, and then a face that does everything at once while its head turns."""
    t = torch.linspace(0, 1, FRAMES)
    euler = torch.stack([0.1 * t, 0.6 * t, -0.1 * t], dim=1)
    controls = {"jaw_open": t, "lips_wide": -t, "smile": t / 2, "speaking": t, "brow_raise": t, "lids_wide": (9 * t).sin()}
    lids = {"blink_left": t, "blink_right": (5 * t).sin().clamp(0, 1), "gaze_x": (7 * t).sin(), "gaze_y": -t / 2}
    return Motion.still(BASIS, FRAMES).with_controls(**controls, **lids).with_pose(euler, turn_about_neck(euler))


def composers(avatar: AnalyticAvatar, portrait):
    """The same portrait's, of the processor and of a device."""
    planes = avatar.lift(portrait)
    at_rest = march_table(planes, avatar.decoder, portrait.camera, RAYS)
    layers = Layers.of(portrait, planes, at_rest, SIZE, IN_TORCH)
    return Composer(layers, at_rest, IN_TORCH), DeviceComposer(layers, at_rest)


def test_frames_are_composed_alike(avatar, someone, acted, monkeypatch):
    monkeypatch.setattr(cv2, "remap", exact_remap)
    usual, on_device = composers(avatar, someone)
    planes, cameras = avatar.adapt(avatar.lift(someone), acted), avatar.cameras(someone, acted)
    render = render_head(planes, avatar.decoder, cameras, RAYS).frames(0, FRAMES)
    for backdrop in (None, torch.rand(2, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(0))):
        expected, found = (compose(render, looks(acted), backdrop, 1, 0.9) for compose in (usual, on_device))
        assert difference(expected[-1], expected[0]) > 0.3
        assert difference(found, expected) < EQUAL
    assert difference(on_device.person(render, looks(acted), 0.9), usual.person(render, looks(acted), 0.9)) < EQUAL
