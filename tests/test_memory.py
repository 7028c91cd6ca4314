"""Memory that was freed goes back to the system."""

import ctypes
import re
import subprocess
import sys
from pathlib import Path

import pytest

from real3d_core.memory import give_back, share_heaps

ROOT = Path(__file__).resolve().parents[1]
STATUS = Path("/proc/self/status")
HEAPS_OF_SIX_THREADS = """
import ctypes, threading
from real3d_core.memory import share_heaps
{first}
libc, all_there = ctypes.CDLL(None), threading.Barrier(6)
libc.malloc.restype = libc.fdopen.restype = ctypes.c_void_p
def work():
    libc.malloc(100)
    all_there.wait()
threads = [threading.Thread(target=work) for _ in range(6)]
for thread in threads: thread.start()
for thread in threads: thread.join()
stream = ctypes.c_void_p(libc.fdopen(1, b"w"))
libc.malloc_info(0, stream)
libc.fflush(stream)
"""


def held() -> int:
    """Megabytes."""
    return int(re.search(r"VmRSS:\s*(\d+)", STATUS.read_text())[1]) // 1000


@pytest.mark.skipif(not STATUS.is_file(), reason="Linux tells how much a process holds")
def test_what_lies_below_something_still_in_use_is_given_back():
    blocks = [bytearray(60_000) for _ in range(3000)]
    last = blocks[-1]
    del blocks
    before = held()
    give_back()
    assert held() < before - 100 and len(last) == 60_000


@pytest.mark.skipif(sys.platform != "linux" or not hasattr(ctypes.CDLL(None), "malloc_info"), reason="glibc lists its heaps")
def test_threads_share_two_heaps():
    def heaps(first):
        script = HEAPS_OF_SIX_THREADS.format(first=first)
        return subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True).stdout.count(
            "<heap nr="
        )

    assert heaps("pass") > 2 >= heaps("share_heaps()")


def test_elsewhere_nothing_happens(monkeypatch):
    monkeypatch.setattr(sys, "platform", "win32")
    give_back()
    share_heaps()
