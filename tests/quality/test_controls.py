"""How single controls are measured in the benchmark."""

import numpy as np
import pytest

from benchmarks.quality.controls import NAMED, followed
from real3d_core.ranges import BY_HAND


def test_every_control_of_the_face_is_swept():
    assert set(NAMED) == {name for name in BY_HAND if not name.startswith("head_")}


def test_what_a_control_names_counts_apart_from_what_else_moves():
    amounts = np.linspace(-1, 1, 5)
    seen = [
        {"browUp": 0.5 + 0.2 * x, "browDown": 0.5 - 0.2 * x, "browInner": 0.1 * x, "eyeWide": 0.05 * x, "jawOpen": 0.0} for x in amounts
    ]
    measured = followed(amounts, seen, ("browUp", "-browDown"))
    assert vars(measured) == pytest.approx({"correlation": 1.0, "change": 0.4, "elsewhere": 0.1, "beside": 0.2})


def test_a_control_that_nobody_sees_does_not_correlate():
    assert followed(np.linspace(0, 1, 5), [{"jawOpen": 0.0, "eyeWide": 0.0}] * 5, ("jawOpen",)).correlation == 0
