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
from ..one_thread import blas_on_one_thread, one_thread
from ..portrait.crop import Backdrop, behind
from ..portrait.portrait import Portrait
from ..render.planes import Planes
from ..render.ray_marching import HeadRender
from ..smooth_step import Value
from .eyes import Look
from .face_map import face_map
from .far_side import FarSide
from .outskirts import head_with_outskirts
from .painting import FrameLayers, Painting
from .ray_maps import FrameRays, RayCoordinates, blur, channels, enlargement, near_hanging_hair
from .sheet_layers import HeadSheets
from .torso import Torso

CONTOUR_BLUR = 2.0  # rays
_CONTOUR_CONTRAST = 6.0


@dataclass(frozen=True)
class Layers:
    """Everything about a portrait that composing its frames at one size needs.

    size: pixels along a side of the finished frame.
    photo, background: [1, 3, size, size] in 0..1; the latter also where the photo shows the person.
    coordinates: where rays arrive in the photo.
    head, torso: what is painted in front of the background.
    """

    size: int
    photo: Tensor
    background: Tensor
    coordinates: RayCoordinates
    head: HeadSheets
    torso: Torso

    @classmethod
    @blas_on_one_thread()
    def of(cls, portrait: Portrait, planes: Planes, at_rest: HeadRender, size: int, painting: Painting) -> Layers:
        """
        Args:
            portrait: whose layers are composed.
            planes: its head at rest.
            at_rest: the render of that head from the portrait's own camera; it tells how far rendered coordinates are off.
            painting: the operators that pictures are looked up and painted by.
        """
        plates = portrait.plates.resized(min(portrait.plates.crop_side, size))  # at the source pose every pixel is then sampled in place
        plates = replace(plates, head=head_with_outskirts(plates, portrait, planes))
        face = face_map(portrait.landmarks)
        photo, background = (_fit(plates.crop(plate), size) for plate in (plates.photo, plates.background))
        rays = at_rest.opacity.shape[-1]
        hair, person, head = (_fit(plates.crop(plate), rays) for plate in (plates.hair, plates.person, plates.head_mask))
        hanging = near_hanging_hair(hair, person - head, face.face_height)
        coordinates = RayCoordinates(at_rest, hair, hanging, FarSide(portrait, planes, at_rest))
        sheets = HeadSheets(portrait, plates, face, enlargement(rays, size, "bicubic"), size, painting)
        return cls(size, photo, background, coordinates, sheets, Torso(portrait, plates.torso, face.face_height, size))


class Composer:
    """Composes a portrait's frames at one size.

    Frames are composed one by one, each only where it has something to show: so a frame is the same in every chunk.

    Args:
        layers: of the portrait.
        at_rest: the render that they were made with.
        painting: the operators that pictures are looked up and painted by.
    """

    def __init__(self, layers: Layers, at_rest: HeadRender, painting: Painting):
        self._size, self._paint, self._background = layers.size, painting.paint, layers.background
        self._coordinates = painting.coordinates(layers.coordinates, *FrameRays.of(at_rest))
        self._from_rays = enlargement(at_rest.opacity.shape[-1], layers.size, "bicubic")
        self._head, self._torso = layers.head, layers.torso
        self._latest: tuple[HeadRender, tuple[list[Look], float], list[FrameLayers]] | None = None
        self._lacking = self._what_is_lacking(layers.photo[0], at_rest)

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
        frames = []
        for number, layers in enumerate(self._layers(render, looks, head_threshold)):
            if change is not None:
                colour = layers.head[:3] + change[number][channels(layers.box)]
                layers = replace(layers, head=torch.cat([colour, layers.head[3:]]))
            frames.append(self._paint(layers, backdrops[number], self._lacking, background is not None)[0])
        return frames[0][None] if len(frames) == 1 else torch.stack(frames)

    def person(self, render: HeadRender, looks: list[Look], head_threshold: float) -> Tensor:
        """[N] renders -> [N, size, size] in 0..1: head and torso together against the background."""
        return torch.stack(
            [self._paint(layers, self._background[0], None, False)[1] for layers in self._layers(render, looks, head_threshold)]
        )

    def _what_is_lacking(self, photo: Tensor, at_rest: HeadRender) -> Tensor:
        """[3, size, size]: what the layers in their places lack of the photo; added wherever nothing has moved, so that frame 0 is it."""
        (layers,) = self._layers(at_rest, [Look()], HEAD_THRESHOLD)
        return photo - self._paint(layers, self._background[0], None, False)[0].permute(2, 0, 1)

    def _layers(self, render: HeadRender, looks: list[Look], head_threshold: float) -> list[FrameLayers]:
        """Kept for the latest render, because frames and masks are asked for in turn."""
        latest = self._latest  # several threads compose
        if latest is None or latest[0] is not render or latest[1] != (looks, head_threshold):
            frames = zip(FrameRays.of(render.to(self._background.device)), looks, strict=True)
            layers = [self._layers_of(rays, look, head_threshold) for rays, look in frames]
            latest = self._latest = (render, (looks, head_threshold), layers)
        return latest[2]

    @one_thread()
    def _layers_of(self, rays: FrameRays, look: Look, head_threshold: float) -> FrameLayers:
        """The layers of one frame, in which the eyes do this."""
        places = self._coordinates(rays)
        solid = blur(rays.opacity, CONTOUR_BLUR)[0]
        shown = (solid[0] > 0) | (places.near[0] > 0)
        box = self._from_rays.reached(shown | (places.still[0] < 1))
        outline = torch.cat([contoured(solid), places.near, places.still])
        head = self._head(places.uv, box, shown, rays.camera, look)
        first_row, carried = self._torso.carried(rays.camera)
        return FrameLayers(self._torso.plate, first_row, self._torso.cells, carried, box, head, outline, contoured(head_threshold))


def contoured(opacity: Value) -> Value:
    """What hides all from 1 on and nothing up to 0, so that the contour is as sharp as a picture's."""
    return (opacity - 0.5) * _CONTOUR_CONTRAST + 0.5


def _enlarge(maps: Tensor, size: int) -> Tensor:
    """Bicubic."""
    return F.interpolate(maps, size=(size, size), mode="bicubic", align_corners=False)


def _fit(picture: Tensor, size: int) -> Tensor:
    return F.interpolate(picture, size=(size, size), mode="bilinear", align_corners=False, antialias=True)
