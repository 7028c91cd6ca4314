"""Finished frames back into the photo they were cropped from."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor

from ..smooth_step import eased
from ..stream import FrameStream
from .crop import CropWindow

FEATHER = 0.08
_LARGE = 9_000_000  # pixels of a photo onto which frames are pasted one by one, not side by side: each takes 100 MB and more
_ROWS = 128  # of the window that are pasted at once: photos may be large


def paste_back(frames: FrameStream[Tensor], window: CropWindow, photo: Tensor, feather: float = FEATHER) -> FrameStream[Tensor]:
    """Every frame at its place in the original picture. Beside the result, little memory is taken.

    Args:
        frames: chunks [n, S, S, 3] in 0..1, made of the portrait whose `window` this is.
        window: the crop's place in the photo.
        photo: [H, W, 3], the original: in 0..1, or uint8, as the frames then are: they take a quarter of the memory.
        feather: width of the soft edge, as a part of the window's side, 0..0.5. Where the window ends at the photo's own edge
            there is none.

    Returns:
        chunks [n, H, W, 3] in 0..1, or uint8.
    """
    left, top, side = int(window.left), int(window.top), int(window.side)
    height, width = photo.shape[:2]
    down = _soft_edge(side, feather, top > 0, top + side < height)
    across = _soft_edge(side, feather, left > 0, left + side < width)

    def paste(chunk: Tensor, start: int, stop: int) -> Tensor:
        whole = photo.expand(len(chunk), -1, -1, -1).clone()
        for picture, frame in zip(whole, chunk, strict=True):
            place = picture[top : top + side, left : left + side]
            for rows, fitted in _fitted(frame.cpu().float(), side):
                share = (down[rows, None] * across)[..., None]
                if whole.dtype == torch.uint8:
                    place[rows] = place[rows].float().lerp_(fitted.mul_(255), share).round_()
                else:
                    place[rows].lerp_(fitted, share)
        return whole

    def one_by_one(start: int, stop: int, size: int) -> Iterator[tuple[int, int, Tensor]]:
        for first, last, chunk in frames.walk(start, stop, 1):
            yield first, last, paste(chunk, first, last)

    if height * width < _LARGE:
        return frames.map(paste, keep=0)
    return FrameStream(len(frames), frames.fps, lambda start, stop: paste(frames.frames(start, stop), start, stop), 0, walk=one_by_one)


def _fitted(frame: Tensor, side: int) -> Iterator[tuple[slice, Tensor]]:
    """A frame [S, S, 3] resized bicubically, as (rows, [n, side, 3]) from above."""
    size = len(frame)
    wide = F.interpolate(frame.permute(2, 0, 1)[None], size=(size, side), mode="bicubic", align_corners=False, antialias=True)[0]
    weights = _row_weights(size, side)
    for start in range(0, side, _ROWS):
        rows = slice(start, min(start + _ROWS, side))
        used = weights[rows].any(dim=0).nonzero()[:, 0]
        from_, to = int(used[0]), int(used[-1]) + 1
        yield rows, (weights[rows, from_:to] @ wide[:, from_:to]).clamp_(0, 1).permute(1, 2, 0)


@lru_cache(1)
@torch.inference_mode(False)  # for frames with gradients too
def _row_weights(size: int, side: int) -> Tensor:
    """[side, size]: what each row of a picture adds to the rows of the same picture resized; of every frame of a film the same."""
    return F.interpolate(torch.eye(size)[None, None], size=(side, size), mode="bicubic", align_corners=False, antialias=True)[0, 0]


def _soft_edge(side: int, feather: float, soft_start: bool, soft_end: bool) -> Tensor:
    """[side]: 1 inside, rising from 0 at the start and falling to 0 at the end where these are to be soft."""
    ramp = eased(((torch.arange(side) + 0.5) / max(1.0, feather * side)).clamp(0, 1))
    ones = torch.ones(side)
    return (ramp if soft_start else ones) * (ramp.flip(0) if soft_end else ones)
