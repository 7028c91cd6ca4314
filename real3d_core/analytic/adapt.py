"""Motion adapter: planes are resampled along the sheets that a motion bends (DESIGN section 3)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ..render.planes import Planes
from .channels import BACK, CARRIED, COLOUR, FACE_UV, FRONT, JAW_UV, STEEPNESS
from .controls import FaceControls
from .glasses import GLASSES
from .sheets import Sheets
from .solid import texel_centres


class PlaneBender:
    """Resamples plane 0 along the sheets of a motion."""

    def __init__(self, planes: Planes):
        self._planes = planes
        landmarks = landmarks_of(planes)
        glasses = float((planes.person or {}).get(GLASSES, 0.0))
        self._sheets = Sheets(landmarks, FaceControls(landmarks, glasses))
        x, y = texel_centres()
        self._texels = torch.stack([torch.from_numpy(x), torch.from_numpy(y)]).float()[None]
        self._channels = [_in_use(plane) for plane in planes.features[0]]

    def __call__(self, coefficients: Tensor) -> Planes:
        sheets = self._sheets
        bent = sheets.bend(coefficients)
        solid, face, jaw = (self._on_texels(source) for source in (sheets.in_front(bent), bent.face, bent.jaw))
        rest = self._planes.features
        features = _untouched_zeros(len(coefficients), *rest.shape[1:])
        for plane, channels in enumerate(self._channels):
            features[:, plane, :channels] = rest[:, plane, :channels]
        front = features[:, 0]
        carried, rest_carried = front[:, CARRIED], rest[:, 0, CARRIED]
        front[:, : CARRIED.start] = self._look_up(rest[:, 0, : CARRIED.start], solid)
        carried[:, COLOUR] = self._look_up(rest_carried[:, COLOUR], solid)
        carried[:, FACE_UV] = self._look_up(rest_carried[:, FACE_UV], face)
        carried[:, JAW_UV] = self._look_up(rest_carried[:, FACE_UV], jaw)
        forward = sheets.sample(bent.depth, self._texels.expand(len(front), -1, -1, -1))[:, 0]
        front[:, FRONT] += 3 * STEEPNESS * forward
        front[:, BACK] -= 3 * STEEPNESS * forward.clamp(max=0)  # what goes back must not go through its own back
        return replace(self._planes, features=features)

    def _on_texels(self, source: Tensor) -> Tensor:
        """Source points of all texels [N, 2, 256, 256]; beyond the lattice nothing moves."""
        texels = self._texels.expand(len(source), -1, -1, -1)
        return texels + self._sheets.sample(source - self._sheets.lattice, texels)

    def _look_up(self, plane: Tensor, points: Tensor) -> Tensor:
        return F.grid_sample(
            plane.expand(len(points), -1, -1, -1), points.permute(0, 2, 3, 1) * 2, padding_mode="border", align_corners=False
        )


def landmarks_of(planes: Planes) -> Tensor:
    """[478, 3], where the built-in avatar has found the landmarks of these planes.

    Raises:
        ValueError: the planes carry none.
    """
    if planes.landmarks is None:
        raise ValueError("these planes have no landmarks: they were not lifted by the built-in avatar")
    return planes.landmarks


def _untouched_zeros(*shape: int) -> Tensor:
    """Zeros that take no time and no memory where nothing is written: NumPy leaves them to the system, PyTorch writes them."""
    return torch.from_numpy(np.zeros(shape, np.float32))


def _in_use(plane: Tensor) -> int:
    """How many channels of a plane [C, H, W] there are up to the last that is not zero everywhere."""
    used = plane.flatten(1).any(dim=1).nonzero()
    return int(used[-1]) + 1 if len(used) else 0
