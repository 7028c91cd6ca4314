"""Bars of the benchmark's table."""

import pytest

from benchmarks.quality.rows import at_least, at_most, within


@pytest.mark.parametrize(
    ("bar", "worst", "holds", "text"),
    [
        (at_most(0.4, mean=0.3), 0.4, True, "<= 0.3 / 0.4"),
        (at_most(0.4, mean=0.2), 0.4, False, "<= 0.2 / 0.4"),
        (at_most(0.35), 0.4, False, "<= 0.35"),
        (at_least(0.1, mean=0.2), 0.1, True, ">= 0.2 / 0.1"),
        (at_least(0.15), 0.1, False, ">= 0.15"),
        (within(0.05, 0.5), 0.1, True, "0.05 to 0.5"),
        (within(0.15, 0.5), 0.1, False, "0.15 to 0.5"),
        (at_most(), 0.4, True, ""),
    ],
)
def test_a_bar_knows_the_worst_value_and_whether_it_holds(bar, worst, holds, text):
    values = [0.1, 0.4, 0.25]
    assert (bar.holds(values), str(bar)) == (holds, text)
    if text:
        assert bar.worst(values) == worst
