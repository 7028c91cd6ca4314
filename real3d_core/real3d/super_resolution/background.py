"""Background: its features, once per background picture (spec 04 section 3)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn


@dataclass(frozen=True)
class BackgroundCode:
    """colour: [1, 3, 256, 256] in [-1, 1]. features: [1, 64, 256, 256], as the fusion of person and background adds them."""

    colour: Tensor
    features: Tensor


class BackgroundEncoder(nn.Module):
    """Background picture -> background code."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 3, padding=1)
        self.conv2 = nn.Conv2d(64, 256, 3, padding=1)
        self.conv3 = nn.Conv2d(256, 256, 3, padding=1)
        # the background's half of the fusion's first convolution: it does not change from frame to frame either
        self.to_fusion = nn.Conv2d(256, 64, 1, bias=False)

    def forward(self, background: Tensor) -> BackgroundCode:
        """[1, 3, 256, 256] in [-1, 1]."""
        x = background.to(self.conv1.weight.dtype).contiguous(memory_format=torch.channels_last)
        x = F.leaky_relu_(self.conv1(x), 0.01)
        x = F.leaky_relu_(self.conv2(x), 0.01)
        return BackgroundCode(background, self.to_fusion(self.conv3(x)))
