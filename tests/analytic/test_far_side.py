"""The sides of a head that a turn uncovers."""

import math
from dataclasses import replace

import pytest
import torch

from real3d_core.analytic.controls import BASIS
from real3d_core.analytic.far_side import FarSide
from real3d_core.analytic.lift import lift
from real3d_core.analytic.ray_maps import FACE_SHEET, FrameRays, RayCoordinates, near_hanging_hair, pixel_centres
from real3d_core.motion.motion import Motion
from real3d_core.motion.pose import turn_about_neck
from real3d_core.render.camera import camera_from_pose
from real3d_core.render.table_marching import march_table

RAYS = 128
HAIR = torch.ones(1, 1, RAYS, RAYS), torch.zeros(1, 1, RAYS, RAYS)  # everywhere, nowhere hanging down on the torso
FINE = {"coarse": 96, "fine": 96}


@pytest.fixture(scope="module")
def head(avatar, portrait):
    """The planes at rest, and what the avatar makes of a render's coordinates."""
    with torch.inference_mode():
        planes = avatar.lift(portrait)
        at_rest = march_table(planes, avatar.decoder, portrait.camera, avatar.march_settings)
        return planes, RayCoordinates(at_rest, *HAIR, FarSide(portrait, planes, at_rest))


def turned(avatar, portrait, planes, degrees, **settings):
    euler = torch.tensor([[0.0, math.radians(degrees), 0.0]])
    cameras = avatar.cameras(portrait, Motion.still(BASIS, 1).with_pose(euler, turn_about_neck(euler))).cameras
    (rays,) = FrameRays.of(march_table(planes, avatar.decoder, cameras, replace(avatar.march_settings, **settings)))
    return rays


def photo_places(coordinates, rays):
    """[2, R, R] in rays, and where the head is solid."""
    return coordinates(rays).uv[FACE_SHEET] * RAYS, rays.opacity[0, 0] > 0.99


@pytest.mark.parametrize("degrees", [-25, 25])
def test_few_samples_find_the_face_where_many_do(avatar, portrait, head, degrees):
    """Steep cheeks were crackled: each ray met them as deep as its samples happened to lie."""
    planes, coordinates = head
    few, many = (turned(avatar, portrait, planes, degrees, **settings) for settings in ({}, FINE))
    (quick, solid), (exact, _) = photo_places(coordinates, few), photo_places(coordinates, many)
    low, high = (portrait.landmarks[:, :2].aminmax(dim=0)[k] * RAYS for k in (0, 1))
    face = solid & ((exact.permute(1, 2, 0) > low + 3) & (exact.permute(1, 2, 0) < high - 3)).all(dim=2)
    raw = (few.offset[0, FACE_SHEET] - many.offset[0, FACE_SHEET]).norm(dim=0) * RAYS
    assert face.sum() > 1000
    assert (quick - exact).norm(dim=0)[face].quantile(0.95) < 0.5 * raw[face].quantile(0.95)


@pytest.mark.parametrize("degrees", [-30, 30])
def test_the_side_goes_on_instead_of_repeating_the_rim(avatar, portrait, head, degrees):
    """Every point of the side once took the colour of the rim's nearest pixel, which drew bars along the rows."""
    planes, coordinates = head
    rays = turned(avatar, portrait, planes, degrees)
    side = (rays.behind[0, 0] > 0.02) & (rays.opacity[0, 0] > 0.99)
    places, _ = photo_places(coordinates, rays)
    centres = pixel_centres(RAYS)[0] * RAYS
    before = (rays.offset[0, FACE_SHEET] * RAYS + centres).diff(dim=2).norm(dim=0)
    after = places.diff(dim=2).norm(dim=0)
    both = side[:, 1:] & side[:, :-1]
    assert both.sum() > 40
    assert after[both].median() > 0.5 > before[both].median()


def test_what_is_met_behind_a_broad_ear_is_the_side(head):
    """It was taken for the ear's front: in photos that show much of an ear a piece of it hung in the air behind the head."""
    far_side = head[1].far_side
    inside = far_side.rim[0, 2]
    row, column = divmod(int((inside - 0.09).abs().argmin()), RAYS)
    uv = (torch.tensor([[column, row]]) + 0.5) / RAYS
    deep = torch.full((1,), 0.1)
    _, side = far_side(uv, deep, deep, torch.tensor([[0.49, 0.0, 0.0]]), torch.tensor([[0.0, 0.0, -1.0]]))
    assert side > 0.9


@pytest.mark.parametrize("degrees", [-25, 25])
def test_hair_beyond_an_outline_that_turns_away_is_hidden(avatar, portrait, head, degrees):
    """A tuft of it once stood out at the far temple, and ended where hair does."""
    planes, coordinates = head
    for angle, hidden in ((0, False), (degrees, True)):
        rays = turned(avatar, portrait, planes, angle)
        brows = slice(*(portrait.landmarks[[10, 168], 1] * RAYS).round().int().tolist())
        solid, near = (one[0, brows] for one in (rays.opacity[0] > 0.95, coordinates(rays).near))
        if degrees > 0:
            solid, near = solid.flip(1), near.flip(1)
        rim = solid.int().argmax(dim=1)
        beyond = near[torch.arange(len(near)), rim - 3]
        assert (beyond < 0.1).all() if hidden else (beyond > 0.9).all()


@pytest.mark.parametrize("degrees", [-25, 25])
def test_hair_that_goes_on_as_the_torsos_is_seen_beyond_any_outline(avatar, portrait, head, degrees):
    """It was hidden like other hair on the far side: a step was left above the torso's, which stays."""
    planes, hidden = head
    at_rest = march_table(planes, avatar.decoder, portrait.camera, avatar.march_settings)
    hanging = RayCoordinates(at_rest, HAIR[0], torch.ones(1, 1, RAYS, RAYS), FarSide(portrait, planes, at_rest))
    rays = turned(avatar, portrait, planes, degrees)
    far = slice(RAYS // 2) if degrees < 0 else slice(RAYS // 2, None)
    assert hanging(rays).near[..., far].sum() > 1.3 * hidden(rays).near[..., far].sum()


def test_hair_hangs_down_where_it_goes_on_below_the_head():
    hair, torso = (torch.zeros(1, 1, RAYS, RAYS) for _ in range(2))
    hair[..., :40], torso[..., 80:, :] = 1, 1
    hanging = near_hanging_hair(hair, torso, 0.4)[0, 0]
    assert hanging[80, 20] == 1 and 0.1 < hanging[68, 20] < 0.9 and hanging[46, 20] == 0 and hanging[90, 70] == 0
    assert hanging[:, 20].diff().abs().max() < 0.055  # faster, and the outline of a turned head has a step


def test_nothing_is_corrected_where_nothing_has_moved(avatar, portrait, head):
    planes, coordinates = head
    (rays,) = FrameRays.of(march_table(planes, avatar.decoder, portrait.camera, avatar.march_settings))
    places, solid = photo_places(coordinates, rays)
    assert (places - pixel_centres(RAYS)[0] * RAYS).norm(dim=0)[solid].quantile(0.99) < 0.2


def test_coordinates_are_set_right_of_a_photo_from_the_side_too(avatar, portrait):
    """Rays that met the surface too deep were moved as if every photo were taken from the front: faces from the side crackled."""
    euler = torch.tensor([[0.0, math.radians(40), 0.0]])
    aside = replace(portrait, euler=euler, camera=camera_from_pose(euler, portrait.translation).float())
    planes = lift(aside)
    at_rest = march_table(planes, avatar.decoder, aside.camera, avatar.march_settings)
    (rays,) = FrameRays.of(at_rest)
    corrected, _ = RayCoordinates(at_rest, *HAIR, FarSide(aside, planes, at_rest))._corrected(rays)
    solid = rays.opacity[0, 0] > 0.99
    solid[:, RAYS // 2 :] = False  # the half that the photo hides
    before, after = ((one[0, FACE_SHEET] * RAYS).norm(dim=0)[solid].median() for one in (rays.offset, corrected))
    assert solid.sum() > 1000
    assert after < 0.35 * before
