"""The two networks of MediaPipe's face landmarker, from either of the files that hold them."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from .safetensors_face import MESH_SIDE, POINTS, FaceDetector, FaceMesh, load_part
from .tflite import TFLiteNetwork

SAFETENSORS = ".safetensors"


@dataclass(frozen=True)
class FaceNetworks:
    """detector: [B, 128, 128, 3] in -1..1 -> boxes and points [B, 896, 16] in its pixels about anchors, logits [B, 896].

    mesh: [B, side, side, 3] in 0..1 -> landmarks [B, 478, 3] in its pixels, logit of a face being there [B].
    """

    detector: Callable[[Tensor], tuple[Tensor, Tensor]]
    mesh: Callable[[Tensor], tuple[Tensor, Tensor]]
    side: int


def face_networks(model: Path) -> FaceNetworks:
    """Reads `face_landmarker.task`, a zip of TFLite networks, or ComfyUI's own .safetensors file of such.

    Raises:
        UnreadableNetworkError, zipfile.BadZipFile, KeyError: it is neither.
    """
    return _from_safetensors(model) if model.suffix == SAFETENSORS else _from_bundle(model)


def _from_bundle(model: Path) -> FaceNetworks:
    with zipfile.ZipFile(model) as bundle:
        detector = TFLiteNetwork(bundle.read("face_detector.tflite"))
        mesh = TFLiteNetwork(bundle.read("face_landmarks_detector.tflite"))

    def detect(pictures: Tensor) -> tuple[Tensor, Tensor]:
        boxes, logits = detector(pictures)
        return boxes, logits[..., 0]

    def find_points(faces: Tensor) -> tuple[Tensor, Tensor]:
        points, presence, _ = mesh(faces)
        return points.reshape(-1, POINTS, 3), presence.reshape(-1)

    return FaceNetworks(detect, find_points, mesh.side)


def _from_safetensors(model: Path) -> FaceNetworks:
    detector, mesh = load_part(FaceDetector(), model, "detector_short."), load_part(FaceMesh(), model, "mesh.")

    def with_channels_last(network: torch.nn.Module) -> Callable[[Tensor], tuple[Tensor, Tensor]]:
        return torch.inference_mode()(lambda pictures: network(pictures.permute(0, 3, 1, 2)))

    return FaceNetworks(with_channels_last(detector), with_channels_last(mesh), MESH_SIDE)
