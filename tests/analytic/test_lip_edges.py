"""Where lips end that show teeth."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch

from real3d_core.analytic.lip_edges import teeth_uncovered, with_teeth_uncovered
from real3d_core.face.canonical_face import canonical_face
from real3d_core.face.landmark_sets import INNER_LIP, LOWER_INNER_LIP, LOWER_OUTER_LIP, UPPER_INNER_LIP
from real3d_core.face.measures import face_height_of, lip_gap
from real3d_core.mediapipe_models.model_files import ModelFolders

SIDE = 512


@pytest.fixture(scope="module")
def points():
    """[478, 2] in pixels: the canonical face with its lips parted."""
    flat = canonical_face(ModelFolders()).points * (1, -1, -1)
    face = np.pad((flat - flat.mean(axis=0)) * (300 / np.ptp(flat[:, 1])) + SIDE / 2, ((0, 10), (0, 0)))
    face[LOWER_INNER_LIP[1:-1] + LOWER_OUTER_LIP[1:-1], 1] += 15
    return face[:, :2]


def picture(points, cut_off):
    """[SIDE, SIDE, 3]: red lips about white teeth, which go on beyond the landmarks of either lip by so many face heights."""
    beyond = points.copy()
    for lip, outwards in ((UPPER_INNER_LIP, -1), (LOWER_INNER_LIP, 1)):
        beyond[lip[1:-1], 1] += outwards * cut_off * face_height_of(points)
    drawn = np.full((SIDE, SIDE, 3), (0.7, 0.35, 0.35), np.float32)
    cv2.fillPoly(drawn, [np.round(beyond[INNER_LIP] * 16).astype(np.int32)], (0.9, 0.88, 0.8), cv2.LINE_AA, 4)
    return drawn


@pytest.mark.parametrize("light", [(1.0, 1.0, 1.0), (0.5, 0.7, 1.0)], ids=["white", "blue"])
def test_lips_begin_where_teeth_end(points, light):
    """The landmark model's edges once cut off ends of teeth, which then hung from the lips."""
    seen, cut = (teeth_uncovered(picture(points, cut_off) * np.float32(light), points) for cut_off in (0.0, 0.006))
    height = face_height_of(points)
    assert 0 <= lip_gap(seen) - lip_gap(points) < 0.01 * height  # the soft rim of a drawn edge
    assert lip_gap(cut) - lip_gap(seen) == pytest.approx(0.012 * height, abs=0.006 * height)
    others = np.setdiff1d(np.arange(478), INNER_LIP)
    assert (cut[others] == points[others]).all()


def test_lips_without_teeth_between_them_keep_their_place(points):
    plain = np.full((SIDE, SIDE, 3), (0.5, 0.2, 0.2), np.float32)
    assert (teeth_uncovered(plain, points) == points).all()


def test_the_landmarks_that_other_avatars_get_stay_those_of_the_model(smiling):
    """The published avatar's numbers depend on them."""
    height = float((smiling.landmarks[10, :2] - smiling.landmarks[152, :2]).norm())
    cut = smiling.landmarks.clone()
    for lip, inwards in ((UPPER_INNER_LIP, 1), (LOWER_INNER_LIP, -1)):
        cut[lip[1:-1], 1] += inwards * 0.006 * height
    before, given = cut.clone(), replace(smiling, landmarks=cut)
    seen = with_teeth_uncovered(given)
    assert torch.equal(given.landmarks, before)
    others = np.setdiff1d(np.arange(478), INNER_LIP)
    assert torch.equal(seen.landmarks[others], before[others])
    gaps = [lip_gap(one[:, :2].double().numpy()) / height for one in (before, seen.landmarks)]
    assert gaps[1] - gaps[0] > 0.006
