"""What of a portrait is hair."""

import cv2
import numpy as np
import pytest

from real3d_core.face.landmark_sets import CHIN, FOREHEAD, MIDLINE, NOSE_TIP
from real3d_core.face.measures import face_height_of
from real3d_core.portrait.hair import hair_seen
from real3d_core.portrait.plates import plate_pixels


@pytest.fixture(scope="module")
def drawn(portrait):
    """A photo, its head's matte, landmarks and face height, all in pixels of a 256 px crop."""
    plates = portrait.plates.resized(256)
    points = plate_pixels(portrait.landmarks.numpy()[:, :2], plates.side)
    return plates.photo[0].permute(1, 2, 0).numpy(), plates.head_mask[0, 0].numpy(), points, float(face_height_of(points))


def beside(drawn, across, up):
    """A pixel so many face heights to the right of the forehead and above it: row, column."""
    _, _, landmarks, face_height = drawn
    return round(landmarks[FOREHEAD, 1] - up * face_height), round(landmarks[FOREHEAD, 0] + across * face_height)


def test_hair_beside_the_face_is_seen_and_its_skin_is_not(drawn):
    photo, person, landmarks, face_height = drawn
    hair = hair_seen(photo, person, landmarks, face_height)
    nose = tuple(landmarks[NOSE_TIP, ::-1].round().astype(int))
    assert hair[beside(drawn, -0.45, -0.2)] and hair[beside(drawn, 0, 0.2)]
    assert not hair[nose]


def test_a_forehead_that_shines_is_no_hair(drawn):
    """It is less red than the face, as hair is: a band of it went on above and behind the head."""
    photo, person, landmarks, face_height = drawn
    skin = np.median(photo[landmarks[MIDLINE, 1].astype(int), landmarks[MIDLINE, 0].astype(int)], axis=0)
    row, column = beside(drawn, 0, 0.08)
    shining = photo.copy()
    pale = np.clip(skin * 1.2 + [0, 0.05, 0.08], 0, 1)
    cv2.circle(shining, (column, row), round(0.06 * face_height), pale.tolist(), -1)
    assert hair_seen(photo, person, landmarks, face_height)[beside(drawn, 0, 0.2)]
    assert not hair_seen(shining, person, landmarks, face_height)[row, column]


def test_skin_is_no_hair_in_whatever_light(drawn):
    """A bright forehead was, and the shaded side of a bald head: a pattern of it went on behind their outline."""
    _, person, landmarks, face_height = drawn
    skin, shade = np.array([0.75, 0.55, 0.45], np.float32), np.array([0.55, 0.42, 0.36], np.float32)
    rows, columns = np.mgrid[: len(person), : len(person)]
    up, aside = ((one - landmarks[k, axis]) / face_height for one, k, axis in ((rows, 10, 1), (columns, 454, 0)))
    bright, dark = (1.3 ** np.clip(-4 * up, 0, 1))[..., None], np.clip(8 * aside, 0, 1)[..., None]
    bald = (skin * bright * shade**dark).astype(np.float32)
    assert not hair_seen(bald, person, landmarks, face_height).any()


def test_a_face_that_fills_the_picture_has_none(drawn):
    photo, person, landmarks, face_height = drawn
    below = np.arange(len(person))[:, None] > landmarks[CHIN, 1] - 0.8 * face_height
    assert not hair_seen(photo, person * below, landmarks, face_height).any()
