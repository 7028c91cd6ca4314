"""Fusion: head over torso, person over background, in features (spec 04 section 3)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class HeadTorsoFusion(nn.Module):
    """Features of the head and of the torso, joined by the head's opacity.

    The paper widens the torso's 64 channels to 256 by a 1x1 convolution first. Nothing but a product with one number per
    pixel stands between it and the next convolution, so it is folded into that one; its bias needs the number as a channel.
    """

    def __init__(self, head: int, torso: int):
        super().__init__()
        self.conv1 = nn.Conv2d(head + torso + 1, head, 3, padding=1)
        self.conv2 = nn.Conv2d(head, head, 3, padding=1)

    def forward(self, head: Tensor, torso: Tensor, opacity: Tensor) -> Tensor:
        """head [N, 256, S, S], torso [N, 64, S, S], head's opacity [N, 1, S, S] -> [N, 256, S, S]."""
        opacity = opacity.to(head.dtype)
        behind = 1 - opacity
        # written in place: a concatenation would copy another 84 MB and lose the layout that the convolution needs;
        # added to zeros, because multiplying into a slice (out=...) has no gradient
        shape, seen = (len(head), self.conv1.in_channels, *head.shape[2:]), head.shape[1]
        joined = torch.empty(shape, dtype=head.dtype, device=head.device, memory_format=torch.channels_last).zero_()  # [N, 321, 256, 256]
        joined[:, :seen].addcmul_(head, opacity)
        joined[:, seen:-1].addcmul_(torso, behind)
        joined[:, -1:] = behind
        x = F.leaky_relu_(self.conv1(joined), 0.01)  # [N, 256, 256, 256]
        return self.conv2(x)  # [N, 256, 256, 256]


class PersonBackgroundFusion(nn.Module):
    """Features of the person and of the background, joined by the person's opacity."""

    def __init__(self, features: int, narrow: int):
        super().__init__()
        self.person = nn.Conv2d(features, narrow, 1, bias=False)
        self.bias = nn.Parameter(torch.zeros(narrow))
        self.conv1 = nn.Conv2d(narrow, features, 3, padding=1)
        self.conv2 = nn.Conv2d(features, features, 3, padding=1)

    def forward(self, person: Tensor, background: Tensor, opacity: Tensor) -> Tensor:
        """person [N, 256, S, S], background [1 or N, 64, S, S] (BackgroundCode.features), opacity [N, 1, S, S] -> [N, 256, S, S]."""
        opacity = opacity.to(person.dtype)
        # a 1x1 convolution and a product with one number per pixel may change places: 64 channels to multiply, not 512
        x = torch.lerp(background, self.person(person), opacity) + self.bias[:, None, None]  # [N, 64, 256, 256]
        x = F.leaky_relu_(self.conv1(F.leaky_relu_(x, 0.01)), 0.01)  # [N, 256, 256, 256]
        return self.conv2(x)  # [N, 256, 256, 256]


@dataclass(frozen=True)
class BackgroundCode:
    """colour: [1, 3, 256, 256] in [-1, 1]. features: [1, 64, 256, 256], as the fusion of person and background adds them."""

    colour: Tensor
    features: Tensor


class BackgroundEncoder(nn.Module):
    """Background picture -> background code."""

    def __init__(self, features: int, narrow: int):
        super().__init__()
        self.conv1 = nn.Conv2d(3, narrow, 3, padding=1)
        self.conv2 = nn.Conv2d(narrow, features, 3, padding=1)
        self.conv3 = nn.Conv2d(features, features, 3, padding=1)
        # the background's half of the fusion's first convolution: it does not change from frame to frame either
        self.to_fusion = nn.Conv2d(features, narrow, 1, bias=False)

    def forward(self, background: Tensor) -> BackgroundCode:
        """[1, 3, 256, 256] in [-1, 1]."""
        x = background.to(self.conv1.weight.dtype).contiguous(memory_format=torch.channels_last)
        x = F.leaky_relu_(self.conv1(x), 0.01)  # [1, 64, 256, 256]
        x = F.leaky_relu_(self.conv2(x), 0.01)  # [1, 256, 256, 256]
        x = self.conv3(x)  # [1, 256, 256, 256]
        return BackgroundCode(background, self.to_fusion(x))  # and [1, 64, 256, 256]
