"""Motion adapter: planes are resampled along the sheets that a motion bends (DESIGN section 3)."""

from __future__ import annotations

import threading
import weakref
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ..one_thread import blas_on_one_thread, one_thread
from ..portrait.boxes import Box
from ..render.planes import Planes
from .channels import BACK, CARRIED, COLOUR, FACE_UV, FRONT, JAW_UV, STEEPNESS
from .controls import HIDDEN, FaceControls
from .glasses import GLASSES
from .ray_maps import channels, extent
from .sheets import LATTICE, BentSheets, Sheets
from .solid import texel_centres

MOVED = 1e-7  # world units; what moves less is at rest
CHANGED = slice(0, CARRIED.start + JAW_UV.stop)
_SPARE = 8  # copies that are kept for later frames


class PlaneBender:
    """Resamples plane 0 along the sheets of a motion, where a frame moves it. Several threads may call it at once.

    Args:
        planes: a head at rest.

    Attributes:
        sheets: of that head.
    """

    @blas_on_one_thread()
    def __init__(self, planes: Planes):
        self._planes = planes
        landmarks = landmarks_of(planes)
        glasses, hidden = (float((planes.person or {}).get(name, 0.0)) for name in (GLASSES, HIDDEN))
        self.sheets = Sheets(landmarks, FaceControls(landmarks, glasses, hidden))
        on_lattice, self._on_plane = texel_places(self.sheets)
        sides = on_lattice[1, :, 0], on_lattice[0, 0]
        self._on_lattice = on_lattice.permute(1, 2, 0)[None].contiguous()
        self._cells = [(side.clamp(-1, 1).numpy() + 1) / 2 * (LATTICE - 1) for side in sides]  # of rows and columns; the border is repeated
        self._copies = _Copies(planes.features)

    @one_thread()
    def __call__(self, coefficients: Tensor) -> Planes:
        features, changed = self._copies.take(len(coefficients))
        for number, frame in enumerate(coefficients.split(1)):  # sums round differently in company
            changed[number] = self._bend(features[number, 0], self.sheets.bend(frame))
        return replace(self._planes, features=features)

    def _bend(self, front: Tensor, bent: BentSheets) -> Box | None:
        """Moves a plane [C, 256, 256] that is at rest. Returns where."""
        sheets = self.sheets
        sources = torch.cat([sheets.in_front(bent), bent.face, bent.jaw])
        shifts = torch.cat([(sources - sheets.lattice).flatten(0, 1), bent.depth[0]])
        moved = (shifts.abs() > MOVED).any(dim=0)
        if not moved.any():
            return None
        box = self._texels_about(moved)
        shifts = F.grid_sample(shifts[None], self._on_lattice[channels(box)], padding_mode="border", align_corners=True)[0]
        points = torch.add(self._on_plane[channels(box)], shifts[:6].unflatten(0, (3, 2)), alpha=2)
        solid, face, jaw = points.permute(0, 2, 3, 1)[:, None]
        rest, part = self._planes.features[:1, 0], front[channels(box)]
        skin, rest_uv = rest[:, : CARRIED.start + COLOUR.stop], rest[:, CARRIED][:, FACE_UV]
        part[: skin.shape[1]] = _look_up(skin, solid)
        part[CARRIED][FACE_UV], part[CARRIED][JAW_UV] = _look_up(rest_uv, face), _look_up(rest_uv, jaw)
        forward = 3 * STEEPNESS * shifts[6]
        part[FRONT].add_(forward)
        part[BACK].sub_(forward.clamp_(max=0))  # what goes back must not go through its own back
        return box

    def _texels_about(self, moved: Tensor) -> Box:
        """The texels in whose shifts some points [L, L] bool of the lattice have a part."""
        down, across = (_texels_with(cells, extent(moved.any(dim=1 - axis))) for axis, cells in enumerate(self._cells))
        return down, across


def texel_places(sheets: Sheets) -> tuple[Tensor, Tensor]:
    """[2, 256, 256] each: where the texels of plane 0 are on the lattice and on the plane, from -1 to 1."""
    texels = torch.from_numpy(np.stack(texel_centres())).float()
    return (texels - sheets.lower[:, None, None]) / sheets.side * 2 - 1, 2 * texels


def landmarks_of(planes: Planes) -> Tensor:
    """[478, 3], where the built-in avatar has found the landmarks of these planes.

    Raises:
        ValueError: the planes carry none.
    """
    if planes.landmarks is None:
        raise ValueError("these planes have no landmarks: they were not lifted by the built-in avatar")
    return planes.landmarks


def _texels_with(cells: np.ndarray, points: slice) -> slice:
    """The texels, at places [T] (ascending) between points of the lattice, in which some of these have a part."""
    first, last = np.searchsorted(cells, points.start - 1, side="right"), np.searchsorted(cells, points.stop)
    return slice(int(first), int(last))


def _look_up(plane: Tensor, points: Tensor) -> Tensor:
    return F.grid_sample(plane, points, padding_mode="border", align_corners=False)[0]


@dataclass
class _Kept:
    """A copy's memory, the boxes of plane 0 that are not at rest, and `lent`, which is dead when no tensor looks at it any more."""

    numbers: np.ndarray
    changed: list[Box | None]
    lent: Callable[[], object]


class _Copies:
    """Copies of planes at rest. One that nobody holds any more is lent again: a new one takes longer than what a frame changes.

    Args:
        rest: [1, 3, C, H, W].
    """

    def __init__(self, rest: Tensor):
        self._rest = rest[0]
        self._used = rest[0].flatten(2).any(dim=2).nonzero().tolist()
        self._kept: deque[_Kept] = deque(maxlen=_SPARE)
        self._lock = threading.Lock()

    def take(self, frames: int) -> tuple[Tensor, list[Box | None]]:
        """One [frames, 3, C, H, W] that is at rest in every frame, and a list for the boxes of plane 0 that are then changed."""
        with self._lock:
            kept = next((one for one in self._kept if one.lent() is None and len(one.changed) == frames), None)
            kept = kept or self._new(frames)
            view = kept.numbers.view()
            kept.lent = weakref.ref(view)
        features = torch.from_numpy(view)
        for number, box in enumerate(kept.changed):
            if box is not None:
                features[number, 0, CHANGED][channels(box)] = self._rest[0, CHANGED][channels(box)]
                kept.changed[number] = None
        return features, kept.changed

    def _new(self, frames: int) -> _Kept:
        numbers = np.zeros((frames, *self._rest.shape), np.float32)  # NumPy leaves zeros that nobody touches to the system
        for plane, channel in self._used:
            numbers[:, plane, channel] = self._rest[plane, channel]
        kept = _Kept(numbers, [None] * frames, lambda: None)
        self._kept.append(kept)
        return kept
