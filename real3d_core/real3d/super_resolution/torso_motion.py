"""Torso warp, motion field: how each point of the torso's volume moves when the head does (spec 04 section 6)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..layers import resize_plain
from .torso_layers import CHANNELS, DEPTH, SIDE, DownBlock3d, ResidualBlock, UpBlock3d

KEYPOINTS = (0, 8, 16, 27)  # of the 68: right end of the jaw, chin, left end of the jaw, bridge of the nose
COMPRESSED = 4  # channels of the compressed volume
_VARIANCE = 0.01  # of a key point's heat map
_WIDTHS = (64, 128, 256, 512, 1024)
_CANDIDATES = len(KEYPOINTS) + 1  # motions to choose from: standing still, or going with a key point
_ENTRIES = COMPRESSED + (1 + COMPRESSED) * len(KEYPOINTS)  # channels of all candidates; the still one has no heat map


@dataclass(frozen=True)
class MotionField:
    """deformation: [N, 16, 64, 64, 3], where in the source volume (x, y, z in -1..1, corners aligned) each cell comes from.
    occlusion: [N, 1, 64, 64] in 0..1.
    """

    deformation: Tensor
    occlusion: Tensor


class MotionFieldEstimator(nn.Module):
    """Key points and the driven head -> motion field."""

    def __init__(self):
        super().__init__()
        self.compress = nn.Conv3d(CHANNELS + 2, COMPRESSED, 1)
        self.down = nn.Sequential(*(DownBlock3d(a, b) for a, b in zip((_ENTRIES, *_WIDTHS), _WIDTHS, strict=False)))
        self.up = nn.Sequential(*(UpBlock3d(a, b) for a, b in zip(_WIDTHS[::-1], (*_WIDTHS[-2::-1], 32), strict=True)))
        self.head = HeadEncoder()
        self.fuse = HeadFuser()
        self.choose = MotionChoice()

    def compress_volume(self, volume: Tensor, mask: Tensor) -> Tensor:
        """volume [1, 32, 16, 64, 64] and torso mask [1, 2, 64, 64] -> [1, 4, 16, 64, 64]; constant per portrait."""
        spread = mask[:, :, None].expand(-1, -1, DEPTH, -1, -1).to(volume.dtype)
        return self.compress(torch.cat((volume, spread), dim=1))

    def forward(self, compressed: Tensor, source: Tensor, driven: Tensor, head: Tensor) -> MotionField:
        """The motion field of each frame.

        Args:
            compressed: [1, 4, 16, 64, 64] from compress_volume.
            source: [1, 4, 3] key points of the portrait, x right and y down in -1..1.
            driven: [N, 4, 3] key points of each frame.
            head: [N, 4, 256, 256] colour and opacity of the rendered head.
        """
        place = volume_grid(driven.device)
        shift = source - driven
        heat = heat_maps(place, driven) - heat_maps(place, source)
        moved = warp_by_shifts(compressed, place, shift)
        field = join_candidates(heat, moved).to(compressed.dtype)
        fused = self.fuse(torch.cat((field, self.up(self.down(field))), dim=1), self.head(head))
        weights, occlusion = self.choose(fused)
        # weights sum to one and the first candidate stands still, so only the shifts of the others remain
        deformation = place + torch.einsum("nkdhw,nkc->ndhwc", weights[:, 1:], shift)
        return MotionField(deformation, occlusion)


def volume_grid(device: torch.device) -> Tensor:
    """[16, 64, 64, 3]: x, y, z of every cell in -1..1, corners aligned."""
    depth, height, width = (torch.linspace(-1, 1, size, device=device) for size in (DEPTH, SIDE, SIDE))
    return torch.stack(torch.meshgrid(depth, height, width, indexing="ij")[::-1], dim=-1)


def heat_maps(place: Tensor, points: Tensor) -> Tensor:
    """place [D, H, W, 3], points [N, K, 3] -> [N, K, D, H, W], 1 at each point."""
    away = [(place[..., axis] - points[:, :, axis, None, None, None]).square() for axis in range(3)]
    return torch.exp(-0.5 / _VARIANCE * (away[0] + away[1] + away[2]))


def warp_by_shifts(volume: Tensor, place: Tensor, shift: Tensor) -> Tensor:
    """volume [1, C, D, H, W] looked up at place + shift [N, K, 3] -> [N, K + 1, C, D, H, W] float32; the first is not shifted."""
    count, motions = shift.shape[:2]
    volume = volume.float()
    grid = place + shift.flatten(0, 1)[:, None, None, None]
    moved = F.grid_sample(volume.expand(count * motions, -1, -1, -1, -1), grid, mode="bilinear", padding_mode="zeros", align_corners=True)
    return torch.cat((volume[:, None].expand(count, -1, -1, -1, -1, -1), moved.unflatten(0, (count, motions))), dim=1)


def join_candidates(heat: Tensor, moved: Tensor) -> Tensor:
    """heat [N, 4, ...] and moved [N, 5, 4, ...] -> [N, 24, ...] channels last: still volume, then per key point heat map and volume."""
    with_points = [part for k in range(heat.shape[1]) for part in (heat[:, k : k + 1], moved[:, k + 1])]
    return torch.cat([moved[:, 0], *with_points], dim=1).contiguous(memory_format=torch.channels_last_3d)


class HeadEncoder(nn.Module):
    """The rendered head -> what the motion field sees of it, [N, 4, 256, 256] -> [N, 32, 64, 64]."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(4, 32, 7, padding=3)
        self.residuals = nn.Sequential(*(ResidualBlock(32, nn.Conv2d) for _ in range(3)))

    def forward(self, head: Tensor) -> Tensor:
        seen = resize_plain(head, 128).to(self.first.weight.dtype).contiguous(memory_format=torch.channels_last)
        return resize_plain(self.residuals(F.relu_(self.first(seen))), SIDE)


class HeadFuser(nn.Module):
    """The 7x7x7 convolution over motion and head features (spec 04 section 6, step 9).

    The head's features are the same at every depth, so their part is a 7x7 convolution, done for each of the seven
    different sums of the kernel over depth: the depths near the front and the back lose the taps that fall outside.
    """

    def __init__(self):
        super().__init__()
        self.volume = nn.Conv3d(_ENTRIES + 32, CHANNELS, 7, padding=3)
        self.head = nn.Conv2d(32, 7 * CHANNELS, 7, padding=3, bias=False)

    def forward(self, field: Tensor, head: Tensor) -> Tensor:
        """field [N, 56, 16, 64, 64], head [N, 32, 64, 64] -> [N, 32, 16, 64, 64]."""
        cases = self.head(head).unflatten(1, (7, CHANNELS)).transpose(1, 2)
        front, inside, back = cases[:, :, :3], cases[:, :, 3:4].expand(-1, -1, DEPTH - 6, -1, -1), cases[:, :, 4:]
        return self.volume(field) + torch.cat((front, inside, back), dim=2)


class MotionChoice(nn.Module):
    """Which candidate motion each cell follows, and what the head hides (spec 04 section 6, steps 10 and 11).

    A 3-D convolution of 32 channels with 5 outputs leaves most of a processor idle; with depth as channels it is one 2-D
    convolution of 512 channels, and the occlusion is one more output of it.
    """

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(CHANNELS * DEPTH, _CANDIDATES * DEPTH + 1, 7, padding=3)

    def forward(self, fused: Tensor) -> tuple[Tensor, Tensor]:
        """[N, 32, 16, 64, 64] -> weights [N, 5, 16, 64, 64] that sum to 1, occlusion [N, 1, 64, 64]; both float32."""
        chosen = self.conv(fused.flatten(1, 2).contiguous(memory_format=torch.channels_last)).float()
        logits = chosen[:, :-1].unflatten(1, (_CANDIDATES, DEPTH))
        return logits.softmax(1), chosen[:, -1:].sigmoid()
