"""Outputs never replace an input, by whatever name it goes."""

import os

import pytest

from real3d_core.errors import OutputError
from real3d_core.files import refuse_overwriting, written_whole


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


@pytest.mark.skipif(os.name == "nt", reason="names hold no colon there")
def test_the_temporary_name_is_no_address_to_ffmpeg(clip):
    with written_whole("12:30.mp4", (".mp4",)) as temporary:
        assert temporary.is_absolute()
        temporary.write_bytes(b"film")
    assert (clip.parent / "12:30.mp4").read_bytes() == b"film"
