"""The compiled eyes are the readable ones, whichever way they look and however far their lids are closed."""

import logging
from dataclasses import replace

import cv2
import numpy as np
import pytest
from exact_remap import exact_remap

from cuda_ops import composing
from cuda_ops.cpu import eyes_extension
from real3d_core.analytic.eye_shape import eye_shape
from real3d_core.analytic.eyes import Eye, EyePose
from real3d_core.analytic.painting import IN_TORCH

SIZE = (70, 110)


@pytest.fixture(scope="module")
def twin(or_skipped):
    return or_skipped(eyes_extension.load)


@pytest.fixture
def exact(monkeypatch):
    monkeypatch.setattr(cv2, "remap", exact_remap)


def eye(glasses=0.0, tilt=0.1):
    """Open, with lashes, an iris and its white, in skin of noise."""
    across = np.linspace(-25, 25, 9)
    arch = 1 - (across / 25) ** 2
    turn = np.array([[np.cos(tilt), np.sin(tilt)], [-np.sin(tilt), np.cos(tilt)]])
    upper, lower, brow = (np.stack([across, height * arch + off], axis=1) @ turn + [55, 40] for height, off in ((-9, 0), (6, 0), (-6, -22)))
    y, x = np.mgrid[: SIZE[0], : SIZE[1]]
    rho = np.hypot(x - 55, y - 38)
    picture = np.random.default_rng(0).uniform(0.5, 0.6, (*SIZE, 3))
    shape = eye_shape(upper, lower, brow[2:7], SIZE, 1)
    picture[(shape.down > shape.top) & (shape.down < shape.bottom)] = 0.85
    picture[rho < 9] = [0.3, 0.2, 0.1]
    picture[rho < 2] = 0.95
    picture[np.abs(shape.down - shape.top) < 0.03] *= 0.3
    ring = np.array([[55, 38], [64, 38], [55, 29], [46, 38], [55, 47]], float)
    return Eye(cv2.GaussianBlur(picture, (0, 0), 0.7).astype(np.float32), shape, ring, turn[0], glasses)


POSES = {
    "looks away": ((0.3, -0.1), 0.0),
    "looks up, half closed": ((-0.2, 0.3), 0.5),
    "closed": ((0.0, 0.0), 1.0),
    "hardly closed": ((0.0, 0.0), 0.03),
    "wide": ((0.0, 0.0), 0.0, 1.0),
    "narrow": ((0.1, 0.0), 0.2, 0.0, 1.0),
    "at rest": ((0.0, 0.0), 0.0),
}


@pytest.mark.parametrize("glasses", [0.0, 0.6, 1.0])
@pytest.mark.parametrize("pose", POSES)
def test_eyes_in_every_pose(twin, exact, pose, glasses):
    readable = eye(glasses)
    posed = readable.pose(*POSES[pose])
    found, expected = twin(readable)(posed), readable(posed)
    assert found.shape == expected.shape == (*SIZE, 3) and found.dtype == expected.dtype
    assert np.abs(found - expected).max() < 1e-4
    assert pose == "at rest" or np.abs(expected - readable._picture).max() > 0.1, "there is something to see"


def test_an_iris_and_lids_that_leave_the_picture(twin, exact):
    readable = eye()
    for shift, closed, raised in (((90.0, -70.0), 0.3, 0.0), ((0.0, 0.0), 9.0, -5.0), ((0.0, 0.0), -9.0, 5.0)):
        pose = EyePose(shift, closed, raised, 0.5)
        assert np.abs(twin(readable)(pose) - readable(pose)).max() < 1e-4
    assert np.isfinite(twin(readable)(EyePose((float("nan"), float("inf")), 0.5, 0.0, 0.5))).all()


def test_poses_that_tell_whether_they_agree_differ_from_rest_in_all_that_moves():
    shifts, closed, raised, drawn = zip(*(vars(pose).values() for pose in eye().some_poses()), strict=True)
    assert np.ptp(shifts, axis=0).min() > 1 and min(map(np.ptp, (closed, raised, drawn))) > 0.1


def test_what_differs_from_the_readable_one_is_not_used(monkeypatch, caplog):
    readable = eye()
    wrong = replace(IN_TORCH, eye=lambda readable: lambda pose: readable(pose) + 0.05)
    monkeypatch.setattr(composing, "chosen", lambda: ("cpu-ext", wrong))
    with caplog.at_level(logging.INFO):
        assert composing.painting().eye(readable) is readable
    assert "Eyes" in caplog.text and "differs" in caplog.text
