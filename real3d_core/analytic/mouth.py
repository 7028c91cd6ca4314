"""What is seen between opened lips: the photo's own teeth where it shows them, else painted teeth in a dark cavity."""

from __future__ import annotations

import torch
from torch import Tensor

_CAVITY = (0.17, 0.06, 0.06)
_TONGUE = (0.42, 0.17, 0.16)
_TEETH = (0.86, 0.82, 0.76)
_UPPER_ROW, _LOWER_ROW = 0.022, 0.011  # heights of the rows, in face heights
_TOOTH = 0.022  # width of a front tooth


def mouth_interior(across: Tensor, below_upper: Tensor, above_lower: Tensor, half_width: float, light: float) -> Tensor:
    """Colours of the inside of a mouth.

    Args:
        across: [...] position along the mouth from its middle, in face heights, fixed to the skull.
        below_upper: [...] distance below where the upper lip's edge is at rest, in face heights, fixed to the skull.
        above_lower: [...] distance above the lower lip's edge, in face heights, moving with the jaw.
        half_width: of the mouth, in face heights.
        light: brightness of the face, 0..1; teeth are lit like it.

    Returns:
        [..., 3] in 0..1.
    """
    side = (across / half_width).clamp(-1, 1)
    shade = light * (1 - 0.75 * side**2)
    colour = _rgb(_CAVITY, across) * (0.5 + 0.5 * torch.exp(-((across / half_width) ** 2)))[..., None] * light * 1.4
    tongue = _step(0.040 - above_lower, 0.03) * (1 - side**2).clamp_min(0) * 0.7
    colour = _mix(colour, _rgb(_TONGUE, across) * shade[..., None], tongue)
    wide = ((below_upper + above_lower - 0.04) / 0.04).clamp(0, 1)  # lower teeth are behind the lip until the mouth is well open
    lower = _row(across, above_lower - 0.002, _LOWER_ROW * (1 - 0.35 * side**2))
    colour = _mix(colour, _rgb(_TEETH, across) * (0.62 * shade * _gaps(across, 0.75 * _TOOTH))[..., None], lower * (1 - side**4) * wide)
    upper = _row(across, below_upper, _UPPER_ROW * (1 - 0.30 * side**2))
    lit = 0.55 + 0.45 * (below_upper / _UPPER_ROW).clamp(0, 1)  # the lip shades the upper part of the row
    return _mix(colour, _rgb(_TEETH, across) * (shade * lit * _gaps(across, _TOOTH))[..., None], upper * (1 - side**4))


def _row(across: Tensor, along: Tensor, height: Tensor) -> Tensor:
    scallop = 0.0007 * torch.cos(across * (2 * torch.pi / _TOOTH))
    return _step(height + scallop - along, 0.004) * _step(along + 0.030, 0.004)


def _gaps(across: Tensor, width: float) -> Tensor:
    """A faint darker line between teeth."""
    return 1 - 0.10 * torch.cos(across * (torch.pi / width)).abs().pow(12)


def _step(value: Tensor, softness: float) -> Tensor:
    return (value / softness + 0.5).clamp(0, 1)


def _mix(below: Tensor, above: Tensor, share: Tensor) -> Tensor:
    return below + (above - below) * share[..., None]


def _rgb(colour: tuple[float, float, float], like: Tensor) -> Tensor:
    return like.new_tensor(colour).expand(*like.shape, 3)
