"""Below a jaw the photo shows the neck, and so the head goes on there: a turned one has no seam (spec 08 section 2)."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from ..face.landmark_sets import CHIN, FOREHEAD, JAW_CORNERS
from ..portrait.boxes import grown
from ..portrait.hair import hair_seen
from ..portrait.inpaint import extend_outwards, push_pull
from ..portrait.segmentation import disc, filled_face
from ..smooth_step import smooth_step

Picture = NDArray[np.float32]
_REACH = 0.25  # face heights below the jaw that a turned head may show
_BEGINS = 0.08  # face heights below its corners over which the photo's neck begins
_FADES = 0.15  # face heights from what is seen of the neck over which its colours go on
_SHADES = 0.6, 1.3  # times the brightness of jaw or skin, between which a neck may be darker or lighter
_NO_LINE = 0.75, 1.3  # the same of what is no shadow drawn along the jaw
_UNLIKE = 0.12  # distance of colours, each 0..1, from which on it is no neck
_LINE = 0.08  # the same of what lies between jaw and neck
_EDGE = 0.025, 0.06  # face heights: within the one of its outline a jaw is mixed with its shadow, within the other it may be
_HANGS = 0.05  # face heights below the jaw, beyond which what is the head's is a beard
_TOUCHES = 0.03  # face heights from the jaw within which a neck begins
_MIXED = 0.01  # face heights within which a neck is mixed with what is beside it
_AROUND = 0.6  # face heights about chin and jaw corners that are looked at
_FINE = 0.02  # face heights, of a blur


@dataclass(frozen=True)
class _Jaw:
    """Where the pixels of a picture lie about a face: maps [H, W], in face heights but for the last.

    outside, inside: away from the face's outline, outwards and inwards.
    below: the corners of the jaw, along the head's own axis.
    between: bool, whether between these corners, across that axis.
    """

    outside: np.ndarray
    inside: np.ndarray
    below: np.ndarray
    between: NDArray[np.bool_]

    @classmethod
    def of(cls, landmarks: np.ndarray, shape: tuple[int, ...], face_height: float) -> _Jaw:
        face = filled_face(landmarks, (shape[0], shape[1]))
        outside, inside = (cv2.distanceTransform(one, cv2.DIST_L2, 5) / face_height for one in (1 - face, face))
        up = (landmarks[FOREHEAD] - landmarks[CHIN]) / face_height
        right = np.array([-up[1], up[0]])
        rows, columns = np.mgrid[: shape[0], : shape[1]]
        corners, across = landmarks[JAW_CORNERS], columns * right[0] + rows * right[1]
        low, high = sorted(corners @ right)
        below = (corners.mean(axis=0) @ up - columns * up[0] - rows * up[1]) / face_height
        return cls(outside, inside, below, (across > low) & (across < high))


def with_neck(
    continued: Picture, matte: np.ndarray, photo: Picture, person: np.ndarray, landmarks: np.ndarray, face_height: float
) -> Picture:
    """Colours of a head that go on below its jaw as the photo's neck or beard does, as far as that is seen there.

    A shadow that the photo draws along the jaw is left out: the turned jaw is elsewhere. A beard that goes with the head stays as it is.

    Args:
        continued: [H, W, 3] in 0..1, the head's, continued in some way beyond its outline.
        matte, person: [H, W] in 0..1, how much of each pixel is head, and how much is person.
        photo: [H, W, 3] in 0..1.
        landmarks: [478, 2] in pixels.
        face_height: pixels.
    """
    hair = hair_seen(photo, person, landmarks, face_height)
    (left, top), (right, bottom) = (edge(landmarks[[CHIN, *JAW_CORNERS]], axis=0).astype(int).tolist() for edge in (np.min, np.max))
    box = grown((slice(top, bottom + 1), slice(left, right + 1)), round(_AROUND * face_height), person.shape)
    within = landmarks - [box[1].start, box[0].start]
    result = continued.copy()
    result[box] = _with_neck(continued[box], matte[box], photo[box], person[box], hair[box], within, face_height)
    return result


def _with_neck(
    continued: Picture,
    matte: np.ndarray,
    photo: Picture,
    person: np.ndarray,
    hair: NDArray[np.bool_],
    landmarks: np.ndarray,
    face_height: float,
) -> Picture:
    """The same of the part of a picture about the jaw, and what in it is hair."""
    jaw = _Jaw.of(landmarks, person.shape, face_height)
    smooth = cv2.GaussianBlur(photo, (0, 0), max(0.8, _MIXED * face_height))
    edge = extend_outwards(_soft(photo, face_height), jaw.inside > 2 * _EDGE[0], blur=max(1.0, _FINE * face_height))
    seen = _neck(photo, smooth, edge, (person > 0.95) & ~(hair & ~jaw.between), jaw, face_height)
    if not seen.any():
        return continued
    surely_jaw, may_be_jaw = (jaw.inside > distance for distance in _EDGE[::-1])
    of_jaw = surely_jaw | (may_be_jaw & (_unlike(smooth, edge, _NO_LINE) < _UNLIKE))
    known = of_jaw | ((cv2.erode(seen.astype(np.uint8), disc(1.5 * _MIXED * face_height)) > 0) & (jaw.outside > _EDGE[0]))
    beside = cv2.dilate(seen.astype(np.uint8), disc(2 * _EDGE[0] * face_height)) > 0
    between = ~known & (seen | (beside & (jaw.inside > 0))) & (person > 0.95)
    no_line = between & (_unlike(smooth, push_pull(photo, known), _NO_LINE) < _LINE)
    known |= cv2.erode((known | no_line).astype(np.uint8), disc(_MIXED * face_height)) > 0
    beard = cv2.dilate(((matte > 0.95) & (jaw.outside > _HANGS)).astype(np.uint8), disc(1.5 * _HANGS * face_height)) > 0
    known |= beard & (matte > 0.5) & (person > 0.95)
    filled = push_pull(photo, known)
    filled = np.where(known[..., None], filled, _soft(filled, face_height))
    away = cv2.distanceTransform(1 - (seen | between).astype(np.uint8), cv2.DIST_L2, 5) / face_height
    weight = np.exp(-((away / _FADES) ** 2)) * smooth_step(jaw.below / _BEGINS) * ~of_jaw
    weight *= 1 - _stubble(smooth, edge, (person > 0.95) & ~seen & (jaw.outside > 0) & (jaw.outside < _REACH), face_height)
    return (continued + (filled - continued) * weight[..., None]).astype(np.float32)


def _neck(
    photo: Picture, smooth: np.ndarray, edge: np.ndarray, possible: NDArray[np.bool_], jaw: _Jaw, face_height: float
) -> NDArray[np.bool_]:
    """[H, W]: what joins the jaw below and has the colours of its edge [H, W, 3] or of the face's skin: no collar, no hair beside it."""
    skin = np.median(photo[(jaw.inside > 0) & (np.abs(jaw.below + 0.1) < 0.2)], axis=0)
    unlike = np.minimum(_unlike(smooth, edge, _SHADES), _unlike(smooth, skin, _SHADES))
    zone = (jaw.below > 0) & (jaw.outside > 0) & (jaw.outside < _REACH)
    like = zone & possible & (unlike < _UNLIKE)
    pieces = cv2.connectedComponents(cv2.morphologyEx(like.astype(np.uint8), cv2.MORPH_OPEN, disc(_MIXED * face_height)))[1]
    joined = np.unique(pieces[zone & jaw.between & (jaw.outside < _TOUCHES)])
    return cv2.erode(np.isin(pieces, joined[joined > 0]).astype(np.uint8), disc(_MIXED * face_height)) > 0


def _stubble(smooth: np.ndarray, edge: np.ndarray, where: NDArray[np.bool_], face_height: float) -> np.ndarray:
    """[H, W] in 0..1: what is darker than the jaw's edge and too broad for its shadow: a beard that thickens below the jaw."""
    dark = where & (smooth.sum(axis=2) < _SHADES[0] * edge.sum(axis=2))
    broad = cv2.morphologyEx(dark.astype(np.uint8), cv2.MORPH_OPEN, disc(_EDGE[0] * face_height))
    return _soft(cv2.dilate(broad, disc(_EDGE[0] * face_height)).astype(np.float32), face_height)


def _unlike(colours: np.ndarray, others: np.ndarray, shades: tuple[float, float]) -> np.ndarray:
    """[H, W]: how far colours [H, W, 3] are from others, which may be lighter and darker by so much."""
    shade = (colours * others).sum(axis=2) / np.maximum((others * others).sum(axis=-1), 1e-3)
    return np.linalg.norm(colours - np.clip(shade, *shades)[..., None] * others, axis=2)


def _soft(picture: Picture, face_height: float) -> np.ndarray:
    return cv2.GaussianBlur(picture, (0, 0), max(1.0, _FINE * face_height))
