"""Direct the face: a motion, or a still face, with an expression."""

import pytest
import torch


def control(host, motion, name: str) -> torch.Tensor:
    assert motion.basis == host.core("analytic.controls").BASIS
    return motion.control(name)


def test_without_a_motion_a_still_face_is_directed_for_some_seconds(host):
    motion, _ = host.execute("Real3DDirectTheFace", expression="surprised", amount=1.0, seconds=2.0)
    assert (len(motion), motion.fps) == (50, 25.0)
    assert control(host, motion, "lids_wide").min() > 0.5 and not motion.euler.any()
    single, _ = host.execute("Real3DDirectTheFace", seconds=0.04)
    assert len(single) == 1


def test_a_motion_keeps_its_length_rate_and_lips(host):
    motions, basis = host.core("motion.motion"), host.core("analytic.controls").BASIS
    spoken = motions.Motion.still(basis, 7, 30.0).with_controls(lips_press=torch.linspace(0, 1, 7))
    motion, _ = host.execute("Real3DDirectTheFace", motion=spoken, expression="angry", amount=0.5, smile=0.25)
    assert (len(motion), motion.fps) == (7, 30.0) and torch.equal(motion.control("lips_press"), spoken.control("lips_press"))
    table = host.core("motion.expressions").EXPRESSIONS
    assert torch.allclose(motion.control("brow_furrow"), torch.full((7,), 0.5 * table["angry"]["brow_furrow"]))
    assert torch.allclose(motion.control("smile"), torch.full((7,), 0.25 * table["smile"]["smile"]))


def test_sliders_are_added_to_what_the_motion_does(host):
    motions, basis = host.core("motion.motion"), host.core("analytic.controls").BASIS
    spoken = motions.Motion.still(basis, 7).with_controls(jaw_open=torch.linspace(0, 0.6, 7))
    motion, _ = host.execute("Real3DDirectTheFace", motion=spoken, amount=0.0, jaw_open=0.2, gaze_x=-0.5, head_yaw=10.0)
    assert torch.allclose(motion.control("jaw_open"), spoken.control("jaw_open") + 0.2)
    assert (motion.control("gaze_x") == -0.5).all() and motion.euler[:, 1].rad2deg().tolist() == pytest.approx([10] * 7)
    scaled, _ = host.execute("Real3DDirectTheFace", motion=spoken, amount=0.0, jaw_open=0.5, ways="jaw_open = scale")
    assert torch.allclose(scaled.control("jaw_open"), 1.5 * spoken.control("jaw_open"))


def test_with_everything_at_zero_the_motion_is_the_same_to_the_bit(host):
    motions, basis = host.core("motion.motion"), host.core("analytic.controls").BASIS
    spoken = motions.Motion.still(basis, 7).with_controls(jaw_open=torch.linspace(0, 0.6, 7)).with_pose(torch.rand(7, 3), torch.rand(7, 3))
    for inputs in ({"amount": 0.0}, {"amount": 0.0, "ways": "jaw_open = scale"}):
        motion, _ = host.execute("Real3DDirectTheFace", motion=spoken, **inputs)
        for part in ("expression", "euler", "translation"):
            assert getattr(motion, part).numpy().tobytes() == getattr(spoken, part).numpy().tobytes()


def test_without_a_photo_the_still_says_what_to_connect(host):
    assert "Connect a photo" in host.execute("Real3DDirectTheFace")[1].message


def test_the_sliders_are_the_core_s(host):
    assert tuple(host.part("direct_the_face").SLIDERS) == tuple(host.core("ranges").BY_HAND)


def test_keyframes_take_the_place_of_amounts(host):
    motion, _ = host.execute("Real3DDirectTheFace", expression="angry", amount=1.0, keyframes="0: neutral\n1: smile", seconds=1.04)
    assert not control(host, motion, "brow_furrow").any() and motion.control("smile")[0] == 0 < motion.control("smile")[-1]


def test_the_page_gets_curves_to_draw(host):
    node = host.part("direct_the_face").DirectTheFace
    shown = node.execute(expression="sad", amount=1.0, keyframes="", seconds=1.0).ui
    assert shown["real3d_seconds"] == [1.0] and "real3d_source" not in shown


def test_a_motion_of_the_official_avatar_is_refused_in_one_sentence(host):
    official = host.core("motion.motion").Motion.still(host.core("real3d.avatar").BASIS, 3)
    with pytest.raises(host.core("errors").Real3DError, match="cannot be directed"):
        host.execute("Real3DDirectTheFace", motion=official)
