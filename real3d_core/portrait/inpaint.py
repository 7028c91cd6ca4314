"""Filling in what a picture does not show."""

from __future__ import annotations

import cv2
import numpy as np

_NARROWEST = 2.0  # pixels of a blur that is computed on a reduced picture


def push_pull(image: np.ndarray, known: np.ndarray) -> np.ndarray:
    """The picture with unknown pixels filled smoothly from the known ones around them (Gortler's push-pull pyramid).

    Args:
        image: float32 [H, W, C].
        known: bool [H, W]; or float32 [H, W] in 0..1, how much each pixel is to be trusted; 1 keeps it exactly.

    Returns:
        float32 [H, W, C]; all zeros where nothing at all is known.
    """
    if known.dtype == bool:
        mask = known.astype(np.uint8)
        return cv2.copyTo(image, mask, _from_around(cv2.copyTo(image, mask), mask.astype(np.float32)))
    known = known.astype(np.float32)
    return _filled(image * known[..., None], known)


def _filled(weighted: np.ndarray, weight: np.ndarray) -> np.ndarray:
    filled = _from_around(weighted, weight)
    filled *= (1 - weight)[..., None]
    filled += weighted
    return filled


def _from_around(weighted: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """What the known pixels around say about each pixel, of colours times their weights."""
    height, width = weight.shape
    if min(height, width) < 3 or weight.min() >= 1:
        return weighted / np.maximum(weight, 1e-6)[..., None]
    smaller: np.ndarray = cv2.pyrDown(weighted)
    smaller_weight = cv2.pyrDown(weight)
    grown = np.minimum(4 * smaller_weight, 1)  # a texel with a known quarter below it counts as known
    smaller *= (grown / np.maximum(smaller_weight, 1e-6))[..., None]
    return cv2.resize(_filled(smaller, grown), (width, height), interpolation=cv2.INTER_LINEAR)


def extend_outwards(image: np.ndarray, known: np.ndarray, blur: float) -> np.ndarray:
    """Known pixels kept; every other one takes the colour of the nearest known one, blurred by `blur` pixels away from it.

    Args:
        image: float32 [H, W, C]; known: bool [H, W]; blur: standard deviation in pixels.
    """
    if not known.any() or known.all():
        return image.copy()
    mask = known.astype(np.uint8)
    extended = _softly_extended(image, mask, blur)
    distance, labels, places = _nearest_known(mask)
    close = np.flatnonzero(~known & (distance < 2 * blur))
    mix = (distance.take(close) / (2 * blur))[:, None]
    colours, soft = image.reshape(-1, image.shape[2]), extended.reshape(-1, image.shape[2])
    sharp = colours.take(places.take(labels.take(close)), axis=0)
    soft[close] = sharp + (soft.take(close, axis=0) - sharp) * mix
    return cv2.copyTo(image, mask, extended)


def _softly_extended(image: np.ndarray, mask: np.ndarray, blur: float) -> np.ndarray:
    """The colours of the nearest known pixels, blurred."""
    size = _size_for(blur, mask)
    share = cv2.resize(mask.astype(np.float32), size, interpolation=cv2.INTER_AREA)
    small = cv2.resize(cv2.copyTo(image, mask), size, interpolation=cv2.INTER_AREA) / np.maximum(share, 1e-6)[..., None]
    _, labels, places = _nearest_known((share > 0).astype(np.uint8))
    nearest = small.reshape(-1, image.shape[2])[places[labels]]
    return _blurred_and_enlarged(nearest, mask, blur)


def _size_for(blur: float, image: np.ndarray) -> tuple[int, int]:
    """Width and height of the smallest picture that shows all that such a blur leaves of one."""
    less = max(1, int(blur / _NARROWEST))
    return max(1, round(image.shape[1] / less)), max(1, round(image.shape[0] / less))


def _blurred_and_enlarged(small: np.ndarray, image: np.ndarray, blur: float) -> np.ndarray:
    soft = cv2.GaussianBlur(small, (0, 0), blur * len(small) / len(image))
    return cv2.resize(soft, image.shape[1::-1], interpolation=cv2.INTER_LINEAR)


def _nearest_known(mask: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Distances [H, W] to the known pixels; labels [H, W] of the nearest one; and the number, row by row, of the pixel with each label."""
    distance, labels = cv2.distanceTransformWithLabels(1 - mask, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)
    known = np.flatnonzero(mask)
    places = np.zeros(len(known) + 1, np.intp)
    places[labels.take(known)] = known
    return distance, labels, places
