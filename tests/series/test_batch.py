"""Series in one process: what is made, what is noted, what is said, and what a second run makes of it."""

import errno
from argparse import Namespace
from fractions import Fraction

import av
import pytest
import torch
from PIL import Image

from real3d_core.errors import OutputError
from real3d_core.options import parser
from real3d_core.series import batch, worker
from real3d_core.series.engine import Reply
from real3d_core.series.folders import Folders
from real3d_core.series.options import batch_parser
from real3d_core.series.report import ProgressLine
from real3d_core.series.schedule import Film
from real3d_core.series.tasks import LOST, Job, Task
from real3d_core.series.worker import Worker
from real3d_core.stream import FrameStream


class InThisProcess:
    """An engine whose one worker works when it is asked for replies."""

    workers = 1

    def __init__(self, folders):
        self._worker = Worker(folders, folders.new_desk(0))
        self._task = None
        self._greeted = False
        self.done = []

    def send(self, place, task):
        self._task = task

    def replies(self, seconds):
        if not self._greeted:
            self._greeted = True
            return [Reply(0, "here/1")]
        task, self._task = self._task, None
        if task is None:
            return []
        self.done.append(task.title)
        return [Reply(0, "here/1", self._worker.do(task))]

    def close(self):
        pass


@pytest.fixture
def run(tmp_path, monkeypatch):
    """A function that makes the series of a file of jobs: (exit status, titles of the tasks that were done)."""
    monkeypatch.setenv("REAL3D_MARCH_BACKEND", "torch")
    engines = []

    def engine(jobs, folders, options):
        engines.append(InThisProcess(folders))
        return engines[-1]

    monkeypatch.setattr(batch, "_engine", engine)

    def make(jobs, *options):
        engines.clear()
        status = batch.run(batch_parser().parse_args([str(jobs), "--out", str(tmp_path / "films"), *map(str, options)]))
        return status, [title for one in engines for title in one.done]

    return make


@pytest.fixture
def grey(monkeypatch):
    """In place of heads, frames of grey that begin at once; their number is that of the motion."""

    def frames(avatar, portrait, motion, options, *more, **named):
        return FrameStream(len(motion), motion.fps, lambda start, stop: torch.full((stop - start, options.size, options.size, 3), 0.5))

    monkeypatch.setattr(worker, "prepared", lambda *arguments: None)
    monkeypatch.setattr(worker, "render_frames", frames)


def length(film):
    with av.open(str(film)) as container:
        return sum(1 for _ in container.decode(video=0))


def test_films_are_made_once_and_what_became_of_them_is_shown(run, grey, write_jobs, voice, tmp_path, entries, capsys):
    sound = voice(0.2)
    good = [{"audio": sound, "out": "a.mp4", "contact-sheet": "a.png"}, {"audio": sound, "out": "sub/b.mp4", "size": 96, "fps": 29.97}]
    jobs = write_jobs(*good, {"audio": "none.wav", "out": "c.mp4"}, {"audio": sound, "out": "d.mp4", "size": 7})
    films = tmp_path / "films"
    status, tasks = run(jobs)
    assert status == 3 and tasks == ["a.mp4", "sub/b.mp4", "d.mp4", "d.mp4"]
    assert length(films / "a.mp4") == 5 and length(films / "sub" / "b.mp4") == 6
    assert (films / "a.png").stat().st_size and Image.open(films / "contact_sheet.png").size[0] == 2 * 160
    told = capsys.readouterr().out
    assert "none.wav' does not exist" in told and "The size is 7" in told and "2 films of 11 frames, 2 set aside" in told
    assert (films / "summary.csv").read_text(encoding="utf-8").count("set aside") == 2
    states = [(entry["film"], entry["state"]) for entry in entries()]
    assert states == [("line 3", "set aside"), ("a.mp4", "done"), ("sub/b.mp4", "done"), ("d.mp4", "failed"), ("d.mp4", "set aside")]
    assert not list((films / ".series" / "at work").glob("*/*")), "nothing is left on the desks"

    status, tasks = run(jobs)
    assert status == 3 and tasks == ["d.mp4", "d.mp4"], "what was set aside is tried again"
    (films / "a.mp4").unlink()
    status, tasks = run(write_jobs(*good))
    assert status == 0 and tasks == ["a.mp4"]
    assert "made before" in capsys.readouterr().out


def test_a_motion_is_made_once_for_all_films_that_share_it(run, grey, write_jobs, voice, monkeypatch, assets):
    made = []
    monkeypatch.setattr(worker, "make_motion", lambda *given, real=worker.make_motion: made.append(1) or real(*given))
    portraits = [str(assets / "portraits" / name) for name in ("synthetic_p002.jpg", "synthetic_p009.jpg")]
    again = [{"portrait": portrait, "audio": voice(0.2), "out": f"{number}.mp4"} for number, portrait in enumerate(portraits)]
    assert run(write_jobs(*again, {"audio": voice(0.2), "seed": 1, "out": "2.mp4"}, {**again[0], "size": 96, "out": "3.mp4"}))[0] == 0
    assert len(made) == 2


def test_a_film_is_made_anew_for_every_other_job_also_for_one_of_before(run, grey, write_jobs, voice):
    for seed in (0, 1, 0):
        assert run(write_jobs({"audio": voice(0.2), "out": "a.mp4", "seed": seed})) == (0, ["a.mp4"])
    assert run(write_jobs({"audio": voice(0.2), "out": "a.mp4"})) == (0, [])


def test_an_avatar_is_loaded_once(run, grey, write_jobs, voice, monkeypatch):
    loaded = []
    monkeypatch.setattr(worker, "load_avatar", lambda *given, real=worker.load_avatar: loaded.append(1) or real(*given))
    assert run(write_jobs(*({"audio": voice(0.2), "seed": seed, "out": f"{seed}.mp4"} for seed in range(3))))[0] == 0
    assert len(loaded) == 1


def test_a_long_film_is_made_in_parts_which_are_removed_when_it_is_done(run, grey, write_jobs, voice, tmp_path, entries):
    jobs = write_jobs({"audio": voice(4.0), "out": "long.mp4", "contact-sheet": "long.png"})
    status, tasks = run(jobs, "--part", 1)
    assert status == 0 and tasks[1:] == [
        *(f"long.mp4, frames {start} to {min(start + 27, 99)}" for start in (0, 28, 56, 84)),
        "long.mp4, parts joined",
    ]
    assert length(tmp_path / "films" / "long.mp4") == 100 and (tmp_path / "films" / "long.png").stat().st_size
    assert [path.name for path in (tmp_path / "films" / ".series").iterdir() if path.name != "lock"] == ["at work"]
    assert [entry["state"] for entry in entries()] == ["in parts", "done", "done", "done", "done", "done"]
    assert entries()[1]["part"] == [0, 28]


def test_a_full_disk_stops_the_series_and_the_next_run_goes_on(run, grey, write_jobs, voice, tmp_path, monkeypatch, entries):
    jobs = write_jobs(*({"audio": voice(0.2), "out": f"{name}.mp4"} for name in "abc"))
    real, calls = worker.write_video, []

    def write(path, *arguments, **named):
        calls.append(path)
        if len(calls) == 2:
            raise OutputError("The output cannot be written; is the disk full?") from OSError(errno.ENOSPC, "No space left on device")
        real(path, *arguments, **named)

    monkeypatch.setattr(worker, "write_video", write)
    with pytest.raises(OutputError, match="make room and give the same command again"):
        run(jobs)
    assert [path.name for path in (tmp_path / "films").glob("*.mp4")] == ["a.mp4"]
    assert run(jobs) == (0, ["b.mp4", "c.mp4"])
    assert [entry["state"] for entry in entries()] == ["done", "failed", "done", "done"]


def test_a_worker_that_ends_while_it_waits_costs_nothing(run, grey, write_jobs, voice, monkeypatch):
    answers = InThisProcess.replies
    gone = iter([[Reply(0, "here/1", LOST)], [Reply(0, "here/2")]])

    def replies(self, seconds):
        said = answers(self, seconds)
        return [*said, *next(gone, [])] if self.done else said

    monkeypatch.setattr(InThisProcess, "replies", replies)
    assert run(write_jobs(*({"audio": voice(0.2), "out": f"{name}.mp4"} for name in "abc"))) == (0, ["a.mp4", "b.mp4", "c.mp4"])


def test_parts_that_cannot_be_joined_are_rendered_again_by_the_next_run(run, grey, write_jobs, voice, monkeypatch):
    jobs, real = write_jobs({"audio": voice(4.0), "out": "long.mp4"}), worker.joined

    def broken(*arguments):
        raise OutputError("The parts were encoded in different ways.")

    monkeypatch.setattr(worker, "joined", broken)
    assert run(jobs, "--part", 1)[0] == 3
    monkeypatch.setattr(worker, "joined", real)
    status, tasks = run(jobs, "--part", 1)
    assert status == 0 and len(tasks) == 6


def test_a_disk_is_known_to_be_full_by_whoever_noticed_it():
    from safetensors import SafetensorError

    def raised(cause):
        try:
            try:
                raise cause
            except Exception:
                raise OutputError("It cannot be written.") from None
        except OutputError as failure:
            return failure

    assert worker._of_a_full_disk(raised(OSError(errno.ENOSPC, "No space left on device")))
    assert worker._of_a_full_disk(raised(SafetensorError("I/O error: No space left on device (os error 28)")))
    assert not worker._of_a_full_disk(raised(OSError(errno.EACCES, "Permission denied")))


def test_what_nobody_expected_is_noted_with_its_trace(run, grey, write_jobs, voice, monkeypatch, entries):
    def broken(*arguments, **named):
        raise RuntimeError("a bug")

    monkeypatch.setattr(worker, "render_frames", broken)
    assert run(write_jobs({"audio": voice(0.2), "out": "a.mp4"}))[0] == 3
    assert entries()[0]["error"] == "RuntimeError: a bug" and "in broken" in entries()[0]["trace"]


def test_progress_is_told_in_films_frames_time_and_failures():
    films = [Film(Job(line, "", Namespace(), "", "", "")) for line in range(4)]
    say = ProgressLine(before=1, refused=1)
    assert say.text(films, 10.0) == "1 of 6 films, 1 set aside"
    films[0].frames, films[0].done = 100, True
    films[1].frames, films[1].all_parts, films[1].parts_left = 200, ((0, 100), (100, 200)), {(0, 100)}
    assert say.text(films, 10.0) == "2 of 6 films, 20.0 frames per second, 20 s left, 1 set aside"
    films[2].error = "It cannot be read."
    assert say.text(films, 10.0) == "2 of 6 films, 20.0 frames per second, 12 s left, 2 set aside"


def test_rates_travel_exactly(write_jobs, voice, tmp_path, grey):
    from real3d_core.series.jobs import read_jobs

    (job,), _ = read_jobs(write_jobs({"audio": voice(0.2), "out": "a.mp4", "fps": 29.97}), tmp_path)
    folders = Folders.of(tmp_path)
    result = Worker(folders, folders.new_desk(0)).do(Task(job, "film", longest=0.01))
    assert not result.whole and Fraction(result.fps) == Fraction(30000, 1001)


def test_workers_make_the_built_in_avatars_frames_on_their_own_cores(monkeypatch, tmp_path):
    """Each has one; a graphics card has no room for as many as there are cores."""
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    seen = []
    monkeypatch.setattr(worker, "load_avatar", lambda name, source: seen.append(source.device))
    options = parser().parse_args(["--portrait", "a.jpg", "--audio", "a.wav", "--out", "a.mp4"])
    Worker(Folders.of(tmp_path), tmp_path)._avatar_of(Job(1, "", options, "", "", ""))
    assert seen == ["cpu"]
