"""The part of a picture in which there is something to do."""

from __future__ import annotations

import cv2
import numpy as np

Box = tuple[slice, slice]  # rows and columns of a picture


def box_about(mask: np.ndarray, margin: int = 0) -> Box:
    """The box of the pixels that are set in a mask [H, W], wider by `margin` pixels on each side as far as the picture reaches.

    Empty where none is set.
    """
    left, top, width, height = cv2.boundingRect(mask.astype(np.uint8))
    if not height:
        return slice(0, 0), slice(0, 0)
    return _grown(top, height, margin, mask.shape[0]), _grown(left, width, margin, mask.shape[1])


def _grown(start: int, length: int, margin: int, limit: int) -> slice:
    return slice(max(0, start - margin), min(limit, start + length + margin))
