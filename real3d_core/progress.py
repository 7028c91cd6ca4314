"""How long work reports its progress."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[int, int], None]
"""Told (steps done, steps in all) before each step and after the last; may raise to stop the work."""


def untold(done: int, total: int) -> None:
    """Reports nothing."""
