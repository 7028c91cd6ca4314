"""Fits on disk: what was saved comes back, and nothing is unpickled."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from real3d_core.errors import ClipError
from real3d_core.real3d.face_model.fit import FaceFit
from real3d_core.real3d.fit_files import load_fit, save_fit


@pytest.fixture
def fit() -> FaceFit:
    draw = torch.Generator().manual_seed(0)
    return FaceFit(*(torch.randn(rows, columns, generator=draw) for rows, columns in ((1, 80), (6, 64), (6, 3), (6, 3))))


def test_a_saved_fit_comes_back(fit: FaceFit, tmp_path):
    save_fit(tmp_path / "clip.npz", fit)
    again = load_fit(tmp_path / "clip.npz")
    assert len(again) == 6
    for name in ("identity", "expression", "euler", "translation"):
        assert torch.equal(getattr(again, name), getattr(fit, name))


def test_a_pickled_fit_is_refused(tmp_path):
    np.save(tmp_path / "clip.npy", {"id": np.zeros((1, 80))}, allow_pickle=True)
    with pytest.raises(ClipError, match="plain numbers"):
        load_fit(tmp_path / "clip.npy")


def test_a_cut_off_file_is_refused(fit: FaceFit, tmp_path):
    save_fit(tmp_path / "clip.npz", fit)
    content = (tmp_path / "clip.npz").read_bytes()
    (tmp_path / "clip.npz").write_bytes(content[: len(content) // 2])
    with pytest.raises(ClipError, match="not a complete"):
        load_fit(tmp_path / "clip.npz")


def test_other_sizes_are_named(tmp_path):
    np.savez(tmp_path / "clip.npz", id=np.zeros((1, 80)), exp=np.zeros((4, 64)), euler=np.zeros((3, 3)), trans=np.zeros((4, 3)))
    with pytest.raises(ClipError, match="'euler' of 3 columns"):
        load_fit(tmp_path / "clip.npz")
