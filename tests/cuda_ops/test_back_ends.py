"""Every compiled back end draws the picture of the plain marcher (spec 07 section 7)."""

from dataclasses import replace

import pytest
import torch
from golden import load_vector
from scenes import denser, golden_scene, noise_decoder, sharp_scene, soft_scene, solid_scene

from cuda_ops.fused_marching import Cutoffs
from real3d_core.render import MarchSettings, PlaneDecoder, Planes, camera_from_pose, march

QUICK = MarchSettings(resolution=24, coarse=16, fine=16)


@pytest.fixture
def marcher(compiled, marchers):
    return marchers(compiled)


def picture(marcher, scene):
    return marcher(scene.planes, scene.decoder, scene.cameras, scene.settings)


def differences(marcher, scene):
    """Largest difference from the plain marcher in features, opacity, and depth where there is something to see."""
    plain, fast = picture(march, scene), picture(marcher, scene)
    visible = plain.opacity > 0.01
    return [
        (plain.features - fast.features).abs().max().item(),
        (plain.opacity - fast.opacity).abs().max().item(),
        max((plain.depth - fast.depth)[visible].abs().tolist(), default=0.0),
    ]


def agrees(marcher, scene):
    """Exact mode to 2e-5, what is shown by default to 1e-4; depth to 1e-4."""
    features, opacity, depth = differences(marcher.exact(), scene)
    assert features <= 2e-5 and opacity <= 2e-5 and depth <= 1e-4
    features, opacity, _ = differences(marcher, scene)
    assert features <= 1e-4 and opacity <= 1e-4
    return True


@pytest.mark.parametrize(
    "settings",
    [
        QUICK,
        replace(QUICK, coarse=48, fine=48),
        replace(QUICK, coarse=96, fine=96),
        replace(QUICK, coarse=7, fine=50),
        replace(QUICK, coarse=4, fine=3),
        replace(QUICK, fine=0),
        replace(QUICK, fine=1),
        replace(QUICK, seed=3),
        replace(QUICK, resolution=1),
        replace(QUICK, resolution=19),
    ],
    ids=str,
)
def test_a_head_at_any_setting(marcher, settings):
    assert agrees(marcher, soft_scene(settings))


def test_a_head_with_a_sharp_surface(marcher):
    assert agrees(marcher, sharp_scene(replace(QUICK, coarse=48, fine=48)))


def test_planes_full_of_noise(marcher):
    scene = golden_scene("renderer_256")
    assert agrees(marcher, replace(scene, settings=replace(scene.settings, resolution=48)))


def test_rough_planes_that_are_not_square_and_rays_that_miss(marcher):
    # 600 units of noise between texels: the same rounding that gives the reference vector its tolerances of 5e-4
    assert max(differences(marcher, golden_scene("renderer_64_wide"))) < 2e-4


@pytest.mark.parametrize("name", ["renderer_64", "renderer_64_wide", "renderer_256"])
def test_the_reference_vectors(marcher, goldens, name):
    expected, meta = load_vector(goldens / f"{name}.npz")
    render = picture(marcher, golden_scene(name))
    for image, values in (("feature_image", render.features), ("depth_image", render.depth), ("weights_image", render.opacity)):
        tensor = meta["tensors"][image]
        sample = values.flatten()[:: tensor["stride"]]
        assert torch.allclose(sample, torch.from_numpy(expected[image]), rtol=1e-5, atol=tensor["atol"])


def test_one_head_from_three_sides(marcher):
    euler = torch.tensor([[0.0, -0.4, 0.0], [0.3, 0.0, 0.1], [0.0, 3.0, 0.0]])
    assert agrees(marcher, replace(soft_scene(QUICK), cameras=camera_from_pose(euler, torch.zeros(3, 3)).float()))


def test_heads_of_a_batch(marcher):
    scene = soft_scene(QUICK)
    heads = torch.cat([scene.planes.features, scene.planes.features.flip(-1), 0.5 * scene.planes.features])
    assert agrees(marcher, replace(scene, planes=replace(scene.planes, features=heads), cameras=scene.cameras.repeat(3, 1)))


@pytest.mark.parametrize("density", [-100.0, -12.0, 100.0], ids=["empty", "thin", "wall"])
def test_from_nothing_to_a_wall(marcher, density):
    assert agrees(marcher, denser(soft_scene(QUICK), density))


def test_planes_of_zeros(marcher):
    scene = soft_scene(QUICK)
    assert agrees(marcher, replace(scene, planes=Planes(torch.zeros_like(scene.planes.features))))


def test_a_camera_that_looks_away(marcher):
    away = soft_scene(QUICK).cameras.clone()
    away[:, 3] += 10
    assert differences(marcher, replace(soft_scene(QUICK), cameras=away)) == [0, 0, 0]


def test_a_decoder_that_no_channel_reaches(marcher):
    empty = PlaneDecoder(torch.zeros(64, 32), torch.ones(64), torch.zeros(33, 64), torch.linspace(-2, 2, 33))
    assert agrees(marcher, replace(soft_scene(QUICK), decoder=empty))


@pytest.mark.parametrize("hidden", [1, 16, 40, 100])
def test_any_hidden_width(marcher, hidden):
    noise = noise_decoder()
    again = torch.arange(hidden) % 64
    decoder = PlaneDecoder(noise.weight1[again], noise.bias1[again], noise.weight2[:, again] / 2, noise.bias2)
    assert agrees(marcher, replace(soft_scene(QUICK), decoder=decoder))


def test_a_bounded_solid_agrees_but_for_grazing_samples(marcher):
    # Density climbs by a million per unit of depth, so a sample that the rounding of its depth (2e-7) finds on the surface itself
    # may be a little denser or thinner. Few are, and they show as little.
    scene = solid_scene(replace(QUICK, resolution=128))
    plain, fast = picture(march, scene), picture(marcher, scene)
    for part in ("features", "opacity"):
        difference = (getattr(plain, part) - getattr(fast, part)).abs()
        assert (difference > 2e-5).float().mean() < 1e-3
        assert difference.max() < 2e-3


def test_leaving_less_out_changes_less(marcher):
    scene = soft_scene(replace(QUICK, coarse=48, fine=48))
    exact = picture(marcher.exact(), scene).features
    errors = [
        (picture(replace(marcher, cutoffs=Cutoffs(limit, limit / 10)), scene).features - exact).abs().max().item()
        for limit in (1e-2, 1e-4, 1e-6)
    ]
    assert errors[0] > 10 * errors[1] > 100 * errors[2]
    assert errors[1] < 1e-3


def same(a, b):
    return all(torch.equal(getattr(a, part), getattr(b, part)) for part in ("features", "depth", "opacity"))


def test_neither_threads_nor_company_change_a_bit(marcher):
    scene = soft_scene(replace(QUICK, resolution=33))
    alone = picture(marcher, scene)
    torch.set_num_threads(2)
    try:
        assert same(picture(marcher, scene), alone)
    finally:
        torch.set_num_threads(1)
    twice = picture(marcher, replace(scene, cameras=scene.cameras.repeat(2, 1)))
    assert torch.equal(twice.features[1:], alone.features) and torch.equal(twice.opacity[:1], alone.opacity)


@pytest.mark.parametrize("density", [0.0, 100.0, 600.0], ids=["soft", "wall", "steel"])
def test_neighbours_change_no_bit_of_a_ray(marcher, density):
    # in a wall, whole blocks of rays see nothing any more before their depths are through
    scene = denser(soft_scene(replace(QUICK, coarse=48, fine=48)), density)
    whole = picture(marcher, scene)
    march = marcher.draw.steps.march

    def pixel_by_pixel(*arguments):
        *others, pixels, drawn = arguments
        for some in pixels.flip(0).split(77):
            march(*others, some.contiguous(), drawn)

    apart = replace(marcher, draw=replace(marcher.draw, steps=replace(marcher.draw.steps, march=pixel_by_pixel)))
    assert same(picture(apart, scene), whole)


@pytest.mark.parametrize("flushed", [False, True])
def test_the_callers_denormals_are_left_as_they_were(marcher, flushed):
    torch.set_flush_denormal(flushed)
    try:
        picture(marcher, denser(soft_scene(replace(QUICK, resolution=4)), 100.0))
        assert (torch.tensor(1e-40).mul(1).item() == 0) == flushed
    finally:
        torch.set_flush_denormal(False)
