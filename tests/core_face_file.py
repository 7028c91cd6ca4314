"""Makes the file that ComfyUI's own face landmarker loads from `face_landmarker.task`, for tests.

The landmark network of that file is another one than the bundle's, so it gets made-up weights here.
"""

import zipfile
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file

from real3d_core.face.canonical_face import CanonicalFace
from real3d_core.face.landmark_sets import FACE_OVAL, LEFT_BROW, LEFT_EYE, NOSE_TIP, OUTER_LIP, RIGHT_BROW, RIGHT_EYE
from real3d_core.mediapipe_models.safetensors_face import FaceMesh
from real3d_core.mediapipe_models.tflite import read_graph

_CONVOLUTION, _DEPTHWISE = 3, 4
_DETECTOR = ["stem", *(f"blocks.{block}.{part}" for block in range(16) for part in ("depthwise", "pointwise"))]
_DETECTOR += ["cls_16", "cls_8", "reg_16", "reg_8"]
_RINGS = {
    **{"face_oval": FACE_OVAL, "left_eye": LEFT_EYE, "right_eye": RIGHT_EYE, "left_eyebrow": LEFT_BROW, "right_eyebrow": RIGHT_BROW},
    **{"lips": OUTER_LIP, "irises": [468, 469, 470, 471, 472, 473], "nose": [NOSE_TIP, 2, 98], "tesselation": [0, 1, 2]},
}


def write_core_face_file(bundle: Path, face: CanonicalFace, target: Path, mesh: dict[str, torch.Tensor] | None = None) -> None:
    """Writes `target`, a .safetensors file.

    Args:
        mesh: the landmark network's tensors; made up if None, in a way that finds a face wherever the detector does.
    """
    with zipfile.ZipFile(bundle) as files:
        detector = convolutions(files.read("face_detector.tflite"), _DETECTOR)
    known = np.flatnonzero(face.weights)
    tensors = {
        **{f"detector_short.{name}": tensor for name, tensor in detector.items()},
        **{f"mesh.{name}": tensor for name, tensor in (mesh or made_up_mesh()).items()},
        **{f"topology.{name}": torch.tensor(list(zip(ring, [*ring[1:], ring[0]], strict=True))).int() for name, ring in _RINGS.items()},
        "canonical_vertices": torch.from_numpy(face.points).float(),
        "procrustes_indices": torch.from_numpy(known).int(),
        "procrustes_weights": torch.from_numpy(face.weights[known]).float(),
    }
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, target)


def convolutions(content: bytes, names: list[str]) -> dict[str, torch.Tensor]:
    """Weights and biases of a .tflite network's convolutions, in its order, laid out and named as PyTorch's."""
    graph = read_graph(content)
    used = [operator for operator in graph.operators if operator.kind in (_CONVOLUTION, _DEPTHWISE)]
    tensors = {}
    for name, operator in zip(names, used, strict=True):
        weight, bias = (graph.constants[number] for number in operator.inputs[1:])
        tensors[f"{name}.weight"] = weight.permute((0, 3, 1, 2) if operator.kind == _CONVOLUTION else (3, 0, 1, 2))
        tensors[f"{name}.bias"] = bias
    return tensors


def made_up_mesh() -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    mesh = FaceMesh()
    torch.nn.init.constant_(mesh.head_presence.bias, 20)
    return mesh.state_dict()
