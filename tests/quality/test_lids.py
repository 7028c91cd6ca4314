"""What the benchmark makes of two eyes that are compared."""

import numpy as np
import pytest

from benchmarks.quality.lids import correlation_and_gain, near_blinks


def test_lids_that_follow_half_way_have_half_the_gain():
    driver = np.array([1.0, 1.0, 0.2, 0.5, 1.0])
    assert correlation_and_gain(driver, 0.4 + 0.5 * driver) == pytest.approx((1, 0.5))


def test_every_frame_near_a_blink_is_looked_at_and_some_of_the_others():
    opening = np.ones(100)
    assert list(near_blinks(opening)) == list(range(0, 100, 10))
    opening[52] = 0.1
    assert set(range(47, 58)) <= set(near_blinks(opening)) and 46 not in near_blinks(opening)
