"""How a head turns."""

from __future__ import annotations

import torch
from torch import Tensor

from ..render.camera import euler_to_matrix

NECK = (0.0, -0.75, -0.85)  # where head meets neck, decimetres from the face's centre


def turn_about_neck(euler: Tensor) -> Tensor:
    """The translation [T, 3] (decimetres) that makes a head turned by euler [T, 3] (radians) turn about its neck, not about its face."""
    neck = torch.tensor(NECK)
    return neck - euler_to_matrix(euler) @ neck
