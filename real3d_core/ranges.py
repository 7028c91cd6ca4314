"""Numbers that people choose: inside their range, or one sentence."""

from __future__ import annotations

from numbers import Integral, Real

from .errors import Real3DError

LARGEST_SEED = 2**63 - 1
SMALLEST_FRAME, LARGEST_FRAME = 64, 2048  # pixels along a side of a finished frame


def bounded(value: float, low: float, high: float, name: str) -> float:
    """The value itself.

    Raises:
        Real3DError: it is no number or out of range; workflows and command lines can hold anything.
    """
    if not isinstance(value, Real) or not low <= value <= high:
        raise Real3DError(f"{name} is {str(value)[:40]}: choose {low:g} to {high:g}.")
    return value


def whole(value: int, low: int, high: int, name: str) -> int:
    """The value itself.

    Raises:
        Real3DError: it is no whole number or out of range.
    """
    if not isinstance(value, Integral) or not low <= value <= high:
        raise Real3DError(f"{name} is {str(value)[:40]}: choose a whole number, {low} to {high}.")
    return value
