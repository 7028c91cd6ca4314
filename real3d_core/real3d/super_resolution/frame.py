"""Super-resolution: the rendered head, the torso and the background become the frame (spec 04 sections 3 and 9)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ..layers import resize_smooth
from .fusion import BackgroundCode, BackgroundEncoder, HeadTorsoFusion, PersonBackgroundFusion
from .head import RefiningBlock, UpsamplingBlock
from .torso import Torso, TorsoCode, TorsoWarp

_RENDER, _MIDDLE = 128, 256  # sides of the rendered head and of what is fused


@dataclass(frozen=True)
class SceneCode:
    """What stays the same in all frames of a portrait: its torso and the background."""

    torso: TorsoCode
    background: BackgroundCode


class SuperResolution(nn.Module):
    """Head, torso and background -> 512x512 frames."""

    def __init__(self):
        super().__init__()
        self.head = UpsamplingBlock(32, 256)
        self.torso = TorsoWarp()
        self.background = BackgroundEncoder()
        self.head_torso = HeadTorsoFusion()
        self.refine = RefiningBlock(256)
        self.person_background = PersonBackgroundFusion()
        self.frame = UpsamplingBlock(256, 128)

    def encode(self, torso: Tensor, background: Tensor, segmentation: Tensor, keypoints: Tensor) -> SceneCode:
        """Once per portrait.

        Args:
            torso: [1, 3, 512, 512] in [-1, 1], hidden parts painted in.
            background: [1, 3, 512, 512] in [-1, 1].
            segmentation: [1, 6, 512, 512] of the portrait, 0 or 1: background, hair, body skin, face skin, clothes, others.
            keypoints: [1, 68, 3] of the portrait: x right and y down in -1..1, then 0.
        """
        return SceneCode(
            self.torso.encode(resize_smooth(torso, _MIDDLE), segmentation, keypoints),
            self.background(resize_smooth(background, _MIDDLE)),
        )

    def with_background(self, scene: SceneCode, background: Tensor) -> SceneCode:
        """The same torso before another background [1, 3, 512, 512] in [-1, 1]."""
        return SceneCode(scene.torso, self.background(resize_smooth(background, _MIDDLE)))

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
        features = official_size(features.float())
        opacity = resize_smooth(opacity.float(), _MIDDLE)
        torso = self._warp_torso(features, opacity, keypoints, scene)

        x, image = upsample_head(self.head, features)
        x = self.head_torso(x, torso.hidden, opacity)
        x, image = self.refine(x, image * opacity + torso.colour * (1 - opacity))

        person = person_opacity(torso, opacity, threshold)
        x = self.person_background(x, scene.background.features, person)
        return self.frame(x, image * person + scene.background.colour * (1 - person))[1]

    def person(self, features: Tensor, opacity: Tensor, keypoints: Tensor, scene: SceneCode, threshold: float) -> Tensor:
        """How much of each pixel of the frame is person, [N, 1, 256, 256] in 0..1; arguments as of `forward`, without its cost."""
        opacity = resize_smooth(opacity.float(), _MIDDLE)
        return person_opacity(self._warp_torso(official_size(features.float()), opacity, keypoints, scene), opacity, threshold)

    def _warp_torso(self, features: Tensor, opacity: Tensor, keypoints: Tensor, scene: SceneCode) -> Torso:
        head = torch.cat((resize_smooth(features[:, :3], _MIDDLE), opacity), dim=1)
        return self.torso(scene.torso, keypoints, head)


def person_opacity(torso: Torso, head: Tensor, threshold: float) -> Tensor:
    """What hides the background: the torso and the head [N, 1, 256, 256], the latter completely above the threshold."""
    return (torso.opacity + torch.where(head > threshold, 1.0, head)).clamp(0, 1)


class HeadSuperResolution(nn.Module):
    """The head alone -> 512x512 frames (spec 04 section 9)."""

    def __init__(self):
        super().__init__()
        self.head = UpsamplingBlock(32, 256)
        self.frame = UpsamplingBlock(256, 128)

    def forward(self, features: Tensor) -> Tensor:
        """features [N, 32, 128, 128] of the rendered head -> [N, 3, 512, 512] float32, about -1..1, not clamped."""
        return self.frame(*upsample_head(self.head, official_size(features.float())))[1]


def official_size(features: Tensor) -> Tensor:
    """Rendered features of any size, at the size that the blocks were trained for: [N, 32, 128, 128]."""
    return features if features.shape[-1] == _RENDER else resize_smooth(features, _RENDER)


def upsample_head(block: UpsamplingBlock, features: Tensor) -> tuple[Tensor, Tensor]:
    """[N, 32, 128, 128] float32 -> features [N, 256, 256, 256] in the block's precision, colours [N, 3, 256, 256] float32."""
    return block(features.to(block.conv.weight.dtype).contiguous(memory_format=torch.channels_last), features[:, :3])
