"""The manifest survives a crash in the midst of a line; the lock does not survive whoever held it."""

import errno
import subprocess
import sys
from pathlib import Path

import pytest

from real3d_core.errors import OutputError, Real3DError
from real3d_core.series.manifest import Manifest, sole_user

ROOT = Path(__file__).resolve().parents[2]
DONE = {"film": "a.mp4", "key": "k", "step": "film", "state": "done", "frames": 25}


def test_what_is_done_is_known_to_the_next_run(tmp_path):
    first = Manifest(tmp_path / "m.jsonl")
    first.note(**DONE)
    first.note(**{**DONE, "film": "f", "state": "failed", "error": "Ünlucky."})
    first.note(**{**DONE, "film": "p", "step": "part"})
    first.close()
    second = Manifest(tmp_path / "m.jsonl")
    assert second.finished("a.mp4", "k")["frames"] == 25
    assert second.finished("f", "k") is None and second.finished("p", "k") is None
    second.note(**{**DONE, "key": "other"})
    second.close()
    third = Manifest(tmp_path / "m.jsonl")
    assert third.finished("a.mp4", "other") and third.finished("a.mp4", "k") is None, "another job has taken its place"
    third.close()


@pytest.mark.parametrize("kept", [0, 1, 20, -1])
def test_a_line_that_was_cut_short_costs_only_itself(tmp_path, kept):
    path = tmp_path / "m.jsonl"
    manifest = Manifest(path)
    manifest.note(**DONE)
    whole = path.read_bytes()
    manifest.note(**{**DONE, "film": "late"})
    manifest.close()
    path.write_bytes(whole + path.read_bytes()[len(whole) :][:kept] if kept >= 0 else path.read_bytes()[:kept])
    again = Manifest(path)
    again.note(**{**DONE, "film": "new"})
    again.close()
    last = Manifest(path)
    assert last.finished("a.mp4", "k") and last.finished("new", "k")
    assert bool(last.finished("late", "k")) == (kept == -1)  # without its line's end it is whole
    last.close()


def test_a_full_disk_is_one_sentence(tmp_path, monkeypatch):
    manifest = Manifest(tmp_path / "m.jsonl")

    def full(number):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OutputError, match="is the disk full"):
        manifest.note(**DONE)
    manifest.close()


HOLDS = """
import sys
from pathlib import Path
from real3d_core.series.manifest import sole_user
with sole_user(Path(sys.argv[1]), Path(sys.argv[1]) / "hidden"):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_second_run_is_refused_until_the_first_is_dead(tmp_path):
    with subprocess.Popen(
        [sys.executable, "-c", HOLDS, str(tmp_path)], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(Real3DError, match="Another run is at work"), sole_user(tmp_path, tmp_path / "hidden"):
            pass
        holder.kill()
        holder.wait()
        with sole_user(tmp_path, tmp_path / "hidden"):
            pass


def test_a_disk_without_locks_is_refused(tmp_path, monkeypatch):
    def acquire(self, **options):
        raise NotImplementedError("FileSystem does not appear to support flock")

    monkeypatch.setattr("filelock.FileLock.acquire", acquire)
    with pytest.raises(OutputError, match="disk without file locks"), sole_user(tmp_path, tmp_path / "hidden"):
        pass


def test_a_folder_that_cannot_be_written_to_is_refused(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputError, match="cannot be written to"), sole_user(tmp_path / "file", tmp_path / "file" / "hidden"):
        pass
