import math

import numpy as np
import pytest
import torch

from real3d_core.analytic.controls import BASIS
from real3d_core.motion.gaze import at_viewer, gaze_curve, gaze_of, with_gaze
from real3d_core.motion.motion import Motion, MotionBasis


def degrees(frames, seed, fps=25.0):
    return np.degrees(gaze_curve(frames, fps, seed))


@pytest.mark.parametrize("seed", [0, 1, 99])
def test_eyes_fixate_jump_and_come_back_to_the_viewer(seed):
    gaze = degrees(1500, seed)
    steps = np.linalg.norm(np.diff(gaze, axis=0), axis=1)
    assert np.abs(gaze[:20]).max() == 0
    assert (steps == 0).mean() > 0.85  # fixations
    away = np.linalg.norm(gaze, axis=1) > 3
    assert 0.03 < away.mean() < 0.35
    assert np.abs(gaze).max(axis=0)[0] <= 9 and np.abs(gaze).max(axis=0)[1] <= 4.5
    assert np.flatnonzero(np.diff(away.astype(int)) < 0).size >= 3  # they come back


def test_a_saccade_takes_a_few_hundredths_of_a_second():
    gaze = degrees(4000, 3, fps=100.0)
    moving = np.linalg.norm(np.diff(gaze, axis=0), axis=1) > 0
    edges = np.flatnonzero(np.diff(np.concatenate([[0], moving.astype(int), [0]])))
    assert (edges[1::2] - edges[::2]).max() <= 7


def test_the_same_seed_looks_at_the_same_places_and_a_longer_film_begins_alike():
    assert np.array_equal(gaze_curve(200, 25.0, 7), gaze_curve(500, 25.0, 7)[:200])
    assert not np.array_equal(gaze_curve(200, 25.0, 7), gaze_curve(200, 25.0, 8))
    assert gaze_curve(0).shape == (0, 2)


def test_a_gaze_is_given_to_motions_that_have_one():
    gaze = torch.tensor([[0.1, -0.2], [0.0, 0.05]])
    torch.testing.assert_close(gaze_of(with_gaze(Motion.still(BASIS, 2), gaze)), gaze)
    blind = Motion.still(MotionBasis("blind", (), 3), 2)
    assert with_gaze(blind, gaze) is blind and gaze_of(blind).abs().max() == 0


def test_eyes_stay_with_the_viewer_while_the_head_turns():
    euler = torch.tensor([[0.0, math.radians(10), 0.0], [math.radians(5), 0.0, 0.0], [0.0, math.radians(60), 0.0]])
    gaze = torch.rad2deg(at_viewer(Motion.still(BASIS, 3).with_pose(euler, torch.zeros(3, 3))))
    torch.testing.assert_close(gaze[:2], torch.tensor([[-10.0, 0.0], [0.0, 5.0]]))
    assert -22.01 < gaze[2, 0] < -18
