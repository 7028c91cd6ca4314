"""Blinks are complete, irregular and independent of the clip's length."""

import numpy as np
import pytest

from real3d_core.motion.blink import blink_curve


def shut(curve: np.ndarray) -> np.ndarray:
    """Numbers of the frames in which the lids meet."""
    return np.flatnonzero(curve == 1)


@pytest.mark.parametrize("fps", [25.0, 30.0, 60.0])
@pytest.mark.parametrize("seed", range(5))
def test_natural_blinks_come_every_few_seconds_and_close_completely(fps, seed):
    curve = blink_curve(int(60 * fps), fps, seed)
    waits = np.diff(shut(curve)) / fps
    assert 10 <= len(waits) + 1 <= 25
    assert waits.min() > 2.3 and waits.max() < 5.7 and waits.std() > 0.3


def test_lids_fall_faster_than_they_rise():
    curve = blink_curve(600, 100.0, seed=1)
    middle = shut(curve)[0]
    falling, rising = (np.count_nonzero(part) for part in (curve[middle - 30 : middle], curve[middle + 1 : middle + 40]))
    assert 6 <= falling <= 10 and 13 <= rising <= 20


def test_a_longer_clip_begins_like_a_shorter_one():
    assert np.array_equal(blink_curve(400, 25.0, 7)[:200], blink_curve(1000, 25.0, 7)[:200])


@pytest.mark.parametrize("frames", range(0, 400, 13))
def test_the_first_and_last_frames_are_open(frames):
    curve = blink_curve(frames, 25.0, 3)
    assert not curve[:3].any() and not curve[max(frames - 3, 0) :].any()


def test_seeds_differ():
    assert not np.array_equal(blink_curve(500, 25.0, 1), blink_curve(500, 25.0, 2))


def test_periodic_blinks_are_regular_and_none_is_none():
    assert set(np.diff(shut(blink_curve(1000, 25.0, mode="periodic")))) == {100}
    assert not blink_curve(1000, 25.0, mode="none").any()


def test_an_unknown_mode_is_refused():
    with pytest.raises(ValueError, match="winking"):
        blink_curve(10, mode="winking")
