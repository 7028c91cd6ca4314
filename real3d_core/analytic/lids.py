"""Lids for a photo that shows open eyes: skin, lashes and shadow of an upper lid at any height (spec 08 section 4)."""

from __future__ import annotations

import cv2
import numpy as np

from ..portrait.inpaint import push_pull
from ..smooth_step import smooth_step
from .eye_shape import EyeShape, coloured

# Lengths are in widths of the eye, from corner to corner.
_LASHES = 0.10  # the strip above a lid's edge that moves with it as one
_BEYOND_LASHES = 0.08  # so much farther from the eye, what does not look like skin is neither lid nor lashes
_FOLD = 0.30  # above the edge the lid's skin no longer moves
_UNDER_BROW = 0.45  # of the way to the brow, likewise
_SETTLES = 0.3  # below a raised lower lid's edge the skin stays
_DRAWN = (0.22, 0.75)  # a lid's travel until its skin is smooth, and the part of the way, which narrow eyes reach first
_LEAVES = 0.12  # part of the way on which lashes come off the picture of the lid, to be painted by themselves
_SKIN = (0.25, 0.4)  # logarithm of how much darker or lighter even and rough skin may be
_UNFOLDS = 0.8  # how much of the fold above a closed lid is gone
_THIN = 0.20  # what is dark and no broader than this is hair, or a fold
_UP_TO = (0.38, 0.08)  # above a lid's edge, and below the brow, up to where such is no part of a closed lid's skin
_DARK_LASHES = 25  # percentile
_CONTACT = 0.5  # of the skin's brightness, at most, where lids touch
_LINE, _LINE_COVERS = 0.045, 0.85  # half the width of the line where closed lids meet, and how much of the skin it hides at most
_ROOTS = 0.02  # above a lid's edge, where a photo shows how dark they are
_PALEST = 0.85  # of the darkest: what closed lids have where the photo shows no lashes
_LONGEST = (0.07, 0.08)  # above a lid's edge lashes begin to end, and how soon they have ended: folds lie above
_FAINT, _DARK = 0.2, 0.8  # part of the way from skin to the darkest at which a pixel begins to be lash, and is nothing else
_TURNS = 2.4  # lengths of a lash by which its tip has come down on a closed lid
_SHORTEST = 0.35  # of its length, that a lash keeps while it points to the viewer
_FANNED = 0.4  # how much of the skin lashes hide that hang down before it: they are fanned out
_ENDS = ((-0.6, -0.4), (0.4, 0.6))  # towards the nose and the temple, between which a closed lid's lashes end
_EYE = ((-0.5, 0.06), (0.5, 0.12))  # towards the nose and the temple, up to where an eye is as high as it is there, and how soon it ends
_LID = ((0.0, 0.56), (0.0, 0.62))  # likewise a lid with its fold: a dome
_WING = (0.62, 1.0)  # towards the temple, up to where hair may be taken for lashes, and up to where lashes and paint about an eye reach
_HAIR = (0.05, 0.2)  # so long before that, what is broader than this is hair
_AROUND_WING = 0.05  # what surrounds lashes is half of their colour
_WING_DARK = 0.88  # of the skin's brightness, at most
_RING = 0.2  # of skin about the eye that lends its colour
_GRAIN = 0.06  # detail of skin that is finer than this
_FINEST = 2.0  # as many times its middle strength is kept: pores, not wrinkles
_BULGE = (0.08, 0.15, 0.12)  # how much lighter a closed lid is where the eyeball rounds it most, above its edge, and how far around
_SINKS = (0.08, 0.13, 0.07)  # how much darker it is in its fold, above the edge of the open lid, likewise
_SHADES = 0.5  # power of its colour by which shade is deeper in the colours that skin has less of
_ROUND = (0.18, 0.07)  # how much darker it is at its edge, and how far from there


class Lid:
    """The upper lid of an eye.

    Args:
        picture: [h, w, 3] about the eye, 0..1.
        glasses: 0..1, how surely the eye is behind some; else what is dark above it is the fold of an open lid, which a closed one lacks.

    Attributes:
        before_skin: [h, w, 3] in 0..1: what about the eye is not skin, such as the frame of glasses.
    """

    def __init__(self, picture: np.ndarray, shape: EyeShape, glasses: float):
        self._picture = picture
        self._shape = shape
        grey, above = picture.mean(axis=2), shape.top - shape.down
        self._fold = np.maximum(np.minimum(_UNDER_BROW * shape.to_brow, _FOLD), 1.5 * _LASHES)
        within = _rounded_off(shape.outward, _EYE)
        eye = (above < _LASHES * within) & (shape.down - shape.bottom < 0.05 * within)
        lid = eye | ((above > 0) & (above < self._fold * _rounded_off(shape.outward, _LID)))
        away = cv2.distanceTransform((~lid).astype(np.uint8), cv2.DIST_L2, 5) / shape.width
        ring = ~lid & (away < _RING) & (above < 0.7 * shape.to_brow)
        tone = _skin_tone(picture[ring], glasses)
        alike = _alike(picture, tone, ring, shape.width)
        wing = (shape.outward > 0.15) & (shape.outward < _WING[1]) & (above > -0.15)
        wing &= above < np.clip(shape.to_brow - 0.12, 0.1, 0.32)
        wing = _joined(wing & (grey < _WING_DARK * tone.mean()), eye, shape)
        filled = cv2.dilate((lid | wing).astype(np.uint8), np.ones((3, 3))) > 0
        skin = cv2.GaussianBlur(push_pull(picture, (ring & ~filled) * alike), (0, 0), 0.05 * shape.width)
        soft = max(0.7, 0.03 * shape.width)
        wing = cv2.GaussianBlur(wing.astype(np.float32), (0, 0), 1.5 * soft) * smooth_step((_WING[1] - shape.outward) / _AROUND_WING)
        eye = np.maximum(cv2.GaussianBlur(cv2.dilate(eye.astype(np.uint8), np.ones((3, 3))).astype(np.float32), (0, 0), soft), wing)
        edge = picture[(np.abs(shape.along) < 0.5) & (above > -0.01) & (above < 0.05)]
        lash = np.minimum(np.percentile(edge, _DARK_LASHES, axis=0) if len(edge) else tone, _CONTACT * tone)
        self._lash = np.full_like(picture, lash.astype(np.float32))
        thin = self._thin_and_dark(skin)
        thin *= smooth_step((0.8 - np.abs(shape.along)) / 0.1)
        self._hairs = (thin * (1 - smooth_step((above - _LONGEST[0]) / _LONGEST[1])) * (above > 0)).astype(np.float32)
        up_to_brow = 1 - smooth_step((above - np.minimum(_UP_TO[0], shape.to_brow - 1.3 * _UP_TO[1])) / _UP_TO[1])
        self._bare, smooth = (self._without(area * (1 - glasses * (1 - alike))) for area in (self._hairs > 0.02, (thin > 0.1) * up_to_brow))
        folded = cv2.GaussianBlur(lid.astype(np.float32), (0, 0), 3 * soft) * _UNFOLDS * (1 - glasses * (1 - alike))
        self._covered = coloured(np.maximum(eye, folded).astype(np.float32))
        self._skin = smooth + (skin + self._grain(alike) - smooth) * self._covered
        self._tint = (tone.max() / np.maximum(tone, 0.05)) ** _SHADES
        self._rim = coloured(np.maximum(wing, eye * (shape.down > shape.bottom)))
        away_from_eye = np.maximum.reduce([above, shape.down - shape.bottom, 2 * np.abs(shape.along) - 1])
        self.before_skin = coloured(((1 - alike) * smooth_step((away_from_eye - _LASHES) / _BEYOND_LASHES)).astype(np.float32))
        roots = cv2.GaussianBlur(shape.pulled(self._hairs, -(_ROOTS - above)), (0, 0), max(0.7, 0.08 * shape.width))
        nose, temple = (smooth_step((shape.outward - start) / (stop - start)) for start, stop in _ENDS)
        self._ends = (nose * (1 - temple)).astype(np.float32)
        self._roots = np.maximum(roots, _PALEST) * self._ends * np.float32(_LINE_COVERS)

    def skin(self, edge: np.ndarray, drawn: float, closed: float) -> np.ndarray:
        """[h, w, 3]: the lid without its lashes, whose edge is at `edge` [h, w].

        Args:
            drawn: in 0..1, how far its skin is smooth.
            closed: part of the way to the lower lid that the edge has come.
        """
        shape = self._shape
        above, travel = edge - shape.down, edge - shape.top
        fold = self._fold
        stretched = _LASHES + (above - _LASHES) * (fold - _LASHES) / np.maximum(fold - _LASHES + travel, 0.02)
        source = np.where(above < _LASHES, above, stretched)
        left = _left(closed)
        bare = self._bare if left == 1 else self._picture + (self._bare - self._picture) * left
        moved = shape.pulled(bare, np.where(above < fold + travel, above - source - travel, 0))
        if drawn == 0:
            return moved
        light = _hill(above, _BULGE) - _ROUND[0] * np.exp(-np.clip(above, 0, None) / _ROUND[1])
        light = ((light - _hill(shape.top - shape.down, _SINKS)) * shape.arch).astype(np.float32)
        return moved + (self._skin * (1 + coloured(light) * self._tint * self._covered) - moved) * drawn

    def below(self, edge: np.ndarray, drawn: float) -> np.ndarray:
        """[h, w, 3]: the lower lid with its edge at `edge` [h, w]; closed lids hide its wet rim."""
        shape = self._shape
        raised = (shape.bottom - edge) * np.clip(1 - (shape.down - edge) / _SETTLES, 0, 1)
        picture = shape.pulled(self._picture, raised) if raised.any() else self._picture
        return picture + (self._skin - picture) * self._rim * drawn

    def lashes(self, picture: np.ndarray, edge: np.ndarray, drawn: float, closed: float) -> np.ndarray:
        """The picture with the photo's own lashes at the edge of a drawn lid.

        Args:
            closed: part of the way to the lower lid that the edge has come: lashes that point up turn down meanwhile.
        """
        shape = self._shape
        above = edge - shape.down
        length = 1 - _TURNS * closed
        length = max(length, _SHORTEST) if length > 0 else min(max(length, -1.0), -_SHORTEST)
        beside = above / np.float32(length)
        hairs = shape.pulled(self._hairs, np.where(beside > 0, shape.top - beside - shape.down, shape.x.max()))
        left = _left(closed)
        hairs *= (beside > 0) * (left * (1 - drawn * (1 - _FANNED)) * (1 - left * (1 - self._ends)))
        line = np.maximum(self._roots * (drawn * np.exp(-((above / _LINE) ** 2))), hairs)
        return picture + (self._lash - picture) * coloured(line)

    def _without(self, hairs: np.ndarray) -> np.ndarray:
        """[h, w, 3]: the photo above the open lid's edge without some pixels [h, w], in 0..1, filled in from around them."""
        shape = self._shape
        hairs = cv2.GaussianBlur(cv2.dilate(hairs.astype(np.float32), np.ones((3, 3))), (0, 0), 0.7)
        known = (1 - hairs) ** 2 * ((shape.down < shape.top) | (shape.down - shape.bottom > 0.05))
        filled = push_pull(self._picture, known)
        return self._picture + (filled - self._picture) * coloured(hairs * (shape.top - shape.down > -0.02))

    def _thin_and_dark(self, skin: np.ndarray) -> np.ndarray:
        """[h, w] in 0..1: how much of each pixel is lash, or a fold: thin, and darker than what lies on both sides of it."""
        shape = self._shape
        eyeball = (shape.down > shape.top) & (shape.down < shape.bottom + 0.03)
        grey = np.where(eyeball, skin.mean(axis=2), self._picture.mean(axis=2)).astype(np.float32)
        side = 2 * round(_THIN * shape.width / 2) + 1
        around = cv2.morphologyEx(grey, cv2.MORPH_CLOSE, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side)))
        dark = (around - grey) / np.maximum(around - self._lash.mean(), 0.05)
        return np.clip((dark - _FAINT) / (_DARK - _FAINT), 0, 1).astype(np.float32)

    def _grain(self, alike: np.ndarray) -> np.ndarray:
        """[h, w, 3]: fine detail of the skin below the eye, mirrored into it."""
        shape = self._shape
        fine = (self._picture - cv2.GaussianBlur(self._picture, (0, 0), _GRAIN * shape.width)) * alike[..., None]
        most = _FINEST * float(np.median(np.abs(fine[alike > 0.5]))) if (alike > 0.5).any() else 0.0
        return shape.pulled(fine.clip(-most, most).astype(np.float32), 2 * (shape.bottom + 0.09 - shape.down))


def drawn(closed: float, tallest: float) -> float:
    """How smooth the skin of a lid is that has come so much of its way down an eye that is `tallest` open."""
    return float(smooth_step(closed * max(tallest / _DRAWN[0], 1 / _DRAWN[1])))


def _rounded_off(outward: np.ndarray, ends: tuple[tuple[float, float], tuple[float, float]]) -> np.ndarray:
    """[h, w] in 0..1: 1 between two places, towards the nose and the temple, and round beyond them like an ellipse."""
    (nose, before), (temple, behind) = ends
    beyond = np.maximum((nose - outward) / before, (outward - temple) / behind).clip(0, 1)
    return np.sqrt(1 - beyond**2)


def _joined(dark: np.ndarray, eye: np.ndarray, shape: EyeShape) -> np.ndarray:
    """[h, w] bool: the pieces of what is dark that touch an eye, with a rim; of those that go on as broad as hair only the eye's part."""
    _, pieces = cv2.connectedComponents(dark.astype(np.uint8))
    touching = np.unique(pieces[dark & cv2.dilate(eye.astype(np.uint8), np.ones((3, 3))).astype(bool)])
    at_end = pieces[dark & (shape.outward > _WING[1] - _HAIR[0])]
    hair = np.flatnonzero(np.bincount(at_end, minlength=1) > _HAIR[0] * _HAIR[1] * shape.width**2)
    joined = dark & np.isin(pieces, touching) & ((shape.outward < _WING[0]) | ~np.isin(pieces, hair))
    side = 2 * round(_AROUND_WING * shape.width) + 1
    return cv2.dilate(joined.astype(np.uint8), np.ones((side, side))) > 0


def _hill(place: np.ndarray, height_place_and_breadth: tuple[float, float, float]) -> np.ndarray:
    height, middle, breadth = height_place_and_breadth
    return height * np.exp(-(((place - middle) / breadth) ** 2))


def _left(closed: float) -> float:
    """How far lashes have come off the picture of a lid."""
    return float(smooth_step(abs(closed) / _LEAVES))


def _alike(picture: np.ndarray, tone: np.ndarray, ring: np.ndarray, width: float) -> np.ndarray:
    """[h, w] in 0..1: how much a pixel and what is next to it look like skin of this tone, and not like glasses, hair or reflections."""
    apart = np.abs(np.log((picture + 0.05) / (tone + 0.05))).max(axis=2)
    alike = np.clip(2 - apart / np.clip(np.median(apart[ring]), *_SKIN), 0, 1).astype(np.float32)
    side = 2 * round(0.03 * width) + 1
    return cv2.erode(alike, np.ones((side, side)))


def _skin_tone(colours: np.ndarray, glasses: float) -> np.ndarray:
    """[3]: the middle one of the colours [P, 3] about an eye; behind glasses of their brighter half, as rims and their shadows are dark."""
    brighter = np.argsort(colours.mean(axis=1))[round(0.5 * glasses * len(colours)) :]
    return np.median(colours[brighter], axis=0)
