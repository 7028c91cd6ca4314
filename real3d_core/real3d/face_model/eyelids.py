"""Blinking: the eyelids of a PNCC picture are closed by painting (spec 06 section 10)."""

from __future__ import annotations

import random

import numpy as np
import torch
from scipy.ndimage import distance_transform_edt
from torch import Tensor

PERIOD = 125  # frames: a blink every five seconds
SHORTEST, LONGEST = 8, 12  # frames of a blink

_BORDER = 4  # pixels round the eyes that may be painted
_DONOR_DISTANCE = 5  # pixels from the eyes at which skin counts as unmoved


def blink_schedule(frames: int, seed: int) -> Tensor:
    """Closing fraction of every frame, [frames] float32: 0 (open) to 1 (spec 06 section 10).

    A blink's first frame still has its eyes open. The last frame never blinks.
    """
    draw = random.Random(seed)
    closing = torch.zeros(frames)
    for start in range(0, frames, PERIOD):
        duration = draw.randint(SHORTEST, LONGEST)
        for frame in range(start, min(start + duration, frames - 1)):
            passed = (frame - start) / duration
            closing[frame] = 4 * passed * (1 - passed)
    return closing


def close_eyelids(picture: Tensor, closing: float) -> Tensor:
    """A PNCC picture with its eyelids closed by a fraction, 0 to 1.

    Args:
        picture: [3, H, W] in -1..1, as large as the networks' (the distances are in pixels of 512).

    Returns: [3, H, W] in steps of 1/127.5 everywhere; the picture itself where it shows no two eyes to close.
    """
    levels = ((picture + 1) / 2 * 255).to(torch.int32)  # truncated, in this order of operations: item 14
    quantised = levels.to(picture.dtype) / 127.5 - 1
    if closing == 0:
        return quantised
    eyes = _eyes((levels != 0).all(dim=0).cpu().numpy())
    if eyes is None:
        return picture
    region, eye, searched, face = eyes
    donors = searched & face & (distance_transform_edt(~eye) > _DONOR_DISTANCE)
    if not donors.any():
        return picture
    painted = _painted(searched & ~donors, closing)
    row, column = distance_transform_edt(~donors, return_distances=False, return_indices=True)
    closed = quantised.clone()
    window = closed[:, region[0], region[1]]
    rows, columns, inside = (torch.from_numpy(array).to(picture.device) for array in (row, column, painted))
    window[:, inside] = window[:, rows[inside], columns[inside]]
    return closed


def _eyes(face: np.ndarray) -> tuple[tuple[slice, slice], np.ndarray, np.ndarray, np.ndarray] | None:
    """The window round both eyes, and within it: eye pixels, pixels of either search box, face pixels. None without two eyes."""
    height, width = face.shape
    top, bottom = height // 4, height // 2
    rows, spans = [], []
    for left, right in ((width // 4, width // 2), (width // 2, 3 * (width // 4))):
        row, column = np.nonzero(~face[top:bottom, left:right])
        if not len(row):
            return None
        rows += [row.min() + top, row.max() + top]
        spans.append((column.min() + left, column.max() + left))
    # ends exclusive: four pixels above and to the left of the eyes, three below and to the right
    upper, lower = min(rows) - _BORDER, max(rows) + _BORDER
    boxes = [(first - _BORDER, last + _BORDER) for first, last in spans]
    start, stop = boxes[0][0], boxes[1][1]
    eye, searched = np.zeros_like(face), np.zeros_like(face)
    eye[top:bottom, width // 4 : 3 * (width // 4)] = ~face[top:bottom, width // 4 : 3 * (width // 4)]
    for first, last in boxes:
        searched[upper:lower, first:last] = True
    region = slice(upper, lower), slice(start, stop)
    return region, eye[region], searched[region], face[region]


def _painted(lids: np.ndarray, closing: float) -> np.ndarray:
    """The part of the lid area that lies outside what is still open, column by column."""
    row = np.arange(len(lids))[:, None]
    count = np.maximum(1, lids.sum(axis=0))
    middle = (row * lids).sum(axis=0) / count
    upper = np.where(lids, row, len(lids)).min(axis=0)
    lower = np.where(lids, row, -1).max(axis=0)
    opening_top = closing * middle + (1 - closing) * upper
    opening_bottom = closing * middle + (1 - closing) * lower
    return lids & ((row <= opening_top) | (row >= opening_bottom))
