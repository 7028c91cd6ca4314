"""Planes with depth: the reference vector, and every marcher of the core against the plain one (spec 09)."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from golden import make_input
from scenes import soft_scene, trigrid_scene

from real3d_core.errors import Real3DError
from real3d_core.render import MarchSettings, Planes, march, march_table
from real3d_core.render.ray_marching import look_up

QUICK = MarchSettings(resolution=16, coarse=16, fine=16)


def test_lookups_are_those_of_the_reference(goldens):
    vector = np.load(goldens / "trigrid_seed7.npz")
    planes = Planes(torch.from_numpy(vector["planes"]))
    assert planes.depth == 3
    for grids, points, expected in zip(planes.grids(), torch.from_numpy(vector["points"]), vector["features"], strict=True):
        found = look_up(grids, points[None], 1.0)[:, :, 0].mT
        assert torch.allclose(found, torch.from_numpy(expected), rtol=0, atol=2e-6)


def differences(scene):
    plain, fast = (marcher(scene.planes, scene.decoder, scene.cameras, scene.settings) for marcher in (march, march_table))
    return [(getattr(plain, part) - getattr(fast, part)).abs().max().item() for part in ("features", "opacity")]


@pytest.mark.parametrize("depth", [2, 3, 5])
@pytest.mark.parametrize("height, width", [(40, 40), (40, 24)])
def test_the_table_draws_a_trigrid(depth, height, width):
    assert max(differences(trigrid_scene(QUICK, depth, height, width))) < 2e-5


def test_layers_matter():
    scene = trigrid_scene(QUICK)
    grids = scene.planes.grids()
    turned = replace(scene.planes, features=grids.flip(3).flatten(2, 3))
    pictures = [march(planes, scene.decoder, scene.cameras, QUICK).features for planes in (scene.planes, turned)]
    assert (pictures[0] - pictures[1]).abs().max() > 0.03


def test_bounds_keep_fewer_layers_but_the_same_picture():
    scene = trigrid_scene(QUICK, depth=5)
    bounds = torch.tensor([[-0.2, -0.3, -0.1], [0.2, 0.3, 0.15]])
    assert max(differences(replace(scene, planes=replace(scene.planes, bounds=bounds)))) < 2e-5


def test_a_triplane_is_looked_up_as_before():
    features = torch.from_numpy(make_input("one layer", (1, 3, 32, 8, 8)))
    assert Planes(features).depth == 1 and Planes(features).grids() is features


def test_a_part_of_a_layer_is_refused():
    scene = soft_scene(QUICK)
    with pytest.raises(Real3DError, match="32 times the depth"):
        march(replace(scene.planes, features=torch.zeros(1, 3, 80, 8, 8)), scene.decoder, scene.cameras, QUICK)
