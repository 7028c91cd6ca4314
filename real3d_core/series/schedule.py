"""Which task comes next, and what becomes of those that fail."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import islice

from .tasks import Job, Result, Task

_TRIES = 2
_LOOKED_AT = 500  # tasks that wait; among so many the best is chosen
Cut = Callable[[int, Fraction], tuple[tuple[int, int], ...]]


@dataclass(eq=False)
class Film:
    """What is known of a job's film by now.

    parts: that are not rendered yet; None before its length is known.
    """

    job: Job
    frames: int = 0
    all_parts: tuple[tuple[int, int], ...] = ()
    parts_left: set[tuple[int, int]] = field(default_factory=set)
    failures: dict[Task, int] = field(default_factory=dict)
    done: bool = False
    error: str | None = None

    @property
    def share(self) -> float:
        """How much of it is done, 0..1."""
        if self.done:
            return 1.0
        return 1 - len(self.parts_left) / len(self.all_parts) if self.all_parts else 0.0


class Schedule:
    """Hands out tasks, and takes what came of them.

    Args:
        longest: seconds of a film that is made in one piece.
        cut: (frames, frames per second) -> the parts of a longer one.
        rendered: (job, first frame, frame after the last) -> whether a former run has left that part.
    """

    def __init__(self, jobs: Sequence[Job], longest: float, cut: Cut, rendered: Callable[[Job, int, int], bool]):
        self.films = {job: Film(job) for job in jobs}
        self._waiting = [Task(job, "film", longest) for job in jobs]
        self._cut = cut
        self._rendered = rendered
        self._portraits: dict[int, str] = {}  # that workers have at hand
        self._at_work: dict[int, Task] = {}

    @property
    def finished(self) -> bool:
        """Nothing waits and nobody works."""
        return not self._waiting and not self._at_work

    def has_work(self, place: int) -> bool:
        """Whether the worker there has a task that has not ended."""
        return place in self._at_work

    def begin(self, place: int) -> Task | None:
        """The task for a worker that is free: rather one with the portrait that it has at hand, or that nobody else has."""
        if not self._waiting:
            return None
        own = self._portraits.get(place)
        others = {portrait for at, portrait in self._portraits.items() if at != place}

        def strangeness(number_and_task: tuple[int, Task]) -> int:
            portrait = number_and_task[1].job.portrait_key
            return 0 if portrait == own else 2 if portrait in others else 1

        number, task = min(islice(enumerate(self._waiting), _LOOKED_AT), key=strangeness)
        del self._waiting[number]
        self._portraits[place] = task.job.portrait_key
        self._at_work[place] = task
        return task

    def end(self, place: int, result: Result) -> tuple[Task, Film, str]:
        """The task that a worker had, its film, and what is to be noted: "done", "in parts", "failed" or "set aside"."""
        task = self._at_work.pop(place)
        film = self.films[task.job]
        if result.error is not None:
            return task, film, self._failed(film, task, result.error)
        if task.step == "film" and not result.whole:
            self._divide(film, task, result)
            return task, film, "in parts"
        if task.step == "part":
            film.parts_left.discard((task.start, task.stop))
            if not film.parts_left and not film.error:
                self._waiting.insert(0, Task(task.job, "join", parts=film.all_parts))
        else:
            film.done, film.frames = True, result.frames
        return task, film, "done"

    def _divide(self, film: Film, task: Task, result: Result) -> None:
        film.frames = result.frames
        film.all_parts = self._cut(result.frames, Fraction(result.fps))
        missing = [part for part in film.all_parts if not self._rendered(task.job, *part)]
        film.parts_left = set(missing)
        further = [Task(task.job, "part", start=start, stop=stop) for start, stop in missing]
        self._waiting[:0] = further or [Task(task.job, "join", parts=film.all_parts)]

    def _failed(self, film: Film, task: Task, error: str) -> str:
        film.failures[task] = film.failures.get(task, 0) + 1
        if film.failures[task] < _TRIES and film.error is None:
            self._waiting.append(task)
            return "failed"
        film.error = error
        self._waiting = [other for other in self._waiting if other.job != task.job]
        return "set aside"
