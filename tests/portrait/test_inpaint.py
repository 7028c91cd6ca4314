"""Filling in by small pictures looks as the plain way at full size does."""

import cv2
import numpy as np
import pytest

from real3d_core.portrait.inpaint import extend_outwards, push_pull

HEIGHT, WIDTH = 220, 300


@pytest.fixture(scope="module")
def picture() -> np.ndarray:
    """Smooth colours with fine stripes on them."""
    down, across = np.mgrid[:HEIGHT, :WIDTH] / 100
    stripes = 0.05 * np.sin(40 * across)
    return np.stack([0.5 + 0.3 * np.sin(down), 0.5 + 0.3 * np.cos(across), 0.5 + stripes], axis=2).astype(np.float32)


@pytest.fixture(scope="module")
def known() -> np.ndarray:
    disc = np.zeros((HEIGHT, WIDTH), np.uint8)
    return cv2.circle(disc, (140, 120), 70, 1, -1) > 0


def plainly_extended(image: np.ndarray, known: np.ndarray, blur: float) -> np.ndarray:
    distance, labels = cv2.distanceTransformWithLabels((~known).astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)
    colours = np.zeros((labels.max() + 1, 3), np.float32)
    colours[labels[known]] = image[known]
    nearest = colours[labels]
    mix = np.clip(distance / (2 * blur), 0, 1)[..., None]
    return np.where(known[..., None], image, nearest + (cv2.GaussianBlur(nearest, (0, 0), blur) - nearest) * mix)


@pytest.mark.parametrize("blur", [1.0, 5.0, 11.0])
def test_colours_go_on_outwards_as_they_end(picture, known, blur):
    extended = extend_outwards(picture, known, blur)
    apart = np.abs(extended - plainly_extended(picture, known, blur))
    assert (extended[known] == picture[known]).all()
    assert apart.mean() < 0.01 and apart.max() < 0.1  # of stripes 0.1 high, which fan out


def test_what_is_known_everywhere_or_nowhere_is_kept(picture):
    everywhere = np.ones((HEIGHT, WIDTH), bool)
    assert (extend_outwards(picture, everywhere, 4) == picture).all()
    assert (extend_outwards(picture, ~everywhere, 4) == picture).all()


def test_a_mask_fills_as_the_same_trust_does_and_keeps_what_is_known(picture, known):
    filled = push_pull(picture, known)
    assert (filled[known] == picture[known]).all()
    assert np.abs(filled - push_pull(picture, known.astype(np.float32))).max() < 1e-5
    assert picture[known].min() - 1e-5 <= filled.min() and filled.max() <= picture[known].max() + 1e-5
