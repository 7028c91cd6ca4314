"""Gaps of a clip: held, eased to neutral, eased back; nothing hurries."""

import numpy as np
import pytest

from real3d_core.motion.bridging import plan_bridges


def bridged(curve: np.ndarray, trusted: np.ndarray, shots: np.ndarray | None = None) -> np.ndarray:
    """A face whose points all move along a curve, 0 being neutral, which its first frame is."""
    shots = np.zeros(len(curve), int) if shots is None else shots
    points = np.zeros((len(curve), 2, 3))
    points[:, :, 0] = curve[:, None]
    neutral = np.array([np.flatnonzero(trusted & (shots == shot))[0] for shot in shots])
    return plan_bridges(trusted, shots, neutral, points)(points)[:, 0, 0]


def test_what_is_trusted_throughout_is_left_alone():
    curve = np.sin(np.arange(30))
    assert np.array_equal(bridged(curve, np.ones(30, bool)), curve)


@pytest.mark.parametrize("gap", [(20, 22), (20, 30), (20, 80), (20, 150), (0, 20), (100, 200)])
def test_a_gap_is_crossed_slowly_and_left_behind(gap):
    curve = np.where(np.arange(200) < 10, 0, np.where(np.arange(200) < 60, 0.2, -0.1))
    curve[0] = curve[gap[1]] if gap[0] == 0 else 0
    smooth = np.convolve(np.pad(curve, 20, mode="edge"), np.ones(41) / 41, mode="valid")
    trusted = np.ones(200, bool)
    trusted[slice(*gap)] = False
    wild = np.where(trusted, smooth, 7.0)  # what is not trusted does not matter
    result = bridged(wild, trusted)
    assert np.abs(np.diff(result)).max() < np.abs(np.diff(smooth)).max() + 0.013
    if gap[1] < 120:
        assert np.allclose(result[-40:], smooth[-40:])


def test_a_long_gap_is_held_then_neutral():
    curve = np.concatenate([[0], np.full(199, 0.15)])
    trusted = np.arange(200) < 50
    result = bridged(curve, trusted)
    assert np.allclose(result[50:60], 0.15) and np.allclose(result[100:], 0)


def test_a_cut_is_eased():
    curve = np.where(np.arange(100) < 50, 0.1, -0.1)
    curve[0] = 0
    result = bridged(curve, np.ones(100, bool), np.repeat([0, 1], 50))
    assert np.abs(np.diff(result[1:])).max() < 0.013 and np.allclose(result[-10:], -0.1)
