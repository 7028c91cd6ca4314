"""What is seen between opened lips: gums, two arches of teeth, tongue and cavity in this photo's light; its own teeth where it shows them.

Places are in face heights, across the mouth and down from the middle between its corners, on the skull or on the jaw. What lies deeper than
the lips is seen elsewhere when the head turns: shifted in proportion to its depth.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import torch
from torch import Tensor

from ..smooth_step import eased
from .mouth_light import MouthLight
from .own_teeth import OwnTeeth

_UPPER_TEETH = (0.045, 0.036, 0.037, 0.031, 0.027, 0.027, 0.027)  # widths from the middle outwards, as seen from the front
_LOWER_TEETH = (0.029, 0.031, 0.035, 0.031, 0.029, 0.029, 0.029)
_UPPER_EDGE = 0.017  # below the line of closed lips
_UPPER_ARCH, _LOWER_ARCH = 1.1, 0.5  # how much higher an edge is away from the middle, over the square of the distance
_TALL = 0.052  # from a tooth's edge to its gum
_ROUND = 0.006  # how much shorter a tooth is at its corners
_LOWER_SHOWN = 0.018  # of the lower row above the lip, once the mouth is well open
_OPENS = (0.015, 0.060)  # how far a lower lip has gone when its teeth begin to show, and when they are seen in full
_TEETH_DEPTH, _TONGUE_DEPTH = 0.03, 0.08  # behind the lips
_LIP_SHADE = (0.55, 0.022)  # brightness right below the upper lip, and how far its shade reaches
_LOWER_LIGHT = 0.80
_ROLL, _ROLL_SHADE = 0.009, 0.65  # how far a lip's wet inside is seen behind its edge, and how bright its far end is
_ROLL_STARTS = 0.007  # from the edge, where a photo's lip has its own colour
_CORNER = (0.6, 0.85, 0.58)  # of the half width: where beard and shade stop darkening that; and how bright flesh is in the corners
_NARROW = (0.30, 0.045)  # brightness between lips that hardly part, and the gap from which on teeth have all their light
_UNDER_LIP = (0.35, 0.008)  # how much darker all is right at the upper lip, and how far that reaches
_CAST = (0.40, 0.014)  # how much darker the cavity is right below the upper teeth, and how far their shadow reaches
_CLINGS = 0.012  # a narrower gap below the photo's own teeth shows nothing of the cavity: lips alone have moved
_THROAT, _INNER_CHEEK = 0.24, 0.70  # brightness of the flesh in the middle and at the sides
_HOLLOW, _DEEPEST = 0.34, 0.58  # how much darker cheeks are at the upper lip, and how far down they are brightest
_STRETCH = 0.016  # how far the photo's own teeth go on above what it shows of them, until they have passed into painted ones,
_AT_CORNERS = 0.04  # and farther in the corners of the mouth, which a smile raises
_EVENS = 0.005  # how far above that the lines between them end
_LIP_AT_BITE = 0.014  # this close to the ends of the teeth a photo's lower lip may be seen before them; it does not stay there
_TIPS = 0.008  # this close below that, teeth are the tips of the upper ones, and do not go with the jaw
_LIP_RIM = 0.004  # what the photo shows this close to a lip is blurred with it

BetweenLips = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]
"""The signature of a `MouthInterior`."""


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
        slant = torch.stack([slant[0], -slant[1]])
        opened = (skull[:, 1] - jaw[:, 1]).clamp_min(0)
        parts = _share(opened, _CLINGS / 2, 2 * _CLINGS)
        above_lower = (own.lower_lip(jaw[:, 0]) - jaw[:, 1]).clamp_min(0)
        narrow = _lit_between(below_upper + above_lower)
        shade = self._light.across(skull[:, 0]) * narrow * (_LIP_SHADE[0] + (1 - _LIP_SHADE[0]) * _share(below_upper, 0, _LIP_SHADE[1]))
        down = below_upper / (below_upper + above_lower).clamp_min(1e-4)
        hollow = 1 - _HOLLOW * ((down - _DEEPEST) / _DEEPEST).square()
        bone = torch.stack([skull[:, 0], jaw[:, 1]], dim=1)  # lips that broaden or purse take no teeth along
        upper, lower = skull + slant * _TEETH_DEPTH, bone + slant * _TEETH_DEPTH

        colour = self._light.toned(self._behind_teeth(skull, bone + slant * _TONGUE_DEPTH, upper, lower, shade, opened, hollow))
        own_light = (narrow / _lit_between(own.lower_lip(skull[:, 0]) - own.upper_lip(skull[:, 0]))).clamp(max=1).sqrt()
        if own.shown:
            row, covers = self._own_lower(lower, opened, parts)
            colour = self._over(colour, (self._light.shaded(self._lightened(row, skull, opened), own_light), covers))
        row, covers = self._upper_row(upper)
        if own.shown and not own.has_teeth:
            covers = covers * parts
        colour = self._over(colour, (self._light.toned(self._light.shaded(row, shade)), covers))
        if own.shown:
            raised = (below_upper - (skull[:, 1] - own.upper_lip(skull[:, 0]))).clamp_min(0)
            row, covers = self._own_upper(upper, raised, parts)
            colour = self._over(colour, (self._light.shaded(self._lightened(row, skull, opened), own_light), covers))
        under_lip = 1 - _UNDER_LIP[0] * _share(opened, 0, _CLINGS) * (1 - _share(below_upper, 0, _UNDER_LIP[1]))
        return self._over(colour * under_lip[:, None], self._inside_of_lip(jaw, above_lower, opened)).clamp(0, 1)

    def some_places(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Arguments for a call: places all over the mouth and beyond it, lips closed to wide open."""
        across, down, opened = torch.cartesian_prod(
            torch.linspace(-1.1, 1.1, 23), torch.linspace(-0.02, 0.12, 29), torch.linspace(0, 0.1, 6)
        ).T
        skull = torch.stack([across * self._own.half_width, self._own.upper_middle + down], dim=1)
        jaw = skull - torch.stack([0.1 * opened, opened], dim=1)
        return self._own.back(skull), self._own.back(jaw), down.clamp_min(0), torch.tensor([0.2, -0.1])

    def _behind_teeth(
        self, skull: Tensor, tongue: Tensor, upper: Tensor, lower: Tensor, shade: Tensor, opened: Tensor, hollow: Tensor
    ) -> Tensor:
        """The cavity with the tongue, in the shadow of the upper teeth, and the lower row in front of it."""
        wide = _share(opened, *_OPENS)
        middle = 1 - (skull[:, 0] / self._own.half_width).square().clamp(max=1)
        shadow = 1 - _CAST[0] * middle * torch.exp(self._above_edge(upper).clamp(max=0) / _CAST[1])
        cavity = self._cavity(tongue, wide) * (self._light.across(skull[:, 0]) * shadow * hollow)[:, None]
        row, covers = self._lower_row(lower, wide)
        return self._over(cavity, (self._light.shaded(row, shade), covers))

    def _lightened(self, own: Tensor, skull: Tensor, opened: Tensor) -> Tensor:
        """The dark beside the photo's own teeth becomes cheek, as far as the mouth opens."""
        x = skull[:, 0]
        cheek = self._light.toned(self._light.flesh * (_INNER_CHEEK * self._light.across(x))[:, None])
        dark = 1 - self._own.likeness(own)
        return own + (cheek - own).clamp_min(0) * (dark * _share(opened.amax(), *_OPENS))[:, None]

    def _inside_of_lip(self, jaw: Tensor, above: Tensor, opened: Tensor) -> tuple[Tensor, Tensor]:
        """The lower lip rolls inwards: what is seen of it just behind its edge goes on as the lip does before it."""
        x = jaw[:, 0]
        lip = self._own.sample(torch.stack([x, self._own.lower_lip(x) + _ROLL_STARTS + above.clamp(max=_ROLL) / 2], dim=-1))
        far = _share(above, 0, _ROLL)
        lip = lip * (1 - (1 - _ROLL_SHADE) * far)[:, None]
        at_corner = _share((x / self._own.half_width).abs(), *_CORNER[:2])[:, None]
        lip = torch.maximum(lip, self._light.toned(_CORNER[2] * self._light.flesh) * at_corner)
        return lip, (1 - far.square()) * _share(opened, 0, _ROLL)

    def _cavity(self, place: Tensor, wide: Tensor) -> Tensor:
        """Dark in the middle, cheeks at the sides, and a tongue that lies on the jaw."""
        x, y = place.unbind(-1)
        side = (x / self._own.half_width).abs().clamp(max=1)
        throat = self._light.flesh * (_THROAT + (_INNER_CHEEK - _THROAT) * eased((side / 0.75).clamp(max=1)))[:, None]
        top = self._own.lower_middle - 0.008 - 0.050 * wide + 2.4 * x.square()
        lit = 0.40 + 0.42 * eased(_share(y - top, -0.004, 0.050)) - 0.05 * torch.exp(-((x / 0.010) ** 2))
        covers = _share(y - top, -0.014, 0.014) * (1 - side.square())
        return self._over(throat, (self._light.flesh * lit[:, None], covers))

    def _lower_row(self, place: Tensor, wide: Tensor) -> tuple[Tensor, Tensor]:
        x, y = place.unbind(-1)
        within, _ = _tooth(x, _LOWER_TEETH)
        shown = _LOWER_SHOWN * wide * (1 - (1.4 * x / self._own.half_width).square()).clamp_min(0)
        edge = self._own.lower_middle - shown - _LOWER_ARCH * x.square() + 0.5 * _ROUND * within.abs() ** 4
        lit = _LOWER_LIGHT * self._rounded(x, within) * (0.86 + 0.14 * _share(y - edge, 0, 0.006))
        return self._light.shaded(self._light.teeth, lit), self._edge(y - edge) * (shown > 0)

    def _upper_row(self, place: Tensor) -> tuple[Tensor, Tensor]:
        x = place[:, 0]
        within, _ = _tooth(x, _UPPER_TEETH)
        above = self._above_edge(place)
        gum = _share(above - _TALL + 0.010 * within.square(), -0.003, 0.003)
        teeth = self._light.shaded(self._light.teeth, self._rounded(x, within) * (0.90 + 0.10 * _share(above, 0, 0.012)))
        gums = self._light.shaded(self._light.gums, self._rounded(x, 0 * x))
        return self._over(teeth, (gums, gum)), self._edge(above)

    def _above_edge(self, place: Tensor) -> Tensor:
        """How far above the edge of the upper teeth places are."""
        x, y = place.unbind(-1)
        own = self._own
        within, number = _tooth(x, _UPPER_TEETH)
        shorter = _ROUND * within.abs() ** 4 + 0.003 * (number == 1)
        edge = own.bite(x) - self._pixel if own.has_teeth else own.upper_middle + _UPPER_EDGE - _UPPER_ARCH * x.square()
        return edge - shorter - y

    def _rounded(self, x: Tensor, within: Tensor) -> Tensor:
        """How light falls on teeth: less towards the sides of the arch and of each tooth, little between two of them."""
        arch = 1 - 0.52 * (x / self._own.half_width).square().clamp(max=1)
        between = (within.abs() - 0.80).clamp_min(0) / 0.20
        return arch * (1 - 0.07 * within.square()) * (1 - 0.16 * between.square())

    def _own_upper(self, place: Tensor, raised: Tensor, parts: Tensor) -> tuple[Tensor, Tensor]:
        """The photo's upper teeth; what it hides of them behind the lip goes on as it ends."""
        x, y = place.unbind(-1)
        own = self._own
        top, beyond = own.upper_lip(x), 1 - self._edge(own.half_width - x.abs() + self._pixel)
        hidden = _STRETCH + _AT_CORNERS * _share(x.abs() / own.half_width, 0.7, 1.0)
        above = (top - y).clamp_min(0)
        covers = (1 - above / hidden).clamp_min(0) * self._edge(own.bite(x) - y) * (1 - parts * beyond)
        x = own.within(x)
        shown = torch.minimum(torch.maximum(y, own.upper_lip(x) + raised.clamp(max=_LIP_RIM)), own.lower_lip(x))
        colour = own.sample(torch.stack([x, shown], dim=-1))
        colour = torch.lerp(colour, own.rim(x), _share(above, 0, _EVENS)[:, None])
        rim = 1 - _share(own.bite(x) - y, 0, _LIP_AT_BITE)
        return colour, covers * (1 - parts * (1 - own.likeness(colour) * (1 - rim * (1 - own.paleness(colour)))))

    def _own_lower(self, place: Tensor, opened: Tensor, parts: Tensor) -> tuple[Tensor, Tensor]:
        """What the photo shows below its upper teeth goes with the jaw; it clings to them while hardly more than the lips has moved."""
        x, y = place.unbind(-1)
        own = self._own
        clings = opened * (1 - _share(opened, _CLINGS / 2, _CLINGS))
        beyond = 1 - self._edge(own.half_width - x.abs() + self._pixel) if own.has_lower_teeth else 1.0
        covers = self._edge(y - own.bite(x) + self._pixel + clings) * (1 - parts * beyond)
        x, below = own.within(x), y - own.bite(x)
        shown = torch.minimum(torch.maximum(y, own.bite(x)), own.lower_lip(x))
        colour = own.sample(torch.stack([x, shown], dim=-1))
        if not own.has_lower_teeth:
            tips = own.likeness(colour) * own.paleness(colour) * (1 - _share(below, _TIPS, 2 * _TIPS))
            covers = covers * (1 - tips * _share(opened, _CLINGS / 2, _CLINGS))
        return colour, covers

    def _edge(self, distance: Tensor) -> Tensor:
        return (distance / self._pixel + 0.5).clamp(0, 1)

    @staticmethod
    def _over(below: Tensor, layer: tuple[Tensor, Tensor]) -> Tensor:
        colour, covers = layer
        return below + (colour - below) * covers[:, None]


def _tooth(x: Tensor, widths: tuple[float, ...]) -> tuple[Tensor, Tensor]:
    """Where within its tooth a place is, -1..1, and the tooth's number from the middle."""
    width, ends = _teeth(widths, x.device)
    away = x.abs()
    number = torch.bucketize(away, ends).clamp_(max=len(widths) - 1)
    return ((away - ends[number]) / width[number] * 2 + 1).clamp_(-1, 1), number


@lru_cache
def _teeth(widths: tuple[float, ...], device: torch.device) -> tuple[Tensor, Tensor]:
    """Widths of teeth, and how far from the middle each ends."""
    ends = torch.tensor(widths).cumsum(0)
    return torch.tensor(widths).to(device), ends.to(device)


def _share(value: Tensor, start: float, stop: float) -> Tensor:
    return ((value - start) / (stop - start)).clamp(0, 1)


def _lit_between(gap: Tensor) -> Tensor:
    """How much of the light gets in between lips that are so far apart."""
    return _NARROW[0] + (1 - _NARROW[0]) * _share(gap, 0, _NARROW[1])
