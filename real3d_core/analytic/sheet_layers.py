"""The sheets of a head in front of one another: skin with its eyes, jaw and the inside of the mouth, per pixel of the frame."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from scipy.ndimage import find_objects, label, maximum_filter
from torch import Tensor

from ..portrait.plates import Plates, plate_pixels
from ..portrait.portrait import Portrait
from ..render.camera import HEAD_CENTRE
from .eyes import Eyes, Look, Painted
from .face_map import FaceMap
from .mouth import MouthInterior
from .ray_maps import FACE_SHEET, JAW_SHEET, SKULL_SHEET, Box, Enlargement, common, relative
from .solid import sample_plate

_RIM = 2  # pixels at the rim of an eye's picture that are the plate's own, so that both give the same colour where they meet
_TOGETHER = 1e-5  # crop units; sheets closer than this are one, the difference is rounding


class HeadSheets:
    """Colours of a portrait's head at one size.

    Args:
        plates: the portrait's layers at that size.
        face: maps of the face.
        from_rays: enlarges maps of rays to the frame's pixels.
    """

    def __init__(self, portrait: Portrait, plates: Plates, face: FaceMap, from_rays: Enlargement, size: int):
        self._head = torch.cat([plates.head, plates.head_mask], dim=1)  # colours, firmness, matte
        self._face = face
        self._from_rays = from_rays
        self._size = size
        self._eyes = Eyes(plates.head, portrait.landmarks)
        self._pixel = 1 / (size * face.face_height)
        self._mouth = MouthInterior(plates.photo, portrait.landmarks, self._pixel)
        self._source_slant = _slant(portrait.camera)

    def __call__(self, uv: Tensor, face: Tensor, box: Box, camera: Tensor, look: Look) -> Tensor:
        """The sheets in front of one another [5, h, w]: colour, how firmly it covers, and the photo's matte.

        Args:
            uv: [6, R, R] photo coordinates of the rays.
            face: [2, h, w] those of the face sheet at the pixels of the box.
            camera: [1, 25] of the frame.
            look: what the eyes do.
        """
        slant = _slant(camera) - self._source_slant
        colour = self._head_at(face[None].permute(0, 2, 3, 1))
        for eye in self._eyes(look):
            self._show(eye, uv[FACE_SHEET], face, box, colour[0])
        for part in self._parted(uv):
            shared = common(part, box)
            if shared is not None:
                down, across = relative(shared, box)
                inner = colour[..., down, across]
                inner[:] = self._layered(self._from_rays.places(uv, shared)[None], inner, slant)
        return colour[0]

    def _parted(self, uv: Tensor) -> list[Box]:
        """Where the face sheet alone is not the whole picture: where the jaw is elsewhere, and where the photo's mouth is open."""
        parted = (uv[JAW_SHEET] - uv[FACE_SHEET]).abs().amax(dim=0) > _TOGETHER
        if self._face.open_at_rest:
            ray = 1 / (uv.shape[-1] * self._face.face_height)
            jaw, upper = (self._look_up(uv[None, sheet].permute(0, 2, 3, 1))[0] for sheet in (JAW_SHEET, FACE_SHEET))
            between = (jaw[FaceMap.BELOW_LOWER] < ray) & (upper[FaceMap.ABOVE_UPPER] < ray)
            parted |= between & (upper[FaceMap.ACROSS].abs() < self._face.half_width + ray)
        labels, _ = label(maximum_filter(parted.numpy(), 3), structure=np.ones((3, 3)))
        return [self._from_rays.reached_from(*rays) for rays in find_objects(labels)]

    def _layered(self, uv: Tensor, colour_face: Tensor, slant: Tensor) -> Tensor:
        """Jaw and the inside of the mouth over the face sheet's colours [1, 5, h, w], at photo coordinates [1, 6, h, w]."""
        face, jaw, skull = (uv[:, sheet].permute(0, 2, 3, 1) for sheet in (FACE_SHEET, JAW_SHEET, SKULL_SHEET))
        maps_jaw, maps_face = self._look_up(jaw), self._look_up(face)
        below_lower = _edge(maps_jaw[:, FaceMap.BELOW_LOWER], self._pixel)
        over_the_edge = maps_face[:, FaceMap.ABOVE_UPPER] + self._pixel  # by one pixel, so that closed lips show no inside
        above_upper = _edge(over_the_edge, self._pixel)
        colour_jaw, colour = self._head_at(jaw), colour_face.clone()
        beside = _edge(maps_face[:, FaceMap.ACROSS].abs() - self._face.half_width, self._pixel)  # there the lips are one
        above_upper = torch.maximum(above_upper, beside)
        rows, columns = ((1 - below_lower) * (1 - above_upper))[0].nonzero(as_tuple=True)
        if len(rows):
            below_upper = -maps_face[0, FaceMap.ABOVE_UPPER, rows, columns]
            painted = self._mouth(skull[0, rows, columns], jaw[0, rows, columns], below_upper, slant).T[None]
            inside = torch.cat([painted, torch.ones_like(painted[:, :2])], dim=1)
            outside = colour[:, :, rows, columns]
            colour[:, :, rows, columns] = inside + (outside - inside) * above_upper[:, rows, columns][:, None]
        return colour_jaw * below_lower[:, None] + colour * (1 - below_lower[:, None])

    def _head_at(self, uv: Tensor) -> Tensor:
        return sample_plate(self._head, uv, "bicubic")

    def _show(self, eye: Painted, uv: Tensor, face: Tensor, box: Box, colour: Tensor) -> None:
        """Puts an eye into the colours [5, h, w] of the box, where the face sheet shows it."""
        corner = torch.tensor(eye.corner)[:, None, None]
        size = torch.tensor(eye.picture.shape[1::-1])[:, None, None]

        def shown(at: Tensor, rim: float) -> tuple[Tensor, Tensor]:
            """Pixels [2, ...] of the eye's picture, and whether they lie in it."""
            pixels = plate_pixels(at, self._head.shape[-1]) - corner
            return pixels, ((pixels >= rim) & (pixels <= size - 1 - rim)).all(dim=0)

        shared = common(self._from_rays.reached(shown(uv, 0)[1]), box)
        if shared is None:
            return
        down, across = relative(shared, box)
        pixels, within = shown(face[:, down, across], _RIM)
        grid = ((pixels + 0.5) / size * 2 - 1).permute(1, 2, 0)[None]
        picture = torch.from_numpy(eye.picture).permute(2, 0, 1)[None]
        painted = F.grid_sample(picture, grid, mode="bicubic", padding_mode="border", align_corners=False)[0]
        colour[:3, down, across] = torch.where(within, painted, colour[:3, down, across])

    def _look_up(self, uv: Tensor) -> Tensor:
        maps = self._face.maps.expand(len(uv), -1, -1, -1)
        return F.grid_sample(maps, uv * 2 - 1, padding_mode="border", align_corners=False)


def _slant(camera: Tensor) -> Tensor:
    """[2]: how far to the right and up a camera's line of sight to the face runs in the head's own frame while it goes in by one."""
    right, up, inwards = camera.new_tensor(HEAD_CENTRE) - camera[0, :16].reshape(4, 4)[:3, 3]
    return torch.stack([right, up]) / -inwards


def _edge(distance: Tensor, softness: float) -> Tensor:
    return (distance / softness + 0.5).clamp(0, 1)
