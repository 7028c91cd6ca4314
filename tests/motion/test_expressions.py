"""Expressions by hand: they set controls, and lips go on speaking."""

import pytest
import torch

from real3d_core.analytic.controls import BASIS
from real3d_core.errors import Real3DError
from real3d_core.motion.expressions import DIRECTED, EXPRESSIONS, directed, face_keyframes
from real3d_core.motion.motion import Motion, MotionBasis


def speaking(frames: int = 10) -> Motion:
    mouth = {"jaw_open": torch.linspace(0, 0.8, frames), "lips_press": torch.tensor(0.2), "blink_left": torch.tensor(0.5)}
    face = {"smile": torch.tensor(0.6), "brow_raise": torch.tensor(0.4), "speaking": torch.tensor(1.0)}
    return Motion.still(BASIS, frames).with_controls(**mouth, **face)


def test_there_are_six_and_the_built_in_avatar_has_their_controls():
    assert tuple(EXPRESSIONS) == ("neutral", "smile", "sad", "surprised", "angry", "focused")
    assert set(DIRECTED) <= set(BASIS.controls)


@pytest.mark.parametrize("name", EXPRESSIONS)
def test_on_a_face_at_rest_an_expression_is_its_table(name):
    still = Motion.still(BASIS, 3)
    motion = directed(still, {name: 1.0})
    for control in BASIS.controls:
        assert torch.allclose(motion.control(control), torch.full((3,), EXPRESSIONS[name].get(control, 0.0))), control
    half = directed(still, {name: 0.5})
    assert torch.allclose(half.expression, 0.5 * motion.expression)


def test_nothing_directed_changes_nothing():
    before = speaking()
    for amounts in ({}, dict.fromkeys(EXPRESSIONS, 0.0)):
        assert torch.equal(directed(before, amounts).expression, before.expression)


@pytest.mark.parametrize("name", EXPRESSIONS)
def test_lips_lids_and_head_go_on(name):
    before = speaking().with_pose(torch.rand(10, 3), torch.rand(10, 3))
    after = directed(before, {name: 1.0})
    assert torch.equal(after.euler, before.euler) and torch.equal(after.translation, before.translation)
    for control in ("lips_press", "lip_lower_tuck", "blink_left", "blink_right"):
        assert torch.equal(after.control(control), before.control(control))
    steps = after.control("jaw_open").diff()
    assert (steps > 0.5 * before.control("jaw_open").diff()).all() and after.control("jaw_open").max() <= 1


def test_an_expression_replaces_the_one_before():
    before = speaking()
    assert directed(before, {"sad": 1.0}).control("smile").abs().max() < 1e-6
    assert torch.allclose(directed(before, {"sad": 0.5}).control("smile"), 0.5 * before.control("smile"))
    assert directed(before, {"neutral": 1.0}).control("brow_raise").abs().max() < 1e-6
    assert torch.allclose(directed(before, {"sad": 1.0}).control("brow_raise"), 0.5 * before.control("brow_raise")), (
        "brows go on underlining"
    )


def test_expressions_are_mixed_and_share_what_is_more_than_one():
    still = Motion.still(BASIS, 2)
    mixed = directed(still, {"smile": 0.5, "surprised": 0.25})
    assert torch.allclose(mixed.control("lids_wide"), torch.full((2,), 0.25 * EXPRESSIONS["surprised"]["lids_wide"]))
    whole, twice = directed(still, {"smile": 0.5, "sad": 0.5}), directed(still, {"smile": 1.0, "sad": 1.0})
    assert torch.allclose(whole.expression, twice.expression)


def test_keyframes_lead_softly_from_one_mix_to_the_next():
    curves, by_hand = face_keyframes("# a comment\n2: sad = .5; angry = 0.25\n\n0: smile\n", 76, 25.0)
    assert tuple(curves) == tuple(EXPRESSIONS) and not by_hand
    assert curves["smile"][0] == 1 and curves["smile"][50] == 0 and curves["sad"][50] == 0.5 and curves["angry"][75] == 0.25
    assert (curves["sad"][:51].diff() >= 0).all() and curves["sad"].diff().abs().max() < 0.03
    assert not curves["neutral"].any()
    moving = directed(Motion.still(BASIS, 76), curves)
    assert moving.control("smile")[0] > 1 > moving.control("smile")[25] > 0 and abs(float(moving.control("smile")[50])) < 1e-6


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# nothing",
        "smile",
        "1 smile",
        "x: smile",
        "0: smile = 2",
        "0: smile = -1",
        "0: smile = much",
        "0: smile 1",
        "0: gaze_x = 1.5",
        "0: blink_left = -0.1",
    ],
)
def test_a_keyframe_that_is_none_is_refused(text):
    with pytest.raises(Real3DError, match="keyframe"):
        face_keyframes(text, 10, 25.0)


def test_keyframes_hold_what_is_set_by_hand_and_only_that():
    _, by_hand = face_keyframes("0: neutral, brow_raise = 0\n1: gaze_x = -0.4, head_yaw = 12.5", 26, 25.0)
    assert set(by_hand) == {"gaze_x", "head_yaw", "brow_raise"} and not by_hand["brow_raise"].any()
    assert by_hand["gaze_x"][0] == 0 and by_hand["gaze_x"][-1] == -0.4 and by_hand["head_yaw"][-1] == 12.5


def test_a_time_that_repeats_is_refused():
    with pytest.raises(Real3DError, match="same time"):
        face_keyframes("1: smile\n1.0: sad", 10, 25.0)


def test_an_expression_that_there_is_not_is_answered_with_those_that_there_are():
    for refused in (lambda: directed(speaking(), {"bored": 1.0}), lambda: face_keyframes("0: bored", 5, 25.0)):
        with pytest.raises(Real3DError, match=r"'bored': choose one of neutral, smile"):
            refused()


def test_a_motion_without_such_controls_is_refused():
    with pytest.raises(Real3DError, match="cannot be directed"):
        directed(Motion.still(MotionBasis("official", ("eyelids",), 64), 2), {"smile": 1.0})
