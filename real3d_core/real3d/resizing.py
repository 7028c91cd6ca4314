"""The two ways in which the paper's super-resolution resizes images (spec 04 section 0)."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor


def resize_smooth(image: Tensor, side: int) -> Tensor:
    """[N, C, h, w] -> [N, C, side, side], bilinear with antialiasing: "resize A" of the specification."""
    return F.interpolate(image, size=(side, side), mode="bilinear", align_corners=False, antialias=True)


def resize_plain(image: Tensor, side: int) -> Tensor:
    """[N, C, h, w] -> [N, C, side, side], bilinear without antialiasing: "resize B" of the specification."""
    return F.interpolate(image, size=(side, side), mode="bilinear", align_corners=False)
