"""Faces turned so far that the far half of the mouth folds behind the near one."""

import numpy as np
import pytest
import torch

from real3d_core.analytic.face_map import face_map
from real3d_core.face.canonical_face import canonical_face
from real3d_core.mediapipe_models.model_files import ModelFolders


def turned(degrees: float) -> np.ndarray:
    """The canonical face in crop units [478, 3], x right, y down, z away."""
    points = canonical_face(ModelFolders()).points * [1, -1, -1] / 40
    angle = np.radians(degrees)
    points = points @ np.array([[np.cos(angle), 0, -np.sin(angle)], [0, 1, 0], [np.sin(angle), 0, np.cos(angle)]])
    return np.concatenate([points + np.array([0.5, 0.5, 0]), np.full((10, 3), 0.5)])


@pytest.mark.parametrize("degrees", [-60, -50, -34, 34, 50, 60, 80])
def test_the_edges_of_the_lips_are_mapped(degrees):
    assert torch.isfinite(face_map(torch.from_numpy(turned(degrees))).maps).all()
