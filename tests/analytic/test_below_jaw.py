"""What a turned head shows below its jaw."""

import numpy as np
import pytest

from real3d_core.analytic.below_jaw import with_neck
from real3d_core.analytic.outskirts import head_with_outskirts
from real3d_core.face.landmark_sets import CHIN, JAW_CORNERS
from real3d_core.face.measures import face_height_of
from real3d_core.portrait.plates import plate_pixels

MADE_UP = np.array([0.2, 0.3, 0.9], np.float32)


@pytest.fixture(scope="module")
def drawn(portrait):
    """A portrait's plates of 256 px, its landmarks and face height in their pixels."""
    plates = portrait.plates.resized(256)
    points = plate_pixels(portrait.landmarks.numpy()[:, :2], plates.side)
    return plates, points, float(face_height_of(points))


def neck_of(drawn, changed=None, head=None):
    """The photo and what goes on below its jaw in place of blue, where the photo is changed and where the head is."""
    plates, landmarks, face_height = drawn
    photo, matte, person = plates.photo[0].permute(1, 2, 0).numpy(), plates.head_mask[0, 0].numpy(), plates.person[0, 0].numpy()
    photo = photo if changed is None else changed(photo.copy())
    continued = np.broadcast_to(MADE_UP, photo.shape).astype(np.float32)
    return photo, with_neck(continued, matte if head is None else head, photo, person, landmarks, face_height)


def below(drawn, low, high, half=0.1):
    """A patch below the chin, from so many face heights below it to so many."""
    _, landmarks, face_height = drawn
    chin = landmarks[CHIN]
    rows = slice(round(chin[1] + low * face_height), round(chin[1] + high * face_height))
    return rows, slice(round(chin[0] - half * face_height), round(chin[0] + half * face_height))


def test_the_head_goes_on_as_the_neck_below_its_jaw(avatar, portrait, drawn):
    """It went on as the jaw, darker: a turned head had a flat brown strip before its neck."""
    plates, _, _ = drawn
    head = head_with_outskirts(plates, portrait, avatar.lift(portrait))[0, :3].permute(1, 2, 0).numpy()
    neck = below(drawn, 0.06, 0.15, 0.2)
    assert np.abs(head - plates.photo[0].permute(1, 2, 0).numpy())[neck].mean() < 0.02


def test_a_collar_stays_below(drawn):
    def collared(photo):
        photo[below(drawn, 0.08, 0.4, 1.0)] = 1.0
        return photo

    photo, continued = neck_of(drawn, collared)
    assert continued[below(drawn, 0.1, 0.2)].max() < 0.9
    assert np.abs(continued - photo)[below(drawn, 0.04, 0.06)].mean() < 0.05


def test_the_shadow_along_a_jaw_stays_behind(drawn):
    """A turned head had it as a dark line across its neck."""
    plain = neck_of(drawn)[1]

    def shaded(photo):
        photo[below(drawn, 0.0, 0.02, 0.3)] *= 0.2
        return photo

    photo, continued = neck_of(drawn, shaded)
    line = below(drawn, 0.0, 0.02)
    assert photo[line].mean() < 0.3 * plain[line].mean()
    assert continued[line].mean() > 0.8 * plain[line].mean()


def test_a_beard_that_thickens_below_the_jaw_is_no_shadow(drawn):
    """It was filled in like one: a light band lay between the jaw and what was left of the beard."""

    def bearded(photo):
        photo[below(drawn, 0.0, 0.1, 0.5)] *= 0.3
        return photo

    assert np.abs(neck_of(drawn, bearded)[1] - MADE_UP)[below(drawn, 0.04, 0.06, 0.08)].max() < 0.05


def test_a_beard_that_goes_with_the_head_keeps_its_strands(drawn):
    plates, landmarks, face_height = drawn
    rows, columns = np.mgrid[: plates.side, : plates.side]
    beard = np.hypot(columns - landmarks[CHIN, 0], rows - landmarks[CHIN, 1]) < 0.18 * face_height
    strands = np.random.default_rng(0).uniform(0.05, 0.35, (*beard.shape, 1)).astype(np.float32)
    matte = np.maximum(plates.head_mask[0, 0].numpy(), beard).astype(np.float32)
    photo, continued = neck_of(drawn, lambda photo: np.where(beard[..., None], strands, photo), matte)
    assert np.abs(continued - photo)[below(drawn, 0.03, 0.12, 0.08)].mean() < 0.01


def test_above_the_corners_of_the_jaw_nothing_changes(drawn):
    plates, landmarks, _ = drawn
    above = np.arange(plates.side)[:, None] < landmarks[JAW_CORNERS, 1].mean() - 2
    continued = neck_of(drawn)[1]
    assert np.abs(continued - MADE_UP)[np.broadcast_to(above, continued.shape[:2])].max() < 1e-5
