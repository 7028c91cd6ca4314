"""A row of the table: what is measured on each portrait, and the bars that the mean and the worst of them keep."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from .subject import Subject

Range = tuple[float, float]
_ANY: Range = (-math.inf, math.inf)


@dataclass(frozen=True)
class Bar:
    """What is asked of a row's values: their mean lies within `mean` and each of them within `each`."""

    mean: Range = _ANY
    each: Range = _ANY

    def worst(self, values: Sequence[float]) -> float:
        """The value that lies farthest out, or is the nearest to it."""
        low, high = self.each if self.each != _ANY else self.mean
        return min(values, key=lambda value: min(value - low, high - value))

    def holds(self, values: Sequence[float]) -> bool:
        """Rounding errors aside."""
        return all(
            low - 1e-9 <= value <= high + 1e-9 for value, (low, high) in ((np.mean(values), self.mean), (self.worst(values), self.each))
        )

    def __str__(self) -> str:
        parts = [_words(one) for one in (self.mean, self.each)]
        if self.mean[0] == self.each[0] == -math.inf or self.mean[1] == self.each[1] == math.inf:
            return " / ".join([parts[0], parts[1][3:] if parts[0] and parts[1] else parts[1]]).strip(" /")
        return parts[1] or parts[0]


def at_most(each: float = math.inf, mean: float = math.inf) -> Bar:
    return Bar((-math.inf, mean), (-math.inf, each))


def at_least(each: float = -math.inf, mean: float = -math.inf) -> Bar:
    return Bar((mean, math.inf), (each, math.inf))


def within(low: float, high: float) -> Bar:
    return Bar(each=(low, high))


def _words(span: Range) -> str:
    low, high = span
    if span == _ANY:
        return ""
    if low == -math.inf:
        return f"<= {high:g}"
    return f">= {low:g}" if high == math.inf else f"{low:g} to {high:g}"


@dataclass(frozen=True)
class Row:
    """One measure.

    name: by which it is chosen on the command line.
    title: in the table.
    bar: for its values.
    measure: the values of one portrait, none where the row does not apply to it.
    digits: after the point.
    """

    name: str
    title: str
    bar: Bar
    measure: Callable[[Subject], Sequence[float]]
    digits: int = 3
