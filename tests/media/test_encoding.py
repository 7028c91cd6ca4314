"""Pictures on their way into a film."""

import pytest
import torch

from real3d_core.media.encoding import in_8_bits


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_floats_become_the_nearest_of_256_levels(dtype):
    frames = (torch.rand(2, 3, 5, 6, generator=torch.Generator().manual_seed(0)) * 1.4 - 0.2).to(dtype)[..., ::2]  # with gaps in memory
    expected = (frames.float().clamp(0, 1) * 255).round().to(torch.uint8)
    assert torch.equal(in_8_bits(frames), expected)
    assert torch.equal(in_8_bits(expected), expected)
