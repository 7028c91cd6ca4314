"""Image-to-plane: the picture of a head becomes its canonical planes (spec 01)."""

from __future__ import annotations

from collections import OrderedDict

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .grid_refinement import GridRefinement
from .layers import MixBlock, PatchEmbedding, PlainConv2d, ScaleShift, split_planes, to_image

PLANE_CHANNELS = 96  # three planes of 32 features


class ImageToPlane(nn.Module):
    """Head picture -> canonical planes; runs once per portrait.

    A convolutional encoder and a transformer look at the picture at an eighth of its size, a second encoder at half of its
    size, and the triplane predictor draws the planes from both.

    Args:
        depth: layers of a plane, 1 for a triplane.
        refined: the planes pass the grid module of trigrid_v2.
    """

    def __init__(self, depth: int = 1, refined: bool = False):
        super().__init__()
        self.low_resolution_encoder = LowResolutionEncoder()
        self.low_resolution_vit = LowResolutionVit()
        self.high_resolution_encoder = HighResolutionEncoder()
        self.triplane_predictor = TriplanePredictor(depth)
        self.refine = GridRefinement(depth) if refined else nn.Identity()

    def forward(self, image: Tensor) -> Tensor:
        """Canonical planes of a head.

        Args:
            image: [N, 3, S, S] RGB in [-1, 1], black (-1) where the head is not; S a multiple of 16, 512 for the official model.

        Returns: [N, 3, 32 depth, S/2, S/2] float32.

        Raises:
            ValueError: the image is not square or its side is not a multiple of 16.
        """
        height, width = image.shape[2:]
        if height != width or height % 16:
            raise ValueError(f"the head image must be square with a side that is a multiple of 16, got {width} x {height}")
        placed = with_position(image).to(self.high_resolution_encoder.first.weight.dtype)
        coarse = self.low_resolution_vit(self.low_resolution_encoder(placed))
        fine = self.high_resolution_encoder(placed)
        return self.refine(split_planes(self.triplane_predictor(coarse, fine)))


def with_position(image: Tensor) -> Tensor:
    """[N, 3, S, S] -> [N, 5, S, S] channels last: two channels tell each pixel its row and its column, in image sides."""
    count, _, side, _ = image.shape
    place = torch.arange(side, device=image.device, dtype=image.dtype) / side
    rows, columns = torch.meshgrid(place, place, indexing="ij")
    position = torch.stack((rows, columns)).expand(count, -1, -1, -1)
    return torch.cat((image, position), dim=1).contiguous(memory_format=torch.channels_last)


class LowResolutionEncoder(nn.Module):
    """Dilated ResNet-34 and an ASPP head: [N, 5, S, S] -> [N, 256, S/8, S/8] (spec 01 section 4).

    Its batch norms stay beside the convolutions. Folding them in would save hundredths of a second once per portrait, and
    rounds the weights of numbers that grow to 35: the planes would miss the strict tolerance of the reference vectors.
    """

    def __init__(self):
        super().__init__()
        self.stem = PlainConv2d(5, 64, 7, stride=2, padding=3, bias=False)
        self.stem_norm = ScaleShift(64)
        self.stage1 = residual_stage(3, 64, 64)
        self.stage2 = residual_stage(4, 64, 128, stride=2)
        # in the dilated stages the first block is dilated like the others, unlike in timm (spec 01 section 4.1)
        self.stage3 = residual_stage(6, 128, 256, dilation=2)
        self.stage4 = residual_stage(3, 256, 512, dilation=4)
        self.pyramid = DilatedPyramid(512, 256, rates=(12, 24, 36))
        self.final = PlainConv2d(256, 256, 3, padding=1, bias=False)

    def forward(self, placed: Tensor) -> Tensor:
        x = F.max_pool2d(F.relu_(self.stem_norm(self.stem(placed.contiguous()))), 3, stride=2, padding=1)
        x = self.stage4(self.stage3(self.stage2(self.stage1(x))))
        return self.final(self.pyramid(x))


def residual_stage(blocks: int, channels: int, width: int, stride: int = 1, dilation: int = 1) -> nn.Sequential:
    """The blocks of one stage; the first one changes the channels and the size."""
    first = ResidualBlock(channels, width, stride, dilation)
    return nn.Sequential(first, *(ResidualBlock(width, width, 1, dilation) for _ in range(blocks - 1)))


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions with their batch norms, and a shortcut."""

    def __init__(self, channels: int, width: int, stride: int, dilation: int):
        super().__init__()
        self.conv1 = PlainConv2d(channels, width, 3, stride, padding=dilation, dilation=dilation, bias=False)
        self.norm1 = ScaleShift(width)
        self.conv2 = PlainConv2d(width, width, 3, padding=dilation, dilation=dilation, bias=False)
        self.norm2 = ScaleShift(width)
        self.shortcut: nn.Module = nn.Identity()
        if channels != width:
            self.shortcut = nn.Sequential(PlainConv2d(channels, width, 1, stride, bias=False), ScaleShift(width))

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu_(self.norm1(self.conv1(x)))
        return F.relu_(self.norm2(self.conv2(y)) + self.shortcut(x))


class DilatedPyramid(nn.Module):
    """Atrous spatial pyramid: the same image seen at several reaches and as a whole, joined (spec 01 section 4.2)."""

    def __init__(self, channels: int, width: int, rates: tuple[int, ...]):
        super().__init__()
        self.point = PlainConv2d(channels, width, 1, bias=False)
        self.reaches = nn.ModuleList(PlainConv2d(channels, width, 3, padding=rate, dilation=rate, bias=False) for rate in rates)
        self.whole = PlainConv2d(channels, width, 1, bias=False)
        self.project = PlainConv2d(width * (len(rates) + 2), width, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        whole = self.whole(x.mean((2, 3), keepdim=True)).expand(-1, -1, *x.shape[2:])
        branches = [self.point(x), *(reach(x) for reach in self.reaches), whole]
        return F.relu_(self.project(F.relu_(torch.cat(branches, dim=1))))


class LowResolutionVit(nn.Module):
    """Five transformer blocks on half-size patches, then up: [N, 256, s, s] -> [N, 96, 4s, 4s] (spec 01 section 6)."""

    def __init__(self):
        super().__init__()
        self.embed = PatchEmbedding(256, 1024, kernel=3, stride=2)
        self.blocks = nn.ModuleList(MixBlock(1024, heads=4, hidden=2048, reduction=1, eps=1e-5) for _ in range(5))
        self.draw = nn.Sequential(
            OrderedDict(
                shuffle=nn.PixelShuffle(2),
                up1=nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True),
                conv1=nn.Conv2d(256, 128, 3, padding=1),
                relu1=nn.ReLU(inplace=True),
                up2=nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True),
                conv2=nn.Conv2d(128, 128, 3, padding=1),
                relu2=nn.ReLU(inplace=True),
                final=nn.Conv2d(128, PLANE_CHANNELS, 3, padding=1),
            )
        )

    def forward(self, x: Tensor) -> Tensor:
        tokens, height, width = self.embed(x)
        for block in self.blocks:
            tokens = block(tokens, height, width)
        return self.draw(to_image(tokens, height, width))


class HighResolutionEncoder(nn.Module):
    """Convolutions at half size: [N, 5, S, S] -> [N, 96, S/2, S/2] (spec 01 section 7)."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(5, 64, 7, stride=2, padding=3)
        self.convs = nn.ModuleList(nn.Conv2d(channels, 96, 3, padding=1) for channels in (64, 96, 96, 96))
        self.final = nn.Conv2d(96, 96, 3, padding=1)

    def forward(self, placed: Tensor) -> Tensor:
        x = self.first(placed)  # no activation follows: trained so
        for conv in self.convs:
            x = F.leaky_relu_(conv(x), 0.01)
        return self.final(x)


class TriplanePredictor(nn.Module):
    """Both encodings [N, 96, H, W] -> the planes as one image [N, 96 depth, H, W] (spec 01 section 8)."""

    def __init__(self, depth: int = 1):
        super().__init__()
        self.join = nn.ModuleList((nn.Conv2d(2 * PLANE_CHANNELS, 256, 3, padding=1), nn.Conv2d(256, 128, 3, padding=1)))
        self.embed = PatchEmbedding(128, 1024, kernel=3, stride=2)
        self.block = MixBlock(1024, heads=4, hidden=2048, reduction=2, eps=1e-5)
        self.shuffle = nn.PixelShuffle(2)
        self.draw = nn.ModuleList(nn.Conv2d(*channels, 3, padding=1) for channels in ((256 + PLANE_CHANNELS, 256), (256, 128), (128, 128)))
        self.final = nn.Conv2d(128, PLANE_CHANNELS * depth, 3, padding=1)

    def forward(self, coarse: Tensor, fine: Tensor) -> Tensor:
        x = torch.cat((coarse, fine), dim=1)
        for conv in self.join:
            x = F.leaky_relu_(conv(x), 0.01)
        tokens, height, width = self.embed(x)
        x = self.shuffle(to_image(self.block(tokens, height, width), height, width))
        x = torch.cat((x, coarse), dim=1)
        for conv in self.draw:
            x = F.leaky_relu_(conv(x), 0.01)
        return self.final(x)
