"""Every compiled back end draws planes with depth as the plain marcher does (spec 09)."""

from dataclasses import replace

import pytest
import torch
from scenes import solid_decoder, trigrid_scene

from real3d_core.render import MarchSettings, march

QUICK = MarchSettings(resolution=16, coarse=16, fine=16)


@pytest.fixture
def marcher(kernel, marchers):
    return marchers(kernel)


def agrees(marcher, scene):
    plain = march(scene.planes, scene.decoder, scene.cameras, scene.settings)
    for one, bound in ((marcher.exact(), 2e-5), (marcher, 1e-4)):
        fast = one(scene.planes, scene.decoder, scene.cameras, scene.settings)
        for part in ("features", "opacity"):
            assert (getattr(plain, part) - getattr(fast, part)).abs().max() <= bound
    return True


@pytest.mark.parametrize("depth, height, width", [(3, 40, 40), (3, 40, 24), (2, 17, 17), (5, 24, 24)])
def test_random_trigrids(marcher, depth, height, width):
    scene = trigrid_scene(replace(QUICK, resolution=5), depth, height, width)
    assert agrees(marcher, scene)


def test_a_trigrid_of_which_a_part_is_reached(marcher):
    scene = trigrid_scene(replace(QUICK, resolution=5), depth=5)
    bounds = torch.tensor([[-0.2, -0.3, -0.1], [0.2, 0.3, 0.15]])
    assert agrees(marcher, replace(scene, planes=replace(scene.planes, bounds=bounds)))


def test_late_units_and_a_plane_of_zeros(marcher):
    scene = trigrid_scene(replace(QUICK, resolution=5))
    features = scene.planes.features.clone() / 30
    features[:, 0] = 0
    decoder = solid_decoder()
    decoder = replace(decoder, weight2=decoder.weight2.clamp(-5, 5), bias2=decoder.bias2.clamp(-5, 5))
    assert agrees(marcher, replace(scene, planes=replace(scene.planes, features=features), decoder=decoder))
