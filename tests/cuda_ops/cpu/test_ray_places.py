"""Compiled ray places are the readable ones, wherever a head looks."""

import logging
import math
from dataclasses import replace

import pytest
import torch

from cuda_ops import composing
from cuda_ops.build import Refusal
from cuda_ops.cpu import ray_places_extension
from real3d_core.analytic.avatar import AnalyticAvatar
from real3d_core.analytic.controls import BASIS
from real3d_core.analytic.far_side import FarSide
from real3d_core.analytic.painting import IN_TORCH
from real3d_core.analytic.ray_maps import FrameRays, RayCoordinates
from real3d_core.media.pictures import load_picture
from real3d_core.mediapipe_models.model_files import ModelFolders
from real3d_core.motion.motion import Motion
from real3d_core.motion.pose import turn_about_neck
from real3d_core.portrait.portrait import prepare_portrait
from real3d_core.render.table_marching import march_table


@pytest.fixture(scope="module")
def scene(assets):
    """A portrait's avatar, what it makes of its rays, and its rays at rest."""
    with torch.inference_mode():
        avatar = AnalyticAvatar(ModelFolders())
        portrait = prepare_portrait(load_picture(assets / "portraits" / "synthetic_p002.jpg"), ModelFolders())
        planes = avatar.lift(portrait)
        at_rest = march_table(planes, avatar.decoder, portrait.camera, avatar.march_settings)
        hair = torch.nn.functional.interpolate(portrait.plates.crop(portrait.plates.hair), size=at_rest.opacity.shape[-2:], mode="area")
        hanging = (1.5 * hair - 0.5).clamp(0, 1)
        return avatar, portrait, RayCoordinates(at_rest, hair, hanging, FarSide(portrait, planes, at_rest)), *FrameRays.of(at_rest)


@pytest.fixture(scope="module")
def places_by():
    try:
        return ray_places_extension.load()
    except Refusal as reason:
        pytest.skip(str(reason))


@pytest.fixture(autouse=True)
def no_gradients():
    with torch.inference_mode():
        yield


def difference(one, other, rays):
    return max((a - b).abs().max().item() for a, b in zip(vars(one(rays)).values(), vars(other(rays)).values(), strict=True))


@pytest.mark.parametrize(("yaw", "jaw"), [(0, 0.0), (-28, 0.6), (15, 1.0), (33, 0.0)])
def test_a_head_that_turns_and_speaks(scene, places_by, yaw, jaw):
    avatar, portrait, readable, _ = scene
    euler = torch.tensor([[0.05, math.radians(yaw), 0.1]])
    motion = Motion.still(BASIS, 1).with_pose(euler, turn_about_neck(euler)).with_controls(jaw_open=torch.tensor([jaw]))
    planes = avatar.adapt(avatar.lift(portrait), motion).frames(0, 1)
    (rays,) = FrameRays.of(march_table(planes, avatar.decoder, avatar.cameras(portrait, motion).cameras, avatar.march_settings))
    assert difference(places_by(readable), readable, rays) < 2e-4


@pytest.mark.parametrize("opacity", [0.0, 1.0])
def test_no_head_at_all_and_nothing_else(scene, places_by, opacity):
    *_, readable, at_rest = scene
    rays = FrameRays(replace(at_rest.render, opacity=torch.full_like(at_rest.opacity, opacity)))
    assert difference(places_by(readable), readable, rays) < 2e-4


def test_what_differs_from_the_readable_ones_is_not_used(scene, monkeypatch, caplog):
    *_, readable, at_rest = scene
    wrong = lambda rays: replace(readable(rays), near=readable(rays).near + 0.01)  # noqa: E731
    monkeypatch.setattr(composing, "chosen", lambda: ("cpu-ext", replace(IN_TORCH, coordinates=lambda *_: wrong)))
    with caplog.at_level(logging.INFO):
        assert composing.painting().coordinates(readable, at_rest) is readable
    assert "differs" in caplog.text


SANITIZED = """
import torch
from types import SimpleNamespace
from cuda_ops.cpu import paint_extension, ray_places_extension
from real3d_core.analytic.painting import FrameLayers
from real3d_core.analytic.ray_maps import FrameRays
from real3d_core.render.ray_marching import HeadRender
numbers = lambda *shape, low=0.0, high=1.0: low + (high - low) * torch.rand(shape)
flags = ("-O1", "-g1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
painting, places_by = paint_extension.load(flags), ray_places_extension.load(flags)
for first_row, carried in ((0, 0.1), (49, 5)):
    torso, cells, box = numbers(1, 4, 33, 33), torch.ones(3, 3, dtype=torch.bool), (slice(4, 37), slice(9, 50))
    shifts, outline = numbers(3, 9, 9, low=-carried, high=carried), numbers(3, 16, 16, high=2)
    layers = FrameLayers(torso, first_row, cells, shifts, box, numbers(5, 33, 41), outline, 0.9)
    painting.paint(layers, numbers(3, 50, 50), numbers(3, 50, 50), True)
anywhere = torch.cat([numbers(2, 16, 15, low=-9, high=9), torch.full((2, 16, 1), float("nan"))], dim=2)
for size in (16, 32, 50):
    painting.look_up_rays(numbers(1, 5, 21, 30), anywhere, size, (slice(0, 16), slice(1, size)))
far_side = SimpleNamespace(rim=numbers(1, 3, 16, 16), front=numbers(1, 4, 32, 32), photo_axes=numbers(3, 2), per_world=2.0)
maps = {"rim": numbers(1, 3, 16, 16), "residual": numbers(1, 2, 16, 16), "in_place": numbers(6, 16, 16), "reached": numbers(1, 16, 16)}
for nothing in (False, True):
    opacity = numbers(1, 1, 16, 16, high=2).clamp(max=1) * (not nothing)
    render = HeadRender(numbers(1, 32, 16, 16, low=-2, high=2), numbers(1, 1, 16, 16), opacity, numbers(1, 25))
    places_by(SimpleNamespace(**maps, far_side=far_side))(FrameRays(render))
    render.features[..., 3] = float("nan")
    places_by(SimpleNamespace(**maps, far_side=far_side))(FrameRays(render))
print("clean")
"""


def test_no_address_or_undefined_behaviour_error(sanitizers):
    done = sanitizers(SANITIZED)
    assert done.stdout.strip() == "clean", done.stderr[-3000:]
