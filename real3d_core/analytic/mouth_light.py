"""The light of a photo on what it does not show: as bright as the cheeks, of the lips' colour, grey or tinted as the photo is."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from ..face.landmark_sets import LOWER_INNER_LIP, LOWER_OUTER_LIP, MOUTH, UPPER_INNER_LIP, UPPER_OUTER_LIP
from ..face.measures import face_height_of
from .solid import sample_places

_CHEEKS = (50, 280)  # right and left
_LUMA = (0.299, 0.587, 0.114)
_TEETH = (1.02, 1.0, 0.95)  # colour in white light, brightness 1
_SKIN = (1.20, 0.96, 0.78)  # likewise, of most people
_TINT = 0.45  # how much of what the cheeks differ from it is the light's colour, and not the skin's
_TEETH_OVER_CHEEK = 1.26
_WET = (1.06, 0.80, 0.80)  # how much redder than skin and lips the inside of a mouth is
_REFLECTED = 0.6  # how much of the shade's colour is the flesh's
_FLESH_OVER_CHEEK = 0.62  # at least: dark lips make no dark mouth
_BRIGHTEST = 0.93
_ACROSS = 0.16  # face heights from the mouth's middle at which the light is that of the cheek
_GREY = (0.004, 0.010)  # how far colours are off one curve of brightness in a photo of one tone, and in one with colours


class MouthLight:
    """Colours of the parts of a mouth in a photo's light.

    Args:
        photo: [1, 3, S, S], a plate with its margins.
        landmarks: [478, 3] in crop units.
        teeth: [3] colour of the teeth that the photo shows, None where it shows none.

    Attributes:
        teeth, gums, flesh: [3] colours in 0..1 where light falls on them.
    """

    def __init__(self, photo: Tensor, landmarks: Tensor, teeth: Tensor | None):
        points = landmarks[:, :2]
        cheeks = _cheeks(photo, landmarks)
        cheek = torch.stack(cheeks).mean(0)
        right, left = (float(_luma(side)) for side in cheeks)
        self._slope = 0.6 * (left - right) / max(left + right, 1e-3) / _ACROSS
        lips = torch.stack(
            [
                sample_places(photo, (points[inner] + points[outer])[3:-3] / 2).median(0).values
                for inner, outer in ((UPPER_INNER_LIP, UPPER_OUTER_LIP), (LOWER_INNER_LIP, LOWER_OUTER_LIP))
            ]
        ).mean(0)
        light = tint(photo, landmarks) ** _TINT
        brightness = cheek.new_tensor(min(_TEETH_OVER_CHEEK * max(left, right), _BRIGHTEST))
        white = cheek.new_tensor(_TEETH) * light
        self.teeth = brightness * white / _luma(white) if teeth is None else teeth
        flesh = (0.6 * lips + 0.4 * cheek) * cheek.new_tensor(_WET)
        self.flesh = flesh * (_FLESH_OVER_CHEEK * max(left, right) / _luma(flesh).clamp_min(0.02)).clamp_min(1)
        self.gums = self.flesh * 0.95
        self._reflected = _REFLECTED * (self.flesh / _luma(self.flesh).clamp_min(0.02) - 1)
        self._fit_tone(torch.cat([sample_places(photo, _all_over()), sample_places(photo, points[MOUTH])]))

    def across(self, x: Tensor) -> Tensor:
        """How bright the light is at places across the mouth, face heights; 1 in the middle."""
        return (1 + self._slope * x).clamp(0.6, 1.4)

    def shaded(self, colour: Tensor, lit: Tensor) -> Tensor:
        """A colour [3] or colours [K, 3] where only so much of the light [K] falls: what the flesh around reflects tints the shade."""
        lit = lit[:, None]
        return colour * lit * (1 + (1 - lit).clamp_min(0) * self._reflected)

    def toned(self, colours: Tensor) -> Tensor:
        """Colours [..., 3] as a photo of one tone shows them; one with colours leaves them."""
        if self._one_tone == 0:
            return colours
        luma = _luma(colours)[..., None]
        return torch.lerp(colours, _powers(luma) @ self._tone, self._one_tone)

    def _fit_tone(self, colours: Tensor) -> None:
        powers = _powers(_luma(colours)[:, None])
        self._tone = torch.linalg.lstsq(powers, colours).solution
        off = float((powers @ self._tone - colours).square().mean().sqrt())
        self._one_tone = float(np.clip((_GREY[1] - off) / (_GREY[1] - _GREY[0]), 0, 1))


def tint(photo: Tensor, landmarks: Tensor) -> Tensor:
    """[3] the colour of the light, about 1, if the cheeks are of most people's colour."""
    cheek = torch.stack(_cheeks(photo, landmarks)).mean(0)
    return (cheek / _luma(cheek).clamp_min(0.02) / cheek.new_tensor(_SKIN)).clamp(0.5, 2)


def _cheeks(photo: Tensor, landmarks: Tensor) -> list[Tensor]:
    points = landmarks[:, :2]
    reach = 0.04 * float(face_height_of(points.numpy()))
    return [_around(photo, points[place], reach) for place in _CHEEKS]


def _all_over() -> Tensor:
    """[N, 2] places all over the crop."""
    steps = (torch.arange(48) + 0.5) / 48
    return torch.cartesian_prod(steps, steps)


def _around(photo: Tensor, place: Tensor, reach: float) -> Tensor:
    """[3] the median colour of a square."""
    steps = torch.linspace(-reach, reach, 9)
    return sample_places(photo, place + torch.cartesian_prod(steps, steps)).median(0).values


def _luma(colours: Tensor) -> Tensor:
    return colours @ _weights(colours.device)


@lru_cache
def _weights(device: torch.device) -> Tensor:
    return torch.tensor(_LUMA, device=device)


def _powers(luma: Tensor) -> Tensor:
    return torch.cat([torch.ones_like(luma), luma, luma.square()], dim=-1)
