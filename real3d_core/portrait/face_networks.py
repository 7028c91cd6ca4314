"""The two networks of MediaPipe's face landmarker, from its model file."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from .tflite import TFLiteNetwork

POINTS = 478


@dataclass(frozen=True)
class FaceNetworks:
    """detector: [B, 128, 128, 3] in -1..1 -> boxes and points [B, 896, 16] in its pixels about anchors, logits [B, 896].

    mesh: [B, side, side, 3] in 0..1 -> landmarks [B, 478, 3] in its pixels, logit of a face being there [B].
    """

    detector: Callable[[Tensor], tuple[Tensor, Tensor]]
    mesh: Callable[[Tensor], tuple[Tensor, Tensor]]
    side: int


def face_networks(model: Path) -> FaceNetworks:
    """Reads `face_landmarker.task`, a zip of networks.

    Raises:
        UnreadableNetworkError, zipfile.BadZipFile, KeyError: it is not that.
    """
    with zipfile.ZipFile(model) as bundle:
        detector = TFLiteNetwork(bundle.read("face_detector.tflite"))
        mesh = TFLiteNetwork(bundle.read("face_landmarks_detector.tflite"))

    def detect(pictures: Tensor) -> tuple[Tensor, Tensor]:
        boxes, logits = detector(pictures)
        return boxes, logits[..., 0]

    def find_points(pictures: Tensor) -> tuple[Tensor, Tensor]:
        points, presence, _ = mesh(pictures)
        return points.reshape(-1, POINTS, 3), presence.reshape(-1)

    return FaceNetworks(detect, find_points, mesh.side)
