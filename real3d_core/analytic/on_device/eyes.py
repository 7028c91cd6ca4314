"""Eyes that look about and lids that close, painted into the plates of many frames: `Eyes` on any device."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ...smooth_step import eased
from ..eyeball import DARKEN
from ..eyes import _HANG, _SHADE, Eye, EyePose, Eyes, Look
from ..lids import _BULGE, _FANNED, _LASHES, _LEAVES, _LINE, _ROUND, _SETTLES, _SHORTEST, _SINKS, _TURNS
from .maps import sampled
from .moved import moved, sent


class EyesOnDevice:
    """`Eyes` of one portrait."""

    def __init__(self, eyes: Eyes, device: torch.device):
        self._eyes, self._device = eyes, device
        self._painters = [(corner, EyeOnDevice(eye, device)) for _, corner, eye in eyes._eyes]

    def __call__(self, colours: Tensor, plate: Tensor, places: Tensor, looks: Sequence[Look]) -> Tensor:
        """Colours [n, 3, h, w] that were found at places [n, 2, h, w] of a plate [1, >= 3, S, S], with the eyes that are not at rest."""
        plates, side = plate[:, :3].repeat(len(looks), 1, 1, 1), plate.shape[-1]
        pixels, inside = ((places + 1) * side - 1) / 2, torch.zeros_like(places[:, :1], dtype=torch.bool)
        poses = [self._eyes.poses(look) for look in looks]
        for number, ((left, top), painter) in enumerate(self._painters):
            numbers = sent(torch.tensor([_numbers(of_frame[number]) for of_frame in poses]), self._device)
            painted = painter(*numbers.T[1:, :, None, None, None])
            height, width = painted.shape[2:]
            place = plates[..., top : top + height, left : left + width]
            place.copy_(torch.where(numbers[:, 0, None, None, None] > 0, painted, place))
            inside |= _between(pixels[:, :1], left, width) & _between(pixels[:, 1:], top, height)
        return torch.where(inside, sampled(plates, places, "bicubic"), colours)


class EyeOnDevice:
    """`Eye`: one eye of a photo. Its maps are [1 or n, C, h, w]."""

    def __init__(self, eye: Eye, device: torch.device):
        ball, lid, shape = eye._ball, eye._lid, eye._shape
        self._right, self._lower = map(float, shape.below)
        self._width, self._farthest, self._soft = shape.width, float(shape.x.max()), eye._soft

        self._x, self._y, self._down, self._top, self._bottom, self._arch = (
            moved(one, device)[None, None] for one in (shape.x, shape.y, shape.down, shape.top, shape.bottom, shape.arch)
        )
        self._fold, self._hairs, self._roots, self._ends = (
            moved(one, device).float()[None, None] for one in (lid._fold, lid._hairs, lid._roots, lid._ends)
        )
        self._tint = moved(lid._tint, device)[None, :, None, None]
        of_ball = (ball._white, ball._iris, ball._glint, ball._lit)
        maps = (eye._picture, eye._frame, np.dstack(eye._cast), *of_ball, lid._covered, lid._skin, lid._bare, lid._rim, lid._lash)
        self._picture, self._frame, self._cast, self._white, self._iris, self._glint, self._lit, *of_lid = (
            moved(one, device).permute(2, 0, 1)[None].float() for one in maps
        )
        self._covered, self._skin, self._bare, self._rim, self._lash = of_lid

    def __call__(self, right: Tensor, down: Tensor, part: Tensor, raised: Tensor, smooth: Tensor) -> Tensor:
        """[n, 3, h, w]; the numbers of `EyePose`, each [n, 1, 1, 1]."""
        ball = self._ball(right, down)
        opening = self._bottom - self._top
        bottom = self._bottom - raised * opening
        edge = self._top + part * (bottom - self._top + part.clamp_min(0) * _HANG * self._arch)
        ball = self._shaded(ball, edge, bottom) * (1 - _SHADE * smooth * self._arch)
        on_ball, below = (((self._down - line) / self._soft + 0.5).clamp(0, 1) for line in (edge, bottom))
        between = (1 - below) * (opening / self._soft).clamp(0, 1)  # nothing beyond the corners
        under = torch.lerp(self._below(bottom, smooth), ball, between)
        painted = self._with_lashes(torch.lerp(self._lid(edge, smooth, part), under, on_ball), edge, smooth, part)
        return torch.lerp(painted, self._picture, self._frame).clamp(0, 1)

    def _ball(self, right: Tensor, down: Tensor) -> Tensor:
        """`Eyeball` in even light, the iris moved by so many pixels."""
        iris = self._looked_up(self._iris, self._x - right, self._y - down, "zeros")
        opacity = iris[:, 3:]
        plain = iris[:, :3] + (1 - opacity) * self._white
        return _lit(plain, self._glint * (opacity / self._iris[:, 3:].clamp_min(1e-3)).clamp(0, 1), self._lit)

    def _shaded(self, ball: Tensor, edge: Tensor, bottom: Tensor) -> Tensor:
        """`Eye._shaded`."""
        within = (self._down - edge) / (bottom - edge).clamp_min(1e-3)
        source = torch.where(self._down > edge, self._top + within * (self._bottom - self._top), self._down - (edge - self._top))
        cast = self._pulled(self._cast, torch.where(self._down > bottom, self._bottom - bottom, source - self._down))
        shadow, light, most = cast.split(3, dim=1)
        return _lit((ball + DARKEN) * shadow - DARKEN, light, most)

    def _lid(self, edge: Tensor, drawn: Tensor, closed: Tensor) -> Tensor:
        """`Lid.skin`."""
        above, travel, fold = edge - self._down, edge - self._top, self._fold
        stretched = _LASHES + (above - _LASHES) * (fold - _LASHES) / (fold - _LASHES + travel).clamp_min(0.02)
        source = torch.where(above < _LASHES, above, stretched)
        bare = torch.lerp(self._picture, self._bare, _left(closed))
        skin = self._pulled(bare, torch.where(above < fold + travel, above - source - travel, 0.0))
        light = _hill(above, *_BULGE) - _ROUND[0] * (-above.clamp_min(0) / _ROUND[1]).exp() - _hill(self._top - self._down, *_SINKS)
        return torch.lerp(skin, self._skin * (1 + light * self._arch * self._tint * self._covered), drawn)

    def _below(self, edge: Tensor, drawn: Tensor) -> Tensor:
        """`Lid.below`."""
        raised = (self._bottom - edge) * (1 - (self._down - edge) / _SETTLES).clamp(0, 1)
        picture = self._pulled(self._picture, raised)
        return picture + (self._skin - picture) * self._rim * drawn

    def _with_lashes(self, picture: Tensor, edge: Tensor, drawn: Tensor, closed: Tensor) -> Tensor:
        """`Lid.lashes`."""
        above, length = edge - self._down, 1 - _TURNS * closed
        length = torch.where(length > 0, length.clamp_min(_SHORTEST), length.clamp(-1.0, -_SHORTEST))
        beside = above / length
        hairs = self._pulled(self._hairs, torch.where(beside > 0, self._top - beside - self._down, self._farthest))
        left = _left(closed)
        hairs = hairs * (beside > 0) * (left * (1 - drawn * (1 - _FANNED)) * (1 - left * (1 - self._ends)))
        line = torch.maximum(self._roots * drawn * (-((above / _LINE) ** 2)).exp(), hairs)
        return picture + (self._lash - picture) * line

    def _pulled(self, picture: Tensor, down: Tensor) -> Tensor:
        """`EyeShape.pulled`."""
        way = down * self._width
        return self._looked_up(picture, self._x + way * self._right, self._y + way * self._lower, "border")

    def _looked_up(self, picture: Tensor, x: Tensor, y: Tensor, beyond: str) -> Tensor:
        height, width = picture.shape[2:]
        grid = torch.stack([(2 * x + 1) / width - 1, (2 * y + 1) / height - 1], dim=-1)[:, 0]
        return F.grid_sample(picture.expand(len(grid), -1, -1, -1), grid, padding_mode=beyond, align_corners=False)


def _numbers(pose: EyePose | None) -> list[float]:
    """Whether the eye is to be painted, and how."""
    return [0.0] * 6 if pose is None else [1.0, *pose.shift, pose.closed, pose.raised, pose.drawn]


def _between(pixels: Tensor, start: int, length: int) -> Tensor:
    """Where all four pixels along an axis that have a part in a bicubic colour are some of these."""
    return (pixels >= start + 1) & (pixels < start + length - 2)


def _left(closed: Tensor) -> Tensor:
    """`lids._left`."""
    return eased((closed.abs() / _LEAVES).clamp(0, 1))


def _hill(place: Tensor, height: float, middle: float, breadth: float) -> Tensor:
    return height * (-(((place - middle) / breadth) ** 2)).exp()


def _lit(colour: Tensor, light: Tensor, most: Tensor) -> Tensor:
    """`eyeball.lit`."""
    return torch.maximum(colour, torch.minimum(most, colour + light))
