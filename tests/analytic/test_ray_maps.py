"""Maps of rays: the quick ways give what the plain ones do."""

import pytest
import torch
import torch.nn.functional as F

from real3d_core.analytic.ray_maps import Enlargement, blur, continued, own_places, plate_places

RAYS = 64


@pytest.fixture
def maps():
    return torch.randn(1, 3, RAYS, RAYS, generator=torch.Generator().manual_seed(0))


def neighbours(maps):
    """Sums over 3 x 3 rays."""
    return F.avg_pool2d(maps, 3, stride=1, padding=1) * 9


def continued_plainly(values, known):
    known = known.float()
    values, grown_in = values * known, (1 - known) * 12
    for ring in range(12):
        count = neighbours(known)
        new = ((count > 0.5) & (known == 0)).float()
        values = values + new * neighbours(values) / count.clamp_min(1)
        grown_in = torch.where(new > 0, float(ring), grown_in)
        known = known + new
    return values, grown_in


@pytest.mark.parametrize("known", ["a disc", "two parts", "one ray at the border", "nothing", "all"])
def test_values_grow_as_means_of_their_known_neighbours(maps, known):
    y, x = torch.meshgrid(torch.arange(RAYS), torch.arange(RAYS), indexing="ij")
    areas = {
        "a disc": (x - 30) ** 2 + (y - 34) ** 2 < 300,
        "two parts": (x < 9) | ((x > 40) & (y > 50)),
        "one ray at the border": (x == 0) & (y == 20),
        "nothing": x < 0,
        "all": x >= 0,
    }
    area = areas[known][None, None]
    values, grown_in = continued(maps, area)
    expected, rings = continued_plainly(maps, area)
    assert torch.equal(grown_in, rings)
    assert (values - expected).abs().max() < 1e-5  # sums round differently


@pytest.mark.parametrize("mode", ["bicubic", "bilinear"])
@pytest.mark.parametrize("size", [4 * RAYS, 200, RAYS, 40])
def test_a_part_of_an_enlarged_map_is_that_part_of_the_whole(maps, mode, size):
    enlarge = Enlargement(RAYS, size, mode)
    whole = F.interpolate(maps, size=(size, size), mode=mode, align_corners=False)[0]
    for rows, columns in (((0, size), (0, size)), ((3, 17), (size - 9, size)), ((11, 30), (7, 8))):
        box = slice(*rows), slice(*columns)
        assert (enlarge(maps[0], box) - whole[:, box[0], box[1]]).abs().max() < 1e-4


@pytest.mark.parametrize("size", [4 * RAYS, 200])
def test_rays_in_their_places_are_pixels_in_theirs(size):
    rays = own_places(RAYS)
    box = slice(0, size), slice(5, size)
    assert (Enlargement(RAYS, size, "bicubic").places(rays, box) - own_places(size)[:, :, 5:]).abs().max() < 1e-6
    assert plate_places(torch.tensor([-0.25, 0.5, 1.25])).tolist() == pytest.approx([-1, 0, 1])


@pytest.mark.parametrize("size", [4 * RAYS, 200])
def test_rays_reach_the_pixels_in_which_they_have_a_part(size):
    enlarge = Enlargement(RAYS, size, "bicubic")
    one = torch.zeros(1, RAYS, RAYS)
    one[0, 20, 31] = 1
    rows, columns = enlarge.reached(one[0] > 0)
    changed = enlarge(one, (slice(0, size), slice(0, size)))[0] != 0
    assert changed[rows, columns].sum() == changed.sum()
    assert changed[rows.start].any() and changed[:, columns.stop - 1].any()


def test_a_blur_keeps_what_is_even_and_the_sum_of_what_is_not(maps):
    assert (blur(torch.full_like(maps, 0.3), 1.2) - 0.3).abs().max() < 1e-6
    spot = torch.zeros(1, 1, RAYS, RAYS)
    spot[..., 30, 30] = 1
    blurred = blur(spot, 1.2)[0, 0]
    assert blurred.sum() == pytest.approx(1, abs=1e-5) and torch.allclose(blurred, blurred.T)
