"""The torso's plate says where it is empty."""

import pytest
import torch

from real3d_core.analytic.painting import CELL
from real3d_core.analytic.torso import _cells


@pytest.mark.parametrize("side", [15, 16, 17, 33, 64])
def test_nothing_is_looked_up_of_an_empty_cell(side):
    plate = (torch.rand(1, 1, side, side, generator=torch.Generator().manual_seed(0)) > 0.995).float()
    cells = _cells(plate)
    for above in range(side):
        for left in range(side):
            around = plate[0, 0, above : above + 2, left : left + 2]  # what bilinear look-ups read, from this pixel to the next
            assert cells[above // CELL, left // CELL] or not around.any()
    assert cells.shape == (-(-side // CELL),) * 2
