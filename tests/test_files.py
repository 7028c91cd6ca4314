"""Outputs appear whole, and to everybody whom the user's umask lets read them."""

import os
import stat

import numpy as np
import pytest
import torch

from real3d_core.analytic.controls import BASIS
from real3d_core.files import written_whole
from real3d_core.motion.motion import Motion
from real3d_core.motion.motion_files import save_motion
from real3d_core.pictures import save_png
from real3d_core.render.planes import Planes
from real3d_core.render.planes_files import save_planes
from real3d_core.stream import FrameStream
from real3d_core.video import write_video


def private(path) -> None:
    """Replaces the file by another one that only its owner may read, as some writers do."""
    path.unlink()
    os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600))


def written(path, write) -> None:
    with written_whole(path, (path.suffix,)) as temporary:
        write(temporary)


WRITERS = {
    "private.bin": lambda path: written(path, private),
    "motion.safetensors": lambda path: save_motion(path, Motion.still(BASIS, 2)),
    "planes.safetensors": lambda path: save_planes(path, [Planes(torch.zeros(1, 3, 32, 8, 8))], "analytic"),
    "picture.png": lambda path: save_png(path, np.zeros((40, 40, 3), np.uint8)),
    "film.mp4": lambda path: write_video(path, FrameStream(2, 25.0, lambda start, stop: torch.zeros(stop - start, 32, 32, 3)), None),
}


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such permissions")
@pytest.mark.parametrize("mask", [0o022, 0o027, 0o077])
@pytest.mark.parametrize("name", WRITERS)
def test_a_file_may_be_read_by_whom_the_umask_allows(tmp_path, name, mask):
    before = os.umask(mask)
    try:
        WRITERS[name](tmp_path / name)
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o666 & ~mask
