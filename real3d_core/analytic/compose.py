"""Rendered photo coordinates become the finished picture (DESIGN section 3, spec 08 section 5).

The photo is sampled at full resolution through the coordinates that ray marching returned, so skin stays as sharp as the photo. The
sheets of the lips are put in front of one another per pixel of the output, not per ray.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from ..avatar import HEAD_THRESHOLD
from ..portrait.crop import Backdrop, behind
from ..portrait.portrait import Portrait
from ..render.planes import Planes
from ..render.ray_marching import HeadRender
from .eyes import Look
from .face_map import face_map
from .far_side import FarSide
from .outskirts import head_with_outskirts
from .ray_maps import FACE_SHEET, Box, Enlargement, FrameRays, RayCoordinates, blur, channels
from .sheet_layers import HeadSheets
from .torso import Torso

_CONTOUR_BLUR = 2.0  # rays
_CONTOUR_CONTRAST = 3.8


@dataclass(frozen=True)
class _Layers:
    """What one frame is composed of.

    box: the pixels in which the head may show; head, opacity and near are about them.
    head: [5, h, w] colour (3), how firmly it covers, and the photo's matte.
    opacity: [1, h, w] the solid head's.
    near: [1, h, w] 1 on the solid head and close to it, 0 away from it.
    torso: [4, size, size] colour (3) and opacity.
    still: [1, size, size] how much everything is in its place of the photo.
    """

    box: Box
    head: Tensor
    opacity: Tensor
    near: Tensor
    torso: Tensor
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
        plates = replace(plates, head=head_with_outskirts(plates, portrait.landmarks))
        face = face_map(portrait.landmarks)
        self._size = size
        self._background = _fit(plates.crop(plates.background), size)
        rays = at_rest.opacity.shape[-1]
        self._coordinates = RayCoordinates(at_rest, _fit(plates.crop(plates.hair), rays), FarSide(portrait, planes, at_rest))
        self._from_rays = Enlargement(rays, size, "bicubic")
        self._head = HeadSheets(portrait, plates, face, self._from_rays, size)
        self._torso = Torso(portrait, plates.torso, face.face_height, size)
        self._latest: tuple[HeadRender, list[Look], list[_Layers]] | None = None
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
        for number, layers in enumerate(self._layers(render, looks)):
            colour = layers.head[:3]
            if change is not None:
                colour = colour + change[number][channels(layers.box)]
            covers = _covers(layers, head_threshold)
            picture = _over(backdrops[number], layers, colour, covers)
            picture.addcmul_(self._lacking, layers.still if background is None else layers.still * _person(layers, covers))
            frames[number] = picture.clamp_(0, 1).permute(1, 2, 0)
        return frames

    def person(self, render: HeadRender, looks: list[Look], head_threshold: float) -> Tensor:
        """[N] renders -> [N, size, size] in 0..1: head and torso together against the background."""
        return torch.stack([_person(layers, _covers(layers, head_threshold)) for layers in self._layers(render, looks)])

    def _what_is_lacking(self, photo: Tensor, at_rest: HeadRender) -> Tensor:
        """[3, size, size]: what the layers in their places lack of the photo; added wherever nothing has moved, so that frame 0 is it."""
        (layers,) = self._layers(at_rest, [Look()])
        return photo - _over(self._background[0], layers, layers.head[:3], _covers(layers, HEAD_THRESHOLD))

    def _layers(self, render: HeadRender, looks: list[Look]) -> list[_Layers]:
        """Kept for the latest render, because frames and masks are asked for in turn."""
        if self._latest is None or self._latest[0] is not render or self._latest[1] != looks:
            frames = zip(FrameRays.of(render), looks, strict=True)
            self._latest = (render, looks, [self._layers_of(*frame) for frame in frames])
        return self._latest[2]

    def _layers_of(self, rays: FrameRays, look: Look) -> _Layers:
        """The layers of one frame, in which the eyes do this."""
        places = self._coordinates(rays)
        solid = blur(rays.opacity, _CONTOUR_BLUR)[0]
        box = self._from_rays.reached((solid[0] > 0) | (places.near[0] > 0) | (places.still[0] < 1))
        face = self._from_rays.places(places.uv[FACE_SHEET], box)
        solid, near, still = self._from_rays(torch.cat([solid, places.near, places.still]), box).split(1)
        torso, in_place = self._torso(rays.camera)
        in_place = in_place.clone()
        in_place[channels(box)] *= still.clamp(0, 1)
        return _Layers(box, self._head(places.uv, face, box, rays.camera, look), solid, near.clamp(0, 1), torso, in_place)


def _over(backdrop: Tensor, layers: _Layers, head: Tensor, covers: Tensor) -> Tensor:
    """Torso and head, with these colours [3, h, w] and coverage [1, h, w], over a picture [3, size, size]."""
    picture = torch.lerp(backdrop, layers.torso[:3], layers.torso[3:])
    picture[channels(layers.box)].lerp_(head, covers)
    return picture


def _covers(layers: _Layers, threshold: float) -> Tensor:
    """[1, h, w]: how much the head hides what is behind it, in the head's box."""
    firmness, matte = layers.head[3:].clamp(0, 1).split(1)  # enlarging overshoots
    solid = ((layers.opacity - 0.5) * _CONTOUR_CONTRAST + 0.5).clamp(0, 1)
    solid = torch.where(layers.opacity > threshold, 1.0, solid)
    outline = matte * layers.near  # beyond the solid, which ends inside of the photo's outline
    down, across = layers.box
    fade = (1 - firmness) * layers.torso[3:4, down, across]  # the seam fades into the torso, never into the background
    return torch.maximum(solid, outline) * (1 - fade)


def _person(layers: _Layers, covers: Tensor) -> Tensor:
    """[size, size]: torso, and the head with this coverage [1, h, w]."""
    person = layers.torso[3].clone()
    person[layers.box] += (1 - person[layers.box]) * covers[0]
    return person


def _enlarge(maps: Tensor, size: int) -> Tensor:
    """Bicubic."""
    return F.interpolate(maps, size=(size, size), mode="bicubic", align_corners=False)


def _fit(picture: Tensor, size: int) -> Tensor:
    return F.interpolate(picture, size=(size, size), mode="bilinear", align_corners=False, antialias=True)
