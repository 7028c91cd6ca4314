"""A motion as a few short curves."""

import torch

from real3d_core.analytic.controls import BASIS
from real3d_core.media.sound import Sound
from real3d_core.motion.curves import motion_curves, sound_envelope
from real3d_core.motion.motion import Motion, MotionBasis


def test_controls_and_degrees():
    motion = Motion.still(BASIS, 5).with_controls(
        jaw_open=torch.linspace(0, 1, 5), lips_round=torch.ones(5), blink_right=torch.full((5,), 0.5)
    )
    euler = torch.deg2rad(torch.tensor([[10.0, -20.0, 5.0]])).expand(5, 3)
    curves = motion_curves(motion.with_pose(euler, torch.zeros(5, 3)))
    assert curves["jaw"] == [0, 0.25, 0.5, 0.75, 1] and curves["lips"] == [-1] * 5 and curves["blink"] == [0.5] * 5
    assert (curves["pitch"][0], curves["yaw"][0], curves["roll"][0]) == (10, -20, 5)


def test_a_long_motion_is_short_and_loses_no_blink():
    closed = torch.zeros(9000)
    closed[4321] = 1
    curves = motion_curves(Motion.still(BASIS, 9000).with_controls(blink_left=closed))
    assert all(len(curve) <= 240 for curve in curves.values())
    assert max(curves["blink"]) == 1 and abs(curves["blink"].index(1) / len(curves["blink"]) - 4321 / 9000) < 0.01


def test_a_basis_without_controls_shows_how_much_it_does():
    motion = Motion(MotionBasis("plain", (), 2), torch.tensor([[3.0, 4.0], [0.0, 0.0]]), torch.zeros(2, 3), torch.zeros(2, 3))
    assert motion_curves(motion)["expression"] == [5, 0]


def test_the_envelope_lasts_as_long_as_the_motion():
    samples = torch.zeros(2, 16000)
    samples[1, 8000:] = -0.5
    envelope = sound_envelope(Sound(samples, 16000), 2.0, most=8)
    assert envelope == [0, 0, 0.5, 0.5, 0, 0, 0, 0]
    assert 2 < len(sound_envelope(Sound(samples[:, :10], 16000), 0.04)) <= 240
