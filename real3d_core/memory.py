"""How much memory this process has taken, and giving back what it does not use."""

import ctypes
import re
import sys
from pathlib import Path

_STATUS = Path("/proc/self/status")


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
    if sys.platform == "linux" and (trim := getattr(ctypes.CDLL(None), "malloc_trim", None)):
        trim(0)
