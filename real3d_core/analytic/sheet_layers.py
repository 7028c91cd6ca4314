"""The sheets of a head in front of one another: skin with its eyes, jaw and the inside of the mouth, per pixel of the frame."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ..portrait.boxes import Box
from ..portrait.plates import MARGIN, Plates
from ..portrait.portrait import Portrait
from ..render.camera import HEAD_CENTRE
from .eyes import Eyes, Look, Painted
from .face_map import FaceMap
from .mouth import MouthInterior
from .painting import Painting, Patch
from .ray_maps import FACE_SHEET, JAW_SHEET, SKULL_SHEET, Enlargement, channels, common, extent, listed, plate_places, relative

_AROUND = np.ones((3, 3), np.uint8)
_CONTACT, _PARTED = 0.008, 0.03  # face heights: lower lip that shows the dark line of lips that touch, and a gap in which none is left
_TOGETHER = 5e-6  # of half a plate; sheets closer than this are one, the difference is rounding


@dataclass(frozen=True)
class MouthPart:
    """A part of a frame in which the face sheet alone is not the whole picture.

    box: its pixels, counted from the corner of the head's box.
    places: [6, h, w] of the three sheets, in the plates.
    jaw: [h, w] how much the jaw hides of all else.
    face: [h, w] how much the face sheet hides of the inside of the mouth.
    above_upper: [h, w] distance over the edge of the upper lip, face heights.
    """

    box: Box
    places: Tensor
    jaw: Tensor
    face: Tensor
    above_upper: Tensor


class HeadSheets:
    """Colours of a portrait's head at one size.

    Args:
        plates: the portrait's layers at that size.
        face: maps of the face.
        from_rays: enlarges maps of rays to the frame's pixels.
        painting: the operators that find colours in plates.

    Attributes:
        plate: [1, 5, S, S] the head's colours, how firmly they cover, and the photo's matte.
        face: maps of the face.
        eyes, mouth: what is painted into the plate and between the lips.
        pixel: of the frame, in face heights.
        source_slant: `slant` of the photo's own camera.
    """

    def __init__(self, portrait: Portrait, plates: Plates, face: FaceMap, from_rays: Enlargement, size: int, painting: Painting):
        layers = torch.cat([plates.head, plates.head_mask], dim=1)  # colours, firmness, matte
        self.plate = layers.contiguous(memory_format=torch.channels_last)
        self._size, self._look_up, self._look_up_rays = size, painting.look_up, painting.look_up_rays
        self.face = face
        self._from_rays = from_rays
        self.eyes = Eyes(plates.head, portrait.landmarks, painting.eye)
        self._mouth_box = _mouth_box(face, 1 / from_rays.rays)
        self.pixel = 1 / (size * face.face_height)
        self.mouth = MouthInterior(plates.photo, portrait.landmarks, self.pixel)
        self._between_lips = painting.between_lips(self.mouth)
        self.source_slant = slant(portrait.camera)

    def __call__(self, uv: Tensor, box: Box, shown: Tensor, camera: Tensor, look: Look) -> Tensor:
        """The sheets in front of one another [5, h, w]: colour, how firmly it covers, and the photo's matte.

        Args:
            uv: [6, R, R] photo coordinates of the rays.
            box: the pixels of the frame.
            shown: [R, R] bool of the rays in whose pixels the head may be seen.
            camera: [1, 25] of the frame.
            look: what the eyes do.
        """
        rays = plate_places(uv)
        seen, seams = self._seen(rays)
        eyes = [self._patch(eye) for eye in self.eyes(look)]
        head = self._look_up_rays(self.plate, seen, self._size, box, shown, eyes)
        shared = [common(seam, box) for seam in seams]
        parts = [self._part(rays, pixels, relative(pixels, box)) for pixels in shared if pixels is not None]
        away = slant(camera) - self.source_slant
        for part in parts:
            front = torch.where(part.jaw > 0.5, part.places[JAW_SHEET], part.places[FACE_SHEET])
            head[channels(part.box)] = self._look_up(self.plate, front, eyes)
        for part in parts:
            self._show_mouth(part, head[:3][channels(part.box)], away)
        return head

    def _seen(self, rays: Tensor) -> tuple[Tensor, list[Box]]:
        """Places [2, R, R] on the sheet in front, and in which pixels that alone is not the whole picture: about the edges of the lips,
        where the jaw is elsewhere than the face, and where the photo's mouth is open.
        """
        face, jaw = rays[FACE_SHEET], rays[JAW_SHEET]
        across, down = (jaw - face).abs_()
        parted = torch.maximum(across, down) > _TOGETHER
        about = parted | self._near_mouth(rays) if self.face.open_at_rest else parted
        box = _grown(extent(about.any(dim=1)), len(rays[0])), _grown(extent(about.any(dim=0)), len(rays[0]))
        parted, ray = parted[box], 1 / (len(rays[0]) * self.face.face_height)
        (below_lower,), (above_upper, across) = self._over_lower(rays[channels(box)]), self._over_upper(rays[channels(box)])
        on_jaw = below_lower > 0
        seen = face.clone()
        seen[channels(box)] = torch.where(parted & on_jaw, jaw[channels(box)], face[channels(box)])
        inside = (below_lower < ray) & (above_upper < ray) & (across.abs() < self.face.half_width + ray)
        changes = torch.from_numpy(cv2.morphologyEx(on_jaw.numpy().view(np.uint8), cv2.MORPH_GRADIENT, _AROUND)).bool()
        seams = parted & (inside | changes | (below_lower.abs() < ray))
        if self.face.open_at_rest:
            seams |= inside
        near = cv2.dilate(seams.numpy().view(np.uint8), _AROUND)
        _, _, found, _ = cv2.connectedComponentsWithStats(near, connectivity=8)
        found[:, :2] += box[1].start, box[0].start
        boxes = [(slice(y, y + height), slice(x, x + width)) for x, y, width, height, _ in found[1:].tolist()]
        return seen, [self._from_rays.reached_from(*rays) for rays in boxes]

    def _near_mouth(self, rays: Tensor) -> Tensor:
        """[R, R] bool: where the inside of the mouth may be seen, and a little more."""
        (left, top), (right, bottom) = self._mouth_box
        (x, y), below = rays[FACE_SHEET], rays[JAW_SHEET][1]
        return ((x - (left + right) / 2).abs() < right - left) & (y > top) & (below < bottom)

    def _part(self, rays: Tensor, pixels: Box, box: Box) -> MouthPart:
        """The sheets at some pixels of the frame."""
        places = self._from_rays.places(rays, pixels)
        (below_lower,), (above_upper, across) = self._over_lower(places), self._over_upper(places)
        above = _edge(above_upper + self.pixel, self.pixel)  # by one pixel, so that closed lips show no inside
        beside = _edge(across.abs() - self.face.half_width, self.pixel)  # there the lips are one
        below_contact = below_lower - self._contact(places, across)
        return MouthPart(box, places, _edge(below_contact, self.pixel), torch.maximum(above, beside), above_upper)

    def _contact(self, places: Tensor, across: Tensor) -> Tensor | float:
        """[h, w] face heights below the lower lip's edge in which its wet inside is shown instead of the photo's line between the lips.

        Less towards the corners of the mouth, where the lip itself is not higher.
        """
        if self.face.open_at_rest:
            return 0.0
        apart = (places[FACE_SHEET][1] - places[JAW_SHEET][1]) * ((0.5 + MARGIN) / self.face.face_height)
        return _CONTACT * (apart / _PARTED).clamp(0, 1) * (1 - (across / self.face.half_width).square()).clamp_min(0)

    def _show_mouth(self, part: MouthPart, colour: Tensor, slant: Tensor) -> None:
        """Mixes face, jaw and the inside of the mouth into colours [3, h, w], wherever more than one of them is seen."""
        pixels = listed((part.jaw < 1) & ((part.jaw > 0) | (part.face < 1)))
        places = part.places.flatten(1).index_select(1, pixels)
        jaw, face = (one.flatten()[pixels] for one in (part.jaw, part.face))
        mixed = self._look_up(self.plate, places[FACE_SHEET, None], ())[:3, 0]
        inside = (face < 1).nonzero()[:, 0]
        if len(inside):
            skull, on_jaw = (places[sheet].index_select(1, inside).T * (0.5 + MARGIN) + 0.5 for sheet in (SKULL_SHEET, JAW_SHEET))
            painted = self._between_lips(skull, on_jaw, -part.above_upper.flatten()[pixels[inside]], slant).T
            mixed[:, inside] = torch.lerp(painted, mixed[:, inside], face[inside])
        mixed = torch.lerp(mixed, self._look_up(self.plate, places[JAW_SHEET, None], ())[:3, 0], jaw)
        width = part.jaw.shape[1]
        colour[:, pixels // width, pixels % width] = mixed

    def _patch(self, eye: Painted) -> Patch:
        """The plate about an eye, with its picture."""
        (left, top), (height, width) = eye.corner, eye.picture.shape[:2]
        cells = self.plate[:, :, top : top + height, left : left + width].clone(memory_format=torch.channels_last)
        cells[0, :3] = torch.from_numpy(eye.picture).permute(2, 0, 1)
        return Patch(eye.corner, cells)

    def _over_lower(self, places: Tensor) -> Tensor:
        """[1, h, w] how far below the lower lip's edge places [6, h, w] are on the jaw."""
        return self._on_face(places[JAW_SHEET], slice(FaceMap.BELOW_LOWER, FaceMap.BELOW_LOWER + 1))

    def _over_upper(self, places: Tensor) -> Tensor:
        """[2, h, w] how far above the upper lip's edge they are on the face, and how far across."""
        return self._on_face(places[FACE_SHEET], slice(FaceMap.ABOVE_UPPER, FaceMap.ACROSS + 1))

    def _on_face(self, places: Tensor, maps: slice) -> Tensor:
        grid = places.permute(1, 2, 0)[None] * (1 + 2 * MARGIN)
        return F.grid_sample(self.face.maps[:, maps], grid, padding_mode="border", align_corners=False)[0]


def _mouth_box(face: FaceMap, ray: float) -> list[list[float]]:
    """Upper left and lower right corner, places in a plate, of what is less than so much (in crop units) from the inside of the mouth."""
    margin = ray / face.face_height
    below_lower, above_upper, across = face.maps[0]
    within = (below_lower < margin) & (above_upper < margin) & (across.abs() < face.half_width + margin)
    down, across = extent(within.any(dim=1)), extent(within.any(dim=0))
    corners = torch.tensor([[across.start, down.start], [across.stop, down.stop]]) / within.shape[-1]
    return plate_places(corners).tolist()


def _grown(part: slice, side: int) -> slice:
    """By one to each end, as far as there are any."""
    return slice(max(part.start - 1, 0), min(part.stop + 1, side))


def slant(camera: Tensor) -> Tensor:
    """[2]: how far to the right and up a camera's line of sight to the face runs in the head's own frame while it goes in by one."""
    right, up, inwards = camera.new_tensor(HEAD_CENTRE) - camera[0, :16].reshape(4, 4)[:3, 3]
    return torch.stack([right, up]) / -inwards


def _edge(distance: Tensor, softness: float) -> Tensor:
    return (distance / softness + 0.5).clamp(0, 1)
