"""Motions from one avatar to the other and back, by the face model's landmarks."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from golden import load_vector, make_input
from official_files import NoNetworks

from real3d_core.analytic.avatar import AnalyticAvatar
from real3d_core.errors import MotionMismatchError
from real3d_core.face.landmark_sets import EYE
from real3d_core.face.measures import lip_gap
from real3d_core.mediapipe_models.model_files import ModelFolders
from real3d_core.motion.landmark_motion import LandmarkMotion
from real3d_core.motion.motion import Motion
from real3d_core.real3d.avatar import BASIS, Real3DAvatar
from real3d_core.real3d.face_model.basel import picture_coordinates, place, project
from real3d_core.real3d.face_model.driven import DrivenFace
from real3d_core.real3d.face_model.fit import UNMATCHED, fit_clip

POINTS = sorted(set(range(468)) - set(EYE) - set(UNMATCHED))


@pytest.fixture(scope="module")
def real3d(face) -> Real3DAvatar:
    """The avatar with the synthetic face model; its networks do not matter here."""
    networks = SimpleNamespace(decoder=NoNetworks.decoder, config=SimpleNamespace(march_settings=None))
    return Real3DAvatar(networks, DrivenFace(face), prepare=lambda portrait: None)


@pytest.fixture(scope="module")
def analytic() -> AnalyticAvatar:
    return AnalyticAvatar(ModelFolders())


@pytest.fixture(scope="module")
def tracked(face, goldens) -> Motion:
    """The motion of a real clip in the face model's expressions."""
    landmarks = load_vector(goldens / "06_fit_video.npz")[0]["landmarks_px"]
    fit = fit_clip(face, landmarks, 512)
    expression = torch.nn.functional.pad(fit.expression, (1, 0))
    return Motion(BASIS, expression, fit.euler - fit.euler[:1], fit.translation - fit.translation[:1])


def test_a_clip_tracked_for_the_official_avatar_drives_the_built_in_one_and_comes_back(real3d, analytic, tracked):
    told = real3d.to_landmarks(tracked)
    there = analytic.from_landmarks(told)
    assert there.basis == analytic.motion_basis and len(there) == len(tracked)
    back = real3d.from_landmarks(analytic.to_landmarks(there))
    assert back.basis == BASIS and back.fps == tracked.fps
    assert torch.equal(back.euler, tracked.euler) and torch.equal(back.translation, tracked.translation)
    again = real3d.to_landmarks(back)
    moved = np.linalg.norm(told.displacements[:, POINTS], axis=-1)
    off = np.linalg.norm((again.displacements - told.displacements)[:, POINTS], axis=-1)
    assert np.sqrt((off**2).mean()) < 0.1 * np.sqrt((moved**2).mean())
    gaps = [lip_gap(one.rest + one.displacements) for one in (told, again)]
    assert np.corrcoef(gaps)[0, 1] > 0.99


def test_a_built_in_motion_opens_the_official_mouth_and_comes_back(real3d, analytic):
    opening = torch.linspace(0, 1, 9)
    motion = Motion.still(analytic.motion_basis, 9).with_controls(jaw_open=opening, blink_left=opening, blink_right=0.5 * opening)
    there = real3d.from_landmarks(analytic.to_landmarks(motion))
    told = real3d.to_landmarks(there)
    gap = lip_gap(told.rest + told.displacements)
    # the stand-in's expressions are too smooth to part lips as sharply as the motion does
    assert np.corrcoef(gap, opening.numpy())[0, 1] > 0.95 and gap[-1] - gap[0] > 0.02
    assert torch.allclose(there.control("eyelids"), 0.5 * opening)  # both lids, as far as both are closed
    back = analytic.from_landmarks(told)
    gap = lip_gap_of(analytic, back)
    assert np.corrcoef(gap, lip_gap_of(analytic, motion))[0, 1] > 0.95
    assert (back.control("blink_left")[-1] >= 0.45) and back.control("blink_right")[0] < 0.1


def lip_gap_of(analytic: AnalyticAvatar, motion: Motion) -> np.ndarray:
    told = analytic.to_landmarks(motion)
    return lip_gap(told.rest + told.displacements)


def test_at_rest_nothing_moves_either_way(real3d, analytic):
    still = Motion.still(BASIS, 2)
    there = analytic.from_landmarks(real3d.to_landmarks(still))
    assert there.expression.abs().max() < 1e-6
    assert real3d.from_landmarks(analytic.to_landmarks(there)).expression.abs().max() < 1e-6


def test_landmarks_become_the_expression_that_the_fit_itself_finds(real3d, face):
    """The closed solution against the fit's own descent, on landmarks of a known expression."""
    wanted = torch.from_numpy(make_input("exchange", (1, 64), 0, -0.4, 0.4))
    posed = place(face.mediapipe_shape.points(torch.zeros(1, 80), wanted), torch.zeros(1, 3), torch.zeros(1, 3))
    landmarks = picture_coordinates(project(posed)).numpy() * 512
    told = real3d.to_landmarks(Motion(BASIS, torch.nn.functional.pad(wanted, (1, 0)), torch.zeros(1, 3), torch.zeros(1, 3)))
    solved = real3d.from_landmarks(told).expression[:, 1:]
    again = place(face.mediapipe_shape.points(torch.zeros(1, 80), solved), torch.zeros(1, 3), torch.zeros(1, 3))
    error = (picture_coordinates(project(again)) * 512 - torch.from_numpy(landmarks))[:, POINTS].norm(dim=-1)
    assert error.mean() < 0.5, "pixels of 512"


def test_closed_lids_of_either_kind_are_seen(real3d):
    painted = Motion.still(BASIS, 2).with_controls(eyelids=torch.tensor([0.0, 0.8]))
    told = real3d.to_landmarks(painted)
    np.testing.assert_allclose(told.lids, [[0, 0], [0.8, 0.8]], atol=1e-6)
    wink = LandmarkMotion(told.rest, told.displacements, np.array([[0.0, 0.0], [1.0, 0.0]]), painted.euler, painted.translation, 25.0)
    assert real3d.from_landmarks(wink).control("eyelids").eq(0).all()


def test_a_motion_of_another_avatar_is_refused(real3d, analytic):
    with pytest.raises(MotionMismatchError):
        real3d.to_landmarks(Motion.still(analytic.motion_basis, 1))
    with pytest.raises(MotionMismatchError):
        analytic.to_landmarks(Motion.still(BASIS, 1))
