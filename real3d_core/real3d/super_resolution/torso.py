"""Torso warp: the portrait's torso, moved with the head (spec 04 sections 5 to 7)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..layers import PreciseConv2d, resize_plain
from .torso_layers import CHANNELS, DEPTH, SIDE, DownBlock2d, ResidualBlock, UpBlock2d
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

    def __init__(self):
        super().__init__()
        self.appearance = AppearanceExtractor()
        self.motion_field = MotionFieldEstimator()
        self.generator = TorsoGenerator()
        self.opacity = TorsoOpacity()

    def encode(self, torso: Tensor, segmentation: Tensor, keypoints: Tensor) -> TorsoCode:
        """Once per portrait.

        Args:
            torso: [1, 3, 256, 256] in [-1, 1].
            segmentation: [1, 6, 512, 512] of the portrait, 0 or 1.
            keypoints: [1, 68, 3] of the portrait, x right and y down in -1..1.
        """
        classes = segmentation[:, _TORSO_CLASSES]
        mask = resize_plain(classes, SIDE)
        volume = mask_volume(self.appearance(torso, resize_plain(classes, torso.shape[-1])), mask)
        return TorsoCode(volume, self.motion_field.compress_volume(volume, mask), keypoints[:, KEYPOINTS].float())

    def forward(self, code: TorsoCode, keypoints: Tensor, head: Tensor) -> Torso:
        """The torso of each frame.

        Args:
            keypoints: [N, 68, 3] of each frame.
            head: [N, 4, 256, 256] colour and opacity of the rendered head.
        """
        field = self.motion_field(code.compressed, code.keypoints, keypoints[:, KEYPOINTS].float(), head)
        warped = warp(code.volume, field.deformation)
        hidden, colour = self.generator(warped.flatten(1, 2).to(code.volume.dtype))
        return Torso(hidden, colour, self.opacity(hidden, field.occlusion.to(hidden.dtype)))


def warp(volume: Tensor, deformation: Tensor) -> Tensor:
    """volume [1, C, D, H, W] looked up at deformation [N, D, H, W, 3] -> [N, C, D, H, W] float32; the border goes on outside."""
    volume = volume.float().expand(len(deformation), -1, -1, -1, -1)
    return F.grid_sample(volume, deformation, mode="bilinear", padding_mode="border", align_corners=True)


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
