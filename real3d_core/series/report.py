"""What people see of a series: a line while it runs, and a table and a sheet of pictures at its end."""

from __future__ import annotations

import csv
import io
import math
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np

from ..errors import one_line
from ..files import written_whole
from ..media.contact_sheet import labelled_sheet
from ..media.container import frames_from
from .engine import Reply
from .folders import SHEET
from .schedule import Film
from .tasks import Task

_SELDOM = 30.0  # seconds between two lines where they stay, as in a file
_MOST_ROWS = 60  # on the terminal
_COLUMNS, _MOST_PICTURES, _WIDTH = 8, 96, 160


@dataclass
class Row:
    """What became of a film.

    tasks: that were tried. processor_seconds: of all of them.
    """

    name: str
    frames: int = 0
    tasks: int = 0
    seconds: float = 0.0
    processor_seconds: float = 0.0
    worker: str = ""
    made_before: bool = False
    error: str | None = None

    def add(self, task: Task, reply: Reply) -> None:
        """Counts what one task took."""
        result = reply.result
        assert result is not None
        self.frames = result.frames if task.step != "part" and result.frames else self.frames
        self.tasks += 1
        self.seconds += result.seconds
        self.processor_seconds += result.processor_seconds
        self.worker = reply.worker

    @property
    def state(self) -> str:
        return "set aside" if self.error else "made before" if self.made_before else "made"


class ProgressLine:
    """Films, speed, time left and failures: in place on a terminal, now and then elsewhere.

    Args:
        before, refused: films that a former run has made, and lines that no film can be made of.
    """

    def __init__(self, before: int, refused: int):
        self._before = before
        self._refused = refused
        self._began = time.monotonic()
        self._shown = self._began
        self._width = 0

    def __call__(self, films: Sequence[Film]) -> None:
        terminal, now = sys.stderr.isatty(), time.monotonic()
        if not terminal and now - self._shown < _SELDOM:
            return
        self._shown = now
        text = self.text(films, now - self._began)
        print(f"\r{text:{self._width}}" if terminal else text, end="" if terminal else "\n", file=sys.stderr, flush=True)
        self._width = len(text)

    def text(self, films: Sequence[Film], seconds: float) -> str:
        """For a run that began so long ago."""
        known = [film.frames for film in films if film.frames]
        usual = sum(known) / len(known) if known else 1.0
        total = sum(film.frames or usual for film in films if not film.error)
        done = sum((film.frames or usual) * film.share for film in films)
        made, failed = sum(film.done for film in films), sum(film.error is not None for film in films)
        left = f", {_duration(seconds * (total - done) / done)} left" if done and known else ""
        aside = f", {failed + self._refused} set aside" if failed + self._refused else ""
        speed = f", {done / seconds:.1f} frames per second" if known and seconds else ""
        return f"{made + self._before} of {len(films) + self._before + self._refused} films{speed}{left}{aside}"

    def say(self, sentence: str) -> None:
        """A line of its own."""
        print(f"\r{'':{self._width}}\r{one_line(sentence)}" if self._width and sys.stderr.isatty() else one_line(sentence), file=sys.stderr)


def write_summary(rows: Sequence[Row], folder: Path) -> None:
    """Prints a table, and writes summary.csv and contact_sheet.png.

    Raises:
        OutputError: they cannot be written.
    """
    if sys.stderr.isatty():
        print(file=sys.stderr)
    fields = ("film", "state", "frames", "tasks", "seconds", "processor seconds", "worker", "error")
    table = io.StringIO(newline="")
    writer = csv.writer(table)
    writer.writerow(fields)
    for row in rows:
        numbers = (row.frames, row.tasks, round(row.seconds, 2), round(row.processor_seconds, 2))
        writer.writerow((row.name, row.state, *numbers, row.worker, row.error or ""))
    with written_whole(folder / "summary.csv", (".csv",)) as temporary:
        temporary.write_text(table.getvalue(), encoding="utf-8", newline="")
    _print_table(rows)
    pictures = [(picture, row.name) for row in _spread([row for row in rows if not row.error]) for picture in _middle(folder / row.name)]
    if pictures:
        labelled_sheet(pictures, folder / SHEET, min(_COLUMNS, len(pictures)), _WIDTH)


def _print_table(rows: Sequence[Row]) -> None:
    failed = [row for row in rows if row.error]
    shown = rows if len(rows) <= _MOST_ROWS else failed[:_MOST_ROWS]
    width = min(40, max((len(row.name) for row in shown), default=0))
    for row in shown:
        what = row.error or f"{row.frames} frames" + (f", {row.processor_seconds:.1f} s of processor time" if row.processor_seconds else "")
        print(one_line(f"{row.name:{width}}  {row.state:11}  {what}"))
    if len(shown) < len(rows):
        print("All films stand in summary.csv.")
    made = [row for row in rows if not row.error]
    frames, seconds = sum(row.frames for row in made), sum(row.processor_seconds for row in rows)
    aside = f", {len(failed)} set aside" if failed else ""
    print(f"{len(made)} film{'s' * (len(made) != 1)} of {frames} frames{aside}; {seconds:.1f} s of processor time.")


def _spread(rows: list[Row]) -> list[Row]:
    """Not more than find room, from first to last."""
    step = max(1, math.ceil(len(rows) / _MOST_PICTURES))
    return rows[::step]


def _middle(film: Path) -> list[np.ndarray]:
    """The picture in the middle of a film; none where it has gone meanwhile."""
    try:
        with av.open(str(film)) as container:
            stream = container.streams.video[0]
            seconds = float((stream.duration or 0) * (stream.time_base or 0)) / 2
            for frame in frames_from(container, stream, seconds):
                if frame.time is None or frame.time >= seconds - 1e-6:
                    return [frame.to_ndarray(format="rgb24")]
    except (OSError, av.FFmpegError):
        pass
    return []


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
