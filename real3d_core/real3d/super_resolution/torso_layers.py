"""Building blocks of the torso model in two and three dimensions (spec 04 section 4).

Batch norms that follow a convolution and spectral norms are inside the weights by the time they are loaded.
Volumes are [N, C, depth, height, width].
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from ..layers import ScaleShift

CHANNELS, DEPTH, SIDE = 32, 16, 64  # of the feature volume


class ResidualBlock(nn.Module):
    """x + two convolutions, a norm and a ReLU before each; the second norm is folded into the first convolution.

    The sum has the precision of x, which may be more than that of the convolutions.
    """

    def __init__(self, channels: int, conv: type[nn.Conv2d] | type[nn.Conv3d]):
        super().__init__()
        self.norm = ScaleShift(channels)
        self.conv1 = conv(channels, channels, 3, padding=1)
        self.conv2 = conv(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        seen = F.relu_(self.norm(x)).to(self.conv1.weight.dtype)
        return x + self.conv2(F.relu_(self.conv1(seen)))


class DownBlock2d(nn.Module):
    """Convolution, ReLU, half the size."""

    def __init__(self, channels: int, width: int):
        super().__init__()
        self.conv = nn.Conv2d(channels, width, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return F.avg_pool2d(F.relu_(self.conv(x)), 2)


class DownBlock3d(nn.Module):
    """Convolution, ReLU, half the height and width; the depth stays."""

    def __init__(self, channels: int, width: int):
        super().__init__()
        self.conv = nn.Conv3d(channels, width, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        slices = F.relu_(self.conv(x)).transpose(1, 2)
        # slice by slice: the 3-D pooling knows no half precision on a CPU
        return F.avg_pool2d(slices.flatten(0, 1), 2).unflatten(0, slices.shape[:2]).transpose(1, 2)


class UpBlock2d(nn.Module):
    """Nearest-neighbour enlarging, 3x3 convolution and ReLU, as one transposed convolution with less than half the work."""

    def __init__(self, channels: int, width: int):
        super().__init__()
        self.conv = nn.ConvTranspose2d(channels, width, 4, stride=2, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu_(self.conv(x))


class UpBlock3d(nn.Module):
    """The same for volumes; the depth stays."""

    def __init__(self, channels: int, width: int):
        super().__init__()
        self.conv = nn.ConvTranspose3d(channels, width, (3, 4, 4), stride=(1, 2, 2), padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu_(self.conv(x))
