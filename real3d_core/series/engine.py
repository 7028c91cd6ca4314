"""Where workers run: processes of this computer, each on its own; if one is killed the others go on."""

from __future__ import annotations

import os
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing import get_context, parent_process
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import Protocol

from ..console import make_console_safe, silence_native_libraries
from ..errors import Real3DError
from ..start import load_mediapipe
from .folders import Folders
from .tasks import LOST, Result, Task

_SPAWN = get_context("spawn")  # a forked process would share threads, locks and devices
STARTS = 3
"""Of a worker that ends before it can work."""
_OF_THE_TERMINAL = ("SIGINT", "SIGQUIT", "SIGHUP")  # reach all processes at once; what they mean the first one decides


@dataclass(frozen=True)
class Reply:
    """What a worker says: a result, or, without one, that it is ready.

    place: of the worker, from 0; whoever takes over for one that was lost has the same.
    worker: computer and process.
    """

    place: int
    worker: str
    result: Result | None = None


class Engine(Protocol):
    """Workers at numbered places. One that is lost is replaced by itself; a place is free when it says that it is ready, or answers."""

    workers: int

    def send(self, place: int, task: Task) -> None:
        """Gives a task to a worker that is free."""

    def replies(self, seconds: float) -> list[Reply]:
        """What has been said since the last call; waits for the first at most so long.

        Raises:
            Real3DError: workers cannot be started.
        """

    def close(self) -> None:
        """Stops all workers at once, whatever they do."""


class LocalEngine:
    """Processes of this computer.

    Args:
        threads: on which each worker computes; None: as PyTorch is set.
        gpus: that one worker takes; None: all see all.
    """

    def __init__(self, folders: Folders, workers: int, threads: int | None, gpus: float | None = None):
        self.workers = workers
        self._folders = folders
        self._threads = threads
        self._gpus = gpus
        self._places: dict[int, tuple[SpawnProcess, Connection]] = {}
        self._desks: dict[int, Path] = {}
        self._ready: set[int] = set()
        self._starts = dict.fromkeys(range(workers), 0)
        for place in range(workers):
            self._start(place)

    def send(self, place: int, task: Task) -> None:
        with suppress(OSError):  # one that has just ended is noticed by `replies`
            self._places[place][1].send(task)

    def replies(self, seconds: float) -> list[Reply]:
        speaking = wait([connection for _, connection in self._places.values()], seconds)
        return [reply for place, (_, connection) in list(self._places.items()) if connection in speaking for reply in self._heard(place)]

    def close(self) -> None:
        for process, _ in self._places.values():
            process.kill()
        for process, connection in self._places.values():
            process.join()
            connection.close()
        self._places.clear()

    def _heard(self, place: int) -> Iterator[Reply]:
        process, connection = self._places[place]
        name = worker_name(process.pid)
        try:
            said = connection.recv()
        except (EOFError, OSError):
            was_ready = place in self._ready
            process.kill()
            process.join()
            connection.close()
            self._start(place)
            if was_ready:
                yield Reply(place, name, LOST)
            return
        if isinstance(said, Real3DError):
            raise said
        self._ready.add(place)
        self._starts[place] = 0
        yield Reply(place, name, said)

    def _start(self, place: int) -> None:
        if self._starts[place] == STARTS:
            raise Real3DError("Workers end before they can work: start fewer (--workers), for there may be too little memory.")
        self._starts[place] += 1
        self._ready.discard(place)
        self._desks[place] = desk = self._folders.new_desk(place, self._desks.get(place))
        ours, theirs = _SPAWN.Pipe()
        gpu = None if self._gpus is None else _gpus_at(place, self._gpus)
        process = _SPAWN.Process(target=_serve, args=(theirs, self._folders, desk, self._threads, gpu), daemon=True)
        try:
            with _terminal_held_off():
                process.start()
        except OSError as failure:
            raise Real3DError(f"Workers cannot be started ({failure.strerror}): start fewer (--workers).") from None
        theirs.close()
        self._places[place] = process, ours


def _gpus_at(place: int, each: float) -> str:
    """Numbers of the GPUs that a worker sees, as CUDA takes them."""
    given = os.environ.get("CUDA_VISIBLE_DEVICES")
    first = int(place * each + 1e-9)
    numbers = range(first, first + max(1, round(each))) if each else range(0)
    return ",".join(map(str, numbers) if given is None else given.split(",")[numbers.start : numbers.stop])


def worker_name(pid: int | None) -> str:
    """Computer and process."""
    return f"{socket.gethostname()}/{pid}"


@contextmanager
def _terminal_held_off() -> Iterator[None]:
    """Processes started meanwhile never hear of Ctrl-C; this one hears of it afterwards."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [getattr(signal, name) for name in _OF_THE_TERMINAL])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _serve(connection: Connection, folders: Folders, desk: Path, threads: int | None, gpu: str | None) -> None:
    """The life of a worker."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    make_console_safe()
    silence_native_libraries()
    if gpu is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = gpu  # before CUDA is first used
    try:
        import torch

        from .worker import Worker

        load_mediapipe()
        if threads is not None:
            torch.set_num_threads(threads)
        worker = Worker(folders, desk)
        connection.send(None)
    except Exception as failure:
        connection.send(Real3DError(f"Workers cannot be started ({type(failure).__name__}: {failure})."))
        return
    with suppress(EOFError, OSError):  # nobody listens any more
        while True:
            connection.send(worker.do(connection.recv()))


def _end_with_parent() -> None:
    """Whoever ends the first process, and however, has ended them all."""
    parent = parent_process()
    if parent is not None:
        parent.join()
    os._exit(1)
