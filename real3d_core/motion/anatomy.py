"""How far a head and a face can go: soft limits, so that nothing that drives them tears the picture."""

from __future__ import annotations

import math

import torch
from torch import Tensor

_POSE_FREE = tuple(map(math.radians, (35.0, 50.0, 40.0)))  # pitch, yaw, roll from where on a neck resists
_POSE_MOST = tuple(map(math.radians, (55.0, 75.0, 60.0)))


def soft_limit(values: Tensor, free: Tensor | float, most: Tensor | float) -> Tensor:
    """Values as they are up to `free` to either side, then bent so that they never pass `most`; what is no number becomes 0."""
    values = values.nan_to_num(nan=0.0)
    free, most = (torch.as_tensor(bound, dtype=values.dtype, device=values.device) for bound in (free, most))
    room = most - free
    beyond = (values.abs() - free).clamp_min(0)
    return torch.where(beyond > 0, values.sign() * (free + room * torch.tanh(beyond / room)), values)


def soft_length(vectors: Tensor, free: float, most: float) -> Tensor:
    """Vectors [..., D] of the same directions, their lengths limited like `soft_limit` does."""
    vectors = vectors.nan_to_num(nan=0.0, posinf=most, neginf=-most)
    length = vectors.norm(dim=-1, keepdim=True)
    return torch.where(length > free, vectors * (soft_limit(length, free, most) / length.clamp_min(1e-12)), vectors)


def bounded_pose(euler: Tensor) -> Tensor:
    """Turns of a head [T, 3], radians, as far as a neck allows."""
    return soft_limit(euler, torch.tensor(_POSE_FREE), torch.tensor(_POSE_MOST))
