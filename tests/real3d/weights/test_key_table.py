"""What stored numbers may be weights."""

import pytest
import torch

from real3d_core.real3d.weights.key_table import all_finite, flaw_of


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_large_numbers_are_finite_though_their_sum_is_not(kind):
    largest = min(torch.finfo(kind).max, torch.finfo(torch.float32).max)
    assert all_finite(torch.full((9,), largest, dtype=kind))


@pytest.mark.parametrize("wrong", [[torch.inf, 1.0], [torch.inf, -torch.inf], [0.0, torch.nan]])
def test_one_number_that_is_none_is_a_flaw(wrong):
    assert flaw_of(torch.tensor(wrong)) == "not all finite"


def test_numbers_beyond_float32_are_a_flaw():
    assert flaw_of(torch.tensor([1e300, 1.0], dtype=torch.float64)) == "not all finite"
