"""Planes are resampled along the sheets that a motion bends: `PlaneBender` for many frames at once, on any device."""

from __future__ import annotations

from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor

from ...render.march_inputs import full_float32
from ...render.planes import Planes
from ..adapt import CHANGED, MOVED, texel_places
from ..channels import BACK, CARRIED, COLOUR, FACE_UV, FRONT, STEEPNESS
from ..sheets import LATTICE, ROUNDS, FieldPart, Sheets
from .fields import inverse, unfolded
from .maps import sampled
from .moved import moved, sent


class DeviceBender:
    """Resamples plane 0 along the sheets of a motion, a chunk of frames at a time.

    What a motion does to the landmarks is worked out on the processor, where motions are; all else on the device.

    Args:
        planes: a head at rest.
        sheets: of that head.
    """

    def __init__(self, planes: Planes, sheets: Sheets, device: torch.device):
        self._planes, self._sheets, self._device = planes, sheets, device
        self._rest = moved(planes.features, device)
        self._lattice, self._lower = moved((sheets.lattice, sheets.lower), device)
        self._above, self._below_lips = moved((sheets.above, sheets.below_lips), device)
        self._parts = [_PartOnDevice(part, device) for part in (sheets.face_part, sheets.apart)]
        self._texels, self._on_plane = (moved(places, device)[None] for places in texel_places(sheets))

    def __call__(self, coefficients: Tensor) -> Planes:
        """[n, K] coefficients on the processor -> planes [n, 3, 32, 256, 256] on the device."""
        shares = self._shares(coefficients)
        with full_float32(self._device):
            changed = self._bent(*shares)
        features = self._rest.repeat(len(coefficients), 1, 1, 1, 1)
        features[:, 0, CHANGED] = changed
        return replace(self._planes, features=features)

    def _shares(self, coefficients: Tensor) -> tuple[Tensor, bool]:
        each = [self._sheets.shares(frame) for frame in coefficients.split(1)]
        unusual = any(unusual for _, unusual in each)
        if unusual:
            each = [(one, True) if kind else (one @ self._sheets.usual, True) for one, kind in each]
        return sent(torch.stack([one for one, _ in each]), self._device), unusual

    def _bent(self, shares: Tensor, unusual: bool) -> Tensor:
        """[n, c, 256, 256]: the channels of plane 0 that a motion changes."""
        shifts = _on_lattice(self._shifts(shares, unusual), self._texels)
        solid, face, jaw = ((self._on_plane + 2 * pair) for pair in shifts[:, :6].split(2, dim=1))
        rest = self._rest[:, 0]
        skin, uv = rest[:, : CARRIED.start + COLOUR.stop], rest[:, CARRIED][:, FACE_UV]
        changed = torch.cat([sampled(skin, solid), sampled(uv, face), sampled(uv, jaw)], dim=1)
        forward = 3 * STEEPNESS * shifts[:, 6]
        changed[:, FRONT] += forward
        changed[:, BACK] -= forward.clamp(max=0)  # what goes back must not go through its own back
        moves = (shifts.abs() > MOVED).any(dim=1, keepdim=True)
        return torch.where(moves, changed, rest[:, CHANGED])

    def _shifts(self, shares: Tensor, unusual: bool) -> Tensor:
        """[n, 7, L, L]: from each point of the lattice to the source of the head's surface, of the face and of the jaw sheet; depth."""
        half, above = self._sheets.side / 2, self._above
        face, apart = (part(shares, unusual) * self._sheets.face_height for part in self._parts)
        face_field, jaw_field = unfolded(face, face + apart, cell=self._sheets.side / (LATTICE - 1))
        face, jaw = (half * one for one in inverse(face_field[:, :2] / half, jaw_field[:, :2] / half, ROUNDS, self._sheets.face_part.box))
        jaw = torch.lerp(jaw, face, above)
        depth = torch.where(above > 0.5, face_field[:, 2:], jaw_field[:, 2:])
        places = (self._lattice + jaw - self._lower[:, None, None]) / self._sheets.side * 2 - 1
        solid = torch.where(_on_lattice(self._below_lips, places) > 0, jaw, face)
        return torch.cat([solid, face, jaw, depth], dim=1)


class _PartOnDevice:
    """`FieldPart`."""

    def __init__(self, part: FieldPart, device: torch.device):
        self._part, self._device = part, device
        self._matrices = {False: moved(part.matrix(False), device)}

    def __call__(self, shares: Tensor, unusual: bool) -> Tensor:
        """[n, 3, B] -> [n, 3, L, L]."""
        if unusual not in self._matrices:
            self._matrices[unusual] = moved(self._part.matrix(unusual), self._device)
        rows, columns = self._part.box
        within = (shares @ self._matrices[unusual]).unflatten(2, (rows.stop - rows.start, columns.stop - columns.start))
        return F.pad(within, (columns.start, LATTICE - columns.stop, rows.start, LATTICE - rows.stop))


def _on_lattice(values: Tensor, places: Tensor) -> Tensor:
    """Values [1 or n, C, L, L] on the lattice at places [1 or n, 2, h, w], -1..1 from its first to its last point; the border goes on."""
    frames = max(len(values), len(places))
    grid = places.permute(0, 2, 3, 1).expand(frames, -1, -1, -1)
    return F.grid_sample(values.expand(frames, -1, -1, -1), grid, padding_mode="border", align_corners=True)
