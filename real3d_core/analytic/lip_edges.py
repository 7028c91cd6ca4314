"""Where lips end that show teeth: landmark models cut off the ends of teeth, which then hang from the lips."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import torch
from scipy.ndimage import gaussian_filter1d, maximum_filter1d

from ..face.landmark_sets import LOWER_INNER_LIP, LOWER_OUTER_LIP, MOUTH_CORNERS, UPPER_INNER_LIP, UPPER_OUTER_LIP
from ..face.measures import face_height_of, parted
from ..portrait.plates import MARGIN, plate_pixels
from ..portrait.portrait import Portrait

# Lengths are in face heights.
_WITHIN, _FARTHEST, _STEP = 0.008, 0.014, 0.001  # of an edge, what teeth are looked at inside; and how far beyond it they may go on
_BRIGHTEST = 90  # percentile in the mouth
_TEETH = 0.5  # at least so white, of the brightest, are teeth that end at a lip
_WHITER = 1.25  # times as white as lips
_BETWEEN = 4  # columns looked at from one landmark to the next
_LIGHT_RIM = 0.25  # of the way from lip to teeth: an edge that is lighter is seen where the lip moves away from them
_PART_OF_LIP = 0.4  # that an edge moves by at most


def with_teeth_uncovered(portrait: Portrait) -> Portrait:
    """The portrait with landmarks whose inner lips are moved outwards to where its teeth end, see `teeth_uncovered`."""
    photo = portrait.plates.photo
    points = plate_pixels(portrait.landmarks[:, :2].double().numpy(), photo.shape[-1])
    lips = points[[*UPPER_OUTER_LIP, *LOWER_OUTER_LIP]]
    corner = np.floor(lips.min(axis=0) - 2).clip(0).astype(int)
    (left, top), (right, bottom) = corner, np.ceil(lips.max(axis=0) + 3).astype(int)
    picture = photo[0, :, top:bottom, left:right].permute(1, 2, 0).contiguous().numpy()
    moved = teeth_uncovered(picture, points - corner) + corner
    if (moved == points).all():
        return portrait
    landmarks = portrait.landmarks.clone()
    landmarks[:, :2] += torch.from_numpy((moved - points) * ((1 + 2 * MARGIN) / photo.shape[-1])).float()
    return replace(portrait, landmarks=landmarks)


def teeth_uncovered(picture: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Landmarks [478, 2] whose inner lips are moved outwards to where teeth end, by 0.014 face heights at most.

    Args:
        picture: [H, W, 3] in 0..1.
        points: the landmarks, in its pixels.
    """
    if not parted(points):
        return points
    height = float(face_height_of(points))
    along = points[MOUTH_CORNERS[1]] - points[MOUTH_CORNERS[0]]
    down = np.array([-along[1], along[0]]) / np.linalg.norm(along)
    share = np.linspace(0, 1, 24)[:, None, None]
    mouth = _seen(picture, points[UPPER_INNER_LIP] * (1 - share) + points[LOWER_INNER_LIP] * share).reshape(-1, 3)
    brightness = mouth.mean(axis=1)
    teeth = mouth[brightness >= np.percentile(brightness, _BRIGHTEST)].mean(axis=0)
    moved = points.copy()
    for inner, outer, outwards in ((UPPER_INNER_LIP, UPPER_OUTER_LIP, -down), (LOWER_INNER_LIP, LOWER_OUTER_LIP, down)):
        cut_off = _teeth_beyond(picture, points[inner], points[outer], outwards * height, teeth)
        moved[inner] += cut_off[:, None] * height * outwards
    return moved


def _teeth_beyond(picture: np.ndarray, inner: np.ndarray, outer: np.ndarray, outwards: np.ndarray, teeth: np.ndarray) -> np.ndarray:
    """[11] how far outwards teeth are seen beyond the edge of a lip [11, 2]."""

    def whiteness(places: np.ndarray) -> np.ndarray:
        return (_seen(picture, places) / np.maximum(teeth, 0.02)).min(axis=-1)

    finer = np.linspace(0, 1, _BETWEEN, endpoint=False)[:, None]
    inner, outer = (
        np.concatenate([(edge[:-1, None] * (1 - finer) + edge[1:, None] * finer).reshape(-1, 2), edge[-1:]]) for edge in (inner, outer)
    )
    away = np.arange(-_WITHIN, _FARTHEST + _STEP, _STEP)
    white = whiteness(inner[:, None] + away[:, None] * outwards)
    lip = whiteness((inner + outer) / 2)
    inside = white[:, away <= 0].max(axis=1)
    ended = (white < (lip + _LIGHT_RIM * (inside - lip))[:, None]) & (away > -_STEP / 2)
    beyond = np.where(ended.any(axis=1), away[ended.argmax(axis=1)], 0).clip(0)
    beyond *= (inside > _TEETH) & (inside > _WHITER * np.median(lip))
    thickness = np.linalg.norm(outer - inner, axis=1) / np.linalg.norm(outwards)
    cut_off = gaussian_filter1d(maximum_filter1d(beyond, _BETWEEN), _BETWEEN / 2).clip(0, _PART_OF_LIP * thickness)[::_BETWEEN]
    cut_off[[0, -1]] = 0
    return cut_off


def _seen(picture: np.ndarray, places: np.ndarray) -> np.ndarray:
    """[..., 2] pixels -> [..., 3] colours."""
    flat = places.reshape(1, -1, 2).astype(np.float32)
    colours = cv2.remap(picture, flat[..., 0], flat[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return colours.reshape(*places.shape[:-1], 3)
