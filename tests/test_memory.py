"""Memory that was freed goes back to the system."""

import re
import sys
from pathlib import Path

import pytest

from real3d_core.memory import give_back

STATUS = Path("/proc/self/status")


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


def test_elsewhere_nothing_happens(monkeypatch):
    monkeypatch.setattr(sys, "platform", "win32")
    give_back()
