"""Real processes are killed in the midst of a real film: what is lost is at most what they were at."""

import os
import signal

import pytest
from series_runs import FEW, alive, frames_of, parts_done, wait_for

from real3d_core.errors import Real3DError
from real3d_core.series import batch as series
from real3d_core.series.options import batch_parser

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows has no such signals")


def test_whatever_is_killed_costs_what_it_was_at_and_the_same_command_goes_on(batch, write_jobs, voice, entries, tmp_path):
    jobs, films = write_jobs({"audio": voice(4.0), "out": "film.mp4", **FEW}), tmp_path / "films"

    def worker() -> int:
        return int(entries()[-1]["worker"].rpartition("/")[2])

    first = batch(jobs, "--part", 1, "--workers", 1)
    wait_for(lambda: parts_done(entries()))
    with pytest.raises(Real3DError, match=r"^Another run is at work in the folder "):
        series.run(batch_parser().parse_args([str(jobs), "--out", str(films), "--part", "1"]))
    orphan = worker()
    first.kill()
    first.communicate()
    wait_for(lambda: not alive(orphan))
    left = len(parts_done(entries()))
    assert not (films / "film.mp4").exists() and left < 4

    second = batch(jobs, "--part", 1, "--workers", 1)
    wait_for(lambda: len(parts_done(entries())) > left)
    second.send_signal(signal.SIGINT)
    _, complaint = second.communicate(timeout=60)
    assert second.returncode == 130 and complaint.endswith("the same command goes on from here.\n") and "Traceback" not in complaint
    assert sorted(path.name for path in films.iterdir()) == [".series", "manifest.jsonl"]

    noted = len(entries())
    last = batch(jobs, "--part", 1, "--workers", 1)
    wait_for(lambda: len(entries()) > noted)
    os.kill(worker(), signal.SIGKILL)
    _, complaints = last.communicate(timeout=120)
    assert last.returncode == 0, complaints
    (failed,) = (entry for entry in entries() if entry["state"] == "failed")
    assert "The worker ended in the midst of it" in failed["error"]
    assert len(parts_done(entries())) == len(set(parts_done(entries()))) == 4, "no part is rendered twice"
    assert frames_of(films / "film.mp4") == list(range(32))
