"""Outputs appear whole, to everybody whom the user's umask lets read them, and never in the place of an input."""

import os
import stat

import numpy as np
import pytest
import torch

from real3d_core import files
from real3d_core.analytic.controls import BASIS
from real3d_core.errors import OutputError
from real3d_core.files import refuse_overwriting, refuse_unwritable, written_whole
from real3d_core.media.film import write_video
from real3d_core.media.pictures import save_png
from real3d_core.motion.motion import Motion
from real3d_core.motion.motion_files import save_motion
from real3d_core.real3d.weights.checkpoint import convert
from real3d_core.render.planes import Planes
from real3d_core.render.planes_files import save_planes
from real3d_core.stream import FrameStream


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


@pytest.mark.parametrize("name", ["con.mp4", "NUL.tar.mp4", "Lpt1 .mp4"])
def test_windows_devices_are_no_films(tmp_path, monkeypatch, name):
    monkeypatch.setattr(files, "_WINDOWS", True)
    with pytest.raises(OutputError, match="a name that Windows keeps for a device"):
        refuse_unwritable(tmp_path / name, (".mp4",))
    refuse_unwritable(tmp_path / f"my {name}", (".mp4",))


@pytest.mark.parametrize("name", ["😀" * 62, "x" * 251, "a\nb", "100%d%s", "-a", "a:b", "a?b", " a ", "👩‍👩‍👧", "é" * 120])
@pytest.mark.skipif(os.name == "nt", reason="Windows allows fewer names")
def test_any_name_of_an_output_does(tmp_path, name):
    WRITERS["picture.png"](tmp_path / f"{name}.png")
    assert [file.name for file in tmp_path.iterdir()] == [f"{name}.png"]


def test_a_name_that_is_too_long_is_known_before_any_work(tmp_path):
    with pytest.raises(OutputError, match="cannot be written"):
        refuse_unwritable(tmp_path / ("x" * 300 + ".mp4"), (".mp4",))


@pytest.mark.skipif(os.name == "nt", reason="needs a limit on file sizes")
@pytest.mark.parametrize("name", WRITERS)
def test_a_full_disk_is_one_sentence_and_leaves_nothing(tmp_path, name):
    import resource

    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20, limit[1]))
    try:
        with pytest.raises(OutputError, match=r"cannot be written \(File too large.*\); is the disk full\?$"):
            (WRITERS | {"private.bin": lambda path: written(path, lambda place: place.write_bytes(bytes(100)))})[name](tmp_path / name)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    assert not list(tmp_path.iterdir())


@pytest.fixture
def clip(tmp_path, monkeypatch):
    (tmp_path / "clip.mp4").write_bytes(b"clip")
    (tmp_path / "folder").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path / "clip.mp4"


@pytest.mark.parametrize("name", ["{0}", "clip.mp4", "folder/../clip.mp4", "./clip.mp4", "symbolic.mp4", "hard.mp4", "linked/clip.mp4"])
def test_an_input_is_found_under_every_name(clip, name):
    try:
        os.symlink(clip, "symbolic.mp4")
        os.symlink(clip.parent, "linked", target_is_directory=True)
        os.link(clip, "hard.mp4")
    except OSError:
        pytest.skip("no links on this file system")
    with pytest.raises(OutputError, match="would overwrite it: choose another name"):
        refuse_overwriting(name.format(clip), ["photo.png", clip])
    with pytest.raises(OutputError):
        refuse_overwriting(clip, [name.format(clip)])


def test_the_same_name_in_another_case_is_the_same_file_where_the_file_system_says_so(clip):
    other = clip.with_name("CLIP.mp4")
    if other.exists():
        with pytest.raises(OutputError):
            refuse_overwriting(other, [clip])
    else:
        refuse_overwriting(other, [clip])


@pytest.mark.parametrize("other", ["gone.mp4", "folder", "", "a\0b", "#204060"])
def test_other_files_and_none_are_no_obstacle(clip, other):
    refuse_overwriting("new.mp4", [other])
    refuse_overwriting(clip, [other])


def test_the_converter_keeps_its_source(clip):
    source = clip.rename(clip.with_name("networks.safetensors"))
    with pytest.raises(OutputError, match="would overwrite it"):
        convert(source, "networks.safetensors")
    assert source.read_bytes() == b"clip"


@pytest.mark.skipif(os.name == "nt", reason="names hold no colon there")
def test_the_temporary_name_is_no_address_to_ffmpeg(clip):
    with written_whole("12:30.mp4", (".mp4",)) as temporary:
        assert temporary.is_absolute()
        temporary.write_bytes(b"film")
    assert (clip.parent / "12:30.mp4").read_bytes() == b"film"
