"""A row of the table: what is measured on each portrait, and the bars that the mean and the worst of them keep."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from .subject import NoFaceSeen, Subject

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
        """Of all portraits' values."""
        return _lies_in(float(np.mean(values)), self.mean) and self.holds_for_each(values)

    def holds_for_each(self, values: Sequence[float]) -> bool:
        return all(_lies_in(value, self.each) for value in values)

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


def _lies_in(value: float, span: Range) -> bool:
    """Rounding errors aside."""
    return span[0] - 1e-9 <= value <= span[1] + 1e-9


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


class Table:
    """The values of rows for one portrait after the other; printed, it is a block of two lines for each row that applied to any."""

    _FEW = 5  # values of one portrait that are shown one by one

    def __init__(self, rows: Sequence[Row]):
        self.rows = rows
        self.values: dict[str, dict[str, Sequence[float]]] = {row.name: {} for row in rows}

    def measure(self, subject: Subject) -> None:
        """A row that sees no face at all has no values; the row that counts found faces tells of it."""
        for row in self.rows:
            try:
                self.values[row.name][subject.name] = row.measure(subject)
            except NoFaceSeen as nothing:
                print(f"{subject.name}, {row.name}: {nothing}", file=sys.stderr)

    def summary(self, row: Row) -> tuple[str, bool] | None:
        """ "mean / worst" of all portraits and whether the bar holds; None where the row applied to none of them."""
        every = [value for values in self.values[row.name].values() for value in values]
        return (self._both(row, every), row.bar.holds(every)) if every else None

    def of_one(self, row: Row, portrait: str) -> str:
        """The values of one portrait; of many, mean and worst; empty where the row does not apply to it."""
        values = self.values[row.name].get(portrait, ())
        return self._both(row, values) if len(values) > self._FEW else " ".join(f"{value:.{row.digits}f}" for value in values)

    def holds_for(self, row: Row, portrait: str) -> bool:
        """Whether none of one portrait's values misses the bar for the worst."""
        return row.bar.holds_for_each(self.values[row.name].get(portrait, ()))

    def __str__(self) -> str:
        lines = []
        for row in self.rows:
            if summary := self.summary(row):
                words, holds = summary
                lines.append(f"{row.title:46} {row.bar!s:>16}  {words}{'' if holds else '  MISSED'}")
                each = {portrait: self.of_one(row, portrait) for portrait in self.values[row.name]}
                lines.append(f"{'':8}{', '.join(f'{portrait} {words}' for portrait, words in each.items() if words)}")
        return "\n".join(lines)

    @staticmethod
    def _both(row: Row, values: Sequence[float]) -> str:
        return f"{np.mean(values):.{row.digits}f} / {row.bar.worst(values):.{row.digits}f}"
