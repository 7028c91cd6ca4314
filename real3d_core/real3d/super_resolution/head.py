"""Head upsampler: blocks that enlarge a feature image and the colour image beside it (spec 04 section 2).

The paper's layers are modulated by a style vector that is constant here, so each one is an ordinary convolution by the
time it is loaded; the activation gain is inside its weight and bias too (see folding.py).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..layers import PreciseConv2d

SLOPE = 0.2


class UpsamplingBlock(nn.Module):
    """Features and colours at twice their size: [N, channels, h, w] and [N, 3, h, w] -> [N, width, 2h, 2w] and [N, 3, 2h, 2w]."""

    def __init__(self, channels: int, width: int):
        super().__init__()
        self.up = UpsamplingConv(channels, width)
        self.conv = nn.Conv2d(width, width, 3, padding=1)
        self.to_rgb = PreciseConv2d(width, 3, 1)

    def forward(self, x: Tensor, image: Tensor) -> tuple[Tensor, Tensor]:
        x = F.leaky_relu_(self.conv(self.up(x)), SLOPE)  # [N, width, 2h, 2w]
        return x, enlarge(image) + self.to_rgb(x)  # and [N, 3, 2h, 2w]


class RefiningBlock(nn.Module):
    """The same without enlarging: [N, channels, h, w] and [N, 3, h, w] -> the same shapes."""

    def __init__(self, channels: int):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)
        self.to_rgb = PreciseConv2d(channels, 3, 1)

    def forward(self, x: Tensor, image: Tensor) -> tuple[Tensor, Tensor]:
        x = F.leaky_relu_(self.conv1(x), SLOPE)  # [N, channels, h, w]
        x = F.leaky_relu_(self.conv2(x), SLOPE)  # [N, channels, h, w]
        return x, image + self.to_rgb(x)  # and [N, 3, h, w]


class UpsamplingConv(nn.Module):
    """Transposed convolution, smoothing filter, bias and leaky ReLU: [N, channels, h, w] -> [N, width, 2h, 2w]."""

    def __init__(self, channels: int, width: int):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(channels, width, 3, 3) / (9 * channels) ** 0.5)
        self.bias = nn.Parameter(torch.zeros(width))

    def forward(self, x: Tensor) -> Tensor:
        spread = F.conv_transpose2d(x, self.weight, stride=2)  # [N, width, 2h + 1, 2w + 1]
        # one depth-wise pass of 16 taps; two passes of 4 taps took longer on a CPU with channels last
        smooth = F.conv2d(spread, smoothing(spread), self.bias, padding=1, groups=spread.shape[1])  # [N, width, 2h, 2w]
        return F.leaky_relu_(smooth, SLOPE)


def enlarge(image: Tensor) -> Tensor:
    """[N, C, h, w] -> [N, C, 2h, 2w] float32, smoothed; darkens towards zero at the border, as in the paper's skip path."""
    image = image.float()
    return F.conv_transpose2d(image, smoothing(image), stride=2, padding=1, groups=image.shape[1])


def smoothing(like: Tensor) -> Tensor:
    """[C, 1, 4, 4]: the binomial filter that keeps the brightness when every second pixel is zero, for each channel of `like`."""
    line = like.new_tensor([0.25, 0.75, 0.75, 0.25])
    return torch.outer(line, line).expand(like.shape[1], 1, 4, 4)
