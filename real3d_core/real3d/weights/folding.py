"""What training stores and inference does not need, folded into plain weights (spec 07 section 8.2, spec 04 section 2).

Everything is exact but for rounding; it is computed in float64 so that only the last rounding remains.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

_NORM_EPS = 1e-5
_LEAKY_GAIN = 2**0.5


class Kernel(NamedTuple):
    """The weights of one layer."""

    weight: Tensor
    bias: Tensor


class Part(NamedTuple):
    """The weights of a layer that has only one of the two; None: it has no such tensor."""

    weight: Tensor | None = None
    bias: Tensor | None = None


class Norm(NamedTuple):
    """A batch norm as stored, [C] each."""

    weight: Tensor
    bias: Tensor
    mean: Tensor
    variance: Tensor


def scale_shift(norm: Norm) -> Kernel:
    """A batch norm at inference: what each channel is multiplied by and what is added."""
    scale = norm.weight / (norm.variance + _NORM_EPS).sqrt()
    return Kernel(scale, norm.bias - norm.mean * scale)


def normed(kernel: Kernel, norm: Norm) -> Kernel:
    """A convolution (weight [out, in, ...]) and the batch norm after it, as one convolution."""
    scale, shift = scale_shift(norm)
    per_output = scale.view(-1, *(1,) * (kernel.weight.ndim - 1))
    return Kernel(kernel.weight * per_output, shift + kernel.bias * scale)


def scaled(kernel: Kernel, gain: Tensor) -> Kernel:
    """A layer whose result is multiplied by one number."""
    return Kernel(kernel.weight * gain, kernel.bias * gain)


def without_spectral_norm(weight: Tensor, left: Tensor, right: Tensor) -> Tensor:
    """The effective weight; the stored vectors are used as they are."""
    return weight / (left @ (weight.flatten(1) @ right))


def modulated(kernel: Kernel, style: Kernel) -> Kernel:
    """A modulated and demodulated convolution for the constant style of ones, with the gain of its activation.

    Args:
        style: the dense layer that makes the style: weight [C, 512], bias [C].
    """
    weight = kernel.weight * _constant_style(style)[:, None, None]
    weight = weight / (weight.square().sum((1, 2, 3), keepdim=True) + 1e-8).sqrt()
    return Kernel(weight * _LEAKY_GAIN, kernel.bias * _LEAKY_GAIN)


def modulated_to_rgb(kernel: Kernel, style: Kernel) -> Kernel:
    """A modulated colour layer: no demodulation, no activation."""
    return Kernel(kernel.weight * _constant_style(style)[:, None, None] / kernel.weight.shape[1] ** 0.5, kernel.bias)


def transposed(kernel: Kernel) -> Kernel:
    """The same numbers, laid out for a transposed convolution."""
    return Kernel(kernel.weight.transpose(0, 1), kernel.bias)


def enlarged(kernel: Kernel) -> Kernel:
    """Nearest-neighbour enlarging by two and a 3x3 (or 3x3x3) convolution, as one transposed convolution of stride 2.

    An input pixel becomes two equal ones, so along each enlarged axis the taps a, b, c act as c, b + c, a + b, a.
    """
    doubling = kernel.weight.new_tensor([[0, 0, 1], [0, 1, 1], [1, 1, 0], [1, 0, 0]])
    weight = torch.einsum("...yx,ay,bx->...ab", kernel.weight, doubling, doubling)
    if weight.ndim == 5:
        weight = weight.flip(2)  # depth is not enlarged; a transposed convolution only reads its taps backwards
    return transposed(Kernel(weight, kernel.bias))


def widened_then_joined(widen: Kernel, join: Kernel, own: int) -> Kernel:
    """join(cat(x [own channels], m * widen(y))) as one convolution of cat(x, m * y, m), for a 1x1 `widen` and a mask m."""
    through = join.weight[:, own:]
    folded = torch.einsum("oiyx,ic->ocyx", through, widen.weight[:, :, 0, 0])
    mask = torch.einsum("oiyx,i->oyx", through, widen.bias)[:, None]
    return Kernel(torch.cat((join.weight[:, :own], folded, mask), dim=1), join.bias)


def shares_of_join(join: Kernel, widen: list[Kernel]) -> list[Kernel]:
    """A 1x1 convolution of concatenated dense layers, as dense layers whose results are added; the bias is in the last one."""
    shares: list[Kernel] = []
    bias = join.bias
    for part, layer in zip(join.weight[:, :, 0, 0].split([len(layer.weight) for layer in widen], dim=1), widen, strict=True):
        shares.append(Kernel(part @ layer.weight, torch.zeros_like(bias)))
        bias = bias + part @ layer.bias
    return [*shares[:-1], Kernel(shares[-1].weight, bias)]


def depth_constant(weight: Tensor) -> Part:
    """A 7x7x7 convolution of inputs that are the same at every depth, as a 7x7 one with an output per case.

    weight [out, in, 7, 7, 7] -> [7 * out, in, 7, 7]: the three front depths, the inside, the three back depths.
    """
    taps = ((3, 7), (2, 7), (1, 7), (0, 7), (0, 6), (0, 5), (0, 4))  # those that stay inside the volume
    return Part(torch.cat([weight[:, :, first:last].sum(2) for first, last in taps]))


def depth_as_channels(kernel: Kernel, depth: int) -> Kernel:
    """A k x k x k convolution as a k x k one whose channels count (channel, depth).

    weight [out, in, k, k, k] -> [out * depth, in * depth, k, k], zero where two depths are out of each other's reach.
    """
    out, channels, taps = kernel.weight.shape[:3]
    flat = kernel.weight.new_zeros(out, depth, channels, depth, taps, taps)
    for at in range(depth):
        for tap in range(taps):
            source = at + tap - taps // 2
            if 0 <= source < depth:
                flat[:, at, :, source] = kernel.weight[:, :, tap]
    return Kernel(flat.flatten(2, 3).flatten(0, 1), kernel.bias.repeat_interleave(depth))


def stacked(*kernels: Kernel) -> Kernel:
    """Layers with one input, as one layer with all their outputs."""
    return Kernel(torch.cat([kernel.weight for kernel in kernels]), torch.cat([kernel.bias for kernel in kernels]))


def _constant_style(style: Kernel) -> Tensor:
    return style.weight.sum(1) / style.weight.shape[1] ** 0.5 + style.bias
