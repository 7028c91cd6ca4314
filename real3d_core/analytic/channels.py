"""What the 32 plane channels of the built-in avatar mean, and the decoder that is constructed to read them (spec 08 section 1).

A plane feature is the mean of three lookups, so what is stored is three times the value; plane 0 is looked up at (x, y), plane 1
at (x, z), plane 2 stays zero. The decoder is of the paper's shape, 32 -> 64 softplus -> 33: density falls off steeply wherever one
of the first three channels is negative, the other channels come through unchanged because softplus(f) - softplus(-f) = f.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ..render.decoder import PlaneDecoder
from ..render.planes import Planes
from ..render.ray_marching import HeadRender
from .solid import TEXELS

STEEPNESS = 1500.0  # channels 0 and 1, per world unit
_DENSITY = 1500.0
_UV_GAIN = 4.0
_BEHIND_GAIN = 8.0
_HIDDEN = 64
_SURFACE = -math.log(math.e - 1)  # softplus(-_SURFACE) = 1

FRONT, BACK, SILHOUETTE = 0, 1, 2
CARRIED = slice(3, 12)  # decoder outputs 0..8: colour, then three pairs of photo coordinates
BEHIND = 9  # decoder output: how far a sample lies behind the front surface, which is channel FRONT itself
COLOUR = slice(0, 3)
FACE_UV, JAW_UV, SKULL_UV = slice(3, 5), slice(5, 7), slice(7, 9)


def constructed_decoder() -> PlaneDecoder:
    """The decoder's weights, made by hand."""
    carried = range(CARRIED.start, CARRIED.stop)
    weight1, weight2 = torch.zeros(_HIDDEN, 32), torch.zeros(33, _HIDDEN)
    bias2 = torch.zeros(33)
    bias2[0] = _DENSITY
    for unit, channel in enumerate((FRONT, BACK, SILHOUETTE)):
        weight1[unit, channel] = -1
        weight2[0, unit] = -_DENSITY
    for output, channel in enumerate(carried):
        plus = 3 + 2 * output
        weight1[plus, channel], weight1[plus + 1, channel] = 1, -1
        weight2[1 + output, plus], weight2[1 + output, plus + 1] = 1, -1
    plus = 3 + 2 * BEHIND
    weight1[plus, FRONT], weight1[plus + 1, FRONT] = _BEHIND_GAIN / STEEPNESS, -_BEHIND_GAIN / STEEPNESS
    weight2[1 + BEHIND, plus], weight2[1 + BEHIND, plus + 1] = 1, -1
    return PlaneDecoder(weight1, torch.zeros(_HIDDEN), weight2, bias2)


def encode_uv(uv: Tensor) -> Tensor:
    """Photo coordinates (0..1 in the crop) to channel values."""
    return _UV_GAIN * (uv - 0.5)


def carried_uv(planes: Planes) -> Tensor:
    """[2, 256, 256]: the photo coordinates that the surface of a head carries (of planes at rest, whose sheets are one)."""
    return planes.features[0, 0, CARRIED][FACE_UV] / (3 * _UV_GAIN) + 0.5


def encode_colour(colour: Tensor) -> Tensor:
    """Colours 0..1 to channel values, the inverse of the decoder's last step."""
    return torch.logit((colour.clamp(0.002, 0.998) + 0.001) / 1.002)


def photo_coordinates(render: HeadRender) -> Tensor:
    """[N, 6, R, R]: where in the photo the surface seen by each ray is on face, jaw and skull sheet, meaningful where there is opacity."""
    premultiplied = (render.features[:, FACE_UV.start : SKULL_UV.stop] + 1) / 2
    return _unmixed(premultiplied, render.opacity) / _UV_GAIN + 0.5


def behind_front(render: HeadRender) -> Tensor:
    """[N, 1, R, R] world units: how far behind the head's front surface each ray was found to end, meaningful where there is opacity."""
    return _unmixed((render.features[:, BEHIND : BEHIND + 1] + 1) / 2, render.opacity) / _BEHIND_GAIN


def _unmixed(premultiplied: Tensor, opacity: Tensor) -> Tensor:
    """What the decoder's outputs were before its last step."""
    straight = premultiplied / opacity.clamp_min(1e-3)
    return torch.logit(((straight + 0.001) / 1.002).clamp(1e-4, 1 - 1e-4))


def encode_silhouette(distance: Tensor) -> Tensor:
    """Signed distances to the silhouette (texels, positive inside) to channel values.

    Density begins where softplus(-value) = 1. There the values rise so gently that opacity takes about two texels from nothing to
    all, which keeps the contour smooth when it is seen by few rays; further in and out they rise fast.
    """
    beyond = (distance.abs() - 1).clamp_min(0)
    return (_SURFACE + 0.05 * distance + 0.5 * beyond**2 * distance.sign()).clamp(-10, 10)


def near_contour(values: Tensor) -> Tensor:
    """Channel values to signed distances to the silhouette, right within a texel of it and only greater beyond."""
    return (values - _SURFACE) / 0.05


def depth_ramps() -> Tensor:
    """[2, 256, 256]: the channels FRONT and BACK of plane 1, -z and +z; they never change."""
    z = (torch.arange(TEXELS) + 0.5) / TEXELS - 0.5
    return torch.stack([-3 * STEEPNESS * z, 3 * STEEPNESS * z])[:, :, None].expand(-1, -1, TEXELS)
