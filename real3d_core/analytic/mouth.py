"""What is seen between opened lips: gums, two arches of teeth, tongue and cavity in this photo's light; its own teeth where it shows them.

Places are in face heights, across the mouth and down from the middle between its corners, on the skull or on the jaw. What lies deeper than
the lips is seen elsewhere when the head turns: shifted in proportion to its depth.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..smooth_step import eased
from .mouth_light import MouthLight
from .own_teeth import OwnTeeth

_UPPER_TEETH = (0.045, 0.036, 0.037, 0.031, 0.027, 0.027, 0.027)  # widths from the middle outwards, as seen from the front
_LOWER_TEETH = (0.029, 0.031, 0.035, 0.031, 0.029, 0.029, 0.029)
_UPPER_EDGE = 0.020  # below the line of closed lips
_UPPER_ARCH, _LOWER_ARCH = 1.1, 0.5  # how much higher an edge is away from the middle, over the square of the distance
_TALL = 0.052  # from a tooth's edge to its gum
_ROUND = 0.006  # how much shorter a tooth is at its corners
_LOWER_SHOWN = 0.011  # of the lower row above the lip, once the mouth is well open
_OPENS = (0.015, 0.060)  # how far a lower lip has gone when its teeth begin to show, and when they are seen in full
_TEETH_DEPTH, _TONGUE_DEPTH = 0.03, 0.08  # behind the lips
_LIP_SHADE = (0.55, 0.022)  # brightness right below the upper lip, and how far its shade reaches
_LOWER_LIGHT = 0.80
_STRETCH = 0.012  # how far the photo's own teeth go on above what it shows of them
_LIP_RIM = 0.004  # what the photo shows this close to a lip is blurred with it


class MouthInterior:
    """The inside of one portrait's mouth.

    Args:
        photo: [1, 3, S, S], a plate with its margins.
        landmarks: [478, 3] in crop units.
        pixel: of the finished frame, in face heights.
    """

    def __init__(self, photo: Tensor, landmarks: Tensor, pixel: float):
        self._own = OwnTeeth(photo, landmarks)
        self._light = MouthLight(photo, landmarks, self._own.colour)
        self._pixel = pixel

    def __call__(self, skull: Tensor, jaw: Tensor, below_upper: Tensor, slant: Tensor) -> Tensor:
        """Colours [K, 3] in 0..1 of pixels between the lips.

        Args:
            skull, jaw: [K, 2] photo coordinates, fixed to either.
            below_upper: [K] distance below the edge of the upper lip, face heights.
            slant: [2] how far to the right and up, in the head's own frame, a line of sight runs while it goes in by one.
        """
        own = self._own
        skull, jaw = own.places(skull), own.places(jaw)
        slant = slant * slant.new_tensor([1.0, -1.0])
        opened = (skull[:, 1] - jaw[:, 1]).clamp_min(0)
        wide = _share(opened, *_OPENS)
        parts = _share(opened.amax(), 0, _OPENS[1] / 2)
        shade = self._light.across(skull[:, 0]) * (_LIP_SHADE[0] + (1 - _LIP_SHADE[0]) * _share(below_upper, 0, _LIP_SHADE[1]))
        upper, lower = skull + slant * _TEETH_DEPTH, jaw + slant * _TEETH_DEPTH

        colour = self._cavity(jaw + slant * _TONGUE_DEPTH, wide)
        row, covers = self._lower_row(lower, wide)
        colour = self._light.toned(self._over(colour * self._light.across(skull[:, 0])[:, None], (row * shade[:, None], covers)))
        if own.shown:
            colour = self._over(colour, self._own_lower(lower, parts))
        row, covers = self._upper_row(upper)
        if own.shown and not own.has_teeth:
            covers = covers * parts
        colour = self._over(colour, (self._light.toned(row * shade[:, None]), covers))
        if own.shown:
            raised = (below_upper - (skull[:, 1] - own.upper_lip(skull[:, 0]))).clamp_min(0)
            colour = self._over(colour, self._own_upper(upper, raised, parts))
        return colour.clamp(0, 1)

    def _cavity(self, place: Tensor, wide: Tensor) -> Tensor:
        """Dark in the middle, cheeks at the sides, and a tongue that lies on the jaw."""
        x, y = place.unbind(-1)
        side = (x / self._own.half_width).abs().clamp(max=1)
        throat = self._light.flesh * (0.20 + 0.30 * eased((side / 0.6).clamp(max=1)))[:, None]
        top = self._own.lower_middle - 0.008 - 0.034 * wide + 1.8 * x.square()
        lit = 0.40 + 0.24 * _share(y - top, -0.004, 0.034) - 0.03 * torch.exp(-((x / 0.012) ** 2))
        covers = _share(y - top, -0.014, 0.014) * (1 - side.square())
        return self._over(throat, (self._light.flesh * lit[:, None], covers))

    def _lower_row(self, place: Tensor, wide: Tensor) -> tuple[Tensor, Tensor]:
        x, y = place.unbind(-1)
        within, _ = _tooth(x, _LOWER_TEETH)
        shown = _LOWER_SHOWN * wide * (1 - (1.2 * x / self._own.half_width).square()).clamp_min(0)
        edge = self._own.lower_middle - shown - _LOWER_ARCH * x.square() + 0.5 * _ROUND * within.abs() ** 4
        lit = _LOWER_LIGHT * self._rounded(x, within) * (0.86 + 0.14 * _share(y - edge, 0, 0.006))
        return self._light.teeth * lit[:, None], self._edge(y - edge) * (shown > 0)

    def _upper_row(self, place: Tensor) -> tuple[Tensor, Tensor]:
        x, y = place.unbind(-1)
        own = self._own
        within, number = _tooth(x, _UPPER_TEETH)
        shorter = _ROUND * within.abs() ** 4 + 0.003 * (number == 1)
        edge = own.bite(x) - self._pixel if own.has_teeth else own.upper_middle + _UPPER_EDGE - _UPPER_ARCH * x.square()
        above = edge - shorter - y
        gum = _share(above - _TALL + 0.010 * within.square(), -0.003, 0.003)
        lit = self._rounded(x, within) * (0.90 + 0.10 * _share(above, 0, 0.012))
        teeth = self._light.teeth * lit[:, None]
        return self._over(teeth, (self._light.gums * self._rounded(x, 0 * x)[:, None], gum)), self._edge(above)

    def _rounded(self, x: Tensor, within: Tensor) -> Tensor:
        """How light falls on teeth: less towards the sides of the arch and of each tooth, little between two of them."""
        arch = 1 - 0.52 * (x / self._own.half_width).square().clamp(max=1)
        between = (within.abs() - 0.80).clamp_min(0) / 0.20
        return arch * (1 - 0.07 * within.square()) * (1 - 0.16 * between.square())

    def _own_upper(self, place: Tensor, raised: Tensor, parts: Tensor) -> tuple[Tensor, Tensor]:
        """The photo's upper teeth; what it hides of them behind the lip goes on as it ends."""
        x, y = place.unbind(-1)
        own = self._own
        top = own.upper_lip(x)
        covers = self._edge(y - top + _STRETCH) * self._edge(own.bite(x) - y) * self._edge(own.half_width - x.abs() + self._pixel)
        shown = torch.maximum(y, top + raised.clamp(max=_LIP_RIM))
        colour = own.sample(torch.stack([x, shown], dim=-1))
        return colour, covers * (1 - parts * (1 - own.likeness(colour)))

    def _own_lower(self, place: Tensor, parts: Tensor) -> tuple[Tensor, Tensor]:
        """What the photo shows below its upper teeth goes with the jaw."""
        x, y = place.unbind(-1)
        own = self._own
        covers = self._edge(y - own.bite(x) + self._pixel) * self._edge(own.half_width - x.abs() + self._pixel)
        if not own.has_lower_teeth:
            covers = covers * (1 - parts)
        return own.sample(place), covers

    def _edge(self, distance: Tensor) -> Tensor:
        return (distance / self._pixel + 0.5).clamp(0, 1)

    @staticmethod
    def _over(below: Tensor, layer: tuple[Tensor, Tensor]) -> Tensor:
        colour, covers = layer
        return below + (colour - below) * covers[:, None]


def _tooth(x: Tensor, widths: tuple[float, ...]) -> tuple[Tensor, Tensor]:
    """Where within its tooth a place is, -1..1, and the tooth's number from the middle."""
    ends = torch.tensor(widths).cumsum(0)
    number = torch.bucketize(x.abs(), ends).clamp(max=len(widths) - 1)
    width = torch.tensor(widths)[number]
    return ((x.abs() - ends[number]) / width * 2 + 1).clamp(-1, 1), number


def _share(value: Tensor, start: float, stop: float) -> Tensor:
    return ((value - start) / (stop - start)).clamp(0, 1)
