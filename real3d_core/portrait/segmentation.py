"""Which pixels are the person, and which of them move with the head (DESIGN section 3, spec 08 sections 2 and 6)."""

from __future__ import annotations

import logging

import cv2
import numpy as np

from ..errors import MissingModelError
from ..face.landmark_sets import CHIN, FACE_OVAL, FOREHEAD, JAW, JAW_CORNERS
from ..face.measures import face_height_of
from ..mediapipe_models.model_files import SELFIE_SEGMENTER, ModelFolders
from ..mediapipe_models.runner import segmenter
from ..smooth_step import smooth_step

_LOG = logging.getLogger("real3d")
_GRABCUT_SIDE = 384
_JAW_EDGE = 0.012  # face heights: the jaw's own edge lies this far outside of the landmarks
_FACE_SEEN = 0.7  # a segmenter that covers less of the face than this has failed


def person_mask(image: np.ndarray, landmarks: np.ndarray, models: ModelFolders) -> np.ndarray:
    """How much each pixel belongs to the person: float32 [H, W] in 0..1, edges fitted to those of the picture.

    By MediaPipe's selfie segmenter; by GrabCut seeded with the landmarks where its model file is missing (with a log line).

    Args:
        image: RGB uint8 [H, W, 3].
        landmarks: [478, 3] in pixels of the image.
    """
    face = filled_face(landmarks, image.shape[:2])
    try:
        with segmenter(models.find(SELFIE_SEGMENTER)) as opened:
            mask = opened.confidences(image)[..., 0]
    except MissingModelError as missing:
        _LOG.info("The person is cut out with GrabCut. %s", missing)
        mask = grabcut_mask(image, landmarks)
    if (mask * face).sum() < _FACE_SEEN * face.sum():
        _LOG.info("The segmenter does not see the person in this picture; GrabCut cuts the person out instead.")
        mask = grabcut_mask(image, landmarks)
    return tidy_mask(mask, image, landmarks)


def tidy_mask(mask: np.ndarray, image: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
    """The component of a soft mask that holds the face, small holes closed, its edge drawn along the picture's own edges."""
    face_height = float(face_height_of(landmarks[:, :2]))
    solid: np.ndarray = (mask > 0.5).astype(np.uint8)
    solid |= filled_face(landmarks, mask.shape)
    solid = cv2.morphologyEx(solid, cv2.MORPH_CLOSE, disc(0.02 * face_height))
    _, labels = cv2.connectedComponents(solid)
    kept = (labels == labels[tuple(_inside(landmarks[1, :2], mask.shape))]).astype(np.uint8)
    outside = 1 - kept
    _, labels, stats, _ = cv2.connectedComponentsWithStats(outside)
    holes = np.isin(labels, [k for k in range(1, len(stats)) if stats[k, cv2.CC_STAT_AREA] < (0.15 * face_height) ** 2])
    soft = np.where(kept, np.maximum(mask, 0.5), np.minimum(mask, 0.49)).astype(np.float32)
    soft[holes] = 1.0
    return np.clip(_guided_filter(soft, image, radius=max(2, round(0.03 * face_height)), softness=1e-4), 0, 1)


def head_region(landmarks: np.ndarray, height: int, width: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What moves with the head if it is person: float32 masks [H, W] in 0..1, (hard region, seam, firmness).

    The region is everything above the jaw and, beside the face, above the level of the jaw's corners. The seam is 1 well
    inside it and fades to 0 at its lower border: thinly along the chin, broadly beside the face, where hair goes on below.
    Firmness is the seam, but for the chin, whose edge is as firm as the rest of the head's outline.
    """
    face_height = float(face_height_of(landmarks[:, :2]))
    up = landmarks[FOREHEAD, :2] - landmarks[CHIN, :2]
    up = up / np.linalg.norm(up)
    right = np.array([-up[1], up[0]])
    far = 4 * max(height, width)
    jaw = landmarks[JAW, :2]
    corner_left, corner_right = (JAW.index(corner) for corner in JAW_CORNERS)
    lower = jaw[corner_left : corner_right + 1]
    beside_left, beside_right = lower[0] - far * right, lower[-1] + far * right
    region = np.concatenate([[beside_left + far * up, beside_left], lower, [beside_right, beside_right + far * up]])
    hard: np.ndarray = np.zeros((height, width), np.uint8)
    cv2.fillPoly(hard, [np.round(region).astype(np.int32)], 1)
    hard |= cv2.dilate(filled_face(landmarks, (height, width)), disc(_JAW_EDGE * face_height))
    distance = cv2.distanceTransform(np.pad(hard, 1, constant_values=1), cv2.DIST_L2, 5)[1:-1, 1:-1]
    outside_face = cv2.distanceTransform(1 - filled_face(landmarks, (height, width)), cv2.DIST_L2, 5)
    reach = face_height * (0.012 + 0.14 * _smooth_step(outside_face / (0.10 * face_height)))
    seam = _smooth_step(distance / reach)
    chin = 1 - _smooth_step((outside_face / face_height - 0.03) / 0.08)
    return hard.astype(np.float32), seam, np.maximum(seam, chin)


def beside_face(landmarks: np.ndarray, height: int, width: int) -> np.ndarray:
    """[H, W]: 0 on the face and at its edge, 1 from 0.055 face heights beyond it: where the head's outline is hair, not skin."""
    away = cv2.distanceTransform(1 - filled_face(landmarks, (height, width)), cv2.DIST_L2, 5) / float(face_height_of(landmarks[:, :2]))
    return _smooth_step((away - 0.015) / 0.04)


def filled_face(landmarks: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """uint8 of this shape: 1 inside the hull of the face's rim."""
    face = np.zeros(shape, np.uint8)
    return cv2.fillConvexPoly(face, cv2.convexHull(np.round(landmarks[FACE_OVAL, :2]).astype(np.int32)), 1)


def grabcut_mask(image: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
    """The person by OpenCV's GrabCut, seeded with the face, a box about head and shoulders, and the rows above the head."""
    height, width = image.shape[:2]
    scale = _GRABCUT_SIDE / max(height, width)
    small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    points = landmarks[:, :2] * scale
    low, high = points[FACE_OVAL].min(0), points[FACE_OVAL].max(0)
    face_width, face_height = high - low
    rows, columns = np.mgrid[: small.shape[0], : small.shape[1]]
    seeds = np.full(small.shape[:2], cv2.GC_PR_BGD, np.uint8)
    beside = np.abs(columns - (low[0] + high[0]) / 2)
    head = (rows > low[1] - 0.45 * face_height) & (rows < high[1]) & (beside < 0.9 * face_width)
    body = (rows >= high[1]) & (beside < face_width * (0.45 + 1.4 * np.clip((rows - high[1]) / (0.7 * face_height), 0, 1)))
    seeds[head | body] = cv2.GC_PR_FGD
    seeds[rows < low[1] - 0.6 * face_height] = cv2.GC_BGD
    seeds[(rows < high[1]) & (beside > 1.6 * face_width)] = cv2.GC_BGD
    neck = (rows >= high[1]) & (rows < high[1] + 0.5 * face_height) & (beside < 0.25 * face_width)
    seeds[neck] = cv2.GC_FGD
    cv2.fillConvexPoly(seeds, cv2.convexHull(points[FACE_OVAL].astype(np.int32)), int(cv2.GC_FGD))
    cv2.setRNGSeed(0)
    cv2.grabCut(np.ascontiguousarray(small[..., ::-1]), seeds, (0, 0, 0, 0), np.zeros((1, 65)), np.zeros((1, 65)), 4, cv2.GC_INIT_WITH_MASK)
    mask = np.isin(seeds, (cv2.GC_FGD, cv2.GC_PR_FGD)).astype(np.float32)
    return cv2.resize(cv2.GaussianBlur(mask, (0, 0), 1.0), (width, height), interpolation=cv2.INTER_LINEAR)


def _guided_filter(mask: np.ndarray, image: np.ndarray, radius: int, softness: float) -> np.ndarray:
    """He et al.'s guided filter on the picture's luminance: the mask becomes locally a linear function of the picture."""
    guide = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32) / 255
    size = (2 * radius + 1, 2 * radius + 1)
    mean_guide, mean_mask = cv2.blur(guide, size), cv2.blur(mask, size)
    variance = cv2.blur(guide * guide, size) - mean_guide**2
    slope = (cv2.blur(guide * mask, size) - mean_guide * mean_mask) / (variance + softness)
    offset = mean_mask - slope * mean_guide
    return cv2.blur(slope, size) * guide + cv2.blur(offset, size)


def disc(radius: float) -> np.ndarray:
    """A structuring element of this radius, at least one pixel."""
    side = 2 * max(1, round(radius)) + 1
    return cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))


def _inside(point: np.ndarray, shape: tuple[int, int]) -> tuple[int, int]:
    return int(np.clip(point[1], 0, shape[0] - 1)), int(np.clip(point[0], 0, shape[1] - 1))


def _smooth_step(x: np.ndarray) -> np.ndarray:
    return smooth_step(x).astype(np.float32)
