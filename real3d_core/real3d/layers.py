"""Layers that several networks of the paper share."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

PLANE_CHANNELS = 96  # three planes of 32 features


class MixBlock(nn.Module):
    """Transformer block on the tokens of an image (spec 01 section 5, spec 02 section 5).

    Args:
        width: channels of a token.
        heads: attention heads, a divisor of `width`.
        hidden: channels inside the feed-forward part.
        reduction: keys and values are taken from an image this many times smaller along each side.
        eps: of the two layer norms of the block; the reduction's own norm always has 1e-5.
    """

    def __init__(self, width: int, heads: int, hidden: int, reduction: int, eps: float):
        super().__init__()
        self.norm1 = nn.LayerNorm(width, eps)
        self.attention = Attention(width, heads, reduction)
        self.norm2 = nn.LayerNorm(width, eps)
        self.feed_forward = FeedForward(width, hidden)

    def forward(self, tokens: Tensor, height: int, width: int) -> Tensor:
        """tokens [N, height * width, C], row by row -> the same shape."""
        tokens = tokens + self.attention(self.norm1(tokens), height, width)  # [N, height width, C]
        return tokens + self.feed_forward(self.norm2(tokens), height, width)  # [N, height width, C]


class Attention(nn.Module):
    """Multi-head attention whose keys and values may come from a reduced image."""

    def __init__(self, width: int, heads: int, reduction: int):
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(width, width)
        self.reduce = nn.Conv2d(width, width, reduction, stride=reduction) if reduction > 1 else None
        self.reduced_norm = nn.LayerNorm(width, 1e-5) if reduction > 1 else None
        self.key_value = nn.Linear(width, 2 * width)
        self.project = nn.Linear(width, width)

    def forward(self, tokens: Tensor, height: int, width: int) -> Tensor:
        """tokens [N, T, C], T = height * width -> the same shape; each attends to S of them."""
        context = tokens
        if self.reduce is not None:
            reduced = self.reduce(to_image(tokens, height, width))  # [N, C, height / reduction, width / reduction]
            context = self.reduced_norm(to_tokens(reduced))  # [N, S, C]
        key, value = self.key_value(context).chunk(2, dim=-1)  # [N, S, C] each
        query, key, value = (
            rearrange(part, "n t (heads c) -> n heads t c", heads=self.heads) for part in (self.query(tokens), key, value)
        )  # [N, heads, T or S, C / heads]
        # the fused product never writes the attention matrix, 1 GiB in the triplane predictor
        mixed = F.scaled_dot_product_attention(query, key, value)  # [N, heads, T, C / heads]
        return self.project(rearrange(mixed, "n heads t c -> n t (heads c)"))  # [N, T, C]


class FeedForward(nn.Module):
    """Two dense layers around a depth-wise convolution."""

    def __init__(self, width: int, hidden: int):
        super().__init__()
        self.expand = nn.Linear(width, hidden)
        self.depthwise = nn.Conv2d(hidden, hidden, 3, padding=1, groups=hidden)
        self.contract = nn.Linear(hidden, width)

    def forward(self, tokens: Tensor, height: int, width: int) -> Tensor:
        spread = to_image(self.expand(tokens), height, width)  # [N, hidden, height, width]
        spread = to_tokens(self.depthwise(spread))  # [N, height width, hidden]
        return self.contract(F.gelu(spread))  # [N, height width, C]


class PatchEmbedding(nn.Module):
    """An image becomes tokens: strided convolution and layer norm."""

    def __init__(self, channels: int, width: int, kernel: int, stride: int):
        super().__init__()
        self.project = PlainConv2d(channels, width, kernel, stride, padding=kernel // 2)
        self.norm = nn.LayerNorm(width, 1e-5)

    def forward(self, image: Tensor) -> tuple[Tensor, int, int]:
        """[N, C, H, W] -> tokens [N, h * w, width], h, w."""
        embedded = self.project(image.contiguous())  # [N, width, h, w]
        return self.norm(to_tokens(embedded).contiguous()), *embedded.shape[2:]  # [N, h w, width]


def to_tokens(image: Tensor) -> Tensor:
    """[N, C, h, w] -> [N, h * w, C]; a view of a channels-last image."""
    return rearrange(image, "n c h w -> n (h w) c")


def to_image(tokens: Tensor, height: int, width: int) -> Tensor:
    """[N, height * width, C] -> [N, C, height, width], channels last."""
    return rearrange(tokens, "n (h w) c -> n c h w", h=height, w=width)


def split_planes(stacked: Tensor) -> Tensor:
    """What a network draws as one image [N, 96, H, W] -> planes [N, 3, 32, H, W] float32, mirrored as the renderer reads them.

    Spec 01 section 9: planes 0 and 1 are mirrored along rows, plane 2 along rows and columns. A trigrid has more channels (spec 09).
    """
    xy, xz, zy = stacked.float().flip(2).chunk(3, dim=1)  # [N, 32 depth, H, W] each
    return torch.stack((xy, xz, zy.flip(3)), dim=1)  # [N, 3, 32 depth, H, W]


class PlainConv2d(nn.Conv2d):
    """A convolution whose images are laid out channels first.

    On a CPU such a convolution sums in blocks and so rounds less than one with channels last, for a little more time.
    """

    layout = torch.contiguous_format


class PreciseConv2d(nn.Conv2d):
    """A convolution in float32 whatever the precision of its input: for colours and long sums, where half precision would be visible."""

    precision = torch.float32

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.float())


class ScaleShift(nn.Module):
    """A batch norm of the checkpoint as the scale and shift per channel that it is at inference; float32 whatever it is given."""

    precision = torch.float32

    def __init__(self, channels: int):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        """[N, channels, ...] -> the same shape, float32."""
        shape = (-1,) + (1,) * (x.ndim - 2)
        return torch.addcmul(self.bias.view(shape), x.float(), self.weight.view(shape))


def resize_smooth(image: Tensor, side: int) -> Tensor:
    """[N, C, h, w] -> [N, C, side, side], bilinear with antialiasing: "resize A" of the specification."""
    return F.interpolate(image, size=(side, side), mode="bilinear", align_corners=False, antialias=True)


def resize_plain(image: Tensor, side: int) -> Tensor:
    """[N, C, h, w] -> [N, C, side, side], bilinear without antialiasing: "resize B" of the specification."""
    return F.interpolate(image, size=(side, side), mode="bilinear", align_corners=False)
