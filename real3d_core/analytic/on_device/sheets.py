"""The sheets of heads in front of one another: `HeadSheets` for many frames at once, every pixel of a frame looked at."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ...portrait.plates import MARGIN
from ...render.camera import HEAD_CENTRE
from ..eyes import Look
from ..face_map import FaceMap
from ..own_teeth import OwnTeeth
from ..ray_maps import FACE_SHEET, JAW_SHEET, SKULL_SHEET, own_places, plate_places
from ..sheet_layers import _CONTACT, _PARTED, HeadSheets
from .eyes import EyesOnDevice
from .maps import enlarged, sampled
from .moved import moved


class SheetsOnDevice:
    """`HeadSheets` of one portrait, for frames of size x size pixels.

    Args:
        sheets: the same on the processor.
    """

    def __init__(self, sheets: HeadSheets, rays: int, size: int, device: torch.device):
        self._plate, self._face, self._source_slant = moved((sheets.plate, sheets.face, sheets.source_slant), device)
        self._ray_places, self._pixel_places = own_places(rays).to(device), own_places(size).to(device)
        self._pixel, self._size = sheets.pixel, size
        self._eyes = EyesOnDevice(sheets.eyes, device)
        self._mouth = moved(sheets.mouth, device)
        self._mouth._own = _TeethOnDevice(sheets.mouth._own, device)

    def __call__(self, uv: Tensor, cameras: Tensor, looks: Sequence[Look]) -> Tensor:
        """[n, 5, size, size]: colour, how firmly it covers, and the photo's matte.

        Args:
            uv: [n, 6, R, R] photo coordinates of the rays.
            cameras: [n, 25] of the frames.
            looks: what the eyes do in each.
        """
        offsets = plate_places(uv).unflatten(1, (3, 2)) - self._ray_places
        places = (enlarged(offsets.flatten(1, 2), self._size).unflatten(1, (3, 2)) + self._pixel_places).flatten(1, 2)
        on_face, on_jaw = (sampled(self._plate, places[:, sheet], "bicubic") for sheet in (FACE_SHEET, JAW_SHEET))
        skin = self._eyes(on_face[:, :3], self._plate, places[:, FACE_SHEET], looks)
        (below_lower,), (above_upper, across) = self._over_lower(places), self._over_upper(places)
        above = self._edge(above_upper + self._pixel)  # by one pixel, so that closed lips show no inside
        face = torch.maximum(above, self._edge(across.abs() - self._face.half_width))  # beside the mouth the lips are one
        jaw = self._edge(below_lower - self._contact(places, across))
        inside = (jaw < 1) & (face < 1)
        slants = torch.stack([(HEAD_CENTRE[axis] - cameras[:, 4 * axis + 3]) for axis in range(3)], dim=1)
        slants = slants[:, :2] / -slants[:, 2:] - self._source_slant
        frames = zip(places, above_upper, inside, slants, strict=True)
        painted = torch.stack([self._between_lips(*frame) for frame in frames])
        colour = torch.lerp(torch.lerp(painted, skin, face[:, None]), on_jaw[:, :3], jaw[:, None])
        return torch.cat([colour, torch.where(jaw[:, None] > 0.5, on_jaw[:, 3:], on_face[:, 3:])], dim=1)

    def _between_lips(self, places: Tensor, above_upper: Tensor, inside: Tensor, slant: Tensor) -> Tensor:
        """[3, size, size]: the inside of the mouth of one frame, of no meaning elsewhere."""
        skull, jaw = (places[sheet].flatten(1).T * (0.5 + MARGIN) + 0.5 for sheet in (SKULL_SHEET, JAW_SHEET))
        skull = torch.where(inside.flatten()[:, None], skull, jaw)  # how far the mouth opens is measured inside of it alone
        return self._mouth(skull, jaw, -above_upper.flatten(), slant).T.unflatten(1, inside.shape)

    def _contact(self, places: Tensor, across: Tensor) -> Tensor | float:
        if self._face.open_at_rest:
            return 0.0
        apart = (places[:, FACE_SHEET][:, 1] - places[:, JAW_SHEET][:, 1]) * ((0.5 + MARGIN) / self._face.face_height)
        return _CONTACT * (apart / _PARTED).clamp(0, 1) * (1 - (across / self._face.half_width).square()).clamp_min(0)

    def _over_lower(self, places: Tensor) -> Tensor:
        """[1, n, size, size] how far below the lower lip's edge places are on the jaw."""
        return self._on_face(places[:, JAW_SHEET], slice(FaceMap.BELOW_LOWER, FaceMap.BELOW_LOWER + 1))

    def _over_upper(self, places: Tensor) -> Tensor:
        """[2, n, size, size] how far above the upper lip's edge they are on the face, and how far across."""
        return self._on_face(places[:, FACE_SHEET], slice(FaceMap.ABOVE_UPPER, FaceMap.ACROSS + 1))

    def _on_face(self, places: Tensor, maps: slice) -> Tensor:
        return sampled(self._face.maps[:, maps], places * (1 + 2 * MARGIN)).transpose(0, 1)

    def _edge(self, distance: Tensor) -> Tensor:
        return (distance / self._pixel + 0.5).clamp(0, 1)


class _TeethOnDevice(OwnTeeth):
    """The same, its curves looked up by PyTorch."""

    def __init__(self, own: OwnTeeth, device: torch.device):
        self.__dict__ = vars(moved(own, device))
        self._first, self._last = float(own._x[0]), float(own._x[-1])

    def _at(self, curve: Tensor, x: Tensor) -> Tensor:  # type: ignore[override]
        steps = len(curve) - 1
        place = ((x - self._first) * (steps / (self._last - self._first))).clamp(0, steps)
        before = place.floor().clamp_max(steps - 1)
        start, stop = curve[before.long()], curve[before.long() + 1]
        return start + (stop - start) * (place - before)
