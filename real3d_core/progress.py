"""The interface by which long work reports its progress."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[int, int], None]
"""Called with (steps done, steps in all) before each step and after the last; may raise to stop the work."""


def no_progress(*steps: object) -> None:
    """Reports nothing, of work with or without named stages."""
