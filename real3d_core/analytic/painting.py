"""The operators that composing spends its time in, as plain PyTorch (spec 08 section 5). Compiled twins may be handed to the avatar."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ..portrait.boxes import Box
from .eyes import Eye, PaintEye
from .mouth import BetweenLips, MouthInterior
from .ray_maps import PLACES_PER_CROP as PLACES_PER_CROP
from .ray_maps import FindPlaces, FrameRays, RayCoordinates, channels, enlargement, listed, own_places

CELL = 16


@dataclass(frozen=True)
class FrameLayers:
    """What one frame of size x size pixels is painted of, from the back to the front.

    torso: [1, 4, S, S] a plate, channels last: colour and opacity.
    first_row: no row of the frame above it shows any torso.
    torso_cells: [c, c] bool, in which cells of CELL x CELL pixels of that plate, or right beside them, there is any torso.
    carried: [3, r, r] how far the torso is carried there, x and y in places of the plate, and how much it is in its place of the photo.
    box: the pixels in which the head may show.
    head: [5, h, w] in the box: the head's colour, how firmly it covers, and the photo's matte.
    outline: [3, R, R] of the rays: how much the solid hides of what is behind it, how near to the head they are, and how much they show
        what the photo shows in its place. Enlarging overshoots, so values beyond 0..1 are cut only then.
    opaque_from: where the solid hides more than this it hides all.
    """

    torso: Tensor
    first_row: int
    torso_cells: Tensor
    carried: Tensor
    box: Box
    head: Tensor
    outline: Tensor
    opaque_from: float


@dataclass(frozen=True)
class Patch:
    """A part of a plate that is to be looked up in place of the plate's own.

    corner: (x, y) of its upper left pixel in the plate.
    cells: [1, C, h, w]; along its border like the plate.
    """

    corner: tuple[int, int]
    cells: Tensor


LookUp = Callable[[Tensor, Tensor, Sequence[Patch]], Tensor]
"""The signature of `look_up`."""

LookUpRays = Callable[[Tensor, Tensor, int, Box, Tensor, Sequence[Patch]], Tensor]
"""The signature of `look_up_rays`."""

Paint = Callable[[FrameLayers, Tensor, "Tensor | None", bool], tuple[Tensor, Tensor]]
"""The signature of `paint`."""


@dataclass(frozen=True)
class Painting:
    """The operators, in one implementation.

    coordinates: (a portrait's RayCoordinates, its rays at rest) -> what does the same.
    between_lips: a portrait's MouthInterior -> what does the same.
    eye: one of its eyes -> what paints the same.
    """

    look_up: LookUp
    look_up_rays: LookUpRays
    paint: Paint
    coordinates: Callable[[RayCoordinates, FrameRays], FindPlaces]
    between_lips: Callable[[MouthInterior], BetweenLips]
    eye: Callable[[Eye], PaintEye]


def look_up(plate: Tensor, places: Tensor, patches: Sequence[Patch] = ()) -> Tensor:
    """The colours of a plate, bicubic; beyond its border it goes on.

    Args:
        plate: [1, C, H, W], C up to 8.
        places: [2, h, w] in it, -1..1 from border to border.
        patches: of the plate. They hold where all pixels that have a part in a colour lie in one.

    Returns [C, h, w].
    """
    found = _bicubic(plate, places)
    plate_side = places.new_tensor(plate.shape[:1:-1])[:, None]
    for patch in patches:
        corner, side = places.new_tensor(patch.corner)[:, None], places.new_tensor(patch.cells.shape[:1:-1])[:, None]
        first, last = ((2 * (corner + end) + 1) / plate_side - 1 for end in (1, side - 2))
        on_patch = ((places >= first[..., None]) & (places < last[..., None])).unbind()
        pixels = listed(torch.logical_and(*on_patch))
        within = ((places.flatten(1).index_select(1, pixels) + 1) * plate_side - 2 * corner) / side - 1
        found.view(len(found), -1)[:, pixels] = _bicubic(patch.cells, within[..., None])[..., 0]
    return found


def look_up_rays(plate: Tensor, places: Tensor, size: int, box: Box, shown: Tensor, patches: Sequence[Patch] = ()) -> Tensor:
    """The colours [C, h, w] of a plate in a box of size x size pixels, at which rays arrive at `places` [2, R, R] of it.

    Pixels of rays that are not `shown` [R, R] bool may have any colours: nobody sees them.
    """
    return look_up(plate, enlargement(places.shape[-1], size, "bicubic").places(places, box), patches)


def _bicubic(plate: Tensor, places: Tensor) -> Tensor:
    return F.grid_sample(plate, places.permute(1, 2, 0)[None], mode="bicubic", padding_mode="border", align_corners=False)[0]


def paint(layers: FrameLayers, backdrop: Tensor, lacking: Tensor | None, replaced: bool) -> tuple[Tensor, Tensor]:
    """The layers over a backdrop.

    Args:
        backdrop: [3, size, size].
        lacking: [3, size, size] what is added where all is in its place of the photo; None: nothing, and what lies beyond 0..1 stays.
        replaced: the backdrop is not the photo's own, so only on the person something is added.

    Returns:
        [size, size, 3] the picture, and [size, size] how much of each pixel is torso or head.
    """
    size, box = backdrop.shape[-1], layers.box
    torso, still = _carried_torso(layers, size)
    solid, near, in_place = enlargement(layers.outline.shape[-1], size, "bicubic")(layers.outline, box)
    firmness, matte = layers.head[3:].clamp(0, 1)
    covers = solid.masked_fill(solid > layers.opaque_from, 1.0).clamp_(0, 1)
    covers = torch.maximum(covers, matte * near.clamp_(0, 1))  # the solid ends inside of the photo's outline
    covers *= 1 - (1 - firmness) * torso[3][box]  # at the neck's seam the head fades into the torso, never into the background

    picture = backdrop.clone()
    picture[:, layers.first_row :].lerp_(torso[:3, layers.first_row :], torso[3:, layers.first_row :])
    picture[channels(box)].lerp_(layers.head[:3], covers)
    person = torso[3]
    person[box] += (1 - person[box]) * covers
    if lacking is not None:
        still[box] *= in_place.clamp_(0, 1)
        picture.addcmul_(lacking, still * person if replaced else still).clamp_(0, 1)
    return picture.permute(1, 2, 0).contiguous(), person


def _carried_torso(layers: FrameLayers, size: int) -> tuple[Tensor, Tensor]:
    """[4, size, size] colour and opacity of the torso, and [size, size] how much it is in its place of the photo."""
    rows, columns = slice(layers.first_row, size), slice(0, size)
    enlarge = enlargement(layers.carried.shape[-1], size, "bilinear")
    (still,) = enlarge(layers.carried[2:], (columns, columns))
    places = own_places(size)[:, rows] - enlarge(layers.carried[:2], (rows, columns))
    torso = layers.torso.new_zeros(4, size, size)
    torso[:, rows] = F.grid_sample(layers.torso, places.permute(1, 2, 0)[None], padding_mode="border", align_corners=False)[0]
    return torso, still


IN_TORCH = Painting(look_up, look_up_rays, paint, lambda coordinates, at_rest: coordinates, lambda mouth: mouth, lambda eye: eye)
