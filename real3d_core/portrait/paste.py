"""Finished frames back into the photo they were cropped from."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from ..smooth_step import eased
from ..stream import FrameStream
from .crop import CropWindow

FEATHER = 0.08


def paste_back(frames: FrameStream[Tensor], window: CropWindow, photo: Tensor, feather: float = FEATHER) -> FrameStream[Tensor]:
    """Every frame at its place in the original picture.

    Args:
        frames: chunks [n, S, S, 3] in 0..1, made of the portrait whose `window` this is.
        window: the crop's place in the photo.
        photo: [H, W, 3] in 0..1, the original.
        feather: width of the soft edge, as a part of the window's side, 0..0.5. Where the window ends at the photo's own edge
            there is none.

    Returns:
        chunks [n, H, W, 3] in 0..1.
    """
    left, top, side = int(window.left), int(window.top), int(window.side)
    height, width = photo.shape[:2]
    share = _soft_edge(side, left, top, width, height, feather)

    def paste(chunk: Tensor, start: int, stop: int) -> Tensor:
        fitted = F.interpolate(chunk.permute(0, 3, 1, 2), size=(side, side), mode="bicubic", align_corners=False, antialias=True)
        whole = photo.expand(len(chunk), -1, -1, -1).clone()
        place = whole[:, top : top + side, left : left + side]
        place += (fitted.permute(0, 2, 3, 1).clamp(0, 1) - place) * share
        return whole

    return frames.map(paste)


def _soft_edge(side: int, left: int, top: int, width: int, height: int, feather: float) -> Tensor:
    """[side, side, 1]: 1 inside, falling to 0 at the edges that lie within the photo."""
    ramp = ((torch.arange(side) + 0.5) / max(1.0, feather * side)).clamp(0, 1)
    ramp = eased(ramp)
    ones = torch.ones(side)
    from_left = ramp if left > 0 else ones
    from_right = ramp.flip(0) if left + side < width else ones
    from_top = ramp if top > 0 else ones
    from_bottom = ramp.flip(0) if top + side < height else ones
    return ((from_top * from_bottom)[:, None] * (from_left * from_right)[None])[..., None]
