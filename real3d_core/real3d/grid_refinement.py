"""Grid module: what a trigrid of version 2 adds to its canonical planes (spec 09)."""

from __future__ import annotations

import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from ..render.planes import CHANNELS


class GridRefinement(nn.Module):
    """Residual blocks of 3-D convolutions over each plane's layers; all planes share them. One block up to depth 3, two above."""

    def __init__(self, depth: int):
        super().__init__()
        self.depth = depth
        self.blocks = nn.Sequential(*(GridBlock() for _ in range(1 if depth <= 3 else 2)))

    def forward(self, planes: Tensor) -> Tensor:
        """[N, 3, 32 D, H, W] -> the same."""
        grids = rearrange(planes, "n plane (c d) h w -> (n plane) c d h w", c=CHANNELS, d=self.depth)  # [3 N, 32, D, H, W]
        return rearrange(self.blocks(grids), "(n plane) c d h w -> n plane (c d) h w", plane=3)  # [N, 3, 32 D, H, W]


class GridBlock(nn.Module):
    """Norm, rectifier and convolution, twice, added to the input; the block's own gain is folded into the second convolution."""

    def __init__(self):
        super().__init__()
        self.norm1, self.norm2 = (nn.GroupNorm(4, CHANNELS, 1e-5) for _ in range(2))
        self.conv1, self.conv2 = (nn.Conv3d(CHANNELS, CHANNELS, 3, padding=1, padding_mode="replicate") for _ in range(2))

    def forward(self, grids: Tensor) -> Tensor:
        x = self.conv1(F.relu(self.norm1(grids)))  # [3 N, 32, D, H, W]
        return grids + self.conv2(F.relu(self.norm2(x)))  # [3 N, 32, D, H, W]
