"""Which pixels move with the head."""

import cv2
import numpy as np
import pytest

from real3d_core.face.canonical_face import canonical_face
from real3d_core.face.measures import face_height_of
from real3d_core.mediapipe_models.model_files import ModelFolders
from real3d_core.portrait.segmentation import away_from_face, filled_face, head_region

SIDE = 320


@pytest.mark.parametrize("yaw", [0, 55, -55])
def test_a_face_belongs_to_the_head_however_it_is_turned(yaw):
    """On a profile the tip of the nose lies on the person's very outline."""
    points = canonical_face(ModelFolders()).points * [1, -1, -1]
    sine, cosine = np.sin(np.radians(yaw)), np.cos(np.radians(yaw))
    landmarks = (points @ np.array([[cosine, 0, -sine], [0, 1, 0], [sine, 0, cosine]])) * SIDE / 45 + [SIDE / 2, SIDE / 2, 0]
    person = np.zeros((SIDE, SIDE), np.uint8)
    cv2.fillConvexPoly(person, cv2.convexHull(np.round(landmarks[:, :2]).astype(np.int32)), 1)
    region, _, _ = head_region(landmarks, person.astype(np.float32), away_from_face(landmarks, SIDE, SIDE))
    assert region[filled_face(landmarks, person.shape) > 0].mean() > 0.95


def test_what_hangs_together_with_the_face_alone_goes_with_it():
    """The lips of a profile reached beyond the landmarks: a strip of them stayed behind, in mid-air, when the head turned."""
    points = canonical_face(ModelFolders()).points * [1, -1, 1]
    landmarks = points * SIDE / 45 + [SIDE / 2, SIDE / 2, 0]
    person = filled_face(landmarks, (SIDE, SIDE)).astype(np.float32)
    face_height = float(face_height_of(landmarks[:, :2]))
    mouth = int(landmarks[17, 1])
    edge = int(np.flatnonzero(person[mouth])[-1])
    person[mouth : mouth + 4, edge : edge + round(0.06 * face_height)] = 1
    region, _, _ = head_region(landmarks, person, away_from_face(landmarks, SIDE, SIDE))
    assert (region[mouth : mouth + 4, edge:] >= person[mouth : mouth + 4, edge:]).all()
