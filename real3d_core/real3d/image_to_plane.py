"""Image-to-plane: the picture of a head becomes its canonical planes (spec 01)."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .grid_refinement import GridRefinement
from .layers import PLANE_CHANNELS, MixBlock, PatchEmbedding, PlainConv2d, ScaleShift, split_planes, to_image


@dataclass(frozen=True)
class ImageToPlaneSizes:
    """Sizes of the network; the defaults are the published model (spec 01).

    depth: layers of a plane, 1 for a triplane. refined: the planes pass the grid module of trigrid_v2.
    stages: blocks and channels of each stage of the low-resolution encoder. encoding: channels that leave it.
    tokens: channels of a token, a multiple of 4. heads: of its attention. hidden: channels of its feed-forward part.
    blocks: of the low-resolution transformer. fine: channels of the high-resolution encoder's first convolution.
    wide, narrow: channels of the convolutions around the transformers.
    """

    depth: int = 1
    refined: bool = False
    stages: tuple[tuple[int, int], ...] = ((3, 64), (4, 128), (6, 256), (3, 512))
    encoding: int = 256
    tokens: int = 1024
    heads: int = 4
    hidden: int = 2048
    blocks: int = 5
    fine: int = 64
    wide: int = 256
    narrow: int = 128


class ImageToPlane(nn.Module):
    """Head picture -> canonical planes; runs once per portrait.

    A convolutional encoder and a transformer look at the picture at an eighth of its size, a second encoder at half of its
    size, and the triplane predictor draws the planes from both.
    """

    def __init__(self, sizes: ImageToPlaneSizes | None = None):
        super().__init__()
        sizes = sizes or ImageToPlaneSizes()
        self.low_resolution_encoder = LowResolutionEncoder(sizes)
        self.low_resolution_vit = LowResolutionVit(sizes)
        self.high_resolution_encoder = HighResolutionEncoder(sizes)
        self.triplane_predictor = TriplanePredictor(sizes)
        self.refine = GridRefinement(sizes.depth) if sizes.refined else nn.Identity()

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
        placed = with_position(image).to(self.high_resolution_encoder.first.weight.dtype)  # [N, 5, 512, 512]
        encoded = self.low_resolution_encoder(placed)  # [N, 256, 64, 64]
        coarse = self.low_resolution_vit(encoded)  # [N, 96, 256, 256]
        fine = self.high_resolution_encoder(placed)  # [N, 96, 256, 256]
        stacked = self.triplane_predictor(coarse, fine)  # [N, 96 depth, 256, 256]
        return self.refine(split_planes(stacked))  # [N, 3, 32 depth, 256, 256]


def with_position(image: Tensor) -> Tensor:
    """[N, 3, S, S] -> [N, 5, S, S] channels last: two channels tell each pixel its row and its column, in image sides."""
    count, _, side, _ = image.shape
    coordinates = torch.arange(side, device=image.device, dtype=image.dtype) / side
    rows, columns = torch.meshgrid(coordinates, coordinates, indexing="ij")  # [S, S] each
    position = torch.stack((rows, columns)).expand(count, -1, -1, -1)  # [N, 2, S, S]
    return torch.cat((image, position), dim=1).contiguous(memory_format=torch.channels_last)  # [N, 5, S, S]


class LowResolutionEncoder(nn.Module):
    """Dilated ResNet-34 and an ASPP head: [N, 5, S, S] -> [N, 256, S/8, S/8] (spec 01 section 4).

    Its batch norms stay beside the convolutions. Folding them in would save hundredths of a second once per portrait, and
    rounds the weights of numbers that grow to 35: the planes would miss the strict tolerance of the reference vectors.
    """

    def __init__(self, sizes: ImageToPlaneSizes):
        super().__init__()
        (blocks1, width1), (blocks2, width2), (blocks3, width3), (blocks4, width4) = sizes.stages
        self.stem = PlainConv2d(5, width1, 7, stride=2, padding=3, bias=False)
        self.stem_norm = ScaleShift(width1)
        self.stage1 = residual_stage(blocks1, width1, width1)
        self.stage2 = residual_stage(blocks2, width1, width2, stride=2)
        # in the dilated stages the first block is dilated like the others, unlike in timm (spec 01 section 4.1)
        self.stage3 = residual_stage(blocks3, width2, width3, dilation=2)
        self.stage4 = residual_stage(blocks4, width3, width4, dilation=4)
        self.pyramid = DilatedPyramid(width4, sizes.encoding, rates=(12, 24, 36))
        self.final = PlainConv2d(sizes.encoding, sizes.encoding, 3, padding=1, bias=False)

    def forward(self, placed: Tensor) -> Tensor:
        x = F.relu_(self.stem_norm(self.stem(placed.contiguous())))  # [N, 64, 256, 256]
        x = F.max_pool2d(x, 3, stride=2, padding=1)  # [N, 64, 128, 128]
        x = self.stage1(x)  # [N, 64, 128, 128]
        x = self.stage2(x)  # [N, 128, 64, 64]
        x = self.stage3(x)  # [N, 256, 64, 64]
        x = self.stage4(x)  # [N, 512, 64, 64]
        return self.final(self.pyramid(x))  # [N, 256, 64, 64]


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
        self.shortcut = nn.Identity()
        if (channels, stride) != (width, 1):
            self.shortcut = nn.Sequential(PlainConv2d(channels, width, 1, stride, bias=False), ScaleShift(width))

    def forward(self, x: Tensor) -> Tensor:
        """[N, channels, h, w] -> [N, width, h / stride, w / stride]."""
        y = F.relu_(self.norm1(self.conv1(x)))  # [N, width, h / stride, w / stride]
        return F.relu_(self.norm2(self.conv2(y)) + self.shortcut(x))  # [N, width, h / stride, w / stride]


class DilatedPyramid(nn.Module):
    """Atrous spatial pyramid: the same image seen at several reaches and as a whole, joined (spec 01 section 4.2)."""

    def __init__(self, channels: int, width: int, rates: tuple[int, ...]):
        super().__init__()
        self.point = PlainConv2d(channels, width, 1, bias=False)
        self.reaches = nn.ModuleList(PlainConv2d(channels, width, 3, padding=rate, dilation=rate, bias=False) for rate in rates)
        self.whole = PlainConv2d(channels, width, 1, bias=False)
        self.project = PlainConv2d(width * (len(rates) + 2), width, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        whole = self.whole(x.mean((2, 3), keepdim=True)).expand(-1, -1, *x.shape[2:])  # [N, 256, 64, 64]
        branches = [self.point(x), *(reach(x) for reach in self.reaches), whole]  # five of [N, 256, 64, 64]
        joined = F.relu_(torch.cat(branches, dim=1))  # [N, 1280, 64, 64]
        return F.relu_(self.project(joined))  # [N, 256, 64, 64]


class LowResolutionVit(nn.Module):
    """Five transformer blocks on half-size patches, then up: [N, 256, s, s] -> [N, 96, 4s, 4s] (spec 01 section 6)."""

    def __init__(self, sizes: ImageToPlaneSizes):
        super().__init__()
        tokens, narrow = sizes.tokens, sizes.narrow
        self.embed = PatchEmbedding(sizes.encoding, tokens, kernel=3, stride=2)
        self.blocks = nn.ModuleList(MixBlock(tokens, sizes.heads, sizes.hidden, reduction=1, eps=1e-5) for _ in range(sizes.blocks))
        self.draw = nn.Sequential(
            OrderedDict(
                shuffle=nn.PixelShuffle(2),  # [N, 256, 64, 64]
                up1=nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True),  # [N, 256, 128, 128]
                conv1=nn.Conv2d(tokens // 4, narrow, 3, padding=1),  # [N, 128, 128, 128]
                relu1=nn.ReLU(inplace=True),
                up2=nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True),  # [N, 128, 256, 256]
                conv2=nn.Conv2d(narrow, narrow, 3, padding=1),  # [N, 128, 256, 256]
                relu2=nn.ReLU(inplace=True),
                final=nn.Conv2d(narrow, PLANE_CHANNELS, 3, padding=1),  # [N, 96, 256, 256]
            )
        )

    def forward(self, x: Tensor) -> Tensor:
        tokens, height, width = self.embed(x)  # [N, 1024, 1024], 32, 32
        for block in self.blocks:
            tokens = block(tokens, height, width)  # [N, 1024, 1024]
        return self.draw(to_image(tokens, height, width))  # [N, 1024, 32, 32] -> [N, 96, 256, 256]


class HighResolutionEncoder(nn.Module):
    """Convolutions at half size: [N, 5, S, S] -> [N, 96, S/2, S/2] (spec 01 section 7)."""

    def __init__(self, sizes: ImageToPlaneSizes):
        super().__init__()
        self.first = nn.Conv2d(5, sizes.fine, 7, stride=2, padding=3)
        self.convs = nn.ModuleList(nn.Conv2d(channels, PLANE_CHANNELS, 3, padding=1) for channels in (sizes.fine, *[PLANE_CHANNELS] * 3))
        self.final = nn.Conv2d(PLANE_CHANNELS, PLANE_CHANNELS, 3, padding=1)

    def forward(self, placed: Tensor) -> Tensor:
        x = self.first(placed)  # [N, 64, 256, 256]; no activation follows: trained so
        for conv in self.convs:
            x = F.leaky_relu_(conv(x), 0.01)  # [N, 96, 256, 256]
        return self.final(x)  # [N, 96, 256, 256]


class TriplanePredictor(nn.Module):
    """Both encodings [N, 96, H, W] -> the planes as one image [N, 96 depth, H, W] (spec 01 section 8)."""

    def __init__(self, sizes: ImageToPlaneSizes):
        super().__init__()
        tokens, wide, narrow = sizes.tokens, sizes.wide, sizes.narrow
        joined = ((2 * PLANE_CHANNELS, wide), (wide, narrow))
        drawn = ((tokens // 4 + PLANE_CHANNELS, wide), (wide, narrow), (narrow, narrow))
        self.join = nn.ModuleList(nn.Conv2d(*channels, 3, padding=1) for channels in joined)
        self.embed = PatchEmbedding(narrow, tokens, kernel=3, stride=2)
        self.block = MixBlock(tokens, sizes.heads, sizes.hidden, reduction=2, eps=1e-5)
        self.shuffle = nn.PixelShuffle(2)
        self.draw = nn.ModuleList(nn.Conv2d(*channels, 3, padding=1) for channels in drawn)
        self.final = nn.Conv2d(narrow, PLANE_CHANNELS * sizes.depth, 3, padding=1)

    def forward(self, coarse: Tensor, fine: Tensor) -> Tensor:
        x = torch.cat((coarse, fine), dim=1)  # [N, 192, 256, 256]
        for conv in self.join:
            x = F.leaky_relu_(conv(x), 0.01)  # [N, 256, 256, 256], then [N, 128, 256, 256]
        tokens, height, width = self.embed(x)  # [N, 16384, 1024], 128, 128
        tokens = self.block(tokens, height, width)  # [N, 16384, 1024]
        x = self.shuffle(to_image(tokens, height, width))  # [N, 256, 256, 256]
        x = torch.cat((x, coarse), dim=1)  # [N, 352, 256, 256]
        for conv in self.draw:
            x = F.leaky_relu_(conv(x), 0.01)  # [N, 256, 256, 256], then twice [N, 128, 256, 256]
        return self.final(x)  # [N, 96 depth, 256, 256]
