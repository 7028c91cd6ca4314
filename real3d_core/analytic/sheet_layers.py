"""The sheets of a head in front of one another: skin, jaw, lids and the inside of the mouth, per pixel of the frame."""

from __future__ import annotations

import math

import numpy as np
import torch
import torch.nn.functional as F
from scipy.ndimage import find_objects, label, maximum_filter
from torch import Tensor

from ..portrait.plates import Plates
from ..portrait.portrait import Portrait
from .face_map import FaceMap
from .lids import lash_band, lid_plate
from .mouth import mouth_interior
from .ray_maps import FACE_SHEET, JAW_SHEET, SKULL_SHEET, Box, Enlargement, common
from .solid import sample_plate

_LASH_LINE = 0.6  # how much darker the edge of a closed lid is, where lashes lie on lashes
_LID_DRAWN = 0.035  # face heights a lid travels until its skin is smooth
_LID_SMOOTH = 0.9
_LID_REACH = 0.06  # face heights beyond a drawn lid within which its skin is smooth too
_TOGETHER = 1e-5  # crop units; sheets closer than this are one, the difference is rounding
_LIP_SHADOW = 0.012  # face heights; what the photo shows this close to the lower lip is the lip's shadow and moves with it


class HeadSheets:
    """Colours of a portrait's head at one size.

    Args:
        plates: the portrait's layers at that size.
        face: maps of the face.
        from_rays: enlarges maps of rays to the frame's pixels.
    """

    def __init__(self, portrait: Portrait, plates: Plates, face: FaceMap, from_rays: Enlargement, size: int):
        self._head = torch.cat([plates.head, plates.head_mask], dim=1)  # colours, firmness, matte
        self._photo = plates.photo
        self._face = face
        self._from_rays = from_rays
        self._size = size
        self._lids = lid_plate(plates.head, portrait.landmarks)
        self._lashes = lash_band(portrait.landmarks[:, :2].numpy()) / face.face_height
        self._light = _brightness(portrait)

    def __call__(self, uv: Tensor, face: Tensor, box: Box) -> Tensor:
        """The sheets in front of one another [5, h, w]: colour, how firmly it covers, and the photo's matte.

        Args:
            uv: [6, R, R] photo coordinates of the rays.
            face: [2, h, w] those of the face sheet at the pixels of the box.
        """
        colour = self._head_at(face[None].permute(0, 2, 3, 1))
        for part in self._parted(uv):
            shared = common(part, box)
            if shared is not None:
                down, across = (slice(p.start - b.start, p.stop - b.start) for p, b in zip(shared, box, strict=True))
                inner = colour[..., down, across]
                inner[:] = self._layered(self._from_rays.places(uv, shared)[None], inner)
        return colour[0]

    def _parted(self, uv: Tensor) -> list[Box]:
        """Where the face sheet alone is not the whole picture: where jaw or lids are elsewhere, and where the photo's mouth is open."""
        parted = (uv[JAW_SHEET] - uv[FACE_SHEET]).abs().amax(dim=0) > _TOGETHER
        if self._face.open_at_rest:
            ray = 1 / (uv.shape[-1] * self._face.face_height)
            jaw, upper = (self._look_up(uv[None, sheet].permute(0, 2, 3, 1))[0] for sheet in (JAW_SHEET, FACE_SHEET))
            between = (jaw[FaceMap.BELOW_LOWER] < ray) & (upper[FaceMap.ABOVE_UPPER] < ray)
            parted |= between & (upper[FaceMap.ACROSS].abs() < self._face.half_width + ray)
        around = math.ceil(_LID_REACH * self._face.face_height * uv.shape[-1])
        labels, _ = label(maximum_filter(parted.numpy(), 2 * around + 1), structure=np.ones((3, 3)))
        return [self._from_rays.reached_from(*rays) for rays in find_objects(labels)]

    def _layered(self, uv: Tensor, colour_face: Tensor) -> Tensor:
        """Jaw, lids and the inside of the mouth over the face sheet's colours [1, 5, h, w], at photo coordinates [1, 6, h, w]."""
        face, jaw, skull = (uv[:, sheet].permute(0, 2, 3, 1) for sheet in (FACE_SHEET, JAW_SHEET, SKULL_SHEET))
        pixel = 1 / (self._size * self._face.face_height)
        maps_jaw, maps_face = self._look_up(jaw), self._look_up(face)
        below_lower = _edge(maps_jaw[:, FaceMap.BELOW_LOWER], pixel)
        above_upper = _edge(maps_face[:, FaceMap.ABOVE_UPPER] + pixel, pixel)  # one pixel over the edge, so that closed lips show no inside
        lid = _edge(maps_jaw[:, FaceMap.ABOVE_LID], pixel)
        colour_jaw = self._head_at(jaw)
        colour = colour_face + (self._drawn_lid(colour_jaw, jaw, maps_jaw, maps_face) - colour_face) * lid[:, None]
        rows, columns = ((1 - below_lower) * (1 - above_upper))[0].nonzero(as_tuple=True)
        if len(rows):
            inside = self._inside(skull[:, rows, columns][:, None], maps_jaw[:, :, rows, columns][:, :, None])[:, :, 0]
            outside = colour[:, :, rows, columns]
            colour[:, :, rows, columns] = inside + (outside - inside) * above_upper[:, rows, columns][:, None]
        return colour_jaw * below_lower[:, None] + colour * (1 - below_lower[:, None])

    def _head_at(self, uv: Tensor) -> Tensor:
        return sample_plate(self._head, uv, "bicubic")

    def _drawn_lid(self, colour: Tensor, lid: Tensor, maps_lid: Tensor, maps_face: Tensor) -> Tensor:
        """The further a lid is drawn down, the smoother its skin; its lashes stay."""
        above = maps_lid[:, FaceMap.ABOVE_LID]
        drawn = (above - maps_face[:, FaceMap.ABOVE_LID]) * (above > 0)
        drawn = drawn * (drawn > 1e-3)  # otherwise rounding would draw lids in frames that share a chunk with a blink
        if not drawn.any():
            return colour
        share = (drawn / _LID_DRAWN).clamp(0, 1)
        right = maps_lid[:, FaceMap.ACROSS] < 0
        right_eye, left_eye = (
            (share * side).amax((1, 2), keepdim=True) for side in (right, ~right)
        )  # the crease is gone from corner to corner
        skin = torch.cat([sample_plate(self._lids, lid), colour[:, 3:]], dim=1)
        lashes = torch.minimum(colour, skin)  # what is lighter than skin is the rim of the open eye, which a closed one does not show
        drawn_down = lashes + (skin - lashes) * _edge(above - self._lashes, 0.4 * self._lashes)[:, None]
        soft = colour + (drawn_down - colour) * (_LID_SMOOTH * torch.where(right, right_eye, left_eye) * (above > 0))[:, None]
        line = 1 - _LASH_LINE * share * torch.exp(-((above / (0.6 * self._lashes)) ** 2))
        return torch.cat([soft[:, :3] * line[:, None], soft[:, 3:]], dim=1)

    def _inside(self, skull: Tensor, maps_jaw: Tensor) -> Tensor:
        """[N, 5, S, S] of what is seen between the lips, where it is seen; zeros far from the mouth."""
        face = self._face
        maps = self._look_up(skull)
        painted = mouth_interior(
            maps[:, FaceMap.ACROSS], -maps[:, FaceMap.ABOVE_UPPER], -maps_jaw[:, FaceMap.BELOW_LOWER], face.half_width, self._light
        ).permute(0, 3, 1, 2)
        if face.open_at_rest:
            pixel = 1 / (self._size * face.face_height)
            dropped = (maps[:, FaceMap.BELOW_LOWER] - maps_jaw[:, FaceMap.BELOW_LOWER]).clamp(0, _LIP_SHADOW)
            own = _edge(-maps[:, FaceMap.BELOW_LOWER] - dropped + pixel, pixel)[:, None]
            painted = painted + (sample_plate(self._photo, skull) - painted) * own
        return torch.cat([painted, torch.ones_like(painted[:, :2])], dim=1)

    def _look_up(self, uv: Tensor) -> Tensor:
        maps = self._face.maps.expand(len(uv), -1, -1, -1)
        return F.grid_sample(maps, uv * 2 - 1, padding_mode="border", align_corners=False)


def _brightness(portrait: Portrait) -> float:
    """How brightly teeth are lit, 0.75..1.05, from the bright parts of the face."""
    image = portrait.image[0] / 2 + 0.5
    low, high = (portrait.landmarks[:, :2].amin(0) * 512).long(), (portrait.landmarks[:, :2].amax(0) * 512).long()
    face = image[:, max(0, low[1]) : high[1], max(0, low[0]) : high[0]].mean(0)
    return float((face.quantile(0.9) * 1.4).clamp(0.75, 1.05))


def _edge(distance: Tensor, softness: float) -> Tensor:
    return (distance / softness + 0.5).clamp(0, 1)
