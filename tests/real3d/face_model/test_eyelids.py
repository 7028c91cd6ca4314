"""Closing eyelids against the reference's (spec 06 section 10)."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from golden import load_vector, make_input

from real3d_core.real3d.face_model.basel import FaceModel
from real3d_core.real3d.face_model.eyelids import blink_schedule, close_eyelids
from real3d_core.real3d.face_model.pncc import PnccRenderer


@pytest.fixture(scope="module")
def blink(goldens):
    return load_vector(goldens / "06_blink.npz")


def _picture(levels: np.ndarray) -> torch.Tensor:
    """The half keeps the truncation to levels unambiguous."""
    return ((torch.from_numpy(levels).permute(2, 0, 1).float() + 0.5) / 127.5 - 1).float()


@pytest.mark.parametrize("closing", ["0.25", "0.5", "0.75", "1.0"])
def test_lids_close_as_in_the_reference(blink, closing: str):
    expected, meta = blink
    before = expected["input_u8"]
    closed = close_eyelids(_picture(before), float(closing))
    after = ((closed + 1) * 127.5).round().permute(1, 2, 0).numpy().astype(int)
    window = np.s_[120:264, 120:392]
    outside = np.ones(before.shape[:2], dtype=bool)
    outside[window] = False
    assert (after[outside] == before[outside]).all()

    reference = expected[f"out_{closing}"].astype(int)
    changed, changed_there = (after[window] != before[window]).any(-1), (reference != before[window]).any(-1)
    assert (changed != changed_there).sum() <= 10
    assert abs(changed.sum() - meta["changed_pixels"][closing]) <= 10
    difference = np.abs(after[window] - reference)[changed & changed_there]
    assert difference.mean() < 2
    assert (difference.max(axis=-1) <= 6).mean() >= 0.995


def test_an_open_eye_in_a_blink_is_quantised(blink, face: FaceModel):
    identity, expression = (
        torch.from_numpy(make_input(f"portrait.secc.{name}", (2, size), 0, -0.5, 0.5))[:1] for name, size in (("id", 80), ("exp", 64))
    )
    picture = PnccRenderer(face)(face.shape.points(identity, expression))[0]
    quantised = close_eyelids(picture, 0.0)[:, 1::8, 1::8].numpy()
    difference = np.abs(quantised - blink[0]["quantised_s"])
    # a colour on the edge of a level may fall to either side
    assert (difference > 1e-6).mean() < 2e-3 and difference.max() < 1.01 / 127.5


def test_a_picture_without_eyes_stays_as_it_is():
    assert torch.equal(close_eyelids(torch.full((3, 64, 64), -1.0), 0.5), torch.full((3, 64, 64), -1.0))
    skin = torch.full((3, 64, 64), 0.25)
    assert torch.equal(close_eyelids(skin, 0.5), skin)


def test_blinks_come_every_five_seconds_and_rise_and_fall_as_published(blink):
    table = blink[0]["percent_table"]
    schedule = blink_schedule(400, seed=7)
    assert torch.equal(schedule, blink_schedule(400, seed=7))
    between = torch.ones(400, dtype=torch.bool)
    for start in (0, 125, 250, 375):
        duration = next(d for d in range(1, 14) if schedule[start + d] == 0)
        assert 8 <= duration <= 12
        np.testing.assert_allclose(schedule[start : start + duration], table[duration - 8, :duration], atol=1e-6)
        between[start : start + duration] = False
    assert (schedule[between] == 0).all()
    assert len({tuple(blink_schedule(1000, seed).tolist()) for seed in range(5)}) > 1


def test_the_last_frame_never_blinks():
    assert (blink_schedule(5, 0) > 0).tolist() == [False, True, True, True, False]
    assert blink_schedule(1, 0).tolist() == [0]
