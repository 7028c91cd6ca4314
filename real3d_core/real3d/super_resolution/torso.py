"""Torso warp: the portrait's torso, moved with the head (spec 04 sections 5 to 7)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from ..layers import PreciseConv2d, resize_plain
from .torso_layers import DownBlock2d, ResidualBlock, TorsoSizes, UpBlock2d
from .torso_motion import KEYPOINTS, MotionFieldEstimator

_TORSO_CLASSES = (2, 4)  # body skin and clothes


@dataclass(frozen=True)
class TorsoCode:
    """What the torso warp knows of a portrait.

    volume: [1, 32, 16, 64, 64] appearance inside the torso.
    compressed: [1, 4, 16, 64, 64] the same for the motion field.
    keypoints: [1, 4, 3] of the portrait, -1..1.
    """

    volume: Tensor
    compressed: Tensor
    keypoints: Tensor


@dataclass(frozen=True)
class Torso:
    """hidden: [N, 64, 256, 256] features. colour: [N, 3, 256, 256]. opacity: [N, 1, 256, 256] in 0..1, over the background."""

    hidden: Tensor
    colour: Tensor
    opacity: Tensor


class TorsoWarp(nn.Module):
    """Appearance of the portrait, motion field of a frame, generator."""

    def __init__(self, sizes: TorsoSizes):
        super().__init__()
        self.appearance = AppearanceExtractor(sizes)
        self.motion_field = MotionFieldEstimator(sizes)
        self.generator = TorsoGenerator(sizes)
        self.opacity = TorsoOpacity(sizes)

    def encode(self, torso: Tensor, segmentation: Tensor, keypoints: Tensor) -> TorsoCode:
        """Once per portrait.

        Args:
            torso: [1, 3, 256, 256] in [-1, 1].
            segmentation: [1, 6, 512, 512] of the portrait, 0 or 1.
            keypoints: [1, 68, 3] of the portrait, x right and y down in -1..1.
        """
        classes = segmentation[:, _TORSO_CLASSES]  # [1, 2, 512, 512]
        volume = self.appearance(torso, resize_plain(classes, torso.shape[-1]))  # [1, 32, 16, 64, 64]
        mask = resize_plain(classes, volume.shape[-1])  # [1, 2, 64, 64]
        volume = mask_volume(volume, mask)  # [1, 32, 16, 64, 64]
        compressed = self.motion_field.compress_volume(volume, mask)  # [1, 4, 16, 64, 64]
        return TorsoCode(volume, compressed, keypoints[:, KEYPOINTS].float())

    def forward(self, code: TorsoCode, keypoints: Tensor, head: Tensor) -> Torso:
        """The torso of each frame.

        Args:
            keypoints: [N, 68, 3] of each frame.
            head: [N, 4, 256, 256] colour and opacity of the rendered head.
        """
        field = self.motion_field(code.compressed, code.keypoints, keypoints[:, KEYPOINTS].float(), head)
        warped = warp(code.volume, field.deformation)  # [N, 32, 16, 64, 64]
        flat = rearrange(warped, "n c d h w -> n (c d) h w")  # [N, 512, 64, 64]
        hidden, colour = self.generator(flat.to(code.volume.dtype))  # [N, 64, 256, 256], [N, 3, 256, 256]
        opacity = self.opacity(hidden, field.occlusion.to(hidden.dtype))  # [N, 1, 256, 256]
        return Torso(hidden, colour, opacity)


def warp(volume: Tensor, deformation: Tensor) -> Tensor:
    """volume [1, C, D, H, W] looked up at deformation [N, D, H, W, 3] -> [N, C, D, H, W] float32; the border goes on outside."""
    volume = volume.float().expand(len(deformation), -1, -1, -1, -1)  # [N, C, D, H, W]
    return F.grid_sample(volume, deformation, mode="bilinear", padding_mode="border", align_corners=True)


class AppearanceExtractor(nn.Module):
    """Torso picture and mask -> appearance volume."""

    def __init__(self, sizes: TorsoSizes):
        super().__init__()
        full, half, quarter = sizes.appearance
        self.depth = sizes.depth
        self.first = nn.Conv2d(5, full, 7, padding=3)
        self.down = nn.Sequential(DownBlock2d(full, half), DownBlock2d(half, quarter))
        self.lift = nn.Conv2d(quarter, sizes.channels * sizes.depth, 1)
        self.residuals = nn.Sequential(*(ResidualBlock(sizes.channels, nn.Conv3d) for _ in range(sizes.residuals)))

    def forward(self, torso: Tensor, mask: Tensor) -> Tensor:
        """torso [N, 3, 256, 256] in [-1, 1] and mask [N, 2, 256, 256] (skin, clothes) -> [N, 32, 16, 64, 64]."""
        picture = torch.cat((torso, mask), dim=1)  # [N, 5, 256, 256]
        picture = picture.to(self.first.weight.dtype).contiguous(memory_format=torch.channels_last)
        x = F.relu_(self.first(picture))  # [N, 64, 256, 256]
        x = self.lift(self.down(x))  # [N, 512, 64, 64]
        volume = rearrange(x, "n (c d) h w -> n c d h w", d=self.depth)  # [N, 32, 16, 64, 64]
        return self.residuals(volume.contiguous(memory_format=torch.channels_last_3d))  # [N, 32, 16, 64, 64]


def mask_volume(volume: Tensor, mask: Tensor) -> Tensor:
    """Empties a volume [N, 32, 16, 64, 64] outside the torso: mask [N, 2, 64, 64] of both classes, widened by three cells."""
    widened = F.max_pool2d(mask.sum(1, keepdim=True), 7, stride=1, padding=3)  # [N, 1, 64, 64]
    return volume * widened[:, :, None].to(volume.dtype)  # [N, 32, 16, 64, 64]


class TorsoGenerator(nn.Module):
    """Warped appearance volume -> 64 hidden channels and colours at 256x256."""

    def __init__(self, sizes: TorsoSizes):
        super().__init__()
        quarter, half, full = sizes.generator
        self.first = nn.Conv2d(sizes.channels * sizes.depth, quarter, 3, padding=1)
        self.mid = PreciseConv2d(quarter, quarter, 1)
        self.residuals = nn.Sequential(*(ResidualBlock(quarter, nn.Conv2d) for _ in range(sizes.residuals)))
        self.up = nn.Sequential(UpBlock2d(quarter, half), UpBlock2d(half, full))
        self.to_rgb = PreciseConv2d(full, 3, 7, padding=3)

    def forward(self, warped: Tensor) -> tuple[Tensor, Tensor]:
        """[N, 512, 64, 64], channel c * 16 + depth -> hidden [N, 64, 256, 256], colours [N, 3, 256, 256] float32."""
        x = F.leaky_relu_(self.first(warped.contiguous(memory_format=torch.channels_last)), 0.2)  # [N, 256, 64, 64]
        # what six blocks add to is float32: rounded after each of them, bfloat16 frames would err by more than 1e-2
        refined = self.residuals(self.mid(x))  # [N, 256, 64, 64]
        hidden = self.up(refined.to(x.dtype))  # [N, 64, 256, 256]
        return hidden, self.to_rgb(hidden)  # and [N, 3, 256, 256]


class TorsoOpacity(nn.Module):
    """Where the generated torso hides the background."""

    def __init__(self, sizes: TorsoSizes):
        super().__init__()
        hidden, width = sizes.generator[-1], sizes.generator[-1] // 2
        self.conv1 = nn.Conv2d(hidden + 1, width, 3, padding=1)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1)
        self.conv3 = nn.Conv2d(width, 1, 3, padding=1)

    def forward(self, hidden: Tensor, occlusion: Tensor) -> Tensor:
        """hidden [N, 64, S, S] and the motion field's occlusion [N, 1, s, s] -> opacity [N, 1, S, S] float32 in 0..1."""
        x = torch.cat((hidden, resize_plain(occlusion, hidden.shape[-1])), dim=1)  # [N, 65, 256, 256]
        x = F.relu_(self.conv1(x))  # [N, 32, 256, 256]
        x = F.relu_(self.conv2(x))  # [N, 32, 256, 256]
        return self.conv3(x).float().sigmoid()  # [N, 1, 256, 256]
