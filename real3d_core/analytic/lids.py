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
_DRAWN = 0.22  # a lid's travel until its skin is smooth
_SKIN = (0.25, 0.4)  # logarithm of how much darker or lighter even and rough skin may be
_UNFOLDS = 0.8  # how much of the fold above a closed lid is gone
_DARK_LASHES = 25  # percentile
_CONTACT = 0.5  # of the skin's brightness, at most, where lids touch
_GLOSS = 0.06  # how much lighter a drawn lid is where it is roundest
_LINE = 0.032  # half the width of the line where lashes have their roots
_ROOTS = 0.02  # above a lid's edge, where a photo shows how dark they are
_PALEST = 0.6  # of the darkest: what closed lids have where the photo shows no lashes
_LONGEST = (0.07, 0.08)  # above a lid's edge lashes begin to end, and how soon they have ended: folds lie above
_FAINT, _DARK = 0.2, 0.8  # part of the way from skin to the darkest at which a pixel begins to be lash, and is nothing else
_TURNS = 2.4  # lengths of a lash by which its tip has come down on a closed lid
_SHORTEST = 0.15  # of its length, that a lash keeps while it points to the viewer
_RING = 0.2  # of skin about the eye that lends its colour
_GRAIN = 0.06  # detail of skin that is finer than this
_FINEST = 2.0  # as many times its middle strength is kept: pores, not wrinkles
_ROUND = 0.12  # how much darker a lid is towards its edge


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
        across = (shape.outward < 0.62) & (shape.outward > -0.56)
        eye = across & (above < _LASHES) & (shape.down - shape.bottom < 0.05)
        lid = eye | (across & (above > 0) & (above < self._fold))
        away = cv2.distanceTransform((~lid).astype(np.uint8), cv2.DIST_L2, 5) / shape.width
        ring = ~lid & (away < _RING) & (above < 0.7 * shape.to_brow)
        tone = _skin_tone(picture[ring], glasses)
        alike = _alike(picture, tone, ring, shape.width)
        wing = (grey < 0.8 * tone.mean()) & (shape.outward > 0.15) & (shape.outward < 0.8) & (above < 0.2) & (above > -0.15)
        filled = cv2.dilate((lid | wing).astype(np.uint8), np.ones((3, 3))) > 0
        skin = cv2.GaussianBlur(push_pull(picture, (ring & ~filled) * alike), (0, 0), 0.05 * shape.width)
        soft = max(0.7, 0.03 * shape.width)
        eye, wing = (
            cv2.GaussianBlur(cv2.dilate(area.astype(np.uint8), np.ones((3, 3))).astype(np.float32), (0, 0), soft)
            for area in (eye | wing, wing)
        )
        folded = cv2.GaussianBlur(lid.astype(np.float32), (0, 0), 2 * soft) * _UNFOLDS * (1 - glasses * (1 - alike))
        self._covered = coloured(np.maximum(eye, folded).astype(np.float32))
        self._skin = picture + (skin + self._grain(alike) - picture) * self._covered
        self._wing = coloured(wing)
        away_from_eye = np.maximum.reduce([above, shape.down - shape.bottom, 2 * np.abs(shape.along) - 1])
        self.before_skin = coloured(((1 - alike) * smooth_step((away_from_eye - _LASHES) / _BEYOND_LASHES)).astype(np.float32))
        edge = picture[(np.abs(shape.along) < 0.5) & (above > -0.01) & (above < 0.05)]
        lash = np.minimum(np.percentile(edge, _DARK_LASHES, axis=0) if len(edge) else tone, _CONTACT * tone)
        self._lash = np.full_like(picture, lash.astype(np.float32))
        self._hairs = self._lashes_of_photo(above)
        roots = cv2.GaussianBlur(shape.pulled(self._hairs, -(_ROOTS - above)), (0, 0), max(0.7, 0.03 * shape.width))
        self._roots = np.maximum(roots, _PALEST)

    def skin(self, edge: np.ndarray, drawn: float) -> np.ndarray:
        """[h, w, 3]: the lid whose edge is at `edge` [h, w]; `drawn` in 0..1, how far its skin is smooth."""
        shape = self._shape
        above, travel = edge - shape.down, edge - shape.top
        fold = self._fold
        stretched = _LASHES + (above - _LASHES) * (fold - _LASHES) / np.maximum(fold - _LASHES + travel, 0.02)
        source = np.where(above < _LASHES, above, stretched)
        moved = shape.pulled(self._picture, np.where(above < fold + travel, above - source - travel, 0))
        if drawn == 0:
            return moved
        shade = _ROUND * np.exp(-np.clip(above, 0, None) / 0.08) * shape.arch
        shade = shade - _GLOSS * np.exp(-(((above - 0.22) / 0.1) ** 2)) * shape.arch
        return moved + (self._skin * (1 - coloured(shade) * self._covered) - moved) * drawn

    def below(self, edge: np.ndarray, drawn: float) -> np.ndarray:
        """[h, w, 3]: the lower lid with its edge at `edge` [h, w], without the upper one's lashes that hung there."""
        shape = self._shape
        raised = (shape.bottom - edge) * np.clip(1 - (shape.down - edge) / _SETTLES, 0, 1)
        picture = shape.pulled(self._picture, raised) if raised.any() else self._picture
        return picture + (self._skin - picture) * self._wing * drawn

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
        line = np.maximum(self._roots * np.exp(-((above / _LINE) ** 2)), hairs * (beside > 0))
        line *= np.clip((0.65 - shape.outward) / 0.15, 0, 1) * np.clip((0.55 + shape.outward) / 0.1, 0, 1)
        return picture + (self._lash - picture) * coloured(drawn * line)

    def _lashes_of_photo(self, above: np.ndarray) -> np.ndarray:
        """[h, w] in 0..1: how much of each pixel above the open lid's edge is lash."""
        skin, grey = self._skin.mean(axis=2), self._picture.mean(axis=2)
        dark = (skin - grey) / np.maximum(skin - self._lash.mean(), 0.05)
        near = 1 - smooth_step((above - _LONGEST[0]) / _LONGEST[1])
        return (np.clip((dark - _FAINT) / (_DARK - _FAINT), 0, 1) * near * (above > 0)).astype(np.float32)

    def _grain(self, alike: np.ndarray) -> np.ndarray:
        """[h, w, 3]: fine detail of the skin below the eye, mirrored into it."""
        shape = self._shape
        fine = (self._picture - cv2.GaussianBlur(self._picture, (0, 0), _GRAIN * shape.width)) * alike[..., None]
        most = _FINEST * float(np.median(np.abs(fine[alike > 0.5]))) if (alike > 0.5).any() else 0.0
        return shape.pulled(fine.clip(-most, most).astype(np.float32), 2 * (shape.bottom + 0.09 - shape.down))


def drawn(travel: float) -> float:
    """How smooth the skin of a lid is that has come down by `travel`."""
    return float(smooth_step(np.clip(travel / _DRAWN, 0, 1)))


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
