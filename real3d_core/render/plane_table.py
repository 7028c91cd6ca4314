"""Three feature planes, or a trigrid's, as one table with a row per texel: looking a point up is summing a few rows (spec 07 section 2)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

X, Y, Z = 0, 1, 2


@dataclass(frozen=True)
class Run:
    """A run of texels along one side of a plane or through its layers: `first` to `last`; -1 and the side's length are a border of zeros.

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
    """A rectangle of texels; they fill the table's rows from `start` on, in reading order, layer after layer.

    sheets: the planes [C, H, W] or [C, D, H, W] whose sum they are, turned so that rows of texels follow `across`.
    through: which layers; None: planes have none.
    """

    across: Run
    down: Run
    start: int
    sheets: tuple[Tensor, ...]
    through: Run | None = None

    def runs(self) -> tuple[Run, ...]:
        """Innermost first."""
        return (self.across, self.down, *([self.through] if self.through else []))

    def layers(self) -> list[tuple[Tensor, ...]]:
        """The planes [C, H, W] that fill each layer, one if there is no stack; none of them in its border of zeros."""
        if self.through is None:
            return [self.sheets]
        numbers = range(self.through.first, self.through.last + 1)
        return [tuple(sheet[:, n] for sheet in self.sheets) if 0 <= n < self.sheets[0].shape[1] else () for n in numbers]

    def texels(self, channels: Tensor) -> Tensor:
        """[len(channels), h, w] or [len(channels), d, h, w], with the border of zeros where the window reaches it."""
        runs = self.runs()
        inside_runs = (slice(None), *(slice(max(run.first, 0), run.last + 1) for run in reversed(runs)))
        first, *others = (sheet[inside_runs] for sheet in self.sheets)
        inside = sum(others, start=first)
        if len(channels) < len(inside):
            inside = inside.index_select(0, channels)
        sides = reversed(self.sheets[0].shape[1:])
        return F.pad(inside, [int(edge) for run, side in zip(runs, sides, strict=True) for edge in (run.first < 0, run.last == side)])

    def __len__(self) -> int:
        """How many texels."""
        return math.prod(map(len, self.runs()))


@dataclass(frozen=True)
class Corners:
    """Where points lie in a table: the rows of the texels round each point [P, c] int32, and their shares [P, c].

    c: 4 for each window, 8 in a trigrid.
    """

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

    A lookup of a plane at swapped coordinates is one of the plane's transpose, so square planes (x, z) and (z, x) share a window;
    so do square grids, whose layers both follow y.
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
            planes: [3, C, H, W] or [3, C, D, H, W].
            channels: [i], those that are wanted.
            box_side: of the cube that they span.
            reach: [2, 3] lower and upper corner of a world box that holds all points that will be looked up.
        """
        *depth, height, width = planes.shape[2:]
        lower, upper = reach.tolist()

        def runs(side: int) -> list[Run]:
            return [Run.within(axis, side, box_side, lower[axis], upper[axis]) for axis in (X, Y, Z)]

        columns, rows, layers = runs(width), runs(height), runs(depth[0]) if depth else [None] * 3
        layout = [(columns[X], rows[Y], layers[Z], planes[0]), (columns[X], rows[Z], layers[Y], planes[1])]
        layout += [(columns[X], rows[Z], layers[Y], planes[2].mT)] if width == height else [(columns[Z], rows[X], layers[Y], planes[2])]

        used = slice(int(channels[0]), int(channels[-1]) + 1) if len(channels) else slice(0)
        sheets: dict[tuple[Run, Run, Run | None], tuple[Tensor, ...]] = {}
        for across, down, through, plane in layout:
            if not sheets or _is_anything(plane[used]):
                sheets[across, down, through] = (*sheets.get((across, down, through), ()), plane)

        windows, start = [], 0
        for (across, down, through), planes_of in sheets.items():
            windows.append(Window(across, down, start, planes_of, through))
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
        located = {run: run.locate(points) for run in {run for window in self.windows for run in window.runs()}}
        around = 2 ** len(self.windows[0].runs())
        rows = torch.empty(points.shape[1], around * len(self.windows), dtype=torch.int32, device=points.device)
        shares = torch.empty_like(rows, dtype=points.dtype)
        place = 0
        for window in self.windows:
            (column, right), (row, below) = located[window.across], located[window.down]
            left, above, width = 1 - right, 1 - below, len(window.across)
            corner = (row * width).add_(column).add_(window.start)
            layers = [(0, above, below)]
            if window.through:
                (layer, behind), area = located[window.through], width * len(window.down)
                corner.add_(layer * area)
                before = 1 - behind
                layers = [(0, above * before, below * before), (area, above * behind, below * behind)]
            for first, upper, lower in layers:
                corners = ((0, left, upper), (1, right, upper), (width, left, lower), (width + 1, right, lower))
                for step, sideways, downwards in corners:
                    torch.add(corner, first + step, out=rows[:, place])
                    torch.mul(sideways, downwards, out=shares[:, place])
                    place += 1
        return Corners(rows, shares)


def _is_anything(texels: Tensor) -> bool:
    """False only if all are zeros (or so small that their squares are); a few mostly tell."""
    return bool(texels[..., ::16, ::16].any() or torch.linalg.vector_norm(texels))
