"""How a motion bends the face: smooth sheets that slide over one another (spec 08 section 3).

A single smooth warp would stretch the lips. So there are two sheets over the plane of the face, each a smooth invertible map: the *face*
sheet (upper lip, cheeks, brows) and the *jaw* sheet (lower lip, chin). Where they meet, compose decides per pixel which one is in
front. For every target point q a sheet knows the source point s that arrives there, q = s + D(s).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
import torch.nn.functional as F
from scipy.interpolate import RBFInterpolator
from torch import Tensor

from ..face.landmark_sets import (
    FACE_OVAL,
    LOWER_INNER_LIP,
    MESH_POINTS,
)
from ..smooth_step import smooth_step
from .controls import BASIS, LOWER_LIP, PAINTED, UPPER_LIP, FaceControls
from .invertible import inverse, unfolded
from .ray_maps import channels

LATTICE = 96  # points along a side of the lattice on which the fields are solved
ROUNDS = 8
_UNUSUAL = 1e-6  # face heights
_GHOSTS = 1.35  # landmarks of the face's rim are repeated this much further out, where motion has died away


@dataclass(frozen=True)
class BentSheets:
    """Source points of the sheets on the lattice, world x and y.

    face, jaw: [N, 2, L, L]; one and the same above the nose.
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

    Attributes:
        face_part, apart: what moves the face sheet, and by what the jaw's moves differ from it.
        above: [L, L] how much the jaw sheet is the face's: 1 above the nose, falling to 0 towards the mouth.
        below_lips: [1, 1, L, L] how far places are below the lower lip's edge.
        lattice: [2, L, L] world points; `lower` [2] and `side` are of the square that it fills.
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
        face, jaw = (_spread(rest, members, self.lattice) for members in (_face_members(rest), _jaw_members(rest)))
        lip = rest[LOWER_INNER_LIP]
        edge = np.interp(self.lattice[0].numpy(), np.maximum.accumulate(lip[:, 0]), lip[:, 1])
        self.below_lips = torch.from_numpy(edge - self.lattice[1].numpy()).float()[None, None]
        across = (self.lattice[0].numpy() - (rest[78, 0] + rest[308, 0]) / 2) / (abs(rest[308, 0] - rest[78, 0]) / 2)
        between = smooth_step((1.14 - np.abs(across)) / 0.20)
        self.usual = controls.usual_displacements()
        self._bending = torch.ones(BASIS.size)
        self._bending[[BASIS.index(name) for name in PAINTED]] = 0
        self.face_part = FieldPart([face], window, self.usual)
        self.apart = FieldPart([jaw, face], window * between, self.usual)  # beyond the corners of the mouth the sheets are one
        nose, mouth = rest[4, 1], rest[[61, 291], 1].mean()
        self.above = torch.from_numpy(np.clip((self.lattice[1].numpy() - (nose + mouth) / 2) / (nose - mouth) * 2, 0, 1)).float()

    def bend(self, coefficients: Tensor) -> BentSheets:
        """[N, K] coefficients of the built-in basis -> the sheets' source points."""
        each = [self._bend(frame) for frame in coefficients.split(1)]  # sums round differently in company
        return each[0] if len(each) == 1 else BentSheets(*map(torch.cat, zip(*(vars(one).values() for one in each), strict=True)))

    def _bend(self, coefficients: Tensor) -> BentSheets:
        face_field, jaw_field = self._fields(coefficients)
        half = self.side / 2
        face, jaw = (half * inverse(torch.cat([face_field, jaw_field])[:, :2] / half, ROUNDS, self.face_part.box)).chunk(2)
        above = self.above
        jaw = torch.lerp(jaw, face, above)
        depth = torch.where(above > 0.5, face_field[:, 2:], jaw_field[:, 2:])
        return BentSheets(self.lattice + face, self.lattice + jaw, depth)

    def in_front(self, bent: BentSheets) -> Tensor:
        """[N, 2, L, L]: source points of the sheet that forms the head's surface, the jaw below the lower lip's edge, else the face."""
        return torch.where(self.sample(self.below_lips, bent.jaw) > 0, bent.jaw, bent.face)

    def shares(self, coefficients: Tensor) -> tuple[Tensor, bool]:
        """[1, K] coefficients -> displacements of landmarks [3, 468] and True, or sums of how many usual ones they are [3, B] and False."""
        moved = self._controls.displacements(coefficients * self._bending)[0].T
        usual = moved @ self.usual.T
        unusual = bool(((moved - usual @ self.usual).abs() > _UNUSUAL).any())
        return moved if unusual else usual, unusual

    def _fields(self, coefficients: Tensor) -> tuple[Tensor, ...]:
        """[1, K] -> the fields [1, 3, L, L] of face and jaw."""
        shares, unusual = self.shares(coefficients)
        face, apart = (part(shares, unusual) * self.face_height for part in (self.face_part, self.apart))
        return unfolded(face, face + apart, cell=self.side / (LATTICE - 1))

    def sample(self, values: Tensor, points: Tensor) -> Tensor:
        """Values [N, C, L, L] on the lattice, looked up at world points [N, 2, H, W]; the border is repeated."""
        grid = ((points - self.lower[:, None, None]) / self.side * 2 - 1).permute(0, 2, 3, 1)
        return F.grid_sample(values.expand(len(points), -1, -1, -1), grid, padding_mode="border", align_corners=True)


Spread = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""Takes displacements of landmarks [B, 468] to some places of the lattice [L, L] bool: [B, places]."""


def _spread(rest: np.ndarray, members: np.ndarray, lattice: Tensor) -> Spread:
    """A smooth displacement field through the displacements of some landmarks, by thin-plate splines."""
    oval = np.array(FACE_OVAL)
    centre = rest[oval, :2].mean(0)
    ghosts = centre + _GHOSTS * (rest[oval, :2] - centre)
    mouth = rest[[61, 291], 1].mean()
    height = rest[oval, 1].max() - rest[oval, 1].min()
    follow = np.clip((mouth - rest[oval, 1]) / (0.15 * height), 0, 1)  # below the chin the surface goes along, above it rests
    points = np.concatenate([rest[members, :2], ghosts])

    def spread(moved: np.ndarray, places: np.ndarray) -> np.ndarray:
        values = np.concatenate([moved[:, members], moved[:, oval] * follow], axis=1)
        field = RBFInterpolator(points, values.T, kernel="thin_plate_spline", smoothing=1e-4 * height**2)
        return field(lattice.numpy()[:, places].T).T

    return spread


class FieldPart:
    """A linear map from displacements of landmarks to fields on the lattice: what one spread gives, or two differ by.

    box: the part of the lattice that it ever moves.

    Args:
        spreads: one, or two of which the second is subtracted.
        weight: [L, L] that the field is multiplied by.
        usual: [B, 468] that nearly all displacements are sums of. There are ten times as many landmarks, and the matrix is read for
            every frame; so the one from all of them is made only for a motion that needs it.
    """

    def __init__(self, spreads: Sequence[Spread], weight: np.ndarray, usual: Tensor):
        moves = weight > 0
        down, across = moves.any(axis=1).nonzero()[0], moves.any(axis=0).nonzero()[0]
        self.box = slice(down[0], down[-1] + 1), slice(across[0], across[-1] + 1)
        self._spreads, self._weight = spreads, weight
        self._from_usual = self._matrix(usual.double().numpy())

    def _matrix(self, moved: np.ndarray) -> Tensor:
        """Displacements [B, 468] -> [B, h * w] their fields in the box."""
        weight = self._weight[self.box]
        inside = np.zeros(self._weight.shape, bool)
        inside[self.box] = weight > 0
        fields = np.zeros((len(moved), weight.size), np.float32)
        first, *second = (spread(moved, inside) for spread in self._spreads)
        fields[:, weight.ravel() > 0] = (first - sum(second)) * weight[weight > 0]
        return torch.from_numpy(fields)

    def matrix(self, unusual: bool) -> Tensor:
        """What a field in the box [h * w] adds up to: of all displacements [468, h * w], or of the usual ones [B, h * w]."""
        return self._from_all if unusual else self._from_usual

    @cached_property
    def _from_all(self) -> Tensor:
        return self._matrix(np.eye(MESH_POINTS))

    def __call__(self, shares: Tensor, unusual: bool) -> Tensor:
        """`Sheets.shares` -> [1, 3, L, L]."""
        within = shares @ self.matrix(unusual)
        field = within.new_zeros(1, 3, LATTICE, LATTICE)
        part = field[0][channels(self.box)]
        part.copy_(within.view(part.shape))
        return field


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
