"""Face model files that are not what they should be: each is refused in one sentence, at once."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
import synthetic_bfm
from scipy.io import savemat
from scipy.sparse import csc_matrix

from real3d_core.errors import MissingModelError
from real3d_core.mediapipe_models.model_files import ModelFolders
from real3d_core.real3d.face_model.files import FRONT, load_face_model

MODEL = synthetic_bfm.build(*synthetic_bfm.REDUCED)
NEEDED = ("meanshape", "idBase", "exBase", "tri", "keypoints")
TABLES = ("index_mp468_from_mesh35709.npy", "bfm_left_eye_faces.npy", "bfm_right_eye_faces.npy")
NOISE = np.random.default_rng(0).bytes(5000)
SPOILT = {
    "empty": lambda array: array[:0],
    "a number": lambda array: np.float32(3),
    "text": lambda array: "none",
    "texts": lambda array: np.array([["left eye", "right eye"]]),
    "cells": lambda array: np.array([[array], [1]], dtype=object),
    "a structure": lambda array: {"inner": array},
    "sparse": lambda array: csc_matrix(array),
    "nan": lambda array: np.where(np.arange(array.size).reshape(array.shape) == 7, np.nan, array),
    "infinity": lambda array: array + np.inf,
    "out of range": lambda array: array.astype(np.float64) + 1e300,
    "complex": lambda array: array * 1j,
    "flat": lambda array: array.reshape(-1)[:7],
    "deep": lambda array: array[None, :, :, None],
    "half": lambda array: array[:, : array.shape[1] // 2] if array.shape[1] > 3 else array[:, :2],
    "negative": lambda array: -array,
}
ALLOWED = {  # a face turned round is a face, and the same numbers may be wrapped otherwise
    *(("meanshape", "negative"), ("idBase", "negative"), ("exBase", "negative")),
    *(("meanshape", "deep"), ("keypoints", "deep")),
}


def written(folder: Path, **changed) -> Path:
    """The folder of a whole model but for some arrays; None leaves one out."""
    synthetic_bfm.write_assets(folder, MODEL)
    arrays = {name: MODEL[name] for name in NEEDED} | changed
    savemat(folder / FRONT, {name: array for name, array in arrays.items() if array is not None})
    return folder


def refusal(folder: Path) -> str:
    with pytest.raises(MissingModelError) as caught:
        load_face_model(folder, ModelFolders())
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 700
    return str(caught.value)


@pytest.mark.parametrize("spoil", SPOILT)
@pytest.mark.parametrize("name", NEEDED)
def test_an_array_of_another_kind_is_refused(tmp_path, name, spoil):
    folder = written(tmp_path, **{name: SPOILT[spoil](MODEL[name])})
    if (name, spoil) in ALLOWED:
        load_face_model(folder, ModelFolders())
    else:
        assert str(tmp_path) in refusal(folder)


@pytest.mark.parametrize("name", NEEDED)
def test_a_missing_array_is_named(tmp_path, name):
    assert f"{name} is missing" in refusal(written(tmp_path, **{name: None}))


@pytest.mark.parametrize("name", ["tri", "keypoints"])
@pytest.mark.parametrize("number", [0, 1.5, 2602, -3])
def test_numbers_that_are_no_vertices_are_refused(tmp_path, name, number):
    array = MODEL[name].copy()
    array[0, 0] = number
    assert "vertex numbers" in refusal(written(tmp_path, **{name: array}))


@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.int16, np.float64])
def test_vertex_numbers_of_any_type_are_read(tmp_path, kind):
    array = MODEL["keypoints"].astype(kind)
    kept = array.astype(np.float64)
    model = load_face_model(written(tmp_path, keypoints=array), ModelFolders())
    assert np.array_equal(model.keypoints.numpy() + 1, kept[0])


@pytest.mark.parametrize("content", [b"", b"MATLAB", b"MATLAB 5.0 MAT-file" + b" " * 200, NOISE, b"\x89HDF\r\n\x1a\n" + bytes(600)])
def test_other_bytes_are_refused(tmp_path, content):
    written(tmp_path)
    (tmp_path / FRONT).write_bytes(content)
    assert FRONT in refusal(tmp_path)


@pytest.mark.parametrize("kept", [0.1, 0.5, 0.9])
def test_a_cut_off_file_is_refused(tmp_path, kept):
    written(tmp_path)
    content = (tmp_path / FRONT).read_bytes()
    (tmp_path / FRONT).write_bytes(content[: int(kept * len(content))])
    assert FRONT in refusal(tmp_path)


def test_a_mat_file_that_claims_more_than_there_is_takes_no_memory(tmp_path):
    written(tmp_path)
    content = (tmp_path / FRONT).read_bytes()
    at = content.index(b"idBase") - 16
    (tmp_path / FRONT).write_bytes(content[:at] + struct.pack("<ii", 2**31 - 1, 2**31 - 1) + content[at + 8 :])
    assert FRONT in refusal(tmp_path)


def claimed(shape: str) -> bytes:
    header = f"{{'descr': '<i8', 'fortran_order': False, 'shape': {shape}, }}"
    header = header.ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode() + bytes(8)


@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x93NUMPY",
        b"not found",
        claimed("(10000000000000,)"),
        claimed("(10, -1)"),
        claimed("(" * 60 + ")" * 60),
        np.array([1.5, 2.0]),
        np.array([np.nan, 2.0]),
        np.array([np.inf, 2.0]),
        np.array(["a", "b"]),
        np.array([1j]),
        np.array([], dtype=np.int64),
        np.array([{"a": 1}], dtype=object),
        np.array([2**62, -(2**62)]),
        np.zeros(3, dtype=[("a", "i4")]),
        np.datetime64("2024-01-01"),
    ],
    ids=str,
)
def test_a_table_of_another_kind_is_refused(tmp_path, name, content):
    written(tmp_path)
    if isinstance(content, bytes):
        (tmp_path / name).write_bytes(content)
    else:
        np.save(tmp_path / name, content)
    assert str(tmp_path) in refusal(tmp_path)


def test_a_zip_of_tables_in_place_of_one_is_refused(tmp_path):
    written(tmp_path)
    with open(tmp_path / TABLES[0], "wb") as file:
        np.savez(file, a=np.ones(3))
    assert TABLES[0] in refusal(tmp_path)


@pytest.mark.parametrize(
    "name", ["01_MorphableModel.mat", "Exp_Pca.bin", "std_exp.txt", "BFM_exp_idx.mat", "BFM_front_idx.mat", "facemodel_info.mat"]
)
@pytest.mark.parametrize("content", [b"", b"0", NOISE, b"nan " * 79, b"\xff" * 400], ids=["empty", "zero", "noise", "nan", "ff"])
def test_spoilt_raw_files_are_refused_and_nothing_is_kept_of_them(tmp_path, name, content):
    synthetic_bfm.write_raw(tmp_path)
    (tmp_path / name).write_bytes(content)
    refusal(tmp_path)
    assert not (tmp_path / FRONT).exists()
