"""What workers are asked for, and what they answer."""

from __future__ import annotations

import argparse
from dataclasses import dataclass, replace


@dataclass(frozen=True, eq=False)
class Job:
    """One film of a series.

    line: of the file of jobs, from 1.
    name: of the film, relative to the folder of films, with forward slashes.
    options: of the command line; its paths are absolute.
    key: differs where anything that the film depends on differs: options, and what is in its files.
    portrait_key, motion_key: the same for jobs that share the portrait, or the motion.
    """

    line: int
    name: str
    options: argparse.Namespace
    key: str
    portrait_key: str
    motion_key: str


@dataclass(frozen=True)
class Task:
    """A piece of work on one film.

    step: "film": make it, unless it is longer than `longest`; "part": render the frames start..stop-1; "join": make one of its parts.
    longest: seconds.
    parts: first frame and frame after the last of all parts, for "join".
    """

    job: Job
    step: str
    longest: float = 0.0
    start: int = 0
    stop: int = 0
    parts: tuple[tuple[int, int], ...] = ()

    @property
    def title(self) -> str:
        """For people."""
        if self.step == "part":
            return f"{self.job.name}, frames {self.start} to {self.stop - 1}"
        return f"{self.job.name}, parts joined" if self.step == "join" else self.job.name


@dataclass(frozen=True)
class Result:
    """How a task ended.

    frames: of the whole film, for "film"; else those of the task.
    fps: frames per second, exactly, as a text.
    whole: False if the film is so long that it has to be made in parts.
    seconds, processor_seconds: that it took. memory: bytes that its worker has held at most so far.
    error: one sentence; None if it went well.
    trace: of an error that nobody expected.
    disk_full: whether the error was for want of room.
    """

    frames: int = 0
    fps: str = "25"
    whole: bool = True
    seconds: float = 0.0
    processor_seconds: float = 0.0
    memory: int = 0
    error: str | None = None
    trace: str | None = None
    disk_full: bool = False

    def measured(self, seconds: float, processor_seconds: float, memory: int) -> Result:
        """The same with what it took."""
        return replace(self, seconds=round(seconds, 3), processor_seconds=round(processor_seconds, 3), memory=memory)


LOST = Result(error="The worker ended in the midst of it: it was stopped, or its memory ran out.")
