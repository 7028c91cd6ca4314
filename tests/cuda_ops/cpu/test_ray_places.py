"""Compiled ray places are the readable ones, wherever a head looks."""

import logging
import math
from dataclasses import replace

import pytest
import torch

from cuda_ops import composing
from cuda_ops.cpu import ray_places_extension
from real3d_core.analytic import far_side
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
def places_by(or_skipped):
    return or_skipped(ray_places_extension.load)


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


@pytest.mark.parametrize("where", ["everywhere", "on the far side"])
def test_what_differs_from_the_readable_ones_is_not_used(scene, monkeypatch, caplog, where):
    *_, readable, at_rest = scene

    def wrong(rays):
        places = readable(rays)
        right = where == "on the far side" and torch.equal(rays.render.cameras, at_rest.render.cameras)
        return places if right else replace(places, near=places.near + 0.01)

    monkeypatch.setattr(composing, "chosen", lambda: ("cpu-ext", replace(IN_TORCH, coordinates=lambda *_: wrong)))
    with caplog.at_level(logging.INFO):
        assert composing.painting().coordinates(readable, at_rest) is readable
    assert "differs" in caplog.text


def test_compiled_ones_are_used_and_one_that_takes_another_depth_of_the_front_is_not(scene, or_skipped, monkeypatch):
    *_, readable, at_rest = scene
    for front, used in ((far_side._FRONT, True), (0.0, False)):
        with monkeypatch.context() as patch:
            patch.setattr(far_side, "_FRONT", front)
            compiled = or_skipped(ray_places_extension.load)
        offered = replace(IN_TORCH, coordinates=lambda readable, at_rest, compiled=compiled: compiled(readable))
        monkeypatch.setattr(composing, "chosen", lambda offered=offered: ("cpu-ext", offered))
        assert (composing.painting().coordinates(readable, at_rest) is not readable) == used
