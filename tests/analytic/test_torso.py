"""The torso's plate says where it is empty; the neck goes along with the head."""

import math
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from real3d_core.analytic.painting import CELL
from real3d_core.analytic.ray_maps import PLACES_PER_CROP
from real3d_core.analytic.solid import NECK_BEHIND
from real3d_core.analytic.torso import Torso, _cells
from real3d_core.motion.pose import turn_about_neck
from real3d_core.portrait.crop import CropWindow
from real3d_core.render.camera import HEAD_CENTRE, camera_from_pose, project


@pytest.mark.parametrize("side", [15, 16, 17, 33, 64])
def test_nothing_is_looked_up_of_an_empty_cell(side):
    plate = (torch.rand(1, 1, side, side, generator=torch.Generator().manual_seed(0)) > 0.995).float()
    cells = _cells(plate)
    for above in range(side):
        for left in range(side):
            around = plate[0, 0, above : above + 2, left : left + 2]  # what bilinear look-ups read, from this pixel to the next
            assert cells[above // CELL, left // CELL] or not around.any()
    assert cells.shape == (-(-side // CELL),) * 2


@pytest.mark.parametrize("degrees", [-30, 30])
def test_what_hangs_beside_the_neck_is_carried_where_a_head_carries_it(long_haired, degrees):
    """It was carried as far as what the photo has at its new place would be: hair stood out from a turned head's by eight pixels."""
    torso = Torso(long_haired, long_haired.plates.torso, 0.5, 512)
    euler = torch.tensor([[0.0, math.radians(degrees), 0.0]])
    turned = camera_from_pose(long_haired.euler + euler, long_haired.translation + turn_about_neck(euler)).float()
    right, _, towards = long_haired.camera[0, :16].reshape(4, 4)[:3, :3].T
    neck = torch.tensor(HEAD_CENTRE) + NECK_BEHIND * towards
    beside = torch.stack([neck - 0.2 * right, neck + 0.2 * right])  # in the hair
    before, after = (project(beside, camera[0])[0] for camera in (long_haired.camera, turned))
    _, carried = torso.carried(turned)
    shift = F.grid_sample(carried[None, :2], (after * 2 - 1)[None, None], align_corners=False)[0, :, 0].T / PLACES_PER_CROP
    assert (after - shift - before).norm(dim=1).max() < 2 / 512


def test_the_torso_stays_where_the_photo_ends_beside_it(long_haired):
    """Beyond, the photo's border is repeated: a head that filled the picture drew bars of it in."""
    large = replace(long_haired, window=CropWindow(0.0, 0.0, 400.0), photo_size=(400, 400))
    euler = torch.tensor([[0.0, math.radians(30), 0.0]])
    turned = camera_from_pose(large.euler + euler, large.translation + turn_about_neck(euler)).float()
    _, carried = Torso(large, large.plates.torso, 3.0, 512).carried(turned)
    assert carried[:2, :, [0, -1]].abs().max() < 0.003 < 0.05 < carried[:2, :, 32].abs().max()
