"""Rendered photo coordinates become the finished picture (DESIGN section 3, spec 08 section 5).

The photo is sampled at full resolution through the coordinates that ray marching returned, so skin stays as sharp as the photo. The
sheets of the lips are put in front of one another per pixel of the output, not per ray.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import torch
import torch.nn.functional as F
from torch import Tensor

from ..avatar import HEAD_THRESHOLD
from ..portrait.boxes import Box
from ..portrait.crop import Backdrop, behind
from ..portrait.portrait import Portrait
from ..render.planes import Planes
from ..render.ray_marching import HeadRender
from ..smooth_step import Value
from .eyes import Look
from .face_map import face_map
from .far_side import FarSide
from .outskirts import head_with_outskirts
from .ray_maps import Enlargement, FrameRays, RayCoordinates, blur, channels, common, relative
from .sheet_layers import HeadSheets
from .torso import Torso, TorsoLayer

_CONTOUR_BLUR = 2.0  # rays
_CONTOUR_CONTRAST = 3.8


@dataclass(frozen=True)
class _Layers:
    """What one frame is composed of.

    box: the pixels in which the head may show; head and covers are about them.
    head: [3, h, w] its colour, wherever it covers something.
    covers: [1, h, w] how much it hides what is behind it.
    torso: what is behind it.
    still: [1, size, size] how much everything is in its place of the photo.
    """

    box: Box
    head: Tensor
    covers: Tensor
    torso: TorsoLayer
    still: Tensor


class Composer:
    """Everything about a portrait that composing its frames at one size needs.

    Frames are composed one by one, each only where it has something to show: so a frame is the same in every chunk.

    Args:
        portrait: whose layers are composed.
        planes: its head at rest.
        at_rest: the render of that head from the portrait's own camera; it tells how far rendered coordinates are off.
        size: pixels along a side of the finished frame.
    """

    def __init__(self, portrait: Portrait, planes: Planes, at_rest: HeadRender, size: int):
        plates = portrait.plates.resized(min(portrait.plates.crop_side, size))  # at the source pose every pixel is then sampled in place
        plates = replace(plates, head=head_with_outskirts(plates, portrait, planes))
        face = face_map(portrait.landmarks)
        self._size = size
        self._background = _fit(plates.crop(plates.background), size)
        rays = at_rest.opacity.shape[-1]
        self._coordinates = RayCoordinates(at_rest, _fit(plates.crop(plates.hair), rays), FarSide(portrait, planes, at_rest))
        self._from_rays = Enlargement(rays, size, "bicubic")
        self._head = HeadSheets(portrait, plates, face, self._from_rays, size)
        self._torso = Torso(portrait, plates.torso, face.face_height, size)
        self._latest: tuple[HeadRender, tuple[list[Look], float], list[_Layers]] | None = None
        self._lacking = self._what_is_lacking(_fit(plates.crop(plates.photo), size)[0], at_rest)

    def __call__(self, render: HeadRender, looks: list[Look], background: Backdrop | None, first: int, head_threshold: float) -> Tensor:
        """[N] renders -> [N, size, size, 3] frames in 0..1.

        Args:
            looks: what the eyes do in each of the frames.
            background: in place of the photo's own, which None keeps.
            first: number of the first frame.
            head_threshold: where the head is more opaque than this nothing is seen through it.
        """
        backdrops = behind(self._background if background is None else background, first, first + len(render.cameras))
        change = None if render.colour_change is None else _enlarge(render.colour_change, self._size)
        frames = torch.empty(len(render.cameras), self._size, self._size, 3)
        for number, layers in enumerate(self._layers(render, looks, head_threshold)):
            colour = layers.head if change is None else layers.head + change[number][channels(layers.box)]
            picture = _over(backdrops[number], layers, colour)
            picture.addcmul_(self._lacking, layers.still if background is None else layers.still * _person(layers))
            cv2.merge(list(picture.clamp_(0, 1).numpy()), dst=frames[number].numpy())  # in an eighth of the time of a permuted copy
        return frames

    def person(self, render: HeadRender, looks: list[Look], head_threshold: float) -> Tensor:
        """[N] renders -> [N, size, size] in 0..1: head and torso together against the background."""
        return torch.stack([_person(layers) for layers in self._layers(render, looks, head_threshold)])

    def _what_is_lacking(self, photo: Tensor, at_rest: HeadRender) -> Tensor:
        """[3, size, size]: what the layers in their places lack of the photo; added wherever nothing has moved, so that frame 0 is it."""
        (layers,) = self._layers(at_rest, [Look()], HEAD_THRESHOLD)
        return photo - _over(self._background[0], layers, layers.head)

    def _layers(self, render: HeadRender, looks: list[Look], head_threshold: float) -> list[_Layers]:
        """Kept for the latest render, because frames and masks are asked for in turn."""
        latest = self._latest  # several threads compose
        if latest is None or latest[0] is not render or latest[1] != (looks, head_threshold):
            frames = zip(FrameRays.of(render), looks, strict=True)
            layers = [self._layers_of(rays, look, head_threshold) for rays, look in frames]
            latest = self._latest = (render, (looks, head_threshold), layers)
        return latest[2]

    def _layers_of(self, rays: FrameRays, look: Look, head_threshold: float) -> _Layers:
        """The layers of one frame, in which the eyes do this."""
        places = self._coordinates(rays)
        solid = blur(rays.opacity, _CONTOUR_BLUR)[0]
        box = self._from_rays.reached((solid[0] > 0) | (places.near[0] > 0) | (places.still[0] < 1))
        solid, near, in_place = self._from_rays(torch.cat([_contoured(solid), places.near, places.still]), box)
        torso = self._torso(rays.camera)
        still = torso.still.clone()
        still[channels(box)] *= in_place.clamp_(0, 1)
        head = self._head(places.uv, box, rays.camera, look)
        covers = solid.masked_fill(solid > _contoured(head_threshold), 1.0).clamp_(0, 1)
        firmness, matte = head[3:].clamp_(0, 1)  # enlarging overshoots
        covers = torch.maximum(covers, matte * near.clamp_(0, 1))  # the solid ends inside of the photo's outline
        self._fade_seam(covers, firmness, box, torso)
        return _Layers(box, head[:3], covers[None], torso, still)

    def _fade_seam(self, covers: Tensor, firmness: Tensor, box: Box, torso: TorsoLayer) -> None:
        """Lets coverage [h, w] end softly at the neck's seam: it fades into the torso, never into the background."""
        rows = (torso.rows, slice(0, self._size))
        seam = common(box, rows)
        if seam is not None:
            part = relative(seam, box)
            covers[part] *= 1 - (1 - firmness[part]) * torso.colour[3][relative(seam, rows)]


def _contoured(opacity: Value) -> Value:
    """What hides all from 1 on and nothing up to 0, so that the contour is as sharp as a picture's."""
    return (opacity - 0.5) * _CONTOUR_CONTRAST + 0.5


def _over(backdrop: Tensor, layers: _Layers, head: Tensor) -> Tensor:
    """Torso and head, with these colours [3, h, w], over a picture [3, size, size]."""
    picture, torso = torch.empty_like(backdrop), layers.torso
    above, beside = slice(0, torso.rows.start), torso.rows
    picture[:, above] = backdrop[:, above]
    torch.lerp(backdrop[:, beside], torso.colour[:3], torso.colour[3:], out=picture[:, beside])
    picture[channels(layers.box)].lerp_(head, layers.covers)
    return picture


def _person(layers: _Layers) -> Tensor:
    """[size, size]: torso and head."""
    person = torch.zeros_like(layers.still[0])
    person[layers.torso.rows] = layers.torso.colour[3]
    person[layers.box] += (1 - person[layers.box]) * layers.covers[0]
    return person


def _enlarge(maps: Tensor, size: int) -> Tensor:
    """Bicubic."""
    return F.interpolate(maps, size=(size, size), mode="bicubic", align_corners=False)


def _fit(picture: Tensor, size: int) -> Tensor:
    return F.interpolate(picture, size=(size, size), mode="bilinear", align_corners=False, antialias=True)
