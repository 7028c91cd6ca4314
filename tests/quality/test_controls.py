"""How single controls are measured in the benchmark."""

import numpy as np
import pytest

from benchmarks.quality.controls import NAMED, followed
from real3d_core.ranges import BY_HAND


def test_every_control_of_the_face_is_swept():
    assert set(NAMED) == {name for name in BY_HAND if not name.startswith("head_")}


def test_what_a_control_names_counts_apart_from_what_else_moves():
    amounts = np.linspace(-1, 1, 5)
    seen = [{"up": 0.5 + 0.2 * x, "down": 0.5 - 0.2 * x, "other": 0.1 * x} for x in amounts]
    assert followed(amounts, seen, ("up", "-down")) == pytest.approx((1.0, 0.5))
    assert followed(amounts, seen, ("other",)) == pytest.approx((1.0, 2.0))


def test_a_control_that_nobody_sees_is_not_followed():
    assert followed(np.linspace(0, 1, 5), [{"own": 0.0, "other": 0.0}] * 5, ("own",)) == (0.0, np.inf)
