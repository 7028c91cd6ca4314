"""Sizes and building blocks of the torso model, in two and three dimensions (spec 04 section 4).

Batch norms that follow a convolution and spectral norms are inside the weights by the time they are loaded.
Volumes are [N, C, depth, height, width].
"""

from __future__ import annotations

from dataclasses import dataclass

import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from ..layers import ScaleShift


@dataclass(frozen=True)
class TorsoSizes:
    """Sizes of the torso model; the defaults are the published one (spec 04). The volume's side is a quarter of the torso picture's.

    channels, depth: of the feature volume, the depth at least 7. compressed: channels of the volume that the motion field sees.
    appearance: channels of the extractor at full, half and quarter size. field: of each level of the motion field, every one half
    the size of the one before. generator: channels at quarter, half and full size. residuals: blocks of extractor and generator.
    """

    channels: int = 32
    depth: int = 16
    compressed: int = 4
    appearance: tuple[int, int, int] = (64, 128, 256)
    field: tuple[int, ...] = (64, 128, 256, 512, 1024)
    generator: tuple[int, int, int] = (256, 128, 64)
    residuals: int = 6


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
        """[N, channels, ...] -> the same shape."""
        activated = F.relu_(self.norm(x)).to(self.conv1.weight.dtype)
        return x + self.conv2(F.relu_(self.conv1(activated)))


class DownBlock2d(nn.Module):
    """Convolution, ReLU, half the size."""

    def __init__(self, channels: int, width: int):
        super().__init__()
        self.conv = nn.Conv2d(channels, width, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu_(self.conv(x))  # [N, width, H, W]
        return F.avg_pool2d(x, 2)  # [N, width, H/2, W/2]


class DownBlock3d(nn.Module):
    """Convolution, ReLU, half the height and width; the depth stays."""

    def __init__(self, channels: int, width: int):
        super().__init__()
        self.conv = nn.Conv3d(channels, width, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu_(self.conv(x))  # [N, width, D, H, W]
        # slice by slice: the 3-D pooling knows no half precision on a CPU
        slices = F.avg_pool2d(rearrange(x, "n c d h w -> (n d) c h w"), 2)  # [N D, width, H/2, W/2]
        return rearrange(slices, "(n d) c h w -> n c d h w", n=len(x))  # [N, width, D, H/2, W/2]


class UpBlock2d(nn.Module):
    """Nearest-neighbour enlarging, 3x3 convolution and ReLU, as one transposed convolution with less than half the work."""

    def __init__(self, channels: int, width: int):
        super().__init__()
        self.conv = nn.ConvTranspose2d(channels, width, 4, stride=2, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu_(self.conv(x))  # [N, width, 2 H, 2 W]


class UpBlock3d(nn.Module):
    """The same for volumes; the depth stays."""

    def __init__(self, channels: int, width: int):
        super().__init__()
        self.conv = nn.ConvTranspose3d(channels, width, (3, 4, 4), stride=(1, 2, 2), padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu_(self.conv(x))  # [N, width, D, 2 H, 2 W]
