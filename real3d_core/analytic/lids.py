"""Closed lids for a photo that shows open eyes (spec 08 section 4)."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from torch import Tensor

from ..face.landmark_sets import (
    LEFT_BROW,
    LEFT_LOWER_LID,
    LEFT_UPPER_LID,
    RIGHT_BROW,
    RIGHT_LOWER_LID,
    RIGHT_UPPER_LID,
)
from ..face.measures import face_height_of
from ..portrait.inpaint import push_pull
from ..portrait.plates import MARGIN


def lash_band(points: np.ndarray) -> float:
    """Height above a lid's edge that is lashes and moves in one piece with it, in the unit of the landmarks [>= 468, 2 or 3].

    A narrowed eye shows less of them.
    """
    face_height = face_height_of(points)
    openings = np.linalg.norm(points[[159, 386]] - points[[145, 374]], axis=1)
    return float(min(0.016 * face_height, 0.3 * openings.mean()))


def lid_plate(head: Tensor, landmarks: Tensor) -> Tensor:
    """The head plate with smooth skin where the crease and the eye are: what a lid looks like when it is drawn down.

    A crease or lashes stretched with the skin would look like a second, half open eye.

    Args:
        head: [1, >= 3, S, S], a plate with its margins.
        landmarks: [478, 3] in crop units.

    Returns:
        [1, 3, S, S].
    """
    side = head.shape[-1]
    points = (landmarks[:, :2].numpy() + MARGIN) * (side / (1 + 2 * MARGIN))
    face_height = float(face_height_of(points))
    picture = head[0, :3].permute(1, 2, 0).numpy().copy()
    for upper, lower, brow in ((RIGHT_UPPER_LID, RIGHT_LOWER_LID, RIGHT_BROW), (LEFT_UPPER_LID, LEFT_LOWER_LID, LEFT_BROW)):
        eye = points[upper + lower]
        reach = 0.25 * face_height
        x0, y0 = np.maximum(np.floor(eye.min(0) - reach), 0).astype(int)
        x1, y1 = np.minimum(np.ceil(eye.max(0) + reach), side).astype(int)
        box = (slice(y0, y1), slice(x0, x1))
        inside = np.array([x0, y0])
        patch = picture[box]
        lid = np.ones(patch.shape[:2], np.uint8)
        _fill(lid, np.concatenate([points[upper], points[lower][::-1]]) - inside, grow=0.030 * face_height)
        crease = points[upper] + 0.45 * (points[brow[:5]].mean(0) - points[upper].mean(0))
        _fill(lid, np.concatenate([points[upper], crease[::-1]]) - inside, grow=0.010 * face_height)
        skin = lid.copy()
        _fill(skin, points[brow] - inside, grow=0.012 * face_height)  # brows lend no colour, and keep theirs
        smooth = push_pull(patch, skin.astype(np.float32))
        blurred = cv2.GaussianBlur(smooth, (0, 0), 0.02 * face_height)
        softly = cv2.GaussianBlur(1.0 - lid.astype(np.float32), (0, 0), 0.008 * face_height)[..., None]
        picture[box] = patch + (blurred - patch) * softly
    return torch.from_numpy(picture).permute(2, 0, 1)[None]


def _fill(mask: np.ndarray, outline: np.ndarray, grow: float) -> None:
    """Clears the hull of some points, `grow` pixels wider."""
    area = np.zeros_like(mask)
    cv2.fillConvexPoly(area, cv2.convexHull(np.round(outline).astype(np.int32)), 1)
    width = 2 * max(1, round(grow)) + 1
    mask[cv2.dilate(area, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (width, width))) > 0] = 0
