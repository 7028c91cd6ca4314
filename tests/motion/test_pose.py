"""Head movement: gentle, starting at rest, independent of the clip's length."""

import numpy as np
import pytest

from real3d_core.motion.pose import orbit, speech_sway


@pytest.mark.parametrize("seed", range(5))
def test_the_head_stays_within_a_few_degrees_and_moves_slowly(speech, seed):
    euler, translation = speech_sway(np.tile(speech["librivox_0870_en.wav"], 3), 530, seed=seed)
    degrees = np.degrees(euler)
    assert (np.abs(degrees).max(axis=0) <= [4.0, 3.0, 1.5]).all()
    assert np.ptp(degrees, axis=0).min() > 0.8
    assert np.abs(np.diff(degrees, axis=0)).max() * 25 < 10
    assert np.abs(translation).max() < 0.05


def test_it_begins_in_the_rest_pose(speech):
    euler, translation = speech_sway(speech["librivox_0880_en.wav"], 75)
    assert not euler[0].any() and not translation[0].any()
    assert np.abs(np.degrees(euler[1])).max() < 0.1


def test_a_longer_clip_begins_like_a_shorter_one(speech):
    samples = np.tile(speech["librivox_0870_en.wav"], 3)
    short = speech_sway(samples[: 14 * 16000], 200, seed=4)
    long = speech_sway(samples, 530, seed=4)
    for before, after in zip(short, long, strict=True):
        assert np.allclose(before, after[:200], atol=1e-6)


def test_it_is_calmer_in_silence(speech):
    voice = np.tile(speech["librivox_0870_en.wav"], 3)
    speaking, _ = speech_sway(voice, 500, seed=2)
    silent, _ = speech_sway(np.zeros_like(voice), 500, seed=2)
    assert np.abs(silent).mean() < 0.6 * np.abs(speaking).mean()


def test_the_head_nods_with_the_voice(speech):
    samples = speech["librivox_0870_en.wav"]
    with_voice, _ = speech_sway(np.concatenate([np.zeros(32000, np.float32), samples]), 225, seed=2)
    quiet = np.degrees(with_voice[10:45, 0])
    speaking = np.degrees(with_voice[50:, 0])
    assert np.ptp(speaking) > 1.0 > np.ptp(quiet)


def test_acting_adds_nods_that_go_with_what_is_said(speech):
    samples = np.tile(speech["librivox_0870_en.wav"], 3)
    plain, none, acted = (speech_sway(samples, 400, seed=1, **options) for options in ({}, {"acting": 0.0}, {"acting": 1.0}))
    assert all(np.array_equal(before, after) for before, after in zip(plain, none, strict=True))
    added = np.degrees(acted[0] - plain[0])
    assert not acted[0][0].any() and 1.0 < np.abs(added[:, 0]).max() < 4 and np.abs(added).max() < 4
    assert np.array_equal(*(speech_sway(None, 100, acting=amount)[0] for amount in (0.0, 1.0)))


def test_amount_scales_the_movement():
    whole, half = speech_sway(None, 200, amount=1.0)[0], speech_sway(None, 200, amount=0.5)[0]
    assert np.allclose(half, 0.5 * whole, atol=1e-7)
    assert np.abs(whole).max() > np.radians(0.5)


def test_an_orbit_sweeps_to_both_sides():
    euler = np.degrees(orbit(101, 25.0, degrees=20.0, period=4.0))
    assert euler.shape == (101, 3) and np.allclose(euler[0], 0) and np.allclose(euler[100], 0, atol=1e-4)
    assert euler[25, 1] == pytest.approx(20) and euler[75, 1] == pytest.approx(-20)
    assert 1 < np.abs(euler[:, 0]).max() < 5 and not euler[:, 2].any()
