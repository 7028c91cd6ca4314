import pytest
import torch

from real3d_core.motion.motion import Motion, MotionBasis

BASIS = MotionBasis("test", ("open", "shut"), 3)


@pytest.fixture
def ramp():
    values = torch.arange(5.0)
    return Motion(BASIS, values[:, None].repeat(1, 3), torch.zeros(5, 3), values[:, None].repeat(1, 3))


def test_a_control_is_read_and_replaced_by_name_without_touching_the_original(ramp):
    changed = ramp.with_controls(shut=torch.ones(5))
    assert changed.control("shut").tolist() == [1] * 5
    assert ramp.control("shut").tolist() == [0, 1, 2, 3, 4]


def test_resampling_is_linear_and_holds_the_last_frame(ramp):
    doubled = ramp.resampled(50.0, 10)
    assert len(doubled) == 10 and doubled.fps == 50.0
    assert doubled.control("open")[1:9].diff().allclose(torch.full((7,), 0.5))
    assert doubled.control("open")[-1] == 4


def test_a_short_motion_is_played_to_and_fro(ramp):
    assert ramp.fitted(12).control("open").tolist() == [0, 1, 2, 3, 4, 4, 3, 2, 1, 0, 0, 1]
    assert ramp.fitted(2).control("open").tolist() == [0, 1]


def test_sizes_that_do_not_agree_are_refused():
    with pytest.raises(ValueError, match="basis"):
        Motion(BASIS, torch.zeros(4, 2), torch.zeros(4, 3), torch.zeros(4, 3))
    with pytest.raises(ValueError, match="must be"):
        Motion(BASIS, torch.zeros(4, 3), torch.zeros(3, 3), torch.zeros(4, 3))
