"""Workers on a Ray cluster: one actor per worker, wherever there is room. A node may die and come back."""

from __future__ import annotations

import atexit
import logging
import math
import os
import socket
import sys
import time
from pathlib import Path
from typing import Any

from ..errors import Real3DError, brief
from .engine import STARTS, Reply, worker_name
from .folders import Folders
from .tasks import LOST, Result, Task

_HERE = __package__.split(".")
_ANSWERS = 10.0  # seconds, within which a cluster does
_WITHOUT_HEAD = 30.0  # seconds, after which a run ends; after 60 Ray would end it without a word
_ON_PATH = Path(__file__).resolve().parents[len(_HERE)]


class RayEngine:
    """Actors of a Ray cluster, whose computers see the films and all inputs under the same paths, and this code as well.

    Args:
        address: as `ray.init` takes it; "local" starts a cluster on this computer.
        workers: None: as many as the cluster has room for now. More than that wait for room, as where nodes are added later.
        gpus: that one worker takes; None: one, where networks compute and the cluster has any.
        networks: whether networks compute; without GPUs they take all cores of a node, all else takes one.

    Raises:
        Real3DError: Ray is not installed, or there is no such cluster.
    """

    def __init__(self, folders: Folders, address: str, workers: int | None, gpus: float | None, networks: bool):
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing here calls anybody
        try:
            import ray
        except ImportError:
            raise Real3DError(
                "--ray needs Ray: install it with pip install 'ray[default]', or leave --ray out to use this computer alone."
            ) from None
        _refuse_silent(address)
        paths = {"PYTHONPATH": f"{_ON_PATH}{os.pathsep}${{PYTHONPATH}}"}
        try:
            ray.init(address=address, runtime_env={"env_vars": paths}, log_to_driver=False, logging_level=logging.ERROR)
        except (ConnectionError, ValueError, RuntimeError) as failure:
            raise Real3DError(f"There is no Ray cluster at '{address}' ({brief(str(failure))}): check --ray.") from None
        self._ray = ray
        self._folders = folders
        self._actors: dict[int, Any] = {}
        self._desks: dict[int, Path] = {}
        self._names: dict[int, str] = {}
        self._answers: dict[Any, int] = {}  # answers that are waited for -> place
        self._head = None if address.startswith("ray://") else ray.get_runtime_context().gcs_address
        self._seen = self._looked = time.monotonic()
        resources = ray.cluster_resources()
        gpus = gpus if gpus is not None else float(networks and resources.get("GPU", 0) >= 1)
        cpus = min(int(node["Resources"].get("CPU", 1)) for node in ray.nodes() if node["Alive"]) if networks and not gpus else 1
        room = resources.get("GPU", 0) / gpus if gpus else resources.get("CPU", 0) / max(cpus, 1)
        self.workers = workers or int(room)
        if not self.workers:
            ray.shutdown()
            raise Real3DError("The Ray cluster has no room for a worker: add nodes, or give --workers to wait for them.")
        self._actor = ray.remote(num_cpus=max(cpus, 1), num_gpus=gpus, scheduling_strategy="SPREAD")(_Actor)
        self._starts = dict.fromkeys(range(self.workers), 0)
        for place in range(self.workers):
            self._start(place)

    def send(self, place: int, task: Task) -> None:
        self._answers[self._actors[place].do.options(name=task.title).remote(task)] = place

    def replies(self, seconds: float) -> list[Reply]:
        self._look_for_head()
        try:
            answered, _ = self._ray.wait(list(self._answers), num_returns=len(self._answers), timeout=0)
            if not answered:
                answered, _ = self._ray.wait(list(self._answers), timeout=seconds)
        except ConnectionError:  # of Ray's client
            self._seen = -math.inf
            raise self._without_head() from None
        return [reply for answer in answered if (reply := self._heard(answer))]

    def close(self) -> None:
        if time.monotonic() - self._seen > _WITHOUT_HEAD:
            atexit.register(_end_at_once)  # Ray would wait for the head, and then end this process by a crash
            return
        for actor in self._actors.values():
            self._ray.kill(actor)
        self._ray.shutdown()

    def _look_for_head(self) -> None:
        """Every few seconds.

        Raises:
            Real3DError: it has not answered for long.
        """
        now = time.monotonic()
        if self._head is None or now - self._looked < _ANSWERS / 2:
            return
        self._looked = now
        host, _, port = self._head.rpartition(":")
        try:
            socket.create_connection((host.strip("[]"), int(port)), _ANSWERS).close()
            self._seen = time.monotonic()
        except OSError:
            if now - self._seen > _WITHOUT_HEAD:
                raise self._without_head() from None

    def _without_head(self) -> Real3DError:
        return Real3DError("The head of the Ray cluster answers no longer: start the cluster again and give the same command.")

    def _heard(self, answer: Any) -> Reply | None:
        place = self._answers.pop(answer)
        try:
            said = self._ray.get(answer)
        except self._ray.exceptions.RayError as failure:
            return self._replaced(place, failure)
        self._starts[place] = 0
        if isinstance(said, Result):
            return Reply(place, self._names[place], said)
        self._names[place] = said
        return Reply(place, said)

    def _replaced(self, place: int, failure: Exception) -> Reply | None:
        """An actor that was lost; None where it had not even begun."""
        lost = self._names.pop(place, None)
        self._ray.kill(self._actors[place])  # one that only cannot be reached would come back
        if self._starts[place] == STARTS:
            raise Real3DError(f"Workers cannot be started on the Ray cluster ({brief(str(failure), 300)}).")
        self._start(place)
        return Reply(place, lost, LOST) if lost else None

    def _start(self, place: int) -> None:
        self._starts[place] += 1
        self._desks[place] = desk = self._folders.new_desk(place, self._desks.get(place))
        self._actors[place] = self._actor.remote(self._folders, desk)
        self._answers[self._actors[place].name.remote()] = place


def _end_at_once() -> None:
    """Of a process whose cluster has no head any more."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(2)


def _refuse_silent(address: str) -> None:
    """Ray itself waits for many minutes."""
    host, colon, port = address.rpartition("://")[2].rpartition(":")
    if not colon or not port.isdecimal():
        return  # "auto" and the like
    try:
        socket.create_connection((host.strip("[]"), int(port)), _ANSWERS).close()
    except (OSError, OverflowError) as failure:
        raise Real3DError(f"There is no Ray cluster at '{brief(address)}' ({brief(str(failure))}): check --ray.") from None


class _Actor:
    """A worker as Ray runs it; the dashboard shows its tasks by name, and what it has done as metrics."""

    def __init__(self, folders: Folders, desk: Path):
        from ray.util.metrics import Counter

        from .worker import Worker

        self._worker = Worker(folders, desk)
        self._frames = Counter("real3d_frames", "Frames rendered.")
        self._failures = Counter("real3d_failures", "Tasks that failed.")

    def name(self) -> str:
        return worker_name(os.getpid())

    def do(self, task: Task) -> Result:
        result = self._worker.do(task)
        if result.error is not None:
            self._failures.inc()
        elif task.step != "join" and result.whole:
            self._frames.inc(result.frames)
        return result
