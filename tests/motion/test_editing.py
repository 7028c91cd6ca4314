"""Editing a motion: each operation does what its word says and nothing else."""

import math

import pytest
import torch
from safetensors.torch import save_file

from real3d_core.errors import MotionMismatchError, Real3DError
from real3d_core.motion import editing
from real3d_core.motion.motion import Motion, MotionBasis
from real3d_core.motion.motion_files import load_motion, save_motion

BASIS = MotionBasis("test", ("jaw", "smile"), 3)


def ramp(frames: int = 20, fps: float = 25.0, basis: MotionBasis = BASIS) -> Motion:
    """Every track rises by 1 a frame."""
    time = torch.arange(float(frames))[:, None]
    return Motion(basis, time.expand(-1, 3).clone(), time.expand(-1, 3) / 100, time.expand(-1, 3) / 10, fps)


def same(a: Motion, b: Motion) -> bool:
    return a.fps == b.fps and all(torch.equal(getattr(a, part), getattr(b, part)) for part in ("expression", "euler", "translation"))


def test_neutral_settings_change_nothing():
    motion = ramp()
    edited = editing.trimmed(editing.retimed(editing.smoothed(editing.scaled(motion), 0), 1))
    assert same(editing.looped(edited, 0, "again"), motion)


def test_gains_multiply_expression_controls_and_pose_apart():
    edited = editing.scaled(ramp(), expression=2, pose=0.5, controls={"smile": 0})
    assert edited.expression[10].tolist() == [20, 0, 20]
    assert edited.euler[10, 0] == pytest.approx(0.05) and edited.translation[10, 0] == pytest.approx(0.5)


def test_gains_are_read_from_a_list():
    assert editing.parse_gains("jaw = 1.5, smile: -0.5;\n blink=.2") == {"jaw": 1.5, "smile": -0.5, "blink": 0.2}


@pytest.mark.parametrize("text", ["jaw", "jaw = much", "jaw = 1e9", "= 2", "jaw = 11"])
def test_a_gain_that_is_none_is_refused(text):
    with pytest.raises(Real3DError, match=r"jaw_open = 1\.2"):
        editing.parse_gains(text)


def test_an_unknown_control_is_answered_with_the_known_ones():
    with pytest.raises(Real3DError, match="jaw, smile"):
        editing.scaled(ramp(), controls={"tail": 2})


def test_smoothing_takes_a_tremble_away_and_keeps_the_course():
    shaking = ramp(200)
    shaking = Motion(BASIS, shaking.expression + torch.tensor([1.0, -1.0]).repeat(100)[:, None], shaking.euler, shaking.translation)
    soft = editing.smoothed(shaking, 0.1)
    middle = slice(30, 170)
    assert (soft.expression[middle] - ramp(200).expression[middle]).abs().max() < 0.02


def test_twice_the_speed_is_half_the_length_at_the_same_rate():
    fast = editing.retimed(ramp(21), 2)
    assert len(fast) == math.ceil(21 / 2) and fast.fps == 25
    assert torch.allclose(fast.expression[:10].diff(dim=0), torch.tensor(2.0))


def test_trimming_keeps_the_part_between_two_times():
    assert editing.trimmed(ramp(), 0.2, 0.4).expression[:, 0].tolist() == [5, 6, 7, 8, 9]
    with pytest.raises(Real3DError, match="trim less"):
        editing.trimmed(ramp(), 0.8)


@pytest.mark.parametrize(("how", "wanted"), [("again", [0, 1, 2, 0, 1, 2, 0]), ("to and fro", [0, 1, 2, 2, 1, 0, 0]), ("once", [0, 1, 2])])
def test_loops(how, wanted):
    assert editing.looped(ramp(3), 7 / 25, how).expression[:, 0].tolist() == wanted


def test_joining_passes_softly_from_one_to_the_other():
    still = Motion.still(BASIS, 10)
    joined = editing.joined(still, ramp(10), overlap=0.2)
    assert len(joined) == 15 and joined.expression[:5].abs().max() == 0
    assert torch.equal(joined.expression[10:], ramp(10).expression[5:])
    assert (joined.expression[:, 0].diff() >= 0).all()


def test_the_second_motion_is_brought_to_the_first_ones_rate():
    joined = editing.joined(ramp(10), ramp(10, fps=12.5))
    assert len(joined) == 30 and joined.fps == 25


@pytest.mark.parametrize("fps", [12.5, 30.0, 24000 / 1001])
def test_another_rate_shows_the_same_movement_in_the_same_time(fps):
    before = Motion.still(BASIS, 50)
    before = before.with_pose(torch.arange(50.0)[:, None].expand(50, 3) / 50, before.translation)
    after = editing.at_rate(before, fps)
    assert after.fps == fps and len(after) == math.ceil(2 * fps)
    middle = (torch.arange(len(after)) + 0.5) / fps * 25 - 0.5
    assert torch.allclose(after.euler[1:-1, 0], middle.clamp(0, 49)[1:-1] / 50, atol=1e-5)


def test_mixing_is_between_the_two():
    mixed = editing.mixed(ramp(10), Motion.still(BASIS, 4), 0.25)
    assert torch.allclose(mixed.expression, 0.75 * ramp(10).expression)


def test_motions_of_two_avatars_are_not_joined():
    other = ramp(basis=MotionBasis("other", (), 3))
    for combine in (editing.joined, lambda a, b: editing.mixed(a, b, 0.5)):
        with pytest.raises(MotionMismatchError):
            combine(ramp(), other)


def test_a_kept_motion_comes_back(tmp_path):
    save_motion(tmp_path / "m.safetensors", ramp(fps=30.0))
    loaded = load_motion(tmp_path / "m.safetensors")
    assert same(loaded, ramp(fps=30.0)) and loaded.basis == BASIS


@pytest.mark.parametrize("content", [b"", b"no safetensors", b"\x08\0\0\0\0\0\0\0{}      "], ids=["empty", "damaged", "another kind"])
def test_a_file_without_a_motion_is_refused(tmp_path, content):
    (tmp_path / "m.safetensors").write_bytes(content)
    with pytest.raises(Real3DError, match=r"m\.safetensors"):
        load_motion(tmp_path / "m.safetensors")


@pytest.mark.parametrize("told", ["[1]", "null", "[" * 100_000, '{"kind": "real3d-motion-1"}', '{"a":' * 100_000, "9" * 5000])
def test_what_a_motions_file_says_of_itself_is_a_table_or_refused(tmp_path, told):
    save_file({"expression": torch.zeros(2, 3)}, tmp_path / "m.safetensors", metadata={"real3d": told})
    with pytest.raises(Real3DError, match=r"'m\.safetensors'"):
        load_motion(tmp_path / "m.safetensors")
