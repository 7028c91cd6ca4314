import numpy as np
import pytest
import torch

from real3d_core.analytic import sheets as sheets_module
from real3d_core.analytic.controls import BASIS, CONTROLS, LOWER_LIP, FaceControls
from real3d_core.analytic.sheets import Sheets
from real3d_core.face.canonical_face import canonical_face
from real3d_core.face.landmark_sets import CHIN, UPPER_INNER_LIP
from real3d_core.face.measures import lip_gap
from real3d_core.mediapipe_models.model_files import ModelFolders


@pytest.fixture(scope="module")
def landmarks():
    """The canonical face as a head in the world."""
    points = canonical_face(ModelFolders()).points * 0.02
    return torch.from_numpy(np.concatenate([points, np.zeros((10, 3))])).float()


@pytest.fixture(scope="module")
def controls(landmarks):
    return FaceControls(landmarks)


def coefficients(**values):
    row = torch.zeros(1, BASIS.size)
    for name, value in values.items():
        row[0, BASIS.index(name)] = value
    return row


def test_at_rest_every_point_comes_from_itself(landmarks, controls):
    sheets = Sheets(landmarks, controls)
    bent = sheets.bend(coefficients())
    assert (bent.face - sheets.lattice).abs().max() < 1e-6
    assert (bent.jaw - sheets.lattice).abs().max() < 1e-6


def test_the_jaw_sheet_carries_the_lower_lip_and_the_face_sheet_does_not(landmarks, controls):
    sheets = Sheets(landmarks, controls)
    row = coefficients(jaw_open=1.0)
    moved = landmarks[:468] + controls.displacements(row)[0] * controls.face_height
    at = moved[[14, 17], :2].T[None, :, None]
    bent = sheets.bend(row)
    source = sheets.sample(bent.jaw, at)[0, :, 0].T
    assert (source - landmarks[[14, 17], :2]).norm(dim=1).max() < 0.02 * controls.face_height
    nose = landmarks[4, :2].view(1, 2, 1, 1)
    assert (sheets.sample(bent.face, nose) - nose).abs().max() < 0.005 * controls.face_height


@pytest.mark.parametrize("left_over", [0.0, 0.01])
def test_usual_displacements_bend_as_all_others(landmarks, controls, left_over, monkeypatch):
    row = coefficients(jaw_open=0.8, smile=0.4, lips_press=0.3, speaking=1.0, brow_raise=0.5)
    row[0, len(CONTROLS) :] = left_over * torch.randn(3 * 468, generator=torch.Generator().manual_seed(0))
    bent = Sheets(landmarks, controls).bend(row)
    monkeypatch.setattr(sheets_module, "_UNUSUAL", -1.0)  # no displacement is usual
    expected = Sheets(landmarks, controls).bend(row)
    for part in ("face", "jaw", "depth"):
        assert (getattr(bent, part) - getattr(expected, part)).abs().max() < 2e-5 * controls.face_height


def test_beyond_the_corners_of_the_mouth_the_sheets_are_one(landmarks, controls):
    sheets = Sheets(landmarks, controls)
    bent = sheets.bend(coefficients(jaw_open=1.0, smile=0.5))
    corner = landmarks[308, 0] - landmarks[[78, 308], 0].mean()
    beside = (sheets.lattice[0] - landmarks[[78, 308], 0].mean()).abs() > 1.3 * corner
    below_nose = sheets.lattice[1] < landmarks[4, 1]
    assert (bent.face - bent.jaw)[0][:, beside & below_nose].abs().max() < 1e-3


def test_press_takes_away_the_gap_that_the_jaw_makes(controls):
    def gap(**values):
        return float(lip_gap((controls.rest + controls.displacements(coefficients(**values))[0]).numpy()))

    assert gap(jaw_open=1.0) > gap() + 0.08
    assert gap(jaw_open=1.0, lips_press=1.0) < 0.02
    assert gap(jaw_open=1.0, lip_lower_tuck=1.0) < 0.5 * gap(jaw_open=1.0)


def test_controls_move_what_they_name(controls):
    def moved(name):
        return controls.displacements(coefficients(**{name: 1.0}))[0]

    assert moved("jaw_open")[CHIN, 1] < -0.05
    assert moved("jaw_open")[UPPER_INNER_LIP, 1].abs().max() < 0.06
    assert moved("smile")[61, 1] > 0.02 and moved("smile")[61, 0] < 0
    assert moved("lips_round")[291, 0] < -0.02
    assert moved("brow_raise")[[105, 334], 1].min() > 0.02
    assert moved("lip_lower_drop")[LOWER_LIP, 1].max() <= 0


def test_controls_of_the_upper_face_move_what_they_name(controls):
    def up(name, *points):
        return controls.displacements(coefficients(**{name: 1.0}))[0, list(points), 1]

    inner, outer_left, outer_right, lips = (107, 336), (300, 293), (70, 63), (13, 14, 61, 291)
    assert up("brow_inner_raise", *inner).min() > 0.02 and up("brow_inner_raise", *outer_left, *outer_right).abs().max() < 0.005
    assert up("brow_outer_left", *outer_left).min() > 0.015 and up("brow_outer_left", *inner, *outer_right).abs().max() < 0.005
    assert up("brow_outer_right", *outer_right).min() > 0.015 and up("brow_outer_right", *inner, *outer_left).abs().max() < 0.005
    assert up("lids_wide", 159, 386).min() > 0.008 > 0 >= up("lids_wide", 145, 374).max()
    assert up("lids_tight", 145, 374).min() > 0.006 and up("lids_tight", 159, 386).max() < -0.002
    assert up("cheek_raise", 118, 347).min() > 0.01
    for name in ("brow_inner_raise", "brow_outer_left", "brow_outer_right", "lids_wide", "lids_tight", "cheek_raise"):
        assert up(name, *lips).abs().max() < 1e-3 and up(name, 33, 133, 362, 263).abs().max() < 0.005, name


def test_a_raised_brow_keeps_its_thickness_and_leaves_the_eye_alone(controls):
    up = controls.displacements(coefficients(brow_raise=1.0))[0, :, 1]
    lower, upper = [52, 65, 55, 285, 295, 282], [105, 66, 107, 336, 296, 334]
    assert (up[upper] - up[lower]).abs().max() < 0.005
    assert up[[159, 386, 145, 374]].abs().max() < 0.005


def test_left_over_displacements_pass_through_unchanged(controls):
    row = torch.zeros(1, BASIS.size)
    row[0, len(BASIS.controls) + 3 * 4 + 2] = 0.05  # landmark 4, towards the viewer
    displaced = controls.displacements(row)[0]
    assert displaced[4, 2] == pytest.approx(0.05)
    assert displaced.abs().sum() == pytest.approx(0.05)
