"""Filling in what a picture does not show."""

from __future__ import annotations

import cv2
import numpy as np


def push_pull(image: np.ndarray, known: np.ndarray) -> np.ndarray:
    """The picture with unknown pixels filled smoothly from the known ones around them (Gortler's push-pull pyramid).

    Args:
        image: float32 [H, W, C].
        known: float32 [H, W] in 0..1, how much each pixel is to be trusted; 1 keeps it exactly.

    Returns:
        float32 [H, W, C]; all zeros where nothing at all is known.
    """
    known = known.astype(np.float32)
    return _fill(image * known[..., None], known)


def _fill(weighted: np.ndarray, weight: np.ndarray) -> np.ndarray:
    colour = weighted / np.maximum(weight, 1e-6)[..., None]
    height, width = weight.shape
    if min(height, width) < 3 or weight.min() >= 1:
        return colour
    smaller_weight = cv2.pyrDown(weight)
    smaller = cv2.pyrDown(weighted)
    grown = np.minimum(4 * smaller_weight, 1)  # a texel with a known quarter below it counts as known
    below = _fill(smaller / np.maximum(smaller_weight, 1e-6)[..., None] * grown[..., None], grown)
    wide = cv2.resize(below, (width, height), interpolation=cv2.INTER_LINEAR)
    trust = np.clip(weight, 0, 1)[..., None]
    return colour * trust + wide * (1 - trust)


def extend_outwards(image: np.ndarray, known: np.ndarray, blur: float) -> np.ndarray:
    """Known pixels kept; every other one takes the colour of the nearest known one, blurred by `blur` pixels away from it.

    Args:
        image: float32 [H, W, C]; known: bool [H, W]; blur: standard deviation in pixels.
    """
    if not known.any() or known.all():
        return image.astype(np.float32)
    distance, labels = cv2.distanceTransformWithLabels((~known).astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)
    colours = np.zeros((labels.max() + 1, image.shape[2]), np.float32)
    colours[labels[known]] = image[known]
    nearest = colours[labels]
    soft = cv2.GaussianBlur(nearest, (0, 0), blur)
    mix = np.clip(distance / (2 * blur), 0, 1)[..., None]
    return np.where(known[..., None], image, nearest * (1 - mix) + soft * mix).astype(np.float32)
