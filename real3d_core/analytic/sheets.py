"""How a motion bends the face: smooth sheets that slide over one another (spec 08 sections 3 and 4).

A single smooth warp would stretch lips and lids. So there are three sheets over the plane of the face, each a smooth invertible map:
the *face* sheet (upper lip, cheeks, brows), the *jaw* sheet (lower lip, chin), and the *lids*. Where two sheets meet, compose
decides per pixel which one is in front. For every target point q a sheet knows the source point s that arrives there, q = s + D(s).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from scipy.interpolate import RBFInterpolator
from torch import Tensor

from ..face.landmark_sets import (
    FACE_OVAL,
    LEFT_BROW,
    LEFT_LOWER_LID,
    LEFT_UPPER_LID,
    LOWER_INNER_LIP,
    MESH_POINTS,
    RIGHT_BROW,
    RIGHT_LOWER_LID,
    RIGHT_UPPER_LID,
)
from ..smooth_step import smooth_step
from .controls import CONTROLS, LOWER_LIP, UPPER_LIP, FaceControls
from .invertible import inverse, unfolded
from .lids import lash_band

LATTICE = 96  # points along a side of the lattice on which the fields are solved
_ROUNDS = 8
_OVERLAP = 1.05  # a closed lid's lashes lie over the edge of the lower one
_HANG = 0.010  # face heights by which they reach below it, midway between the corners of the eye
_UNDER_BROW = 0.8  # part of the way from lid to brow that is lid skin
_GHOSTS = 1.35  # landmarks of the face's rim are repeated this much further out, where motion has died away


@dataclass(frozen=True)
class BentSheets:
    """Source points of the three sheets on the lattice, world x and y.

    face, jaw: [N, 2, L, L]; jaw holds the lids' source points above the nose.
    depth: [N, 1, L, L] how far the front surface moves towards the viewer.
    """

    face: Tensor
    jaw: Tensor
    depth: Tensor


class Sheets:
    """The sheets of one head.

    Args:
        landmarks: [478, 3] at rest, world units, in the head's own frame.
        controls: of the same landmarks.
    """

    def __init__(self, landmarks: Tensor, controls: FaceControls):
        self._controls = controls
        self.face_height = controls.face_height
        rest = landmarks[:MESH_POINTS].double().numpy()
        low, high = rest[FACE_OVAL, :2].min(0), rest[FACE_OVAL, :2].max(0)
        centre, half = (low + high) / 2, 0.75 * (high - low).max()
        self.lower = torch.from_numpy(centre - half).float()
        self.side = float(2 * half)
        self.lattice = _lattice(centre, half)
        window = _window(self.lattice.numpy(), centre, high - low)
        self._face = _Field(rest, _face_members(rest), self.lattice, window)
        self._jaw = _Field(rest, _jaw_members(rest), self.lattice, window)
        self._lids = [_Lid(rest, self.lattice, side, self.face_height) for side in ("left", "right")]
        lip = rest[LOWER_INNER_LIP]
        edge = np.interp(self.lattice[0].numpy(), np.maximum.accumulate(lip[:, 0]), lip[:, 1])
        self._below_lips = torch.from_numpy(edge - self.lattice[1].numpy()).float()[None, None]
        across = (self.lattice[0].numpy() - (rest[78, 0] + rest[308, 0]) / 2) / (abs(rest[308, 0] - rest[78, 0]) / 2)
        between = smooth_step((1.14 - np.abs(across)) / 0.20)
        self._between_corners = torch.from_numpy(between).float()  # beyond the corners of the mouth the sheets are one
        nose, mouth = rest[4, 1], rest[[61, 291], 1].mean()
        self._above = torch.from_numpy(np.clip((self.lattice[1].numpy() - (nose + mouth) / 2) / (nose - mouth) * 2, 0, 1)).float()

    def bend(self, coefficients: Tensor) -> BentSheets:
        """[N, K] coefficients of the built-in basis -> the sheets' source points."""
        each = [self._fields(frame) for frame in coefficients.split(1)]  # sums round differently in company
        face_field, jaw_field = (torch.cat(fields) for fields in zip(*each, strict=True))
        blinks = {name[6:]: coefficients[:, CONTROLS.index(name)].nan_to_num(0.0).clamp(0, 1) for name in ("blink_left", "blink_right")}
        face, jaw = (inverse(field[:, :2], self.lattice, self.sample, _ROUNDS) for field in (face_field, jaw_field))
        raised = self.sample(sum((lid(blinks[lid.side]) for lid in self._lids), start=torch.zeros(())), face)
        lids = face + torch.cat([torch.zeros_like(raised), raised], dim=1)
        above = self._above
        return BentSheets(face, jaw * (1 - above) + lids * above, torch.where(above > 0.5, face_field[:, 2:], jaw_field[:, 2:]))

    def in_front(self, bent: BentSheets) -> Tensor:
        """[N, 2, L, L]: source points of the sheet that forms the head's surface, the jaw below the lower lip's edge, else the face."""
        return torch.where(self.sample(self._below_lips, bent.jaw) > 0, bent.jaw, bent.face)

    def _fields(self, coefficients: Tensor) -> tuple[Tensor, ...]:
        """[1, K] -> the fields [1, 3, L, L] of face and jaw."""
        moved = self._controls.displacements(coefficients) * self.face_height
        face = self._face(moved)
        jaw = face + self._between_corners * (self._jaw(moved) - face)
        return unfolded(face, jaw, cell=self.side / (LATTICE - 1))

    def sample(self, values: Tensor, points: Tensor) -> Tensor:
        """Values [N, C, L, L] on the lattice, looked up at world points [N, 2, H, W]; the border is repeated."""
        grid = ((points - self.lower[:, None, None]) / self.side * 2 - 1).permute(0, 2, 3, 1)
        return F.grid_sample(values.expand(len(points), -1, -1, -1), grid, padding_mode="border", align_corners=True)


class _Field:
    """A smooth displacement field through the displacements of some landmarks: thin-plate splines, as one matrix."""

    def __init__(self, rest: np.ndarray, members: np.ndarray, lattice: Tensor, window: np.ndarray):
        oval = np.array(FACE_OVAL)
        centre = rest[oval, :2].mean(0)
        ghosts = centre + _GHOSTS * (rest[oval, :2] - centre)
        mouth = rest[[61, 291], 1].mean()
        height = rest[oval, 1].max() - rest[oval, 1].min()
        follow = np.clip((mouth - rest[oval, 1]) / (0.15 * height), 0, 1)  # below the chin the surface goes along, above it rests
        points = np.concatenate([rest[members, :2], ghosts])
        spread = np.eye(len(points))
        targets = lattice.numpy().reshape(2, -1).T
        matrix = RBFInterpolator(points, spread, kernel="thin_plate_spline", smoothing=1e-4 * height**2)(targets)
        matrix *= window.reshape(-1, 1)
        from_landmarks = np.zeros((MESH_POINTS, matrix.shape[0]))
        from_landmarks[members] = matrix[:, : len(members)].T
        from_landmarks[oval] += (matrix[:, len(members) :] * follow).T
        self._from_landmarks = torch.from_numpy(from_landmarks).float()

    def __call__(self, moved: Tensor) -> Tensor:
        """[N, 468, 3] -> [N, 3, L, L]."""
        values = [shifts.T @ self._from_landmarks for shifts in moved]  # one by one, for the same reason as in bend
        return torch.stack(values).view(len(moved), 3, LATTICE, LATTICE)


class _Lid:
    """The upper lid of one eye: travels to just below the lower one's edge; lashes move with its edge, the skin up to the brow stretches.

    Within a column the lid is a map of heights, so its inverse is written down directly and exists however narrow the strip of
    skin is that must cover the eye.
    """

    def __init__(self, rest: np.ndarray, lattice: Tensor, side: str, face_height: float):
        self.side = side
        upper, lower, brow = (
            (LEFT_UPPER_LID, LEFT_LOWER_LID, LEFT_BROW) if side == "left" else (RIGHT_UPPER_LID, RIGHT_LOWER_LID, RIGHT_BROW)
        )
        x, y = lattice.numpy()
        columns = rest[upper, 0]
        opening = rest[upper, 1] - np.interp(columns, rest[lower, 0], rest[lower, 1])
        across = 2 * (columns - columns[0]) / (columns[-1] - columns[0]) - 1
        hang = _HANG * face_height * (1 - across**2)
        under_brow = sorted(brow[:5], key=lambda point: rest[point, 0])
        to_brow = np.interp(columns, rest[under_brow, 0], rest[under_brow, 1]) - rest[upper, 1]
        self._lashes = lash_band(rest)
        self._height = torch.from_numpy(y - np.interp(x, columns, rest[upper, 1])).float()
        self._drop = torch.from_numpy(np.interp(x, columns, np.maximum(opening, 0) + hang, left=0, right=0)).float()
        self._reach = torch.from_numpy(np.maximum(_UNDER_BROW * np.interp(x, columns, to_brow), 1.5 * self._lashes)).float()

    def __call__(self, closed: Tensor) -> Tensor:
        """[N] in 0..1 -> [N, 1, L, L]: how far above each point its source is."""
        travel = (_OVERLAP * closed[:, None, None] * self._drop)[:, None]
        stretch = (self._reach - self._lashes) / (self._reach - self._lashes + travel)
        source = self._lashes + (self._height + travel - self._lashes) * stretch
        offset = torch.minimum(source - self._height, travel)
        return torch.where(self._height < self._reach, offset, 0.0)


def _face_members(rest: np.ndarray) -> np.ndarray:
    """Landmarks the face sheet goes through: all but the lower lip and the chin below it."""
    return np.array([k for k in range(MESH_POINTS) if k not in set(LOWER_LIP) and not _below_mouth(rest)[k]])


def _jaw_members(rest: np.ndarray) -> np.ndarray:
    """Landmarks the jaw sheet goes through: all but the upper lip and what lies between it and the nose."""
    return np.array([k for k in range(MESH_POINTS) if k not in set(UPPER_LIP) and not _above_mouth(rest)[k]])


def _across_mouth(rest: np.ndarray) -> np.ndarray:
    middle, half = (rest[61, 0] + rest[291, 0]) / 2, abs(rest[291, 0] - rest[61, 0]) / 2
    return np.abs(rest[:, 0] - middle) < 1.15 * half


def _below_mouth(rest: np.ndarray) -> np.ndarray:
    return _across_mouth(rest) & (rest[:, 1] < rest[[61, 291], 1].min() - 0.2 * (rest[61, 1] - rest[152, 1]))


def _above_mouth(rest: np.ndarray) -> np.ndarray:
    return _across_mouth(rest) & (rest[:, 1] > rest[[61, 291], 1].max()) & (rest[:, 1] < rest[4, 1])


def _lattice(centre: np.ndarray, half: float) -> Tensor:
    axis = np.linspace(-half, half, LATTICE)
    y, x = np.meshgrid(centre[1] + axis, centre[0] + axis, indexing="ij")
    return torch.from_numpy(np.stack([x, y])).float()


def _window(lattice: np.ndarray, centre: np.ndarray, size: np.ndarray) -> np.ndarray:
    """1 over the face, 0 well outside of it; below the chin it stays 1, since the chin may move there."""
    across, up = (lattice[0] - centre[0]) / size[0] * 2, (lattice[1] - centre[1]) / size[1] * 2
    radius = np.hypot(across, np.maximum(up, 0))
    return smooth_step((1.42 - radius) / 0.3)
