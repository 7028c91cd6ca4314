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
    return grown((slice(top, top + height), slice(left, left + width)), margin, mask.shape) if height else (slice(0), slice(0))


def grown(box: Box, margin: int, shape: tuple[int, int]) -> Box:
    """The box, wider by `margin` pixels on each side as far as a picture of this shape reaches."""
    rows, columns = (slice(max(0, one.start - margin), min(side, one.stop + margin)) for one, side in zip(box, shape, strict=True))
    return rows, columns
