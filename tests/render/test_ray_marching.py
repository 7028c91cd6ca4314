"""The plain marcher against the reference vectors renderer_*, step by step and as a whole, and what it promises beyond them."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from golden import load_vector
from scenes import golden_scene, soft_scene, solid_scene

from real3d_core.errors import Real3DError
from real3d_core.render import MarchSettings, Planes, camera_from_pose, camera_rays, march
from real3d_core.render.ray_marching import (
    coarse_depths,
    importance_depths,
    integrate,
    interval_weights,
    ray_box,
    ray_span,
    sample_numbers,
    sample_planes,
)

QUICK = MarchSettings(resolution=24, coarse=16, fine=16)


@pytest.fixture(scope="module", params=["renderer_64", "renderer_64_wide", "renderer_256"])
def reference(request, goldens):
    """Name of a reference vector, its tensors, and per tensor the stride and tolerance."""
    expected, meta = load_vector(goldens / f"{request.param}.npz")
    return request.param, expected, meta["tensors"]


@pytest.fixture(scope="module")
def stages(reference):
    """Every intermediate of the two passes; of the large scene, of the first rays only."""
    scene = golden_scene(reference[0])
    origins, directions = camera_rays(scene.cameras, scene.settings.resolution)
    near, far, hit = ray_span(origins, directions, scene.planes)
    jitter, positions = sample_numbers(scene.settings, 0)
    found = {"near": near, "far": far, "valid": hit.float()}
    rays = slice(0, 2048)
    per_frame = []
    for frame, planes in enumerate(scene.planes.features):

        def look(depths, frame=frame, planes=planes):
            points = origins[frame, rays, None] + depths[..., None] * directions[frame, rays, None]
            return scene.decoder(sample_planes(planes, points, scene.planes.box_side))

        depths = coarse_depths(near[frame, rays], far[frame, rays], jitter)
        densities, colours = look(depths)
        weights = interval_weights(depths, densities)
        fine = importance_depths(depths, weights, positions)
        fine_densities, fine_colours = look(fine)
        merged, order = torch.cat([depths, fine], 1).sort(1)
        merged_densities = torch.cat([densities, fine_densities], 1).gather(1, order)
        merged_colours = torch.cat([colours, fine_colours], 1)[torch.arange(len(order))[:, None], order]
        per_frame.append(
            {
                "depths_coarse": depths,
                "colors_coarse": colours,
                "sigma_coarse": densities,
                "weights_coarse": weights,
                "depths_fine": fine,
                "depths_merged": merged,
                "colors_merged": merged_colours,
                "sigma_merged": merged_densities,
                "weights_merged": interval_weights(merged, merged_densities),
            }
        )
    return found | {name: torch.stack([stage[name] for stage in per_frame]) for name in per_frame[0]}


@pytest.mark.parametrize(
    "stage",
    [
        *("near", "far", "valid", "depths_coarse", "colors_coarse", "sigma_coarse", "weights_coarse"),
        *("depths_fine", "depths_merged", "colors_merged", "sigma_merged", "weights_merged"),
    ],
)
def test_each_step(reference, stages, stage):
    _, expected, tensors = reference
    sample = stages[stage].flatten()[:: tensors[stage]["stride"]]
    np.testing.assert_allclose(sample, expected[stage][: len(sample)], rtol=1e-5, atol=tensors[stage]["atol"])


def test_images(reference):
    name, expected, tensors = reference
    scene = golden_scene(name)
    render = march(scene.planes, scene.decoder, scene.cameras, scene.settings)
    for image, values in (("feature_image", render.features), ("depth_image", render.depth), ("weights_image", render.opacity)):
        assert list(values.shape) == tensors[image]["shape"]
        sample = values.flatten()[:: tensors[image]["stride"]]
        np.testing.assert_allclose(sample, expected[image], rtol=1e-5, atol=tensors[image]["atol"])


def same(a, b):
    return all(torch.equal(getattr(a, part), getattr(b, part)) for part in ("features", "depth", "opacity"))


def close(a, b, atol):
    return all(torch.allclose(getattr(a, part), getattr(b, part), rtol=0, atol=atol) for part in ("features", "depth", "opacity"))


def test_chunks_of_rays_do_not_show():
    scene = golden_scene("renderer_64")
    one, many = (
        march(scene.planes, scene.decoder, scene.cameras, replace(scene.settings, rays_per_chunk=rays, coarse=8, fine=8))
        for rays in (1024, 77)
    )
    assert close(one, many, 1e-4)  # planes full of noise enlarge the rounding of another matrix shape


@pytest.mark.parametrize("seed", [None, 5])
def test_a_frame_does_not_depend_on_its_company(seed):
    scene = soft_scene(replace(QUICK, seed=seed))
    cameras = camera_from_pose(torch.tensor([[0.0, -0.2, 0.0], [0.1, 0.2, 0.0]]), torch.zeros(2, 3)).float()
    together = march(scene.planes, scene.decoder, cameras, scene.settings, first_frame=3)
    second = march(scene.planes, scene.decoder, cameras[1:], scene.settings, first_frame=4)
    assert torch.equal(together.features[1:], second.features)
    assert torch.equal(together.opacity[1:], second.opacity)


def test_every_head_is_seen_by_its_own_camera():
    scene = soft_scene(QUICK)
    features = torch.cat([scene.planes.features, 0.5 * scene.planes.features])
    both = march(replace(scene.planes, features=features), scene.decoder, scene.cameras.repeat(2, 1), QUICK)
    first, second = (march(Planes(head[None]), scene.decoder, scene.cameras, QUICK) for head in features)
    assert torch.equal(both.features, torch.cat([first.features, second.features]))
    assert not torch.equal(first.features, second.features)


def test_heads_and_cameras_that_do_not_match_are_refused():
    scene = soft_scene(QUICK)
    with pytest.raises(Real3DError, match=r"3 heads cannot be seen by 2 cameras: .*\.$"):
        march(replace(scene.planes, features=scene.planes.features.repeat(3, 1, 1, 1, 1)), scene.decoder, scene.cameras.repeat(2, 1), QUICK)


def test_a_seed_gives_the_same_random_frame_again_and_another_frame_another():
    scene = soft_scene(replace(QUICK, seed=7))
    first, again = (march(scene.planes, scene.decoder, scene.cameras, scene.settings) for _ in range(2))
    other = march(scene.planes, scene.decoder, scene.cameras, scene.settings, first_frame=1)
    assert same(first, again)
    assert not same(first, other)


def test_random_depths_agree_with_even_ones_on_average():
    scene = soft_scene(QUICK)
    even = march(scene.planes, scene.decoder, scene.cameras, replace(QUICK, coarse=96, fine=96))
    random = march(scene.planes, scene.decoder, scene.cameras, replace(QUICK, coarse=96, fine=96, seed=0))
    assert (even.features - random.features).abs().mean() < 2e-3


def test_without_fine_depths_the_coarse_march_is_the_picture():
    scene = soft_scene(QUICK)
    origins, directions = camera_rays(scene.cameras, QUICK.resolution)
    near, far, _ = ray_span(origins, directions, scene.planes)
    depths = coarse_depths(near[0], far[0], torch.full((1, QUICK.coarse), 0.5))
    points = origins[0, :, None] + depths[..., None] * directions[0, :, None]
    densities, colours = scene.decoder(sample_planes(scene.planes.features[0], points, 1.0))
    picture = 2 * integrate(interval_weights(depths, densities), colours) - 1
    render = march(scene.planes, scene.decoder, scene.cameras, replace(QUICK, fine=0))
    assert torch.allclose(render.features[0].flatten(1).T, picture, atol=1e-5)


def test_fine_depths_ascend_with_their_positions():
    scene = golden_scene("renderer_64")
    origins, directions = camera_rays(scene.cameras, 32)
    near, far, _ = ray_span(origins, directions, scene.planes)
    depths = coarse_depths(near[0], far[0], torch.full((1, 48), 0.5))
    weights = torch.rand(1024, 47, generator=torch.Generator().manual_seed(0)) ** 8
    assert (importance_depths(depths, weights, torch.linspace(0, 1, 400)[None]).diff(dim=1) >= 0).all()


def test_a_ray_along_an_axis_meets_the_box():
    origin, direction = torch.tensor([0.1, -0.2, 3.0]), torch.tensor([0.0, -0.0, -1.0])
    corner = torch.tensor([0.5, 0.5, 0.5])
    assert [depth.item() for depth in ray_box(origin, direction, -corner, corner)] == [2.5, 3.5]
    near, far = ray_box(origin + torch.tensor([1.0, 0, 0]), direction, -corner, corner)
    assert not far > near


def test_bounds_change_nothing_but_where_samples_are_spent():
    scene = solid_scene(MarchSettings(resolution=32, coarse=300, fine=200))
    bounded = march(scene.planes, scene.decoder, scene.cameras, scene.settings)
    free = march(replace(scene.planes, bounds=None), scene.decoder, scene.cameras, scene.settings)
    # A hard surface lies somewhere between two samples, here 3 to 5 thousandths apart: rays that graze it may tell them apart.
    assert (bounded.features - free.features).abs().mean() < 2e-3
    assert (bounded.opacity - free.opacity).abs().mean() < 2e-3


def test_rays_that_miss_the_bounds_are_empty():
    scene = solid_scene(QUICK)
    render = march(scene.planes, scene.decoder, scene.cameras, QUICK)
    hit = ray_span(*camera_rays(scene.cameras, QUICK.resolution), scene.planes)[2].view(24, 24)
    assert 0.2 < hit.float().mean() < 0.8
    assert (render.features[0][:, ~hit] == -1).all()
    assert (render.opacity[0, 0][~hit] == 0).all()
    assert (render.depth[0, 0][~hit] == render.depth.max()).all()
    assert render.opacity[0, 0][12, 12] > 0.999


def test_a_camera_that_looks_away_sees_nothing():
    scene = soft_scene(QUICK)
    away = scene.cameras.clone()
    away[:, 3] += 10
    render = march(scene.planes, scene.decoder, away, QUICK)
    assert (render.features == -1).all()
    assert (render.opacity == 0).all()
    assert render.depth.isfinite().all()


@pytest.mark.parametrize("wrong", [{"resolution": 0}, {"coarse": 3}, {"fine": -1}, {"rays_per_chunk": 0}, {"seed": -1}])
def test_senseless_settings_are_refused(wrong):
    with pytest.raises(ValueError, match="marching needs"):
        MarchSettings(**wrong)


def test_senseless_planes_are_refused():
    with pytest.raises(ValueError, match=r"\[N, 3, channels, H, W\]"):
        Planes(torch.zeros(3, 32, 8, 8))
    with pytest.raises(ValueError, match="lower corner"):
        Planes(torch.zeros(1, 3, 32, 8, 8), bounds=torch.tensor([[0.1, 0, 0], [0, 1, 1]]))
