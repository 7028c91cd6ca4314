"""Pictures sampled as MediaPipe samples them for its networks."""

from __future__ import annotations

import numpy as np


def sampled(image: np.ndarray, x: np.ndarray, y: np.ndarray, black_outside: bool) -> np.ndarray:
    """Bilinear samples [..., 3] float32 at pixel positions; what is outside is black, or the picture's edge.

    They are rounded to whole numbers, halves upwards, as MediaPipe's build of OpenCV does and others do not.
    """
    height, width = image.shape[:2]
    pixels = image.reshape(-1, 3)
    left, top = np.floor(x).astype(np.int64), np.floor(y).astype(np.int64)
    across, down = (x - left).astype(np.float32)[..., None], (y - top).astype(np.float32)[..., None]

    def tap(right: int, below: int) -> np.ndarray:
        at_x, at_y = left + right, top + below
        colours = pixels.take(at_y.clip(0, height - 1) * width + at_x.clip(0, width - 1), axis=0).astype(np.float32)
        if black_outside:
            colours[(at_x < 0) | (at_x >= width) | (at_y < 0) | (at_y >= height)] = 0
        return colours

    upper = tap(0, 0) * (1 - across) + tap(1, 0) * across
    lower = tap(0, 1) * (1 - across) + tap(1, 1) * across
    return np.floor(upper * (1 - down) + lower * down + 0.5)
