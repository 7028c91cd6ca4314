"""MATLAB files: the numbers that scipy wrote come back, and spoilt files end in a ValueError, never worse."""

from __future__ import annotations

import io

import numpy as np
import pytest
from scipy.io import savemat
from scipy.sparse import eye

from real3d_core.real3d.face_model.mat_files import read_arrays

ARRAYS = {
    "double": np.arange(12.0).reshape(3, 4) / 7,
    "single": np.arange(6, dtype=np.float32).reshape(1, 6),
    "small": np.array([[3]], dtype=np.uint8),
    "whole": np.arange(-4, 4, dtype=np.int64).reshape(2, 4),
    "deep": np.arange(24, dtype=np.int16).reshape(2, 3, 4),
    "empty": np.zeros((0, 3)),
    "flags": np.array([[True, False]]),
    "a_rather_long_name_for_an_array": np.ones((2, 2)),
}
OTHERS = {
    "text": "none",
    "sparse": eye(3).tocsc(),
    "cells": np.array([1, "a"], dtype=object),
    "table": {"a": 1},
    "complex": np.ones((2, 2)) * 1j,
}


def content(compressed: bool) -> bytes:
    file = io.BytesIO()
    savemat(file, ARRAYS | OTHERS, do_compression=compressed)
    return file.getvalue()


@pytest.mark.parametrize("compressed", [False, True])
def test_numbers_come_back_and_other_things_are_none(tmp_path, compressed):
    (tmp_path / "a.mat").write_bytes(content(compressed))
    read = read_arrays(tmp_path / "a.mat", {*ARRAYS, *OTHERS, "absent"})
    assert set(read) == {*ARRAYS, *OTHERS}
    assert all(read[name] is None for name in OTHERS)
    for name, array in ARRAYS.items():
        assert np.array_equal(read[name], array) and read[name].dtype == (np.uint8 if array.dtype == bool else array.dtype), name
    assert list(read_arrays(tmp_path / "a.mat", {"deep"})) == ["deep"]


def test_a_file_of_the_other_order_of_bytes_is_read(tmp_path):
    """One row of two doubles, as a big-endian machine writes it."""
    words = np.array([6, 8, 6, 0, 5, 8, 1, 2, 1, 1], dtype=">u4").tobytes() + b"x" + bytes(7) + np.array([9, 16], dtype=">u4").tobytes()
    variable = words + np.array([1.5, -2.0], dtype=">f8").tobytes()
    head = b"MATLAB 5.0 MAT-file".ljust(124) + b"\x01\x00MI"
    (tmp_path / "a.mat").write_bytes(head + np.array([14, len(variable)], dtype=">u4").tobytes() + variable)
    assert read_arrays(tmp_path / "a.mat", {"x"})["x"].tolist() == [[1.5, -2.0]]


@pytest.mark.parametrize("compressed", [False, True])
def test_a_spoilt_file_is_no_more_than_an_error(tmp_path, compressed):
    whole, draw = content(compressed), np.random.default_rng(0)
    for _ in range(400):
        spoilt = bytearray(whole)
        for at in draw.integers(120, len(whole), draw.integers(1, 4)):
            spoilt[at] = draw.choice([0, 1, 127, 255, draw.integers(256)])
        (tmp_path / "a.mat").write_bytes(spoilt[: draw.integers(100, len(whole))] if draw.random() < 0.2 else spoilt)
        try:
            read_arrays(tmp_path / "a.mat", {*ARRAYS, *OTHERS})
        except ValueError as failure:
            assert "\n" not in str(failure)
