"""Super-resolution: the rendered head, the torso and the background become the frame (spec 04 sections 3 and 9)."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from ...render.planes import CHANNELS
from ..layers import resize_smooth
from .fusion import BackgroundCode, BackgroundEncoder, HeadTorsoFusion, PersonBackgroundFusion
from .head import RefiningBlock, UpsamplingBlock
from .torso import Torso, TorsoCode, TorsoWarp
from .torso_layers import TorsoSizes


@dataclass(frozen=True)
class SuperResolutionSizes:
    """Sizes of the network; the defaults are the published model (spec 04).

    side: of the rendered head; what is fused has twice as much, the frame four times.
    features: channels of what is fused. narrow: of background and person where they meet. frame: of the last block.
    torso: of the torso model.
    """

    side: int = 128
    features: int = 256
    narrow: int = 64
    frame: int = 128
    torso: TorsoSizes = field(default_factory=TorsoSizes)


@dataclass(frozen=True)
class SceneCode:
    """What stays the same in all frames of a portrait: its torso and the background."""

    torso: TorsoCode
    background: BackgroundCode


class SuperResolution(nn.Module):
    """Head, torso and background -> 512x512 frames."""

    def __init__(self, sizes: SuperResolutionSizes | None = None):
        super().__init__()
        sizes = sizes or SuperResolutionSizes()
        self.side = sizes.side
        self.head = UpsamplingBlock(CHANNELS, sizes.features)
        self.torso = TorsoWarp(sizes.torso)
        self.background = BackgroundEncoder(sizes.features, sizes.narrow)
        self.head_torso = HeadTorsoFusion(sizes.features, sizes.torso.generator[-1])
        self.refine = RefiningBlock(sizes.features)
        self.person_background = PersonBackgroundFusion(sizes.features, sizes.narrow)
        self.frame = UpsamplingBlock(sizes.features, sizes.frame)

    def encode(self, torso: Tensor, background: Tensor, segmentation: Tensor, keypoints: Tensor) -> SceneCode:
        """Once per portrait.

        Args:
            torso: [1, 3, 512, 512] in [-1, 1], hidden parts painted in.
            background: [1, 3, 512, 512] in [-1, 1].
            segmentation: [1, 6, 512, 512] of the portrait, 0 or 1: background, hair, body skin, face skin, clothes, others.
            keypoints: [1, 68, 3] of the portrait: x right and y down in -1..1, then 0.
        """
        torso = resize_smooth(torso, 2 * self.side)  # [1, 3, 256, 256]
        background = resize_smooth(background, 2 * self.side)  # [1, 3, 256, 256]
        return SceneCode(self.torso.encode(torso, segmentation, keypoints), self.background(background))

    def with_background(self, scene: SceneCode, background: Tensor) -> SceneCode:
        """The same torso before another background [1, 3, 512, 512] in [-1, 1]."""
        return SceneCode(scene.torso, self.background(resize_smooth(background, 2 * self.side)))

    def forward(self, features: Tensor, opacity: Tensor, keypoints: Tensor, scene: SceneCode, threshold: float) -> Tensor:
        """Frames of a head that moves before its torso and background.

        Args:
            features: [N, 32, 128, 128] of the rendered head, about -1..1; the first three are its colour.
            opacity: [N, 1, 128, 128] of the rendered head, 0..1.
            keypoints: [N, 68, 3] of each frame.
            scene: of the portrait, from `encode`.
            threshold: 0..1; where the head is more opaque than this it hides the background completely.

        Returns: [N, 3, 512, 512] float32, about -1..1, not clamped.
        """
        features = trained_size(features.float(), self.side)  # [N, 32, 128, 128]
        opacity = resize_smooth(opacity.float(), 2 * self.side)  # [N, 1, 256, 256]
        torso = self._warp_torso(features, opacity, keypoints, scene)  # hidden [N, 64, 256, 256], colour, opacity

        x, image = upsample_head(self.head, features)  # [N, 256, 256, 256], [N, 3, 256, 256]
        x = self.head_torso(x, torso.hidden, opacity)  # [N, 256, 256, 256]
        x, image = self.refine(x, image * opacity + torso.colour * (1 - opacity))  # [N, 256, 256, 256], [N, 3, 256, 256]

        person = person_opacity(torso, opacity, threshold)  # [N, 1, 256, 256]
        x = self.person_background(x, scene.background.features, person)  # [N, 256, 256, 256]
        x, image = self.frame(x, image * person + scene.background.colour * (1 - person))  # [N, 128, 512, 512], [N, 3, 512, 512]
        return image

    def person(self, features: Tensor, opacity: Tensor, keypoints: Tensor, scene: SceneCode, threshold: float) -> Tensor:
        """How much of each pixel of the frame is person, [N, 1, 256, 256] in 0..1; arguments as of `forward`, without its cost."""
        features = trained_size(features.float(), self.side)  # [N, 32, 128, 128]
        opacity = resize_smooth(opacity.float(), 2 * self.side)  # [N, 1, 256, 256]
        return person_opacity(self._warp_torso(features, opacity, keypoints, scene), opacity, threshold)

    def _warp_torso(self, features: Tensor, opacity: Tensor, keypoints: Tensor, scene: SceneCode) -> Torso:
        head = torch.cat((resize_smooth(features[:, :3], 2 * self.side), opacity), dim=1)  # [N, 4, 256, 256]
        return self.torso(scene.torso, keypoints, head)


def person_opacity(torso: Torso, head: Tensor, threshold: float) -> Tensor:
    """What hides the background: the torso and the head [N, 1, 256, 256], the latter completely above the threshold."""
    return (torso.opacity + torch.where(head > threshold, 1.0, head)).clamp(0, 1)


class HeadSuperResolution(nn.Module):
    """The head alone -> 512x512 frames (spec 04 section 9)."""

    def __init__(self, sizes: SuperResolutionSizes | None = None):
        super().__init__()
        sizes = sizes or SuperResolutionSizes()
        self.side = sizes.side
        self.head = UpsamplingBlock(CHANNELS, sizes.features)
        self.frame = UpsamplingBlock(sizes.features, sizes.frame)

    def forward(self, features: Tensor) -> Tensor:
        """features [N, 32, 128, 128] of the rendered head -> [N, 3, 512, 512] float32, about -1..1, not clamped."""
        features = trained_size(features.float(), self.side)  # [N, 32, 128, 128]
        x, image = upsample_head(self.head, features)  # [N, 256, 256, 256], [N, 3, 256, 256]
        x, image = self.frame(x, image)  # [N, 128, 512, 512], [N, 3, 512, 512]
        return image


def trained_size(features: Tensor, side: int) -> Tensor:
    """Rendered features of any size, at the size that the blocks were trained for: [N, 32, side, side]."""
    return features if features.shape[-1] == side else resize_smooth(features, side)


def upsample_head(block: UpsamplingBlock, features: Tensor) -> tuple[Tensor, Tensor]:
    """[N, 32, 128, 128] float32 -> features [N, 256, 256, 256] in the block's precision, colours [N, 3, 256, 256] float32."""
    return block(features.to(block.conv.weight.dtype).contiguous(memory_format=torch.channels_last), features[:, :3])
