"""Which pixels are the person, and which of them move with the head."""

import cv2
import numpy as np
import pytest

from real3d_core.face.canonical_face import canonical_face
from real3d_core.face.measures import face_height_of
from real3d_core.mediapipe_models.model_files import ModelFolders
from real3d_core.portrait.segmentation import away_from_face, filled_face, head_region, person_matte

SIDE = 320
NOTHING_BARE = np.zeros((SIDE, SIDE), np.float32)


@pytest.mark.parametrize("yaw", [0, 55, -55])
def test_a_face_belongs_to_the_head_however_it_is_turned(yaw):
    """On a profile the tip of the nose lies on the person's very outline."""
    points = canonical_face(ModelFolders()).points * [1, -1, -1]
    sine, cosine = np.sin(np.radians(yaw)), np.cos(np.radians(yaw))
    landmarks = (points @ np.array([[cosine, 0, -sine], [0, 1, 0], [sine, 0, cosine]])) * SIDE / 45 + [SIDE / 2, SIDE / 2, 0]
    person = np.zeros((SIDE, SIDE), np.uint8)
    cv2.fillConvexPoly(person, cv2.convexHull(np.round(landmarks[:, :2]).astype(np.int32)), 1)
    region, _, _ = head_region(landmarks, person.astype(np.float32), away_from_face(landmarks, SIDE, SIDE), NOTHING_BARE)
    assert region[filled_face(landmarks, person.shape) > 0].mean() > 0.95


RING = ((90, 196), (9, 20))  # centre and half axes of what hangs from an ear by a wire
BEHIND, SKIN, STONE = (0.55, 0.57, 0.6), (0.75, 0.55, 0.42), (0.3, 0.1, 0.45)


@pytest.fixture(scope="module")
def bust():
    """A bust without hair: landmarks and person [SIDE, SIDE] uint8, without and with an ear-ring."""
    landmarks = canonical_face(ModelFolders()).points * [1, -1, -1] * SIDE / 45 + [SIDE / 2, SIDE / 2, 0]
    person = np.zeros((SIDE, SIDE), np.uint8)
    cv2.fillConvexPoly(person, cv2.convexHull(np.round(landmarks[:, :2]).astype(np.int32)), 1)
    cv2.rectangle(person, (130, 200), (190, 280), 1, -1)
    cv2.rectangle(person, (40, 270), (280, SIDE), 1, -1)
    with_ring = person.copy()
    cv2.ellipse(with_ring, *RING, 0, 0, 360, 1, -1)
    cv2.line(with_ring, (90, 196), (105, 168), 1, 2)
    return landmarks.astype(np.float32), person, with_ring


def drawn(person: np.ndarray, with_ring: np.ndarray, seed: int = 0) -> np.ndarray:
    colours = np.where(person[..., None] > 0, SKIN, np.where(with_ring[..., None] > 0, STONE, BEHIND))
    return ((colours + np.random.default_rng(seed).normal(0, 0.01, colours.shape)).clip(0, 1) * 255).astype(np.uint8)


def test_an_ear_ring_is_a_part_of_the_person(bust):
    """No segmenter sees it: it stayed in the background, in pieces, as soon as the head moved."""
    landmarks, person, with_ring = bust
    matte = person_matte(person.astype(np.float32), drawn(person, with_ring), landmarks)
    ring = cv2.erode(with_ring - person, np.ones((5, 5), np.uint8)) > 0
    assert matte[ring].min() > 0.9
    assert matte[40:160, :40].max() < 0.1


def test_what_is_behind_on_both_sides_is_no_ear_ring(bust):
    landmarks, person, with_ring = bust
    image = drawn(person, with_ring)
    image[:, :60][person[:, :60] == 0] = np.array(STONE) * 255
    matte = person_matte(person.astype(np.float32), image, landmarks)
    ring = cv2.erode(with_ring - person, np.ones((5, 5), np.uint8)) > 0
    assert matte[ring].max() < 0.5


def test_what_is_out_of_focus_is_no_ear_ring(bust):
    landmarks, person, with_ring = bust
    behind = cv2.circle(np.zeros_like(person), (95, 185), 20, 1, -1)
    blurred = cv2.GaussianBlur(drawn(np.zeros_like(person), behind), (0, 0), 5)
    image = np.where(person[..., None] > 0, drawn(person, with_ring), blurred)
    matte = person_matte(person.astype(np.float32), image, landmarks)
    assert matte[185, 85:95].max() < 0.5


def test_what_hangs_from_the_head_moves_with_it(bust):
    """Its lower part was the torso's, and stayed behind."""
    landmarks, person, with_ring = bust
    region, seam, firmness = head_region(landmarks, with_ring.astype(np.float32), away_from_face(landmarks, SIDE, SIDE), NOTHING_BARE)
    ring = (with_ring > 0) & (person == 0)
    assert min(mask[ring].min() for mask in (region, seam, firmness)) == 1
    assert region[240:, 140:180].max() == 0, "the neck is the torso's"


def test_what_hangs_together_with_the_face_alone_goes_with_it():
    """The lips of a profile reached beyond the landmarks: a strip of them stayed behind, in mid-air, when the head turned."""
    points = canonical_face(ModelFolders()).points * [1, -1, 1]
    landmarks = points * SIDE / 45 + [SIDE / 2, SIDE / 2, 0]
    person = filled_face(landmarks, (SIDE, SIDE)).astype(np.float32)
    face_height = float(face_height_of(landmarks[:, :2]))
    mouth = int(landmarks[17, 1])
    edge = int(np.flatnonzero(person[mouth])[-1])
    person[mouth : mouth + 4, edge : edge + round(0.06 * face_height)] = 1
    region, _, _ = head_region(landmarks, person, away_from_face(landmarks, SIDE, SIDE), NOTHING_BARE)
    assert (region[mouth : mouth + 4, edge:] >= person[mouth : mouth + 4, edge:]).all()
