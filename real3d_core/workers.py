"""Work done side by side, each piece on one thread, and handed over in order (DESIGN section 4).

PyTorch shares each operation among threads that wait for one another actively: beside any other process that wait takes longer than
the work. Pieces that are independent need no such waiting.
"""

from __future__ import annotations

import contextvars
import math
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from functools import cache
from pathlib import Path
from threading import Barrier, Lock, Thread
from typing import TypeVar

import torch

from .memory import give_back

Item = TypeVar("Item")
Done = TypeVar("Done")
_QUOTA = Path("/sys/fs/cgroup/cpu.max")  # microseconds of processor time, and of what period (Linux' cgroup v2)
_AHEAD = 2  # pieces per worker
_BEGINS_WITHIN = 60  # seconds
_ONE_AT_A_TIME = Lock()


def workers() -> int:
    """How many threads compute side by side: one per core that this process may use, or fewer where PyTorch is set to fewer."""
    return max(1, min(cores(), torch.get_num_threads()))


@cache
def cores() -> int:
    """How many cores this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)
    count = len(affinity(0)) if affinity else os.cpu_count() or 1
    with suppress(OSError, ValueError):  # "max" where there is no quota
        quota, period = map(int, _QUOTA.read_text().split())
        count = min(count, math.ceil(quota / period))
    return count


def look_ahead() -> int:
    """How many pieces are begun and not handed over yet, at most."""
    return _AHEAD * workers()


def in_order(work: Callable[[Item], Done], items: Iterable[Item]) -> Iterator[Done]:
    """`work(item)` of each item, in the items' order, computed ahead on `workers()` threads; with one worker, on the calling thread.

    The first piece is computed before the others begin, so that they find whatever they share. Each is computed in the caller's
    gradient mode and context. When a piece fails its error is raised in its place; then, or when the iterator is closed, pieces that
    have not begun are dropped and those that have are waited for.
    """
    count, ahead = workers(), look_ahead()
    if count == 1:
        yield from map(work, items)
        return
    give_back()  # each thread has a heap of its own
    pending: deque[Future[Done]] = deque()
    pool = ThreadPoolExecutor(count, "real3d", initializer=on_one_thread)
    all_there = Barrier(count, timeout=_BEGINS_WITHIN)
    try:
        list(pool.map(lambda _: all_there.wait(), range(count)))  # no thread of the host's that begins later finds the setting changed
        for number, item in enumerate(items):
            pending.append(pool.submit(_as_here(work), item))
            if not number:
                wait(pending)
            if len(pending) == ahead:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)
        give_back()


def on_one_thread() -> None:
    """From now on PyTorch computes on the calling thread alone, which it has not used yet; on other threads as before.

    PyTorch also remembers the number for threads that use it for the first time: for those it is put back, on such a thread.
    """
    with _ONE_AT_A_TIME:
        usual = torch.get_num_threads()
        torch.set_num_threads(1)
        others = Thread(target=torch.set_num_threads, args=(usual,))
        others.start()
        others.join()


def _as_here(work: Callable[[Item], Done]) -> Callable[[Item], Done]:
    """The same in the gradient mode and the context of this thread, on whichever it is called."""
    inference, gradients, context = torch.is_inference_mode_enabled(), torch.is_grad_enabled(), contextvars.copy_context()

    def there(item: Item) -> Done:
        with torch.inference_mode(inference), torch.set_grad_enabled(gradients):
            return work(item)

    return lambda item: context.run(there, item)
