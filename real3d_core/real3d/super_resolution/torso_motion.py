"""Torso warp, motion field: how each point of the torso's volume moves when the head does (spec 04 section 6)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from ..layers import resize_plain
from .torso_layers import DownBlock3d, ResidualBlock, TorsoSizes, UpBlock3d

KEYPOINTS = (0, 8, 16, 27)  # of the 68: right end of the jaw, chin, left end of the jaw, bridge of the nose
CANDIDATES = len(KEYPOINTS) + 1  # motions to choose from: standing still, or going with a key point
_VARIANCE = 0.01  # of a key point's heat map


@dataclass(frozen=True)
class MotionField:
    """deformation: [N, 16, 64, 64, 3], where in the source volume (x, y, z in -1..1, corners aligned) each cell comes from.
    occlusion: [N, 1, 64, 64] in 0..1.
    """

    deformation: Tensor
    occlusion: Tensor


class MotionFieldEstimator(nn.Module):
    """Key points and the driven head -> motion field."""

    def __init__(self, sizes: TorsoSizes):
        super().__init__()
        channels, widths = sizes.channels, sizes.field
        entries = sizes.compressed + (1 + sizes.compressed) * len(KEYPOINTS)  # of all candidates; the still one has no heat map
        self.compress = nn.Conv3d(channels + 2, sizes.compressed, 1)
        self.down = nn.Sequential(*(DownBlock3d(a, b) for a, b in zip((entries, *widths[:-1]), widths, strict=True)))
        self.up = nn.Sequential(*(UpBlock3d(a, b) for a, b in zip(widths[::-1], (*widths[-2::-1], channels), strict=True)))
        self.head = HeadEncoder(channels)
        self.fuse = HeadFuser(entries + channels, channels)
        self.choose = MotionChoice(channels, sizes.depth)

    def compress_volume(self, volume: Tensor, mask: Tensor) -> Tensor:
        """volume [1, 32, 16, 64, 64] and torso mask [1, 2, 64, 64] -> [1, 4, 16, 64, 64]; constant per portrait."""
        spread = mask[:, :, None].expand(-1, -1, volume.shape[2], -1, -1).to(volume.dtype)  # [1, 2, 16, 64, 64]
        return self.compress(torch.cat((volume, spread), dim=1))  # [1, 34, 16, 64, 64] -> [1, 4, 16, 64, 64]

    def forward(self, compressed: Tensor, source: Tensor, driven: Tensor, head: Tensor) -> MotionField:
        """The motion field of each frame.

        Args:
            compressed: [1, 4, 16, 64, 64] from compress_volume.
            source: [1, 4, 3] key points of the portrait, x right and y down in -1..1.
            driven: [N, 4, 3] key points of each frame.
            head: [N, 4, 256, 256] colour and opacity of the rendered head.
        """
        grid_points = volume_grid(compressed.shape[2:], driven.device)  # [16, 64, 64, 3]
        shift = source - driven  # [N, 4, 3]
        heat = heat_maps(grid_points, driven) - heat_maps(grid_points, source)  # [N, 4, 16, 64, 64]
        moved = warp_by_shifts(compressed, grid_points, shift)  # [N, 5, 4, 16, 64, 64]
        field = join_candidates(heat, moved).to(compressed.dtype)  # [N, 24, 16, 64, 64]
        decoded = self.up(self.down(field))  # [N, 1024, 16, 2, 2] -> [N, 32, 16, 64, 64]
        fused = self.fuse(torch.cat((field, decoded), dim=1), self.head(head))  # [N, 32, 16, 64, 64]
        weights, occlusion = self.choose(fused)  # [N, 5, 16, 64, 64], [N, 1, 64, 64]
        # weights sum to one and the first candidate stands still, so only the shifts of the others remain
        deformation = grid_points + torch.einsum("nkdhw,nkc->ndhwc", weights[:, 1:], shift)  # [N, 16, 64, 64, 3]
        return MotionField(deformation, occlusion)


def volume_grid(shape: torch.Size, device: torch.device) -> Tensor:
    """[D, H, W, 3] for a volume of the shape (D, H, W): x, y, z of every cell in -1..1, corners aligned."""
    depth, height, width = (torch.linspace(-1, 1, size, device=device) for size in shape)
    return torch.stack(torch.meshgrid(depth, height, width, indexing="ij")[::-1], dim=-1)


def heat_maps(grid_points: Tensor, points: Tensor) -> Tensor:
    """grid_points [D, H, W, 3], points [N, K, 3] -> [N, K, D, H, W], 1 at each point."""
    away = [(grid_points[..., axis] - points[:, :, axis, None, None, None]).square() for axis in range(3)]  # [N, K, D, H, W] each
    return torch.exp(-0.5 / _VARIANCE * (away[0] + away[1] + away[2]))


def warp_by_shifts(volume: Tensor, grid_points: Tensor, shift: Tensor) -> Tensor:
    """volume [1, C, D, H, W] sampled at grid_points + shift [N, K, 3] -> [N, K + 1, C, D, H, W] float32; the first is not shifted."""
    count, motions = shift.shape[:2]
    volume = volume.float()
    grid = grid_points + shift.flatten(0, 1)[:, None, None, None]  # [N K, D, H, W, 3]
    volumes = volume.expand(count * motions, -1, -1, -1, -1)  # [N K, C, D, H, W]
    moved = F.grid_sample(volumes, grid, mode="bilinear", padding_mode="zeros", align_corners=True)  # [N K, C, D, H, W]
    still = volume[:, None].expand(count, -1, -1, -1, -1, -1)  # [N, 1, C, D, H, W]
    return torch.cat((still, rearrange(moved, "(n k) ... -> n k ...", n=count)), dim=1)  # [N, K + 1, C, D, H, W]


def join_candidates(heat: Tensor, moved: Tensor) -> Tensor:
    """heat [N, 4, ...] and moved [N, 5, 4, ...] -> [N, 24, ...] channels last: still volume, then per key point heat map and volume."""
    with_points = [part for k in range(heat.shape[1]) for part in (heat[:, k : k + 1], moved[:, k + 1])]  # [N, 1, ...], [N, 4, ...], ...
    return torch.cat([moved[:, 0], *with_points], dim=1).contiguous(memory_format=torch.channels_last_3d)  # [N, 4 + 4 (1 + 4), ...]


class HeadEncoder(nn.Module):
    """Encodes the rendered head for the motion field: [N, 4, 256, 256] -> [N, 32, 64, 64]."""

    def __init__(self, channels: int):
        super().__init__()
        self.first = nn.Conv2d(4, channels, 7, padding=3)
        self.residuals = nn.Sequential(*(ResidualBlock(channels, nn.Conv2d) for _ in range(3)))

    def forward(self, head: Tensor) -> Tensor:
        x = resize_plain(head, head.shape[-1] // 2)  # [N, 4, 128, 128]
        x = F.relu_(self.first(x.to(self.first.weight.dtype).contiguous(memory_format=torch.channels_last)))  # [N, 32, 128, 128]
        return resize_plain(self.residuals(x), head.shape[-1] // 4)  # [N, 32, 64, 64]


class HeadFuser(nn.Module):
    """The 7x7x7 convolution over motion and head features (spec 04 section 6, step 9).

    The head's features are the same at every depth, so their part is a 7x7 convolution, done for each of the seven
    different sums of the kernel over depth: the depths near the front and the back lose the taps that fall outside.
    """

    def __init__(self, entries: int, channels: int):
        super().__init__()
        self.volume = nn.Conv3d(entries, channels, 7, padding=3)
        self.head = nn.Conv2d(channels, 7 * channels, 7, padding=3, bias=False)

    def forward(self, field: Tensor, head: Tensor) -> Tensor:
        """field [N, 56, 16, 64, 64], head [N, 32, 64, 64] -> [N, 32, 16, 64, 64]."""
        cases = rearrange(self.head(head), "n (case c) h w -> n c case h w", case=7)  # [N, 32, 7, 64, 64]
        inside = cases[:, :, 3:4].expand(-1, -1, field.shape[2] - 6, -1, -1)  # [N, 32, 10, 64, 64]
        everywhere = torch.cat((cases[:, :, :3], inside, cases[:, :, 4:]), dim=2)  # [N, 32, 16, 64, 64]
        return self.volume(field) + everywhere  # [N, 32, 16, 64, 64]


class MotionChoice(nn.Module):
    """Which candidate motion each cell follows, and what the head hides (spec 04 section 6, steps 10 and 11).

    A 3-D convolution of 32 channels with 5 outputs leaves most of a processor idle; with depth as channels it is one 2-D
    convolution of 512 channels, and the occlusion is one more output of it.
    """

    def __init__(self, channels: int, depth: int):
        super().__init__()
        self.conv = nn.Conv2d(channels * depth, CANDIDATES * depth + 1, 7, padding=3)

    def forward(self, fused: Tensor) -> tuple[Tensor, Tensor]:
        """[N, 32, 16, 64, 64] -> weights [N, 5, 16, 64, 64] that sum to 1, occlusion [N, 1, 64, 64]; both float32."""
        flat = rearrange(fused, "n c d h w -> n (c d) h w").contiguous(memory_format=torch.channels_last)  # [N, 512, 64, 64]
        chosen = self.conv(flat).float()  # [N, 5 * 16 + 1, 64, 64]
        logits = rearrange(chosen[:, :-1], "n (k d) h w -> n k d h w", k=CANDIDATES)  # [N, 5, 16, 64, 64]
        return logits.softmax(1), chosen[:, -1:].sigmoid()  # and [N, 1, 64, 64]
