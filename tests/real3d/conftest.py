"""A synthetic stand-in for the licensed face model (tests/synthetic_bfm.py)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import synthetic_bfm

from real3d_core.mediapipe_models.model_files import ModelFolders
from real3d_core.real3d.face_model.basel import FaceModel
from real3d_core.real3d.face_model.files import load_face_model


@pytest.fixture(scope="session")
def bfm_arrays() -> dict[str, np.ndarray]:
    """All arrays of the full-size stand-in, by their names in the files."""
    return synthetic_bfm.build()


@pytest.fixture(scope="session")
def bfm_folder(bfm_arrays, tmp_path_factory) -> Path:
    """The user's folder `bfm`, as it should be."""
    folder = tmp_path_factory.mktemp("bfm")
    synthetic_bfm.write_assets(folder, bfm_arrays)
    return folder


@pytest.fixture(scope="session")
def face(bfm_folder) -> FaceModel:
    """The stand-in with its 35709 vertices, as the pack loads it."""
    return load_face_model(bfm_folder, ModelFolders())
