"""Eyes that look about and lids that close, painted where the photo has its eyes (spec 08 section 4).

Everything happens in the plane of the photo, in a small picture about each eye: the face sheet carries it, as it carries the skin
around. An eye at rest is not painted at all.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..face.landmark_sets import (
    CHEEKS,
    EYE_CORNERS,
    LEFT_BROW,
    LEFT_IRIS,
    LEFT_LOWER_LID,
    LEFT_UPPER_LID,
    NOSE_TIP,
    RIGHT_BROW,
    RIGHT_IRIS,
    RIGHT_LOWER_LID,
    RIGHT_UPPER_LID,
)
from ..face.measures import EYEBALL
from ..motion.anatomy import soft_limit
from ..motion.gaze import gaze_of
from ..motion.motion import Motion
from ..portrait.plates import plate_pixels
from .controls import PAINTED, within_strength
from .eye_shape import EyeShape, coloured, eye_shape, folded, lids_follow
from .eyeball import DARKEN, Eyeball, contrast, is_seen, lit
from .glasses import glasses_worn
from .lids import Lid, drawn

_GAZE = (math.radians(18), math.radians(30))  # up to where eyes turn freely, and what they never pass
_REACH = 0.55  # widths of an eye that its picture reaches beyond it
_RIM = 0.045  # widths of an eye: softness of the lids' edges
_RISES = 0.1  # a lower lid's part of the way when an eye closes
_HANG = 0.055  # widths of an eye by which a closed lid's edge lies below the lower one's
_SHADE = 0.3  # how much darker the eyeball is under a nearly closed lid
_WIDENS = (0.08, 0.02)  # widths of an eye by which lids_wide at 1 raises the upper lid and lowers the lower one
_NARROWS = (0.025, 0.112)  # likewise, by which lids_tight lowers the upper lid and raises the lower one
_WIDEST, _NARROWEST = 0.55, 0.5  # of the opening: the most that this moves either lid


@dataclass(frozen=True)
class EyePose:
    """Where the iris and the lids of an eye are.

    shift: pixels to the right and down by which the iris has moved.
    closed: part of the way down to the lower lid that the edge of the upper one has come, below 0: up.
    raised: part of the opening by which the lower lid has come up.
    drawn: 0..1, how smooth the upper lid's skin is.
    """

    shift: tuple[float, float]
    closed: float
    raised: float
    drawn: float


PaintEye = Callable[[EyePose], np.ndarray]
"""The signature of `Eye.__call__`."""


class Eye:
    """One eye of a photo.

    Args:
        picture: [h, w, 3] about it, 0..1.
        shape: of the eye in this picture.
        iris: [5, 2] centre and rim, pixels.
        level: unit vector in the picture along which the head's x runs.
        glasses: 0..1, how surely the eye is behind some: their frame stays in front of the lids.
    """

    def __init__(self, picture: np.ndarray, shape: EyeShape, iris: np.ndarray, level: np.ndarray, glasses: float):
        self._picture, self._shape, self._level = picture, shape, level
        self._soft = max(_RIM, 1.2 / shape.width)
        self._ball = Eyeball(picture, shape, iris[0], _radius(iris))
        self._lid = Lid(picture, shape, glasses)
        self._frame = glasses * self._lid.before_skin
        at_rest = self._ball(np.zeros(2))
        shadow = np.minimum((picture + DARKEN) / (at_rest + DARKEN), 1)
        self._cast = [part.astype(np.float32) for part in (shadow, np.maximum(picture - at_rest, 0), picture)]

    def pose(self, gaze: tuple[float, float], closed: float = 0.0, wide: float = 0.0, tight: float = 0.0) -> EyePose:
        """Of an eye that looks `gaze` radians to the picture's right and up, its lids `closed` 0..1 of the way.

        Args:
            wide, tight: how far it is opened wide, and narrowed; 1 is fully.
        """
        right, down = EYEBALL * self._shape.width * math.sin(gaze[0]), -EYEBALL * self._shape.width * math.sin(gaze[1])
        (across, along), tallest = map(float, self._level), float(self._shape.opening.max())
        lowered, raised = (
            min(max((tight * narrows - wide * widens) / tallest, -_WIDEST), _NARROWEST)
            for widens, narrows in zip(_WIDENS, _NARROWS, strict=True)
        )
        upper_follows, lower_follows = map(float, lids_follow(gaze[1], tallest))
        follows, raised = max(upper_follows + lowered, -_WIDEST), raised - lower_follows
        part = follows + (1 - follows) * closed
        shift = (right * across - down * along, right * along + down * across)
        return EyePose(shift, part, raised + (_RISES - raised) * closed, drawn(part, tallest))

    def some_poses(self) -> list[EyePose]:
        """By which what paints the same is held against this."""
        return [self.pose((0.1, -0.1), 0.4), self.pose((-0.2, 0.1), 1.0), self.pose((0.05, 0.0), wide=1.0)]

    def __call__(self, pose: EyePose) -> np.ndarray:
        """[h, w, 3]."""
        shape, smooth = self._shape, pose.drawn
        bottom = shape.bottom - np.float32(pose.raised) * shape.opening
        hangs = np.float32(max(pose.closed, 0) * _HANG) * shape.arch
        edge = shape.top + np.float32(pose.closed) * (bottom - shape.top + hangs)
        ball = self._shaded(self._ball(np.array(pose.shift)), edge, bottom) * coloured(1 - np.float32(_SHADE * smooth) * shape.arch)
        on_ball, below = (np.clip((shape.down - line) / self._soft + 0.5, 0, 1) for line in (edge, bottom))
        between = (1 - below) * np.clip(shape.opening / self._soft, 0, 1)  # nothing beyond the corners
        skin = self._lid.below(bottom, smooth)
        under = skin + (ball - skin) * coloured(between)
        lid = self._lid.skin(edge, smooth, pose.closed)
        painted = self._lid.lashes(lid + (under - lid) * coloured(on_ball), edge, smooth, pose.closed)
        return (painted + (self._picture - painted) * self._frame).clip(0, 1).astype(np.float32)

    def _shaded(self, ball: np.ndarray, edge: np.ndarray, bottom: np.ndarray) -> np.ndarray:
        """With the shadow and the lashes of the upper lid, which go along with it, and the wet rim of the lower one."""
        shape = self._shape
        within = (shape.down - edge) / np.maximum(bottom - edge, 1e-3)
        source = np.where(shape.down > edge, shape.top + within * shape.opening, shape.down - (edge - shape.top))
        way = np.where(shape.down > bottom, shape.bottom - bottom, source - shape.down)
        shadow, light, most = (shape.pulled(part, way) for part in self._cast)
        return lit((ball + DARKEN) * shadow - DARKEN, light, most)


@dataclass(frozen=True)
class Look:
    """What the eyes do in one frame.

    gaze: radians to the picture's right and up, 0: as in the photo.
    closed: how far the lids of the right and the left eye are closed, 0..1.
    wide, tight: how far both eyes are opened wide (below 0 the upper lids droop), and narrowed; 1 is fully.
    """

    gaze: tuple[float, float] = (0.0, 0.0)
    closed: tuple[float, float] = (0.0, 0.0)
    wide: float = 0.0
    tight: float = 0.0


@dataclass(frozen=True)
class Painted:
    """An eye that is not at rest.

    corner: (x, y) of its picture in the plate, pixels.
    picture: [h, w, 3].
    """

    corner: tuple[int, int]
    picture: np.ndarray


class Eyes:
    """Both eyes of a portrait, as far as its photo shows them.

    Args:
        head: [1, >= 3, S, S], a plate with its margins.
        landmarks: [478, 3] in crop units.
        painter: an Eye -> what paints the same.
    """

    def __init__(self, head: Tensor, landmarks: Tensor, painter: Callable[[Eye], PaintEye] = lambda eye: eye):
        side = head.shape[-1]
        picture = head[0, :3].permute(1, 2, 0).numpy()
        points = plate_pixels(landmarks[:, :2].double().numpy(), side)
        level = points[EYE_CORNERS["left"][0]] - points[EYE_CORNERS["right"][0]]
        level /= np.linalg.norm(level)
        skin = _brightness(picture, points[[NOSE_TIP, *CHEEKS]])
        glasses = glasses_worn(head[:, :3], landmarks)
        found = []
        self._profile = any(folded(points[lid]) for upper, lower, *_ in _SIDES for lid in (upper, lower))
        for number, (upper, lower, brow, iris) in enumerate(_SIDES):
            lids = points[[*upper, *lower]]
            reach = _REACH * np.linalg.norm(points[upper[-1]] - points[upper[0]])
            x0, y0 = np.maximum(np.floor(lids.min(0) - reach), 0).astype(int)
            x1, y1 = np.minimum(np.ceil(lids.max(0) + reach), side).astype(int)
            if folded(points[upper]) or folded(points[lower]) or min(x1 - x0, y1 - y0) < 8:
                continue
            own = points - [x0, y0]
            part = np.ascontiguousarray(picture[y0:y1, x0:x1])
            shape = eye_shape(own[upper], own[lower], own[brow[:5]], part.shape[:2], 2 * number - 1)
            found.append((number, (x0, y0), part, shape, own[iris], contrast(part, shape, own[iris[0]], _radius(own[iris]))))
        clearer = max((eye[-1] for eye in found), default=0.0)
        self._eyes = [
            (number, corner, Eye(part, shape, ring, level, glasses))
            for number, corner, part, shape, ring, its_own in found
            if is_seen(its_own, clearer, skin)
        ]
        self._painters = [painter(eye) for _, _, eye in self._eyes]

    def __call__(self, look: Look) -> list[Painted]:
        """The eyes that are not at rest."""
        poses = zip(self._eyes, self._painters, self.poses(look), strict=True)
        return [Painted(corner, paint(pose)) for (_, corner, _), paint, pose in poses if pose is not None]

    def poses(self, look: Look) -> list[EyePose | None]:
        """Of each eye that the photo shows, None of one at rest."""
        return [self._pose(look, number, eye) for number, _, eye in self._eyes]

    def _pose(self, look: Look, number: int, eye: Eye) -> EyePose | None:
        closed = look.closed[number]
        if not any((*look.gaze, look.wide, look.tight)) and closed <= 0:
            return None
        return eye.pose(self._possible(look.gaze, number), closed, look.wide, look.tight)

    def _possible(self, gaze: tuple[float, float], number: int) -> tuple[float, float]:
        """On the side of a head the iris meets the inner corner: no white is seen there that a turn to the temple or up could bare."""
        if not self._profile:
            return gaze
        return (min(gaze[0], 0.0) if number else max(gaze[0], 0.0)), min(gaze[1], 0.0)


def _radius(iris: np.ndarray) -> float:
    return float(np.linalg.norm(iris[1:] - iris[0], axis=1).mean())


def _brightness(picture: np.ndarray, points: np.ndarray) -> float:
    """The middle one of the brightnesses at some points [P, 2] in pixels."""
    x, y = np.round(points).astype(int).clip(0, len(picture) - 1).T
    return float(np.median(picture[y, x].mean(axis=1)))


def looks(motion: Motion) -> list[Look]:
    """What the eyes do in each frame of a motion of the built-in basis."""
    gaze = soft_limit(gaze_of(motion), *_GAZE).tolist()
    closed = torch.stack([motion.control("blink_right"), motion.control("blink_left")], dim=1).nan_to_num(0.0).clamp(0, 1).tolist()
    lids = [within_strength(motion.control(name)).tolist() for name in PAINTED]
    return [Look(tuple(away), tuple(shut), *opened) for away, shut, *opened in zip(gaze, closed, *lids, strict=True)]


_SIDES = (
    (RIGHT_UPPER_LID, RIGHT_LOWER_LID, RIGHT_BROW, RIGHT_IRIS),
    (LEFT_UPPER_LID, LEFT_LOWER_LID, LEFT_BROW, LEFT_IRIS),
)
