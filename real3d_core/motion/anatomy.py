"""How far a head and a face can go: soft limits, so that nothing that drives them tears the picture."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from .pose import turn_about_neck

_POSE_FREE = tuple(map(math.radians, (40.0, 50.0, 40.0)))  # pitch, yaw, roll from where on a neck resists
_POSE_MOST = tuple(map(math.radians, (50.0, 68.0, 50.0)))
_TURN = (math.radians(58.0), math.radians(70.0))  # likewise, of the three together
_FAR = 1e12  # longer vectors have no length in float32


def soft_limit(values: Tensor, free: Tensor | float, most: Tensor | float) -> Tensor:
    """Values as they are up to `free` to either side, then bent so that they never pass `most`; what is no number becomes 0."""
    values = values.nan_to_num(nan=0.0)
    far = values.abs()
    if not (far > free).any():
        return values
    free, most = (torch.as_tensor(bound, dtype=values.dtype, device=values.device) for bound in (free, most))
    room = most - free
    beyond = (far - free).clamp_min(0)
    return torch.where(beyond > 0, values.sign() * (free + room * torch.tanh(beyond / room)), values)


def soft_length(vectors: Tensor, free: float, most: float) -> Tensor:
    """Vectors [..., D] of the same directions, their lengths limited like `soft_limit` does."""
    vectors = _finite(vectors)
    length = vectors.norm(dim=-1, keepdim=True)
    if not (length > free).any():
        return vectors
    return torch.where(length > free, vectors * (soft_limit(length, free, most) / length.clamp_min(1e-12)), vectors)


def bounded_pose(euler: Tensor, translation: Tensor, free: float, most: float) -> tuple[Tensor, Tensor]:
    """Turns of a head [T, 3], radians, and movements [T, 3], decimetres, as far as a neck allows.

    Args:
        free, most: decimetres, as in `soft_limit`. A head that turns may do so on the spot, about its neck, or anything between; only
            what leads elsewhere is limited.
    """
    euler = soft_length(soft_limit(euler, torch.tensor(_POSE_FREE), torch.tensor(_POSE_MOST)), *_TURN)
    translation, about_neck = _finite(translation), turn_about_neck(euler)
    share = (translation * about_neck).sum(dim=1, keepdim=True) / (about_neck**2).sum(dim=1, keepdim=True).clamp_min(1e-12)
    turning = share.clamp(0, 1) * about_neck
    off = translation - turning
    return euler, torch.where(off.norm(dim=1, keepdim=True) > free, turning + soft_length(off, free, most), translation)


def _finite(vectors: Tensor) -> Tensor:
    return vectors.nan_to_num(nan=0.0).clamp(-_FAR, _FAR)
