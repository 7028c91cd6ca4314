"""The face networks of `mediapipe_face_fp32.safetensors`, the file that ComfyUI's own face landmarker loads.

Its detector is that of `face_landmarker.task`. Its landmark network is another one than there: it sees 192 pixels instead of 256.
Attributes are named as the file's tensors are.
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import TypeVar

import torch
import torch.nn.functional as F
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from .tflite import UnreadableNetworkError

MESH_SIDE = 192
POINTS = 478
_DETECTOR_CHANNELS = (24, 24, 28, 32, 36, 42, 48, 56, 64, 72, 80, 88, 96, 96, 96, 96, 96)
_DETECTOR_HALVES = (2, 5, 11)  # blocks that halve rows and columns
_FINE = 11  # blocks before the finer of the detector's two grids
_MESH_CHANNELS = (16, 16, 16, 32, 32, 32, 64, 64, 64, 128, *[128] * 8)
_MESH_HALVES = (2, 5, 8, 11, 14)

Part = TypeVar("Part", bound=nn.Module)


def read_tensors(path: Path, prefix: str) -> dict[str, Tensor]:
    """The file's tensors whose names begin so, without that beginning; fractions as float32.

    Raises:
        UnreadableNetworkError: the file is damaged, or holds none.
    """
    try:
        with safe_open(path, framework="pt") as file:
            found = {name.removeprefix(prefix): file.get_tensor(name) for name in file.keys() if name.startswith(prefix)}  # noqa: SIM118
    except SafetensorError as failure:
        raise UnreadableNetworkError(f"it is damaged: {failure}") from failure
    if not found:
        raise UnreadableNetworkError(f"it holds no tensors named {prefix}*")
    return {name: tensor.float() if tensor.is_floating_point() else tensor for name, tensor in found.items()}


def load_part(network: Part, path: Path, prefix: str) -> Part:
    """The network with the file's tensors of this prefix.

    Raises:
        UnreadableNetworkError: the file is damaged, or they are not those of the network.
    """
    try:
        network.load_state_dict(read_tensors(path, prefix))
    except RuntimeError as failure:
        raise UnreadableNetworkError(" ".join(str(failure).split())) from failure
    return network


class FaceDetector(nn.Module):
    """Pictures [B, 3, 128, 128] in -1..1 -> boxes [B, 896, 16], logits [B, 896]."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 24, 5, stride=2)
        self.blocks = _blocks(_DETECTOR_CHANNELS, _DETECTOR_HALVES, bent=False)
        fine, coarse = _DETECTOR_CHANNELS[_FINE], _DETECTOR_CHANNELS[-1]
        self.cls_16, self.cls_8 = nn.Conv2d(fine, 2, 1), nn.Conv2d(coarse, 6, 1)
        self.reg_16, self.reg_8 = nn.Conv2d(fine, 2 * 16, 1), nn.Conv2d(coarse, 6 * 16, 1)

    def forward(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        fine = self.blocks[:_FINE](F.relu(self.stem(_same(pictures, 5, 2))))
        coarse = self.blocks[_FINE:](fine)
        boxes = [_rows(self.reg_16(fine), 16), _rows(self.reg_8(coarse), 16)]
        logits = [_rows(self.cls_16(fine), 1), _rows(self.cls_8(coarse), 1)]
        return torch.cat(boxes, dim=1), torch.cat(logits, dim=1)[..., 0]


class FaceMesh(nn.Module):
    """Faces [B, 3, 192, 192] in 0..1 -> landmarks [B, 478, 3] in their pixels, logit of a face being there [B]."""

    def __init__(self):
        super().__init__()
        self.stem, self.prelu_stem = nn.Conv2d(3, 16, 3, stride=2), nn.PReLU(16)
        self.blocks = _blocks(_MESH_CHANNELS, _MESH_HALVES, bent=True)
        self.head_reduce, self.prelu_head_reduce = nn.Conv2d(128, 8, 1), nn.PReLU(8)
        self.head_block = _Block(8, 8, 1, bent=True)
        self.head_presence, self.head_landmarks = nn.Conv2d(8, 1, 3), nn.Conv2d(8, 3 * POINTS, 3)

    def forward(self, faces: Tensor) -> tuple[Tensor, Tensor]:
        seen = self.blocks(self.prelu_stem(self.stem(_same(faces, 3, 2))))
        seen = self.head_block(self.prelu_head_reduce(self.head_reduce(seen)))
        return self.head_landmarks(seen).reshape(-1, POINTS, 3), self.head_presence(seen).reshape(-1)


class _Block(nn.Module):
    """A depthwise and a pointwise convolution beside a shortcut; `bent` gives each its own slopes below zero."""

    def __init__(self, inputs: int, outputs: int, stride: int, bent: bool):
        super().__init__()
        self.depthwise = nn.Conv2d(inputs, inputs, 3, stride=stride, groups=inputs)
        self.prelu_dwise = nn.PReLU(inputs) if bent else nn.Identity()
        self.pointwise = nn.Conv2d(inputs, outputs, 1)
        self.prelu_out = nn.PReLU(outputs) if bent else nn.ReLU()
        self._stride, self._more = stride, outputs - inputs

    def forward(self, x: Tensor) -> Tensor:
        shortcut = F.max_pool2d(x, 2) if self._stride == 2 else x
        shortcut = F.pad(shortcut, (0, 0, 0, 0, 0, self._more))
        return self.prelu_out(self.pointwise(self.prelu_dwise(self.depthwise(_same(x, 3, self._stride)))) + shortcut)


def _blocks(channels: tuple[int, ...], halves: tuple[int, ...], bent: bool) -> nn.Sequential:
    pairs = enumerate(pairwise(channels))
    return nn.Sequential(*(_Block(*pair, 2 if number in halves else 1, bent) for number, pair in pairs))


def _same(x: Tensor, kernel: int, stride: int) -> Tensor:
    """Padded so that a convolution divides the size by its stride; an odd row or column more goes to the bottom and the right."""
    whole = kernel - stride  # sizes are multiples of the stride
    return F.pad(x, (whole // 2, whole - whole // 2) * 2)


def _rows(x: Tensor, numbers: int) -> Tensor:
    """[B, anchors * numbers, H, W] -> [B, H * W * anchors, numbers]."""
    return x.permute(0, 2, 3, 1).reshape(len(x), -1, numbers)
