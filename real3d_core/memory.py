"""How much memory this process has taken, and giving back what it does not use."""

from __future__ import annotations

import ctypes
import re
import sys
from collections.abc import Callable
from pathlib import Path

_STATUS = Path("/proc/self/status")
_ARENA_MAX = -8  # of glibc's malloc.h
_ARENAS = 2


def peak_memory() -> int | None:
    """The most memory this process has held so far, in bytes; None where the system does not tell (Windows)."""
    if _STATUS.is_file() and (
        peak := re.search(r"VmHWM:\s*(\d+)", _STATUS.read_text())
    ):  # Linux, whose getrusage also counts the process that this one was started from
        return 1024 * int(peak[1])
    try:
        import resource
    except ImportError:
        return None
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def give_back() -> None:
    """Returns freed memory to the system where the C library keeps it until told (glibc); nothing elsewhere."""
    if trim := _of_glibc("malloc_trim"):
        trim(0)


def share_heaps() -> None:
    """Lets threads that begin from now on share two heaps where each would keep what it has freed in one of its own (glibc).

    For a program's start only: it holds for the whole process.
    """
    if option := _of_glibc("mallopt"):
        option(_ARENA_MAX, _ARENAS)


def _of_glibc(function: str) -> Callable[..., int] | None:
    return getattr(ctypes.CDLL(None), function, None) if sys.platform == "linux" else None
