"""Motion adapter: three PNCC images become the correction of the planes for one frame (spec 02)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .layers import PLANE_CHANNELS, MixBlock, PatchEmbedding, split_planes, to_image, to_tokens


@dataclass(frozen=True)
class MotionAdapterSizes:
    """Sizes of the network; the defaults are the published model (spec 02).

    depth: layers of a plane, 1 for a triplane.
    widths, heads, reductions: of the transformer's four stages: channels, attention heads (divisors of the widths), and how much
    smaller along each side keys and values are. blocks: of each stage. fused: channels of all levels joined.
    """

    depth: int = 1
    widths: tuple[int, ...] = (32, 64, 160, 256)
    heads: tuple[int, ...] = (1, 2, 5, 8)
    reductions: tuple[int, ...] = (8, 4, 2, 1)
    blocks: int = 2
    fused: int = 256


class MotionAdapter(nn.Module):
    """PNCC images -> residual planes, to be added to the canonical ones; runs once per frame."""

    def __init__(self, sizes: MotionAdapterSizes | None = None):
        super().__init__()
        sizes = sizes or MotionAdapterSizes()
        self.depth = sizes.depth
        self.prenet = nn.Conv2d(9, 3, 1)
        self.transformer = MixTransformer(sizes)
        self.fuse = LevelFusion(sizes)
        self.draw = PlaneConvolutions(sizes)

    def forward(self, canonical: Tensor, source: Tensor, target: Tensor) -> Tensor:
        """Residual planes of each frame.

        Args:
            canonical: [1 or N, 3, H, W] in [-1, 1], the person's face without expression. H and W are multiples of 32, officially 512.
            source: [1 or N, 3, H, W], the face with the expression that the motion starts from.
            target: [N, 3, H, W], the face with the expression of each frame.

        Returns: [N, 3, 32 depth, H/2, W/2] float32.
        """
        faces = torch.cat([image.expand(len(target), -1, -1, -1) for image in (canonical, source, target)], dim=1)  # [N, 9, 512, 512]
        faces = faces.to(self.prenet.weight.dtype).contiguous(memory_format=torch.channels_last)
        x = self.prenet(faces)  # [N, 3, 512, 512]
        x = self.fuse(self.transformer(x))  # [N, 32, 128, 128] to [N, 256, 16, 16] -> [N, 256, 128, 128]
        stacked = self.draw(x)  # [N, 96 depth, 256, 256]
        return split_planes(stacked)  # [N, 3, 32 depth, 256, 256]


class MixTransformer(nn.Module):
    """Four stages, each smaller and wider than the one before (spec 02 section 5)."""

    def __init__(self, sizes: MotionAdapterSizes):
        super().__init__()
        channels, kernels, strides = (3, *sizes.widths[:-1]), (7, 3, 3, 3), (4, 2, 2, 2)
        of_stages = zip(channels, sizes.widths, kernels, strides, sizes.heads, sizes.reductions, strict=True)
        self.stages = nn.ModuleList(Stage(*of_stage, sizes.blocks) for of_stage in of_stages)

    def forward(self, x: Tensor) -> list[Tensor]:
        """[N, 3, H, W] -> images of 1/4, 1/8, 1/16 and 1/32 of the size."""
        levels = []
        for stage in self.stages:
            x = stage(x)  # [N, 32, H/4, W/4], [N, 64, H/8, W/8], [N, 160, H/16, W/16], [N, 256, H/32, W/32]
            levels.append(x)
        return levels


class Stage(nn.Module):
    """Patch embedding, blocks and a norm; an image in and an image out."""

    def __init__(self, channels: int, width: int, kernel: int, stride: int, heads: int, reduction: int, blocks: int):
        super().__init__()
        self.embed = PatchEmbedding(channels, width, kernel, stride)
        self.blocks = nn.ModuleList(MixBlock(width, heads, 4 * width, reduction, eps=1e-6) for _ in range(blocks))
        self.norm = nn.LayerNorm(width, 1e-6)

    def forward(self, x: Tensor) -> Tensor:
        """[N, channels, stride h, stride w] -> [N, width, h, w]."""
        tokens, height, width = self.embed(x)  # [N, h w, width], h, w
        for block in self.blocks:
            tokens = block(tokens, height, width)  # [N, h w, width]
        return to_image(self.norm(tokens), height, width)  # [N, width, h, w]


class LevelFusion(nn.Module):
    """All levels at the size of the finest one, joined (spec 02 section 6.1).

    The paper widens each level to 256 channels, resizes it, and joins all 1024 by a 1x1 convolution and a batch norm. Nothing
    of that is nonlinear, and resizing and 1x1 convolutions may change places: so each level's share of the join, batch norm
    included, is folded into the layer that widens it, and the join is a sum.
    """

    def __init__(self, sizes: MotionAdapterSizes):
        super().__init__()
        self.levels = nn.ModuleList(nn.Linear(width, sizes.fused) for width in sizes.widths)
        self.activation = nn.ReLU()

    def forward(self, levels: list[Tensor]) -> Tensor:
        """Images [N, C, h, w] of all levels, the finest first -> [N, 256, h, w] of the first one's size."""
        size = levels[0].shape[2:]
        joined = 0
        for linear, level in zip(self.levels, levels, strict=True):
            share = to_image(linear(to_tokens(level)), *level.shape[2:])  # [N, 256, 128, 128], ..., [N, 256, 16, 16]
            if share.shape[2:] != size:
                share = F.interpolate(share, size=size, mode="bilinear", align_corners=False)  # [N, 256, 128, 128]
            joined = joined + share  # [N, 256, 128, 128]
        return self.activation(joined)


class PlaneConvolutions(nn.Module):
    """Draws the planes as one image: [N, 256, h, w] -> [N, 96 depth, 2h, 2w] (spec 02 section 6.2)."""

    def __init__(self, sizes: MotionAdapterSizes):
        super().__init__()
        self.convs = nn.ModuleList(nn.Conv2d(sizes.fused, sizes.fused, 3, padding=1) for _ in range(3))
        self.up = nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True)
        self.final = nn.Conv2d(sizes.fused, PLANE_CHANNELS * sizes.depth, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        for conv in self.convs:
            x = F.leaky_relu_(conv(x), 0.01)  # [N, 256, 128, 128]
        x = self.up(x)  # [N, 256, 256, 256]
        return self.final(x)  # [N, 96 depth, 256, 256]
