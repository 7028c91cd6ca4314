"""Rays and depths as compiled code finds them: PyTorch's, to the bit."""

import math
from dataclasses import replace

import pytest
import torch
from scenes import golden_scene, soft_scene, solid_scene

from cuda_ops.cpu.frames import CastRays, Numbers
from real3d_core.render import MarchSettings, camera_rays
from real3d_core.render.ray_marching import coarse_depths, marched_box, ray_span, sample_numbers

SETTINGS = MarchSettings(8, 16, 16)
SCENES = {
    "soft": soft_scene(SETTINGS),
    "bounded": solid_scene(SETTINGS),
    "rays that miss": golden_scene("renderer_64_wide"),
}


@pytest.fixture
def steps(compiled, marchers):
    return marchers(compiled).draw.steps


def cast(steps, scene, side):
    """The rays of the scene's cameras, and the span of all."""
    span, rays = torch.tensor([math.inf, -math.inf]), []
    for camera in scene.cameras:
        directions, near, far = torch.empty(3, side * side), torch.empty(side * side), torch.empty(side * side)
        rays.append(CastRays(side, tuple(camera[3:12:4].tolist()), directions, near, far))
        assert steps.cast(camera, marched_box(scene.planes).contiguous(), rays[-1], span)
    return rays, span


@pytest.mark.parametrize("seed", [None, 2])
@pytest.mark.parametrize("side", [1, 16, 37])
@pytest.mark.parametrize("scene", SCENES.values(), ids=SCENES)
def test_rays_pixels_and_depths(steps, scene, side, seed):
    rays, span = cast(steps, scene, side)
    origins, directions = camera_rays(scene.cameras, side)
    near, far, hit = ray_span(origins, directions, scene.planes)
    marched = hit if scene.planes.bounds is not None else hit.any().expand_as(hit)
    jitter, positions = sample_numbers(replace(SETTINGS, resolution=side, seed=seed), 0)
    numbers = Numbers(torch.linspace(0, 1, 16), jitter, positions)
    for frame, found in enumerate(rays):
        ends = torch.tensor([math.inf, -math.inf])
        pixels, reach = steps.choose(found, numbers, span if scene.planes.bounds is None else None, ends)
        chosen = marched[frame].nonzero()[:, 0]
        assert torch.equal(pixels.sort().values, chosen.int())
        assert torch.equal(found.directions.T, directions[frame])
        assert torch.equal(found.near[chosen], near[frame, chosen]) and torch.equal(found.far[chosen], far[frame, chosen])
        if len(chosen):
            depths = coarse_depths(near[frame, chosen], far[frame, chosen], jitter if len(jitter) == 1 else jitter[chosen])
            assert torch.equal(ends, torch.stack([depths[:, 0].amin(), depths[:, -1].amax()]))
            sampled = torch.cat([origins[frame, chosen] + depths[:, end, None] * directions[frame, chosen] for end in (0, -1)])
            assert torch.equal(reach, torch.stack(sampled.aminmax(dim=0)))


def test_a_camera_that_sees_nothing(steps):
    scene = soft_scene(SETTINGS)
    for number, value in ((16, 0.0), (3, math.nan), (0, math.inf)):
        camera = scene.cameras[0].clone()
        camera[number] = value
        rays = CastRays(8, (0.0, 0.0, 0.0), torch.empty(3, 64), torch.empty(64), torch.empty(64))
        assert not steps.cast(camera, marched_box(scene.planes), rays, torch.tensor([math.inf, -math.inf]))
