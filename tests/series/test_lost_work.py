"""Real processes are killed in the midst of real films: what is lost is at most what they were at."""

import os
import re
import signal

import pytest
from series_runs import alive, frames_of, parts_done, wait_for

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows has no such signals")


def test_a_worker_killed_in_the_midst_of_a_part_costs_that_part(batch, write_jobs, voice, entries, tmp_path):
    run = batch(write_jobs({"audio": voice(3.0), "out": "film.mp4"}), "--part", 1, "--workers", 1)
    (first,) = wait_for(lambda: [entry for entry in entries() if entry["state"] == "in parts"])
    wait_for(lambda: parts_done(entries()))
    os.kill(int(first["worker"].rpartition("/")[2]), signal.SIGKILL)
    _, complaints = run.communicate(timeout=120)
    assert run.returncode == 0, complaints
    failed = [entry for entry in entries() if entry["state"] == "failed"]
    assert len(failed) == 1 and "The worker ended in the midst of it" in failed[0]["error"]
    assert len(parts_done(entries())) == len(set(parts_done(entries()))) == 3
    assert frames_of(tmp_path / "films" / "film.mp4") == list(range(75))


def test_a_run_that_is_killed_or_interrupted_goes_on_where_it_was(batch, write_jobs, voice, entries, tmp_path):
    jobs, films = write_jobs({"audio": voice(4.0), "out": "film.mp4"}), tmp_path / "films"
    first = batch(jobs, "--part", 1, "--workers", 1)
    wait_for(lambda: parts_done(entries()))
    second = batch(jobs, "--part", 1)
    _, complaint = second.communicate(timeout=60)
    assert second.returncode == 2 and re.fullmatch(r"Another run is at work in the folder .*\n", complaint)
    worker = int(entries()[-1]["worker"].rpartition("/")[2])
    first.kill()
    first.communicate()
    wait_for(lambda: not alive(worker))
    left = len(parts_done(entries()))
    assert not (films / "film.mp4").exists() and left < 4

    third = batch(jobs, "--part", 1, "--workers", 1)
    wait_for(lambda: len(parts_done(entries())) > left)
    third.send_signal(signal.SIGINT)
    _, complaint = third.communicate(timeout=60)
    assert third.returncode == 130 and complaint.endswith("the same command goes on from here.\n") and "Traceback" not in complaint
    assert sorted(path.name for path in films.iterdir()) == [".series", "manifest.jsonl"]

    last = batch(jobs, "--part", 1, "--workers", 1)
    _, complaints = last.communicate(timeout=120)
    assert last.returncode == 0, complaints
    assert len(parts_done(entries())) == len(set(parts_done(entries()))) == 4, "no part is rendered twice"
    assert frames_of(films / "film.mp4") == list(range(100))
