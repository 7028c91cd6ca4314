"""The person is cut out as finely as the picture shows it, and the layers recompose to the picture."""

import cv2
import numpy as np
import pytest

from real3d_core.portrait.matting import closed_form_matte, unmixed

SIDE = 160
EVERYWHERE = np.ones((SIDE, SIDE), bool)


def hairy_disc() -> np.ndarray:
    """A disc with thin strands that stand out from it, antialiased: [SIDE, SIDE] in 0..1."""
    drawn = np.zeros((4 * SIDE, 4 * SIDE), np.uint8)
    middle = (2 * SIDE, 2 * SIDE)
    cv2.circle(drawn, middle, SIDE, 255, -1)
    for angle in np.linspace(0, 2 * np.pi, 40, endpoint=False):
        end = (int(middle[0] + 1.25 * SIDE * np.cos(angle)), int(middle[1] + 1.25 * SIDE * np.sin(angle)))
        cv2.line(drawn, middle, end, 255, 5)
    return cv2.resize(drawn, (SIDE, SIDE), interpolation=cv2.INTER_AREA).astype(np.float32) / 255


@pytest.fixture(scope="module")
def picture():
    """A photo [SIDE, SIDE, 3] with its matte, the person's colours and those behind."""
    matte = hairy_disc()
    down, across = np.mgrid[:SIDE, :SIDE] / SIDE
    person = np.stack([0.25 + 0.1 * down, 0.15 + 0 * down, 0.1 + 0.1 * across], axis=2)
    behind = np.stack([0.5 + 0.3 * across, 0.6 + 0 * down, 0.7 - 0.2 * down], axis=2)
    share = matte[..., None]
    return (share * person + (1 - share) * behind).astype(np.float32), matte, person, behind


def test_strands_that_a_rough_mask_leaves_out_are_found(picture):
    photo, matte, *_ = picture
    rough = cv2.GaussianBlur((cv2.erode(matte, np.ones((9, 9))) > 0.5).astype(np.float32), (0, 0), 3)
    away = cv2.distanceTransform((rough < 0.5).astype(np.uint8), cv2.DIST_L2, 5)
    inside = cv2.distanceTransform((rough > 0.5).astype(np.uint8), cv2.DIST_L2, 5)
    unknown = (away < 20) & (inside < 8)
    hint = np.where(unknown, rough, rough > 0.5).astype(np.float32)
    found = closed_form_matte(photo, hint, unknown)
    assert np.abs(hint - matte)[unknown].mean() > 0.1
    assert np.abs(found - matte)[unknown].mean() < 0.02
    assert (found[~unknown] == hint[~unknown]).all()


def test_a_mask_that_is_known_everywhere_is_kept(picture):
    photo, matte, *_ = picture
    assert (closed_form_matte(photo, matte, ~EVERYWHERE) == matte).all()


def test_the_layers_recompose_to_the_photo_and_what_is_behind_keeps_no_trace_of_the_person(picture):
    photo, matte, _, behind = picture
    person, seen_behind = unmixed(photo, matte, EVERYWHERE, rim=2)
    share = matte[..., None]
    assert np.abs(share * person + (1 - share) * seen_behind - photo).max() < 0.02
    assert np.abs(seen_behind - behind).max() < 0.06


def test_nothing_is_taken_from_where_the_photo_ends(picture):
    photo, matte, *_ = picture
    shown = EVERYWHERE.copy()
    shown[:, :20] = False
    torn = photo.copy()
    torn[:, :20] = 1
    _, behind = unmixed(torn, matte, shown, rim=2)
    assert behind[:, :20].max() < 0.95
