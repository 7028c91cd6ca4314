"""Torso warp, appearance: the torso picture becomes a feature volume, once per portrait (spec 04 section 5)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .torso_layers import DownBlock2d, ResidualBlock

CHANNELS, DEPTH, SIDE = 32, 16, 64  # of the feature volume


class AppearanceExtractor(nn.Module):
    """Torso picture and mask -> appearance volume."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(5, 64, 7, padding=3)
        self.down = nn.Sequential(DownBlock2d(64, 128), DownBlock2d(128, 256))
        self.lift = nn.Conv2d(256, CHANNELS * DEPTH, 1)
        self.residuals = nn.Sequential(*(ResidualBlock(CHANNELS, nn.Conv3d) for _ in range(6)))

    def forward(self, torso: Tensor, mask: Tensor) -> Tensor:
        """torso [N, 3, 256, 256] in [-1, 1] and mask [N, 2, 256, 256] (skin, clothes) -> [N, 32, 16, 64, 64]."""
        picture = torch.cat((torso, mask), dim=1).to(self.first.weight.dtype).contiguous(memory_format=torch.channels_last)
        lifted = self.lift(self.down(F.relu_(self.first(picture))))
        return self.residuals(lifted.unflatten(1, (CHANNELS, DEPTH)).contiguous(memory_format=torch.channels_last_3d))


def mask_volume(volume: Tensor, mask: Tensor) -> Tensor:
    """Empties a volume [N, 32, 16, 64, 64] outside the torso: mask [N, 2, 64, 64] of both classes, widened by three cells."""
    widened = F.max_pool2d(mask.sum(1, keepdim=True), 7, stride=1, padding=3)
    return volume * widened[:, :, None].to(volume.dtype)
