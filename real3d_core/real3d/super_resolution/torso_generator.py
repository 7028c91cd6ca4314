"""Torso warp, generator: the warped volume becomes the torso's picture (spec 04 section 7)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..layers import PreciseConv2d
from ..resizing import resize_plain
from .torso_layers import ResidualBlock, UpBlock2d


class TorsoGenerator(nn.Module):
    """Warped appearance volume -> 64 hidden channels and colours at 256x256."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(512, 256, 3, padding=1)
        self.mid = PreciseConv2d(256, 256, 1)
        self.residuals = nn.Sequential(*(ResidualBlock(256, nn.Conv2d) for _ in range(6)))
        self.up = nn.Sequential(UpBlock2d(256, 128), UpBlock2d(128, 64))
        self.to_rgb = PreciseConv2d(64, 3, 7, padding=3)

    def forward(self, warped: Tensor) -> tuple[Tensor, Tensor]:
        """[N, 512, 64, 64], channel c * 16 + depth -> hidden [N, 64, 256, 256], colours [N, 3, 256, 256] float32."""
        x = F.leaky_relu_(self.first(warped.contiguous(memory_format=torch.channels_last)), 0.2)
        # what six blocks add to is float32: rounded after each of them, bfloat16 frames would err by more than 1e-2
        hidden = self.up(self.residuals(self.mid(x)).to(x.dtype))
        return hidden, self.to_rgb(hidden)


class TorsoOpacity(nn.Module):
    """Where the generated torso hides the background."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(65, 32, 3, padding=1)
        self.conv2 = nn.Conv2d(32, 32, 3, padding=1)
        self.conv3 = nn.Conv2d(32, 1, 3, padding=1)

    def forward(self, hidden: Tensor, occlusion: Tensor) -> Tensor:
        """hidden [N, 64, S, S] and the motion field's occlusion [N, 1, s, s] -> opacity [N, 1, S, S] float32 in 0..1."""
        x = torch.cat((hidden, resize_plain(occlusion, hidden.shape[-1])), dim=1)
        return self.conv3(F.relu_(self.conv2(F.relu_(self.conv1(x))))).float().sigmoid()
