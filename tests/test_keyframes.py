"""Keyframes of a text: how values go from one to the next."""

import numpy as np
import pytest

from real3d_core.errors import Real3DError
from real3d_core.keyframes import EASINGS, between_keyframes, keyframes


def read(line: str) -> tuple[float, ...]:
    seconds, _, values = line.partition(":")
    return float(seconds), *map(float, values.split())


def curve(text: str, frames: int = 51, fps: float = 25.0) -> np.ndarray:
    return between_keyframes(*keyframes(text, read, "test", "'0: 1'"), frames, fps)[:, 0]


SHARES = {"linear": lambda t: t, "hold": lambda t: 0 * t, "ease_in": lambda t: t**2, "ease_out": lambda t: 1 - (1 - t) ** 2}


@pytest.mark.parametrize("easing", SHARES)
def test_an_easing_leads_from_its_keyframe_to_the_next(easing):
    value, t = curve(f"0 {easing}: 2\n1: 6\n2: 6"), np.arange(25) / 25
    assert np.allclose(value[:25], 2 + 4 * SHARES[easing](t)) and np.allclose(value[25:], 6)


def test_smooth_is_what_lines_without_an_easing_are():
    plain = "0: 1\n1: 3\n2: 2"
    assert (curve(plain) == curve(plain.replace(":", " smooth:"))).all() and len(SHARES) == len(EASINGS) - 1
    assert (curve(plain)[25:] == curve(plain.replace("0:", "0 LINEAR :", 1))[25:]).all(), "an easing changes its own part alone"


@pytest.mark.parametrize("fps", [24000 / 1001, 29.97, 30.0, 59.94])
def test_what_is_held_jumps_at_the_frame_of_the_next_keyframe(fps):
    for frame in (1, 7, 26):
        held = curve(f"0 hold: 0\n{frame / fps:.9f} hold: 1\n9: 2", 40, fps)
        assert not held[:frame].any() and (held[frame:] == 1).all()


def test_the_last_keyframe_is_held_whatever_its_easing():
    assert curve("0: 0\n1 hold: 5")[-1] == 5 and (curve("0 ease_in: 7") == 7).all()


def test_an_easing_that_there_is_not_is_refused():
    with pytest.raises(Real3DError, match=r"'0 bouncy: 1' cannot be used.*choose one of smooth, linear, hold, ease_in, ease_out"):
        curve("0 bouncy: 1")


def test_no_rounding_goes_beyond_keyframes():
    """An amount a hair below 0 would be refused as out of range."""
    random = np.random.default_rng(0)
    for _ in range(100):
        times = np.cumsum(random.uniform(0.04, 1.5, 5)).round(2)
        values = (random.uniform(0, 1, (5, 3)) * (random.uniform(size=(5, 3)) > 0.4)).round(3)
        found = between_keyframes(times, values, tuple(random.choice(EASINGS, 5)), 200, 25.0)
        assert (found >= values.min(axis=0)).all() and (found <= values.max(axis=0)).all()
