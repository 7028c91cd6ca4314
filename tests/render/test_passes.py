"""Render passes of a ball: its colour, depth and normals are known."""

import torch

from real3d_core.render.camera import camera_from_pose, camera_rays
from real3d_core.render.passes import depth_picture, normal_picture, raw_colour, replace_colour
from real3d_core.render.ray_marching import HeadRender

SIDE, RADIUS = 48, 0.25
CENTRE = torch.tensor([0.0, 0.006, 0.161])


def ball() -> tuple[HeadRender, torch.Tensor]:
    """A green ball before the portrait camera, and the true normals where it is seen [SIDE, SIDE, 3] in camera axes."""
    cameras = camera_from_pose(torch.zeros(1, 3), torch.zeros(1, 3)).float()
    origins, directions = camera_rays(cameras, SIDE)
    towards = CENTRE - origins
    along = (towards * directions).sum(-1)
    off = towards.square().sum(-1) - along**2
    hit = off < RADIUS**2
    depth = torch.where(hit, along - (RADIUS**2 - off).clamp_min(0).sqrt(), 3.0).view(1, 1, SIDE, SIDE)
    normals = ((origins + directions * depth.view(1, -1, 1)) - CENTRE) / RADIUS
    opacity = hit.float().view(1, 1, SIDE, SIDE)
    colour = torch.tensor([-1.0, 1.0, -1.0]).view(1, 3, 1, 1).expand(1, 3, SIDE, SIDE)
    features = torch.full((1, 32, SIDE, SIDE), -1.0)
    features[:, :3] = torch.where(opacity > 0, colour, -1.0)
    return HeadRender(features, depth, opacity, cameras), normals.view(SIDE, SIDE, 3)


def test_raw_colour_is_the_first_three_features():
    picture = raw_colour(ball()[0])[0]
    assert picture[SIDE // 2, SIDE // 2].tolist() == [0, 1, 0] and picture[0, 0].tolist() == [0, 0, 0]


def test_depth_is_brightest_at_the_nearest_point_and_black_outside():
    picture = depth_picture(ball()[0])[0, ..., 0]
    assert picture[SIDE // 2, SIDE // 2] > 0.99 and picture[0, 0] == 0
    inside = picture[SIDE // 2, SIDE // 2 : SIDE // 2 + 10]
    assert (inside.diff() <= 0).all() and inside[-1] < inside[0]


def test_normals_are_those_of_the_ball():
    render, truth = ball()
    shown = normal_picture(render)[0] * 2 - 1
    inner = (truth[..., 2] > 0.5) & (render.opacity[0, 0] > 0)
    assert (shown - truth)[inner].abs().mean() < 0.03  # differences over two pixels on a ball of 20 pixels
    assert shown[0, 0].tolist() == [0, 0, 1]


def test_replacing_a_colour_by_itself_changes_nothing():
    render = ball()[0]
    same = replace_colour(render, raw_colour(render))
    assert torch.equal(same.features, render.features) and same.colour_change.abs().max() == 0


def test_a_larger_picture_keeps_its_detail_in_the_change():
    render = ball()[0]
    picture = torch.rand(1, 96, 96, 3)
    replaced = replace_colour(render, picture)
    assert replaced.colour_change.shape == (1, 3, 96, 96) and replaced.features.shape == render.features.shape
    assert torch.equal(replaced.features[:, 3:], render.features[:, 3:])
