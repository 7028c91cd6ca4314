"""What a photo shows between its lips: where they are, its upper teeth and where they end."""

from __future__ import annotations

import numpy as np
import torch
from scipy.ndimage import gaussian_filter1d
from torch import Tensor

from ..face.landmark_sets import LOWER_INNER_LIP, LOWER_OUTER_LIP
from ..face.measures import face_height_of, parted
from .face_map import inner_lips, line
from .mouth_light import tint
from .solid import sample_places

_COLUMNS, _ROWS = 65, 48
_LIKE_TEETH = 0.6  # of the brightest in the mouth
_SHADE_REACH, _SHADIEST = 5, 0.45  # columns over which light on teeth changes, and how bright the darkest are, of the brightest
_RATHER_BELOW, _ROUNDS = 3.0, 4  # weight of tooth ends that a curve would cut off, over that of others
_BRIGHTER_THAN_LIPS = 1.2
_LIP_PALE, _TOOTH_PALE = 0.6, 0.8  # least over largest channel in light in which the teeth are white
_REST_OF_GAP = 0.006  # face heights above the lower lip that belong to its shadow
_ALL_DARK = 0.5  # part of the gap that stays with the skull where no teeth are seen
_SHOWN_WIDTH = 0.94  # of the mouth's; at the corners themselves there is nothing but lip
_RIM, _RIM_SPREAD = 0.004, 3  # face heights below the upper lip where no lip is mixed in; columns, half the breadth of a tooth
_LOWER_TEETH = 0.012  # face heights; a lower row that is seen is higher


class OwnTeeth:
    """The inside of the mouth in a photo.

    Args:
        photo: [1, 3, S, S], a plate with its margins.
        landmarks: [478, 3] in crop units.

    Attributes:
        shown: whether the lips are apart.
        has_teeth, has_lower_teeth: whether teeth are seen between them.
        colour: [3] of the teeth, None where none are seen.
        half_width, upper_middle, lower_middle: of the mouth; where the lips' inner edges are in its middle, downwards; in face heights.
    """

    def __init__(self, photo: Tensor, landmarks: Tensor):
        points = landmarks[:, :2].double().numpy()
        self._photo = photo
        self._height = float(face_height_of(points))
        self.shown = parted(points)
        self._frame, *edges = inner_lips(points)
        columns, upper, lower = (edge / self._height for edge in edges)
        self.half_width = float(columns[-1] - columns[0]) / 2
        self._x = np.linspace(columns[0], columns[-1], _COLUMNS)
        tops, ends = (line(columns, edge, self._x) for edge in (upper, lower))
        if not self.shown:
            tops = ends = (tops + ends) / 2
        self._upper, self._lower, self._bite = tops, ends, ends
        self._rim = np.zeros((_COLUMNS, 3))
        self.colour: Tensor | None = None
        middle = _COLUMNS // 2
        self.upper_middle, self.lower_middle = float(tops[middle]), float(ends[middle])
        self.has_teeth = self.has_lower_teeth = False
        if self.shown:
            self._find(tops, ends, points, tint(photo, landmarks).double().numpy())

    def places(self, uv: Tensor) -> Tensor:
        """Photo coordinates [K, 2] -> across and down [K, 2]."""
        return self._frame.of(uv) / self._height

    def back(self, places: Tensor) -> Tensor:
        """Across and down [K, 2] -> photo coordinates [K, 2]."""
        return self._frame.back(places * self._height)

    def sample(self, places: Tensor) -> Tensor:
        """[K, 2] places -> [K, 3] colours of the photo."""
        return sample_places(self._photo, self.back(places))

    def within(self, x: Tensor) -> Tensor:
        """Places across, those beyond the mouth's corners taken to where the photo still shows its inside."""
        return x.clamp(-_SHOWN_WIDTH * self.half_width, _SHOWN_WIDTH * self.half_width)

    def likeness(self, colours: Tensor) -> Tensor:
        """[K] how far colours [K, 3] of the photo are those of its teeth and gums, 0..1; dark places beside them are not."""
        if self.colour is None:
            return colours.new_zeros(len(colours))
        return (4.0 * colours.amax(dim=-1) / self.colour.max() - 0.4).clamp(0, 1)

    def paleness(self, colours: Tensor) -> Tensor:
        """[K] how far colours [K, 3] of the photo are as pale as its teeth, in any light, 0..1; lips and gums are not."""
        if self.colour is None:
            return torch.ones(len(colours))
        channels = colours / self.colour.clamp_min(0.02)
        pale = channels.amin(dim=-1) / channels.amax(dim=-1).clamp_min(0.02)
        return ((pale - _LIP_PALE) / (_TOOTH_PALE - _LIP_PALE)).clamp(0, 1)

    def upper_lip(self, x: Tensor) -> Tensor:
        """How far down the upper lip's edge is at places across."""
        return self._at(self._upper, x)

    def lower_lip(self, x: Tensor) -> Tensor:
        """How far down the lower lip's edge is."""
        return self._at(self._lower, x)

    def rim(self, x: Tensor) -> Tensor:
        """[K, 3] what the photo shows right below the upper lip about places across, without the lines between teeth."""
        return torch.stack([self._at(channel, x) for channel in self._rim.T], dim=-1)

    def bite(self, x: Tensor) -> Tensor:
        """How far down the upper teeth end."""
        return self._at(self._bite, x)

    def _at(self, curve: np.ndarray, x: Tensor) -> Tensor:
        return torch.from_numpy(np.interp(x.numpy(), self._x, curve)).float()

    def _find(self, tops: np.ndarray, ends: np.ndarray, points: np.ndarray, light: np.ndarray) -> None:
        share = (np.arange(_ROWS) + 0.5) / _ROWS
        down = tops[:, None] + (ends - tops)[:, None] * share
        grid = np.stack(np.broadcast_arrays(self._x[:, None], down), axis=-1)
        colours = self._seen(grid)
        lip = self._seen(self._frame.local((points[LOWER_INNER_LIP] + points[LOWER_OUTER_LIP])[3:-3] / 2) / self._height)
        like, lips = _whiteness(colours / light), np.median(_whiteness(lip / light))
        brightest = np.quantile(like, 0.9)
        self._rim = gaussian_filter1d(
            self._seen(np.stack([self._x, np.minimum(tops + _RIM, ends)], axis=-1)), _RIM_SPREAD, axis=0, mode="nearest"
        )
        gap = ends - tops
        last = np.maximum(ends - np.minimum(_REST_OF_GAP, 0.3 * gap), tops)
        self.has_teeth = bool(brightest > _BRIGHTER_THAN_LIPS * lips)
        self._bite = np.minimum(tops + _ALL_DARK * gap, last)
        if self.has_teeth:
            teeth = like > _LIKE_TEETH * _brightest_nearby(like, brightest)[:, None]
            self.colour = torch.from_numpy(colours[like > 0.85 * brightest].mean(0)).float()
            ended, length = _first_run(teeth)
            found, weight = tops + gap * ended / _ROWS, length * np.sqrt(gap.clip(0))
            if (weight > 0).sum() >= 3:
                self._bite = np.clip(_lower_parabola(self._x, found, weight), tops, last)
            below = (down > self._bite[:, None] + _REST_OF_GAP / 2) & (np.abs(self._x)[:, None] < 0.6 * self.half_width)
            room = ((last - self._bite)[np.abs(self._x) < 0.6 * self.half_width]).mean()
            self.has_lower_teeth = bool(room > _LOWER_TEETH and teeth[below].mean() > 0.5)

    def _seen(self, places: np.ndarray) -> np.ndarray:
        """[..., 2] places -> [..., 3] colours."""
        flat = torch.from_numpy(places.reshape(-1, 2)).float()
        return self.sample(flat).clamp(0, 1).double().numpy().reshape(*places.shape[:-1], 3)


def _whiteness(colours: np.ndarray) -> np.ndarray:
    """[..., 3] in white light -> [...]: bright, and not red as lips and gums are."""
    return colours.min(axis=-1)


def _brightest_nearby(like: np.ndarray, brightest: float) -> np.ndarray:
    """[C]: how white teeth are in each column of [C, R]; those at the sides lie in the shade."""
    nearby = gaussian_filter1d(np.quantile(like, 0.9, axis=1), _SHADE_REACH, mode="nearest")
    return nearby.clip(_SHADIEST * brightest, brightest)


def _lower_parabola(x: np.ndarray, y: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """[C] heights of a parabola through the ends of teeth, and rather below them: what it cuts off would hang on the jaw."""
    fitted = y
    for _ in range(_ROUNDS):
        below = np.where(y > fitted, _RATHER_BELOW, 1.0)
        fitted = np.polyval(np.polyfit(x, y, 2, w=weight * below + 1e-6), x)
    return fitted


def _first_run(teeth: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of each row [C, R] of a mask: where its first run of at least three ends, and how long it is (0: none begins in its first half)."""
    ended, length = np.full(len(teeth), teeth.shape[1]), np.zeros(len(teeth))
    for number, row in enumerate(teeth):
        borders = np.flatnonzero(np.diff(np.concatenate([[0], row.astype(int), [0]])))
        runs = borders.reshape(-1, 2)
        runs = runs[runs[:, 1] - runs[:, 0] >= 3]
        if len(runs) and runs[0, 0] < teeth.shape[1] / 2:
            ended[number], length[number] = runs[0, 1], runs[0, 1] - runs[0, 0]
    return ended, length
