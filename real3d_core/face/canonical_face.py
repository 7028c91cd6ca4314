"""MediaPipe's canonical face, read from the landmark model's file, and the head pose it gives.

The canonical face is a mean face of 468 points in centimetres, frontal, x to image right, y up, z towards the viewer.
"""

from __future__ import annotations

import struct
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from ..mediapipe_models.model_files import FACE_LANDMARKER, ModelFolders
from ..mediapipe_models.networks import SAFETENSORS
from ..mediapipe_models.runner import read_model
from ..mediapipe_models.safetensors_face import read_tensors

_METADATA = "geometry_pipeline_metadata_landmarks.binarypb"
_MESH, _POSE_WEIGHT, _VERTICES, _FLOATS_PER_VERTEX = 1, 2, 3, 5  # protobuf field numbers; x y z and two texture coordinates


@dataclass(frozen=True)
class CanonicalFace:
    """points [468, 3] in centimetres; weights [468], how much each point tells about the pose (most are 0)."""

    points: np.ndarray
    weights: np.ndarray


@dataclass(frozen=True)
class HeadPose:
    """Similarity from the canonical face to a landmark cloud: cloud = scale * rotation @ canonical + shift (columns)."""

    rotation: np.ndarray
    scale: float
    shift: np.ndarray


def canonical_face(models: ModelFolders) -> CanonicalFace:
    """The canonical face in the landmark model's file.

    Raises:
        MissingModelError: the file is missing or damaged.
    """
    model = models.find(FACE_LANDMARKER)
    return read_model(_from_safetensors if model.suffix == SAFETENSORS else _from_bundle, model)


def head_pose(landmarks: np.ndarray, face: CanonicalFace) -> HeadPose:
    """The pose of landmarks [>= 468, 3] (x right, y down, z away, one unit for all three) by weighted Procrustes.

    The cloud's axes are x right, y up, z towards the viewer, as in the face model (spec 06).
    """
    return fit_similarity(face.points, upright(landmarks[: len(face.points)]), face.weights)


def upright(landmarks: np.ndarray) -> np.ndarray:
    """Image axes (y down, z away) to the face model's axes (y up, z to the viewer)."""
    return landmarks.astype(np.float64) * np.array([1.0, -1.0, -1.0])


def fit_similarity(source: np.ndarray, target: np.ndarray, weights: np.ndarray) -> HeadPose:
    """The weighted least-squares similarity that takes source [P, 3] to target [P, 3]."""
    w = (weights / weights.sum())[:, None]
    source_mean, target_mean = (w * source).sum(0), (w * target).sum(0)
    a, b = source - source_mean, target - target_mean
    u, stretch, vt = np.linalg.svd((w * b).T @ a)
    mirror = np.diag([1.0, 1.0, np.sign(np.linalg.det(u @ vt))])
    rotation = u @ mirror @ vt
    scale = float((stretch * np.diag(mirror)).sum() / (w * a * a).sum())
    return HeadPose(rotation, scale, target_mean - scale * rotation @ source_mean)


@lru_cache(maxsize=2)
def _from_safetensors(model: Path) -> CanonicalFace:
    points, known = read_tensors(model, "canonical_")["vertices"], read_tensors(model, "procrustes_")
    return _with_weights(points.double().numpy(), known["indices"].tolist(), known["weights"].tolist())


@lru_cache(maxsize=2)
def _from_bundle(model: Path) -> CanonicalFace:
    with zipfile.ZipFile(model) as bundle:
        metadata = bundle.read(_METADATA)
    points, weights = np.empty((0, 3)), {}
    for field, value in _fields(metadata):
        if field == _MESH:
            numbers = [v for f, v in _fields(value) if f == _VERTICES]
            points = np.array(numbers, np.float64).reshape(-1, _FLOATS_PER_VERTEX)[:, :3]
        elif field == _POSE_WEIGHT and isinstance(value, bytes):
            index, weight = (v for _, v in _fields(value))
            weights[index] = weight
    return _with_weights(points, list(weights), list(weights.values()))


def _with_weights(points: np.ndarray, indices: Sequence[int], weights: Sequence[float]) -> CanonicalFace:
    dense = np.zeros(len(points))
    dense[indices] = weights
    return CanonicalFace(points, dense)


def _fields(message: bytes) -> Iterator[tuple[int, Any]]:
    """(field number, value) of a protobuf message, for the three wire types that this one uses."""
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        value: Any
        if key & 7 == 0:
            value, at = _varint(message, at)
        elif key & 7 == 5:
            value, at = struct.unpack_from("<f", message, at)[0], at + 4
        else:
            size, at = _varint(message, at)
            value, at = message[at : at + size], at + size
        yield key >> 3, value


def _varint(message: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at
