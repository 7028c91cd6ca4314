"""MediaPipe's image segmenters on PyTorch."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import torch

from ..one_thread import one_thread
from .sampling import sampled
from .tflite import TFLiteNetwork


class TorchSegmenter:
    """A segmenter's network, from its .tflite file.

    Raises:
        UnreadableNetworkError, UnknownOperatorError: see there.
    """

    def __init__(self, model: Path):
        self._network = TFLiteNetwork(model.read_bytes())

    def confidences(self, image: np.ndarray) -> np.ndarray:
        """RGB uint8 [H, W, 3] -> float32 [H, W, classes]."""
        height, width = image.shape[:2]
        steps = np.arange(self._network.side) / self._network.side
        x, y = np.meshgrid(steps * width, steps * height)
        with one_thread():
            found = self._network(torch.from_numpy(sampled(image, x, y, black_outside=False))[None] / 255)[0]
        return np.atleast_3d(cv2.resize(found[0].numpy(), (width, height), interpolation=cv2.INTER_LINEAR))

    def categories(self, image: np.ndarray) -> np.ndarray:
        """RGB uint8 [H, W, 3] -> the likeliest class of each pixel, uint8 [H, W]."""
        return self.confidences(image).argmax(axis=2).astype(np.uint8)
