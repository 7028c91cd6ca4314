"""A series from its file of jobs to its summary."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from contextlib import closing
from functools import partial
from pathlib import Path

import torch

from ..avatar_kinds import avatar_kind
from ..command_line import CHUNK
from ..errors import OutputError, Real3DError
from ..workers import workers as cores
from .engine import Engine, LocalEngine, Reply
from .folders import Folders, clear
from .jobs import Refusal, read_jobs
from .manifest import NAME, Manifest, sole_user
from .options import GPUS, PART, WORKERS
from .parts import cut
from .report import ProgressLine, Row, write_summary
from .schedule import Schedule
from .tasks import LOST, Job, Task

_SOME_SET_ASIDE = 3
_PATIENCE = 0.5  # seconds between two looks at the clock


def run(options: argparse.Namespace) -> int:
    """Makes all films that are not there yet, and prints what became of each.

    Returns:
        The exit status: 0 all films are there, 3 some jobs were set aside.

    Raises:
        Real3DError: nothing can be begun, or the disk is full.
    """
    PART.check(options.part)
    if options.workers is not None:
        WORKERS.check(options.workers)
    gpus = options.gpus_per_worker
    if gpus is not None and GPUS.check(gpus) > 1 and gpus % 1:
        raise Real3DError(f"{gpus:g} GPUs cannot be shared out: choose a part of one, such as 0.5, or a whole number.")
    folders = Folders.of(Path(options.out))
    jobs, refusals = read_jobs(options.jobs, folders.films)
    with sole_user(folders.films, folders.hidden):
        clear(folders.desks)
        with closing(Manifest(folders.films / NAME)) as manifest:
            return _make(jobs, refusals, manifest, folders, options)


def _make(jobs: list[Job], refusals: list[Refusal], manifest: Manifest, folders: Folders, options: argparse.Namespace) -> int:
    rows = {one.line: Row(one.name, error=one.error) for one in refusals}
    ready = {job.line: entry for job in jobs if (entry := manifest.finished(job.name, job.key)) and Path(job.options.out).is_file()}
    for job in jobs:
        if job.line in ready:
            rows[job.line] = Row(job.name, ready[job.line].get("frames", 0), made_before=True)
    for one in refusals:
        manifest.note(film=one.name, line=one.line, key="", step="film", state="set aside", error=one.error)
    left = [job for job in jobs if job.line not in ready]
    made = {job: Row(job.name) for job in left}
    if left:
        schedule = Schedule(
            left,
            options.part,
            partial(cut, seconds=options.part, multiple=CHUNK),
            lambda job, start, stop: folders.part(job.key, start, stop).is_file(),
        )
        with closing(_engine(left, folders, options)) as engine:
            _work(schedule, engine, manifest, folders, made, ProgressLine(len(ready), len(refusals)))
    summary = [row for _, row in sorted((rows | {job.line: row for job, row in made.items()}).items())]
    write_summary(summary, folders.films)
    if any(row.error for row in summary):
        return _SOME_SET_ASIDE
    for unused in (folders.hidden / "motions", folders.hidden / "parts"):
        clear(unused)
    return 0


def _engine(jobs: Sequence[Job], folders: Folders, options: argparse.Namespace) -> Engine:
    """Networks share one process among all cores or take GPUs; what has none gains most from a process per core."""
    networks = any(avatar_kind(job.options.avatar).trained for job in jobs)
    gpus = options.gpus_per_worker
    if options.ray is not None:
        from .ray_engine import RayEngine

        return RayEngine(folders, options.ray, options.workers, gpus, networks)
    usual = int(torch.cuda.device_count() / gpus) if gpus else 1 if networks else cores()
    if not usual:
        raise Real3DError(f"There are no {gpus:g} GPUs here: leave out --gpus-per-worker, or give fewer.")
    count = options.workers or usual
    if gpus and count * gpus > (here := torch.cuda.device_count()):
        raise Real3DError(f"{count} workers with {gpus:g} GPUs each need more than the {here} that are here: start fewer, or give less.")
    return LocalEngine(folders, count, max(1, cores() // count), gpus)


def _work(schedule: Schedule, engine: Engine, manifest: Manifest, folders: Folders, rows: dict[Job, Row], show: ProgressLine) -> None:
    """Until all tasks have ended; what came of each is noted in the manifest and in the rows."""
    free: set[int] = set()
    while not schedule.finished:
        for reply in engine.replies(_PATIENCE):
            if reply.result is LOST:
                free.discard(reply.place)  # until whoever takes over is ready
            else:
                free.add(reply.place)
            if reply.result is not None and schedule.has_work(reply.place):
                task, film, state = schedule.end(reply.place, reply.result)
                manifest.note(**_entry(task, state, reply))
                rows[task.job].add(task, reply)
                if state == "set aside":
                    rows[task.job].error = reply.result.error
                    if task.step == "join" and not reply.result.disk_full:
                        clear(folders.parts(task.job.key))  # the next run renders such as fit together
                    show.say(f"{task.title} is set aside. {reply.result.error}")
                elif film.done:
                    clear(folders.parts(task.job.key))
                if reply.result.disk_full:
                    raise OutputError(f"{reply.result.error} The series stops; make room and give the same command again.")
        for place in sorted(free):
            if begun := schedule.begin(place):
                free.remove(place)
                engine.send(place, begun)
        show(list(schedule.films.values()))


def _entry(task: Task, state: str, reply: Reply) -> dict[str, object]:
    """A line of the manifest."""
    result = reply.result
    assert result is not None
    return {
        "film": task.job.name,
        "line": task.job.line,
        "key": task.job.key,
        "step": task.step,
        "part": [task.start, task.stop] if task.step == "part" else None,
        "state": state,
        "frames": result.frames or None,
        "seconds": result.seconds or None,
        "processor_seconds": result.processor_seconds or None,
        "memory_mb": result.memory // 10**6 or None,
        "worker": reply.worker,
        "error": result.error,
        "trace": result.trace,
    }
