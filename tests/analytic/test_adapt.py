"""Bent planes: each frame stands for itself, whatever was bent before it or is bent beside it."""

from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from real3d_core.analytic.adapt import PlaneBender
from real3d_core.analytic.controls import BASIS


@pytest.fixture(scope="module")
def head(avatar, portrait):
    return avatar.lift(portrait)


@pytest.fixture(scope="module")
def coefficients():
    rows = torch.zeros(6, BASIS.size)
    rows[:, BASIS.index("jaw_open")] = torch.tensor([0.0, 1.0, 0.3, 0.0, 0.6, 0.0])
    rows[:, BASIS.index("brow_raise")] = torch.tensor([0.0, 0.0, 0.8, 0.5, 0.0, 0.0])
    return rows


@pytest.fixture(scope="module")
def alone(head, coefficients):
    """Each frame from a bender that has bent nothing else."""
    return [PlaneBender(head)(row[None]).features[0] for row in coefficients]


def test_a_face_at_rest_keeps_its_planes(head, alone):
    assert torch.equal(alone[0], head.features[0])


def test_only_the_front_planes_first_channels_change(head, alone):
    for features in alone:
        assert torch.equal(features[1:], head.features[0, 1:]) and torch.equal(features[0, 10:], head.features[0, 0, 10:])


def test_a_frame_knows_nothing_of_those_before_it(head, coefficients, alone):
    bend = PlaneBender(head)
    for _ in range(2):
        for row, expected in zip(coefficients, alone, strict=True):
            assert torch.equal(bend(row[None]).features[0], expected)


def test_frames_that_are_held_stay_as_they_are(head, coefficients, alone):
    bend = PlaneBender(head)
    held = [bend(row[None]).features[0, :, :10] for row in coefficients]  # of the tensor that was lent only a view is left
    for _ in range(2):
        bend(coefficients[1:2])
    assert all(torch.equal(part, whole[:, :10]) for part, whole in zip(held, alone, strict=True))


def test_every_chunking_gives_the_same_planes(head, coefficients, alone):
    bend = PlaneBender(head)
    for size in (2, 3, 6, 1, 2):
        assert torch.equal(torch.cat([bend(chunk).features for chunk in coefficients.split(size)]), torch.stack(alone))


def test_threads_may_bend_side_by_side(head, coefficients, alone):
    bend = PlaneBender(head)
    with ThreadPoolExecutor(4) as pool:
        rounds = list(pool.map(lambda k: torch.equal(bend(coefficients[k : k + 1]).features[0], alone[k]), [0, 1, 2, 3, 4, 5] * 6))
    assert all(rounds)
