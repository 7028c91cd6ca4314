"""Controls and head moved by hand, on top of what a motion does."""

import math

import pytest
import torch

from real3d_core.analytic.controls import BASIS
from real3d_core.errors import Real3DError
from real3d_core.motion.by_hand import moved_by_hand, ways_of
from real3d_core.motion.motion import Motion, MotionBasis
from real3d_core.ranges import BY_HAND


def speaking(frames: int = 6) -> Motion:
    said = Motion.still(BASIS, frames).with_controls(jaw_open=torch.linspace(0, 0.8, frames), blink_left=torch.tensor(0.7))
    return said.with_pose(torch.full((frames, 3), 0.1), torch.full((frames, 3), -0.2))


def test_nothing_set_changes_nothing_to_the_bit():
    before = speaking()
    assert moved_by_hand(before, {}) is before
    assert moved_by_hand(before, dict.fromkeys(BY_HAND, 0.0), {"jaw_open": "scale", "head_yaw": "add"}) is before


@pytest.mark.parametrize("name", [name for name in BY_HAND if not name.startswith("head_")])
def test_each_slider_moves_its_own_control(name):
    after = moved_by_hand(Motion.still(BASIS, 2), {name: torch.tensor([0.25, 0.5])})
    own = "smile" if name == "mouth_smile" else name
    assert after.control(own).tolist() == [0.25, 0.5]
    assert not after.with_controls(**{own: torch.tensor(0.0)}).expression.any() and not after.euler.any()


def test_an_amount_is_added_or_takes_the_place_or_scales():
    before = speaking()
    jaw = before.control("jaw_open")
    for way, expected in (("add", jaw + 0.5), ("replace", torch.full_like(jaw, 0.5)), ("scale", 1.5 * jaw)):
        assert torch.equal(moved_by_hand(before, {"jaw_open": 0.5}, {"jaw_open": way}).control("jaw_open"), expected)
    assert not moved_by_hand(before, {"jaw_open": 0.0}, {"jaw_open": "replace"}).control("jaw_open").any(), "held at rest"
    assert moved_by_hand(before, {"blink_left": 0.8}).control("blink_left").max() == 1, "a lid is closed at most"


def test_a_head_turns_about_its_neck_and_goes_on_moving():
    before = speaking()
    after = moved_by_hand(before, {"head_yaw": 20.0})
    assert torch.allclose(after.euler - before.euler, torch.tensor([0.0, math.radians(20), 0.0]), atol=1e-6)
    assert (after.translation != before.translation).any() and torch.equal(after.expression, before.expression)
    held = moved_by_hand(before, {"head_pitch": 0.0}, {"head_pitch": "replace"})
    assert not held.euler[:, 0].any() and torch.equal(held.euler[:, 1:], before.euler[:, 1:])
    assert torch.allclose(moved_by_hand(before, {"head_roll": 45.0}, {"head_roll": "scale"}).euler[:, 2], 2 * before.euler[:, 2])


def test_ways_are_read_from_a_line():
    assert ways_of(" jaw_open = scale, gaze_x: replace\n") == {"jaw_open": "scale", "gaze_x": "replace"} and ways_of("") == {}
    for text in ("jaw_open", "jaw_open = double", "nose = add", "jaw open = add"):
        with pytest.raises(Real3DError):
            ways_of(text)


@pytest.mark.parametrize("amount", [1.01, -0.01, math.nan, math.inf, torch.tensor([0.0, 0.0, 0.0, 0.0, 0.0, 2.0])])
def test_amounts_out_of_range_are_refused(amount):
    with pytest.raises(Real3DError, match="amount of jaw_open"):
        moved_by_hand(speaking(), {"jaw_open": amount})


def test_what_cannot_be_moved_is_refused():
    with pytest.raises(Real3DError, match="'nose': choose one of gaze_x"):
        moved_by_hand(speaking(), {"nose": 0.1})
    with pytest.raises(Real3DError, match="built-in avatar"):
        moved_by_hand(Motion.still(MotionBasis("official", ("eyelids",), 64), 2), {"gaze_x": 0.1})
