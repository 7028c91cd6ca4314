"""Three feature planes as one table with a row per texel, so that looking a point up is summing a few rows (spec 07 section 2)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

X, Y, Z = 0, 1, 2


@dataclass(frozen=True)
class Run:
    """A run of texels along one side of a plane: `first` to `last`, where -1 and the side's length are a border of zeros.

    axis: the world axis it follows; a point p lies at texel p * scale + shift, whole numbers being texel centres.
    """

    axis: int
    first: int
    last: int
    scale: float
    shift: float

    @classmethod
    def within(cls, axis: int, side: int, box_side: float, lower: float, upper: float) -> Run:
        """The texels that lookups from world coordinate `lower` to `upper` touch."""
        scale, shift = side / box_side, side / 2 - 0.5
        first = min(max(math.floor(lower * scale + shift), -1), side - 1)
        last = max(min(math.floor(upper * scale + shift) + 1, side), first + 1)
        return cls(axis, first, last, scale, shift)

    def __len__(self) -> int:
        return self.last - self.first + 1

    def locate(self, points: Tensor) -> tuple[Tensor, Tensor]:
        """points [3, P] -> the texel before each, counted from `first`, [P] int32, and how far beyond it the point lies, 0..1 [P]."""
        texel = (points[self.axis] * self.scale + (self.shift - self.first)).clamp_(0, len(self) - 1)
        before = texel.floor().clamp_(max=len(self) - 2)
        return before.int(), texel.sub_(before)


@dataclass(frozen=True)
class Window:
    """A rectangle of texels; they fill the table's rows from `start` on, in reading order.

    sheets: the planes [C, H, W] whose sum they are, turned so that rows of texels follow `across`.
    """

    across: Run
    down: Run
    start: int
    sheets: tuple[Tensor, ...]

    def texels(self, channels: Tensor) -> Tensor:
        """[len(channels), h, w], with the border of zeros where the window reaches it."""
        first, *others = (_cut(sheet, self.across, self.down) for sheet in self.sheets)
        inside = sum(others, start=first)
        if len(channels) < len(inside):
            inside = inside.index_select(0, channels)
        height, width = self.sheets[0].shape[1:]
        edges = (self.across.first < 0, self.across.last == width, self.down.first < 0, self.down.last == height)
        return F.pad(inside, [int(edge) for edge in edges])

    def __len__(self) -> int:
        """How many texels."""
        return len(self.across) * len(self.down)


@dataclass(frozen=True)
class Corners:
    """Where points lie in a table: the rows of the texels round each point [P, 4 K] int32, and their bilinear shares [P, 4 K]."""

    rows: Tensor
    shares: Tensor

    def __getitem__(self, points: Tensor) -> Corners:
        return Corners(self.rows.index_select(0, points), self.shares.index_select(0, points))

    def look_up(self, table: Tensor) -> Tensor:
        """table [T, h] -> its values at the points [P, h]."""
        return F.embedding_bag(self.rows, table, per_sample_weights=self.shares, mode="sum")


@dataclass(frozen=True)
class PlaneTable:
    """The part of a head's planes that its samples can reach.

    A lookup of a plane at swapped coordinates is one of the plane's transpose, so square planes (x, z) and (z, x) share a window.
    Planes that are zero have none. Where lookups reach over the edge, a border of zeros stands in for "zero outside".

    windows: K of them.
    channels: [i], those that are wanted.
    """

    windows: tuple[Window, ...]
    channels: Tensor

    @classmethod
    def of(cls, planes: Tensor, channels: Tensor, box_side: float, reach: Tensor) -> PlaneTable:
        """
        Args:
            planes: [3, C, H, W].
            channels: [i], those that are wanted.
            box_side: of the cube that they span.
            reach: [2, 3] lower and upper corner of a world box that holds all points that will be looked up.
        """
        height, width = planes.shape[2:]
        lower, upper = reach.tolist()
        columns, rows = ([Run.within(axis, side, box_side, lower[axis], upper[axis]) for axis in (X, Y, Z)] for side in (width, height))
        layout = [(columns[X], rows[Y], planes[0]), (columns[X], rows[Z], planes[1])]
        layout += [(columns[X], rows[Z], planes[2].mT)] if width == height else [(columns[Z], rows[X], planes[2])]

        sheets: dict[tuple[Run, Run], tuple[Tensor, ...]] = {}
        for across, down, plane in layout:
            if not sheets or _is_anything(plane, channels):
                sheets[across, down] = (*sheets.get((across, down), ()), plane)

        windows, start = [], 0
        for (across, down), planes_of in sheets.items():
            windows.append(Window(across, down, start, planes_of))
            start += len(windows[-1])
        return cls(tuple(windows), channels)

    def __len__(self) -> int:
        """How many rows it has."""
        return sum(map(len, self.windows))

    def project(self, weight: Tensor, bias: Tensor) -> Tensor:
        """The table [T, h] of weight @ (mean over the planes) + bias; weight [h, i], bias [h].

        The bias is in every row of the first window: the shares of a lookup there add up to one.
        """
        table = weight.new_empty(len(self), len(bias))
        for window in self.windows:
            rows = table[window.start : window.start + len(window)]
            texels = window.texels(self.channels).flatten(1).T
            torch.addmm(bias if window.start == 0 else bias.new_zeros(()), texels, weight.T / 3, out=rows)
        return table

    def locate(self, points: Tensor) -> Corners:
        """points [3, P] world."""
        runs = {run for window in self.windows for run in (window.across, window.down)}
        located = {run: run.locate(points) for run in runs}
        rows = torch.empty(points.shape[1], 4 * len(self.windows), dtype=torch.int32, device=points.device)
        shares = torch.empty_like(rows, dtype=points.dtype)
        for number, window in enumerate(self.windows):
            (column, right), (row, below) = located[window.across], located[window.down]
            left, above = 1 - right, 1 - below
            corner = (row * len(window.across)).add_(column).add_(window.start)
            steps = (0, 1, len(window.across), len(window.across) + 1)
            parts = ((left, above), (right, above), (left, below), (right, below))
            for place, step, (sideways, downwards) in zip(range(4 * number, 4 * number + 4), steps, parts, strict=True):
                torch.add(corner, step, out=rows[:, place])
                torch.mul(sideways, downwards, out=shares[:, place])
        return Corners(rows, shares)


def _is_anything(plane: Tensor, channels: Tensor) -> bool:
    """False only if all these channels (ascending) of a plane are zeros; a few texels mostly tell."""
    if not len(channels):
        return False
    heard = plane[channels[0] : channels[-1] + 1]
    return bool(heard[:, ::16, ::16].any() or heard.any())


def _cut(plane: Tensor, across: Run, down: Run) -> Tensor:
    """The texels of a plane [C, H, W] in two runs, without the border."""
    return plane[:, max(down.first, 0) : down.last + 1, max(across.first, 0) : across.last + 1]
