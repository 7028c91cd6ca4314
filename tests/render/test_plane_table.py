"""The table of texels says at any point what the planes themselves say there."""

import pytest
import torch
import torch.nn.functional as F
from golden import make_input

from real3d_core.render.plane_table import PlaneTable
from real3d_core.render.ray_marching import sample_planes

CUBE = torch.tensor([[-0.6] * 3, [0.6] * 3])


def noise(label, *shape, reach=1.0):
    return torch.from_numpy(make_input(label, shape, low=-reach, high=reach))


def agree(planes, reach, channels=None, box_side=1.0, windows=2):
    """Whether the table and the planes agree on a dense layer of the features at random points within reach."""
    channels = torch.arange(planes.shape[1]) if channels is None else channels
    weight, bias = noise("weight", 5, len(channels)), noise("bias", 5)
    points = reach[0] + (reach[1] - reach[0]) * (noise("points", 3000, 3) + 1) / 2
    table = PlaneTable.of(planes, channels, box_side, reach)
    assert len(table.windows) == windows
    found = table.locate(points.T).look_up(table.project(weight, bias))
    features = sample_planes(planes, points[None], box_side)[0][:, channels]
    return torch.allclose(found, F.linear(features, weight, bias), atol=1e-4)


def test_points_in_and_around_the_cube():
    assert agree(noise("planes", 3, 8, 40, 40), CUBE)


def test_planes_that_are_not_square_keep_a_window_each():
    assert agree(noise("planes", 3, 8, 40, 30), CUBE, windows=3)


def test_a_cube_of_another_size():
    assert agree(noise("planes", 3, 8, 40, 40), 1.5 * CUBE, box_side=1.4)


def test_only_the_reach_of_the_points_is_kept():
    reach = torch.tensor([[-0.2, 0.1, -0.55], [0.1, 0.52, 0.3]])
    planes = noise("planes", 3, 8, 40, 40)
    assert agree(planes, reach)
    channels = torch.arange(8)
    assert len(PlaneTable.of(planes, channels, 1.0, reach)) < len(PlaneTable.of(planes, channels, 1.0, CUBE)) / 2


def test_a_reach_that_is_a_single_point_outside():
    assert agree(noise("planes", 3, 8, 40, 40), torch.tensor([[0.7, -0.9, 0.2], [0.7, -0.9, 0.2]]))


def test_some_channels():
    assert agree(noise("planes", 3, 8, 40, 40), CUBE, channels=torch.tensor([1, 6]))


@pytest.mark.parametrize("zero, windows", [((2,), 2), ((1,), 2), ((1, 2), 1), ((0,), 2), ((0, 1, 2), 1)])
def test_planes_of_zeros_have_no_window_but_the_first(zero, windows):
    planes = noise("planes", 3, 8, 40, 40)
    planes[list(zero)] = 0
    assert agree(planes, CUBE, windows=windows)
