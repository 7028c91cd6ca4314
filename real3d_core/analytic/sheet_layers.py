"""The sheets of a head in front of one another: skin with its eyes, jaw and the inside of the mouth, per pixel of the frame."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from scipy.ndimage import find_objects, label, maximum_filter
from torch import Tensor

from ..portrait.plates import MARGIN, Plates
from ..portrait.portrait import Portrait
from .eyes import Eyes, Look, Painted
from .face_map import FaceMap
from .mouth import mouth_interior
from .ray_maps import FACE_SHEET, JAW_SHEET, SKULL_SHEET, Box, Enlargement, common
from .solid import sample_plate

_RIM = 2  # pixels at the rim of an eye's picture that are the plate's own, so that both give the same colour where they meet
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
        self._head = torch.cat([plates.head, plates.hair], dim=1)  # colours, firmness, strands of hair
        self._photo = plates.photo
        self._face = face
        self._from_rays = from_rays
        self._size = size
        self._eyes = Eyes(plates.head, portrait.landmarks)
        self._light = _brightness(portrait)

    def __call__(self, uv: Tensor, face: Tensor, box: Box, look: Look) -> Tensor:
        """The sheets in front of one another [5, h, w]: colour, how firmly it covers, and the photo's hair.

        Args:
            uv: [6, R, R] photo coordinates of the rays.
            face: [2, h, w] those of the face sheet at the pixels of the box.
            look: what the eyes do.
        """
        colour = self._head_at(face[None].permute(0, 2, 3, 1))
        for eye in self._eyes(look):
            self._show(eye, uv[FACE_SHEET], face, box, colour[0])
        for part in self._parted(uv):
            shared = common(part, box)
            if shared is not None:
                down, across = (slice(p.start - b.start, p.stop - b.start) for p, b in zip(shared, box, strict=True))
                inner = colour[..., down, across]
                inner[:] = self._layered(self._from_rays(uv, shared)[None], inner)
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

    def _layered(self, uv: Tensor, colour_face: Tensor) -> Tensor:
        """Jaw and the inside of the mouth over the face sheet's colours [1, 5, h, w], at photo coordinates [1, 6, h, w]."""
        face, jaw, skull = (uv[:, sheet].permute(0, 2, 3, 1) for sheet in (FACE_SHEET, JAW_SHEET, SKULL_SHEET))
        pixel = 1 / (self._size * self._face.face_height)
        maps_jaw, maps_face = self._look_up(jaw), self._look_up(face)
        below_lower = _edge(maps_jaw[:, FaceMap.BELOW_LOWER], pixel)
        above_upper = _edge(maps_face[:, FaceMap.ABOVE_UPPER] + pixel, pixel)  # one pixel over the edge, so that closed lips show no inside
        colour_jaw, colour = self._head_at(jaw), colour_face.clone()
        rows, columns = ((1 - below_lower) * (1 - above_upper))[0].nonzero(as_tuple=True)
        if len(rows):
            inside = self._inside(skull[:, rows, columns][:, None], maps_jaw[:, :, rows, columns][:, :, None])[:, :, 0]
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
            pixels = (at + MARGIN) * (self._head.shape[-1] / (1 + 2 * MARGIN)) - 0.5 - corner
            return pixels, ((pixels >= rim) & (pixels <= size - 1 - rim)).all(dim=0)

        shared = common(self._from_rays.reached(shown(uv, 0)[1]), box)
        if shared is None:
            return
        down, across = (slice(p.start - b.start, p.stop - b.start) for p, b in zip(shared, box, strict=True))
        pixels, within = shown(face[:, down, across], _RIM)
        grid = ((pixels + 0.5) / size * 2 - 1).permute(1, 2, 0)[None]
        picture = torch.from_numpy(eye.picture).permute(2, 0, 1)[None]
        painted = F.grid_sample(picture, grid, mode="bicubic", padding_mode="border", align_corners=False)[0]
        colour[:3, down, across] = torch.where(within, painted, colour[:3, down, across])

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
