"""Numbers that people choose: whatever they are, the number itself or one sentence."""

from fractions import Fraction

import numpy as np
import pytest

from real3d_core.errors import Real3DError
from real3d_core.ranges import Range

ODD = [float("nan"), float("inf"), -float("inf"), -0.1, 3.1, 1e308, -(10**400), 10**400, "2", None, [1], 1 + 0j]


@pytest.mark.parametrize("value", [0, 3, 1.5, Fraction(1, 2), np.float32(2), np.int64(1)])
def test_what_is_in_range_stays_as_it_is(value):
    assert Range("The depth", 0, 3).check(value) is value


@pytest.mark.parametrize("value", ODD)
def test_everything_else_is_one_short_sentence(value):
    with pytest.raises(Real3DError) as failure:
        Range("The depth", 0, 3).check(value)
    sentence = str(failure.value)
    assert sentence.startswith("The depth is ") and sentence.endswith(": choose 0 to 3.") and len(sentence) < 100


@pytest.mark.parametrize("value", [*ODD, 1.0, 0.5])
def test_a_part_is_no_whole_number(value):
    with pytest.raises(Real3DError, match="a whole number, 0 to 3"):
        Range("The count", 0, 3, whole=True).check(value)
    assert Range("The count", 0, 3, whole=True).check(np.int64(3)) == 3
