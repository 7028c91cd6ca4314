"""Motion adapter: three PNCC images become the correction of the planes for one frame (spec 02)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .layers import MixBlock, PatchEmbedding, split_planes, to_image, to_tokens

WIDTHS = (32, 64, 160, 256)


class MotionAdapter(nn.Module):
    """PNCC images -> residual planes, to be added to the canonical ones; runs once per frame. depth: layers of a plane."""

    def __init__(self, depth: int = 1):
        super().__init__()
        self.depth = depth
        self.prenet = nn.Conv2d(9, 3, 1)
        self.transformer = MixTransformer()
        self.fuse = LevelFusion()
        self.draw = PlaneConvolutions(depth)

    def forward(self, canonical: Tensor, source: Tensor, target: Tensor) -> Tensor:
        """Residual planes of each frame.

        Args:
            canonical: [1 or N, 3, H, W] in [-1, 1], the person's face without expression. H and W are multiples of 32, officially 512.
            source: [1 or N, 3, H, W], the face with the expression that the motion starts from.
            target: [N, 3, H, W], the face with the expression of each frame.

        Returns: [N, 3, 32 depth, H/2, W/2] float32.
        """
        faces = torch.cat([image.expand(len(target), -1, -1, -1) for image in (canonical, source, target)], dim=1)
        faces = faces.to(self.prenet.weight.dtype).contiguous(memory_format=torch.channels_last)
        return split_planes(self.draw(self.fuse(self.transformer(self.prenet(faces)))))


class MixTransformer(nn.Module):
    """Four stages, each smaller and wider than the one before (spec 02 section 5)."""

    def __init__(self):
        super().__init__()
        self.stages = nn.ModuleList(
            Stage(channels, width, kernel, stride, heads, reduction)
            for channels, width, kernel, stride, heads, reduction in zip(
                (3, *WIDTHS), WIDTHS, (7, 3, 3, 3), (4, 2, 2, 2), (1, 2, 5, 8), (8, 4, 2, 1), strict=False
            )
        )

    def forward(self, x: Tensor) -> list[Tensor]:
        """[N, 3, H, W] -> images of 1/4, 1/8, 1/16 and 1/32 of the size."""
        levels = []
        for stage in self.stages:
            x = stage(x)
            levels.append(x)
        return levels


class Stage(nn.Module):
    """Patch embedding, two blocks and a norm; an image in and an image out."""

    def __init__(self, channels: int, width: int, kernel: int, stride: int, heads: int, reduction: int):
        super().__init__()
        self.embed = PatchEmbedding(channels, width, kernel, stride)
        self.blocks = nn.ModuleList(MixBlock(width, heads, 4 * width, reduction, eps=1e-6) for _ in range(2))
        self.norm = nn.LayerNorm(width, 1e-6)

    def forward(self, x: Tensor) -> Tensor:
        tokens, height, width = self.embed(x)
        for block in self.blocks:
            tokens = block(tokens, height, width)
        return to_image(self.norm(tokens), height, width)


class LevelFusion(nn.Module):
    """All levels at the size of the finest one, joined (spec 02 section 6.1).

    The paper widens each level to 256 channels, resizes it, and joins all 1024 by a 1x1 convolution and a batch norm. Nothing
    of that is nonlinear, and resizing and 1x1 convolutions may change places: so each level's share of the join, batch norm
    included, is folded into the layer that widens it, and the join is a sum.
    """

    def __init__(self):
        super().__init__()
        self.levels = nn.ModuleList(nn.Linear(width, 256) for width in WIDTHS)
        self.activation = nn.ReLU()

    def forward(self, levels: list[Tensor]) -> Tensor:
        """Images [N, C, h, w] of all levels, the finest first -> [N, 256, h, w] of the first one's size."""
        size = levels[0].shape[2:]
        joined = torch.zeros(())
        for linear, level in zip(self.levels, levels, strict=True):
            share = to_image(linear(to_tokens(level)), *level.shape[2:])
            joined = joined + (share if share.shape[2:] == size else F.interpolate(share, size=size, mode="bilinear", align_corners=False))
        return self.activation(joined)


class PlaneConvolutions(nn.Module):
    """Draws the planes as one image: [N, 256, h, w] -> [N, 96 depth, 2h, 2w] (spec 02 section 6.2)."""

    def __init__(self, depth: int):
        super().__init__()
        self.convs = nn.ModuleList(nn.Conv2d(256, 256, 3, padding=1) for _ in range(3))
        self.up = nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True)
        self.final = nn.Conv2d(256, 96 * depth, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        for conv in self.convs:
            x = F.leaky_relu_(conv(x), 0.01)
        return self.final(self.up(x))
