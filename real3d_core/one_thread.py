"""Small work on one thread: several spend their time waiting for one another, thirty times as long where others compute too."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

import torch

Result = TypeVar("Result")
_lock = threading.Lock()
_asked, _limits = 0, None


@contextmanager
def one_thread() -> Iterator[None]:
    """PyTorch computes on one thread within; afterwards on as many as before."""
    threads = torch.get_num_threads()
    if threads == 1:  # setting it would also tell threads that are new to PyTorch
        yield
        return
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


@contextmanager
def blas_on_one_thread() -> Iterator[None]:
    """The linear algebra of NumPy and SciPy computes on one thread within; afterwards, once nobody is within, on as many as before.

    It takes some milliseconds, and holds for the whole process: PyTorch has a setting of its own.
    """
    global _asked, _limits
    with _lock:
        if not _asked:
            _limits = _from_a_thread_of_its_own(_limited)
        _asked += 1
    try:
        yield
    finally:
        with _lock:
            _asked -= 1
            if not _asked and _limits is not None:
                _from_a_thread_of_its_own(_limits.restore_original_limits)


def _from_a_thread_of_its_own(call: Callable[[], Result]) -> Result:
    """From version 3.8 on threadpoolctl heeds only the thread that was the first to set a limit, for as long as that lives."""
    with ThreadPoolExecutor(1) as other:
        return other.submit(call).result()


def _limited():
    try:
        from threadpoolctl import threadpool_limits
    except ImportError:  # a pack that was brought up to date without its requirements: slower, but it works
        return None
    return threadpool_limits(1, "blas")
