"""The fast marcher and the plain one draw the same picture."""

from dataclasses import replace

import pytest
import torch
from scenes import golden_scene, noise_decoder, soft_scene, solid_decoder, solid_scene

from real3d_core.render import MarchSettings, PlaneDecoder, Planes, camera_from_pose, camera_rays, march, march_table
from real3d_core.render.ray_marching import ray_box
from real3d_core.render.table_marching import LeanDecoder, interleave, merged_places

QUICK = MarchSettings(resolution=32, coarse=16, fine=16)


def differences(scene):
    """Largest difference in features, opacity, and depth where there is something to see."""
    plain, fast = (marcher(scene.planes, scene.decoder, scene.cameras, scene.settings) for marcher in (march, march_table))
    visible = plain.opacity > 0.01
    return [
        (plain.features - fast.features).abs().max().item(),
        (plain.opacity - fast.opacity).abs().max().item(),
        max((plain.depth - fast.depth)[visible].abs().tolist(), default=0.0),
    ]


def agree(scene):
    features, opacity, depth = differences(scene)
    return features <= 2e-5 and opacity <= 2e-5 and depth <= 1e-4


@pytest.mark.parametrize(
    "settings",
    [
        QUICK,
        replace(QUICK, coarse=48, fine=48),
        replace(QUICK, coarse=96, fine=96),
        replace(QUICK, coarse=7, fine=50),
        replace(QUICK, fine=0),
        replace(QUICK, fine=1),
        replace(QUICK, seed=3),
        replace(QUICK, resolution=1),
        replace(QUICK, resolution=19, rays_per_chunk=50),
    ],
)
def test_a_head_at_any_setting(settings):
    assert agree(soft_scene(settings))


def test_planes_full_of_noise():
    scene = golden_scene("renderer_256")
    assert agree(replace(scene, settings=replace(scene.settings, resolution=64)))


def test_rough_planes_that_are_not_square_and_rays_that_miss():
    # 600 units of noise between texels: the same rounding that gives the reference vector its tolerances of 5e-4
    assert max(differences(golden_scene("renderer_64_wide"))) < 2e-4


def test_one_head_from_three_sides():
    scene = soft_scene(QUICK)
    euler = torch.tensor([[0.0, -0.4, 0.0], [0.3, 0.0, 0.1], [0.0, 3.0, 0.0]])
    assert agree(replace(scene, cameras=camera_from_pose(euler, torch.zeros(3, 3)).float()))


def test_heads_of_a_batch():
    scene = soft_scene(QUICK)
    features = torch.cat([scene.planes.features, scene.planes.features.flip(-1)])
    assert agree(replace(scene, planes=replace(scene.planes, features=features), cameras=scene.cameras.repeat(2, 1)))


@pytest.mark.parametrize("density", [-100.0, 100.0])
def test_nothing_and_a_wall(density):
    scene = soft_scene(QUICK)
    bias2 = scene.decoder.bias2.clone()
    bias2[0] += density
    assert agree(replace(scene, decoder=replace(scene.decoder, bias2=bias2)))


def test_planes_of_zeros():
    scene = soft_scene(QUICK)
    assert agree(replace(scene, planes=Planes(torch.zeros_like(scene.planes.features))))


def test_a_camera_that_looks_away():
    scene = soft_scene(QUICK)
    away = scene.cameras.clone()
    away[:, 3] += 10
    assert differences(replace(scene, cameras=away)) == [0, 0, 0]


def test_a_decoder_that_no_channel_reaches():
    empty = PlaneDecoder(torch.zeros(64, 32), torch.ones(64), torch.zeros(33, 64), torch.linspace(-2, 2, 33))
    assert agree(replace(soft_scene(QUICK), decoder=empty))


def test_a_bounded_solid_agrees_but_for_grazing_samples():
    # Density climbs by a million per unit of depth, so a sample that the rounding of its depth (2e-7) finds on the surface itself
    # may be a little denser or thinner. Few are, and they show as little.
    scene = solid_scene(replace(QUICK, resolution=128))
    plain, fast = (marcher(scene.planes, scene.decoder, scene.cameras, scene.settings) for marcher in (march, march_table))
    for part in ("features", "opacity"):
        difference = (getattr(plain, part) - getattr(fast, part)).abs()
        assert (difference > 2e-5).float().mean() < 1e-3
        assert difference.max() < 2e-3


@pytest.mark.parametrize("marcher", [march, march_table])
def test_coordinates_that_a_solid_carries_come_back(marcher):
    scene = solid_scene(MarchSettings(resolution=64, coarse=24, fine=24))
    render = marcher(scene.planes, scene.decoder, scene.cameras, scene.settings)
    solid = render.opacity[0, 0] > 0.999
    colour = (render.features[0, :2, solid] + 1) / 2 / render.opacity[0, :, solid]
    found = torch.logit((colour + 0.001) / 1.002) / 4
    true = where_rays_enter_the_ellipsoid(scene)[:, solid]
    assert solid.float().mean() > 0.3
    # x slides along the surface as a depth is missed, y does not; 24 + 24 samples stand 4 thousandths apart
    assert (found - true).abs().mean() < 0.002
    assert (found - true).abs().quantile(0.95) < 0.008


def where_rays_enter_the_ellipsoid(scene):
    """x and y [2, R, R] of the first point of each ray on the surface; in the ellipsoid's own measure it is a unit sphere."""
    radii = torch.tensor([0.20, 0.27, 0.18])
    origins, directions = camera_rays(scene.cameras, 64)
    o, d = origins[0] / radii, directions[0] / radii
    a, b, c = (d * d).sum(1), (o * d).sum(1), (o * o).sum(1) - 1
    entry = (-b - (b * b - a * c).sqrt()) / a
    return (origins[0] + entry[:, None] * directions[0])[:, :2].T.view(2, 64, 64)


def test_what_has_no_influence_is_left_out():
    lean = LeanDecoder.of(solid_decoder(carried=9))
    assert lean.inputs.tolist() == list(range(12))
    assert lean.outputs.tolist() == list(range(9))
    assert lean.early.weight.shape == (3, 12)
    assert lean.late.weight.shape == (18, 12)
    full = LeanDecoder.of(noise_decoder())
    assert full.early.weight.shape == (64, 32)
    assert full.late.weight.shape == (0, 32)


def test_merging_by_counting_is_sorting():
    generator = torch.Generator().manual_seed(0)
    coarse, fine = (torch.rand(50, count, generator=generator).sort(dim=1).values for count in (9, 14))
    fine[:, 3] = coarse[:, 4]
    fine = fine.sort(dim=1).values
    assert torch.equal(interleave((coarse, fine), merged_places(coarse, fine)), torch.cat([coarse, fine], 1).sort(1).values)


def test_bounds_are_where_rays_are_marched():
    scene = solid_scene(QUICK)
    origins, directions = camera_rays(scene.cameras, QUICK.resolution)
    near, far = ray_box(origins[0], directions[0], *scene.planes.bounds)
    render = march_table(scene.planes, scene.decoder, scene.cameras, QUICK)
    hit = (far > near).view(QUICK.resolution, -1)
    assert (render.opacity[0, 0][~hit] == 0).all()
    visible = render.opacity[0, 0] > 0.5
    depth = render.depth[0, 0][visible]
    assert (depth >= near.view_as(hit)[visible]).all()
    assert (depth <= far.view_as(hit)[visible]).all()
