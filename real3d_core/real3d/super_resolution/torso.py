"""Torso warp: the portrait's torso, moved with the head (spec 04 sections 5 to 7)."""

from __future__ import annotations

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor, nn

from ..resizing import resize_plain
from .torso_appearance import SIDE, AppearanceExtractor, mask_volume
from .torso_generator import TorsoGenerator, TorsoOpacity
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
