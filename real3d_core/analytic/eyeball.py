"""The eyeball that a photo shows between the lids, taken apart: iris, white, catchlights (spec 08 section 4)."""

from __future__ import annotations

import cv2
import numpy as np

from ..portrait.inpaint import push_pull
from ..smooth_step import smooth_step
from .eye_shape import EyeShape, coloured

_LIMBUS = (1.0, 1.3)  # radii of the iris between which it passes into the white
_SHADED = 0.13  # widths of the eye below the upper lid that its lashes and its shadow darken
_MARGIN = 0.04  # widths of the eye within which the edge of a lid is mixed in
_FEW = 6  # pixels
_CLOSED = 0.12  # widths of the eye: an eye that is less open is closed
_CONTRAST, _IN_SHADE = 0.15, 0.08  # between iris and white, of the face's brightness: of the clearer eye at least, and of the other one
DARKEN = 0.15  # added before shadows are divided by what they fall on
_PUPIL = 0.85  # radii of the iris within which what is bright is a catchlight
_GLINT = 0.18  # by which a catchlight is brighter than the iris
_RING = 0.08  # radii of the iris from one sample of its colours to the next
_DARKEST_WHITE = 0.8  # of the middle white: no part of the white that is revealed is darker


class Eyeball:
    """An eyeball whose iris can move; what the photo hides of it is continued.

    Args:
        picture: [h, w, 3] about the eye, 0..1.
        centre, radius: of the iris, pixels.
    """

    def __init__(self, picture: np.ndarray, shape: EyeShape, centre: np.ndarray, radius: float):
        self._shape = shape
        rho = np.hypot(shape.x - centre[0], shape.y - centre[1]) / radius
        below_top, above_bottom = shape.down - shape.top, shape.bottom - shape.down
        shown = (np.clip((np.minimum(below_top, above_bottom) - _MARGIN) / _MARGIN + 0.5, 0, 1))[..., None]
        glint = _catchlights(picture, (rho < _PUPIL) & (below_top > 0) & (above_bottom > 0))
        clean = push_pull(picture, (~glint).astype(np.float32))
        away = smooth_step((rho - _LIMBUS[0]) / (_LIMBUS[1] - _LIMBUS[0]))[..., None]
        sure = (shown[..., 0] > 0.5) & ~glint
        lit_up = sure & (below_top > _SHADED)
        white = _white(picture, *(area & (rho > _LIMBUS[1]) for area in (lit_up, sure)))
        iris = _ringed(clean, rho, lit_up if lit_up.any() else sure)
        shadow = _shadow(clean, iris + (white - iris) * away, shown * ~glint[..., None], shape.width)
        flat = (clean + DARKEN) / shadow - DARKEN
        self._white = (white + (flat - white) * shown * away).astype(np.float32)
        moving = shown * (flat - away * self._white) + (1 - shown) * (1 - away) * iris
        self._iris = np.dstack([moving, 1 - away]).astype(np.float32)  # premultiplied colour and opacity
        self._opacity = coloured(np.maximum(self._iris[..., 3], 1e-3))
        self._glint = ((picture - clean) * shown).astype(np.float32)
        self._lit = clean + self._glint

    def __call__(self, shift: np.ndarray) -> np.ndarray:
        """[h, w, 3] in even light, with the iris moved by (x, y) pixels; catchlights stay where the light puts them, while it is there."""
        x, y = (axis - np.float32(way) for axis, way in zip((self._shape.x, self._shape.y), shift, strict=True))
        iris = cv2.remap(self._iris, x, y, cv2.INTER_LINEAR) if shift.any() else self._iris
        opacity = coloured(iris[..., 3])
        plain = iris[..., :3] + (1 - opacity) * self._white
        on_iris = (opacity / self._opacity).clip(0, 1)
        return lit(plain, self._glint * on_iris, self._lit)


def contrast(picture: np.ndarray, shape: EyeShape, centre: np.ndarray, radius: float) -> float:
    """How much brighter the white of an eye is than its iris, 0 where the eye is closed."""
    if shape.opening.max() < _CLOSED:
        return 0.0
    grey, rho = picture.mean(axis=2), np.hypot(shape.x - centre[0], shape.y - centre[1]) / radius
    between = np.minimum(shape.down - shape.top, shape.bottom - shape.down) > 0.03
    iris, white = grey[between & (rho < 0.85)], grey[between & (rho > 1.25)]
    return float(np.percentile(white, 80) - np.percentile(iris, 30)) if len(iris) and len(white) else 0.0


def is_seen(own: float, of_both: float, skin: float) -> bool:
    """Whether a picture shows the eye at all: open, and with an iris darker than its white, as dark glasses do not.

    Args:
        own: contrast between its iris and its white.
        of_both: the greater one of the two eyes: one that lies in the shade is seen where the other one is.
        skin: how bright the face is.
    """
    return own > _IN_SHADE * skin and of_both > _CONTRAST * skin


def lit(colour: np.ndarray, light: np.ndarray, most: np.ndarray) -> np.ndarray:
    """A colour with light added, which makes nothing brighter than `most` but leaves what is."""
    return np.maximum(colour, np.minimum(most, colour + light))


def _catchlights(picture: np.ndarray, iris: np.ndarray) -> np.ndarray:
    grey = picture.mean(axis=2)
    if not iris.any():
        return np.zeros_like(iris)
    bright = iris & (grey > np.percentile(grey[iris], 60) + _GLINT)
    return cv2.dilate(bright.astype(np.uint8), np.ones((3, 3))) > 0


def _white(picture: np.ndarray, lit_up: np.ndarray, known: np.ndarray) -> np.ndarray:
    """The white of the eye, also where the iris or a lid hides it."""
    known = lit_up if lit_up.sum() >= _FEW else known
    if not known.any():
        return np.broadcast_to(np.percentile(picture.reshape(-1, 3), 60, axis=0), picture.shape)
    tint = np.ptp(picture, axis=2) / np.maximum(picture.max(axis=2), 0.05)
    known = known & (tint <= np.percentile(tint[known], 50))  # the rims of lids are redder
    grey = picture.mean(axis=2)
    middle = np.median(picture[known & (grey >= np.percentile(grey[known], 30))], axis=0)
    return np.maximum(push_pull(picture, known.astype(np.float32)), _DARKEST_WHITE * middle)


def _shadow(picture: np.ndarray, evenly_lit: np.ndarray, weight: np.ndarray, width: float) -> np.ndarray:
    """[h, w, 3] in 0.4..1: the soft shadow that lid and lashes throw on the eyeball; it knows nothing of the iris's edge."""
    ratio = (picture + DARKEN) / (evenly_lit + DARKEN)
    blurred, amount = (
        cv2.GaussianBlur(values.astype(np.float32), (0, 0), 0.2 * width, sigmaY=0.05 * width) for values in (ratio * weight, weight)
    )
    return ((blurred + 0.02) / (amount[..., None] + 0.02)).clip(0.4, 1)


def _ringed(picture: np.ndarray, rho: np.ndarray, known: np.ndarray) -> np.ndarray:
    """The iris as rings of the middle colour that the photo shows of each."""
    radii = np.arange(0, 1.4, _RING)
    rings = [known & (np.abs(rho - radius) < 1.2 * _RING) for radius in radii]
    found = [k for k, ring in enumerate(rings) if ring.sum() >= 3]
    if not found:
        return picture
    colours = np.stack([np.median(picture[rings[k]], axis=0) for k in found])
    return np.stack([np.interp(rho, radii[found], channel) for channel in colours.T], axis=-1)
