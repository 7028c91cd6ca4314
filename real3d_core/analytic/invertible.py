"""Displacement fields that can be inverted: how far one may be driven before it folds or tears, and its inverse."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from ..motion.anatomy import soft_limit

_FREE = 0.85  # strain up to which a field stays as it is
_MOST = (0.95, 1.0)  # from where on a field is held back as a whole, and what is never passed
_NARROWEST = 0.1  # part of its area that a patch of skin keeps at strain 1
_WIDEST = 4.0  # gradient at strain 1: a lower lip stretches the chin by 2 and a half
_STEEPEST = 1.5  # gradient of the depth, likewise; rounded lips make 0.6
_FIRST, _LAST = slice(None, -1), slice(1, None)
_REACHES = (1, 1, 2, 2, 4, 4)  # cells over which rounds of smoothing go
_CLOSE = 0.01  # cells of the lattice by which an inverse may be off
_NEWTON_ROUNDS = 8
_LONGEST_STEP = 3.0  # cells that a round may move a source


def unfolded(*fields: Tensor, cell: float) -> tuple[Tensor, ...]:
    """Displacement fields that do not fold: smoothed where they would, and held back as a whole if that is not enough.

    What faces do stays as it is, to the bit wherever no skin is near folding.

    Args:
        fields: each [N, 3, L, L], x, y and depth on a lattice; where one is smoothed, all are.
        cell: distance of the lattice's points, in the fields' unit.
    """
    together = torch.cat(fields, dim=1)
    for reach in _REACHES:
        strained = ((_strain(together, cell) - _FREE) / (1 - _FREE)).clamp(0, 1)
        if not strained.any():
            return together.split(3, dim=1)
        width = 2 * reach + 1
        near = _mean(F.max_pool2d(F.pad(strained, (0, 1, 0, 1)), width, stride=1, padding=reach), reach)
        together = together + near * (_mean(_mean(together, reach), reach) - together)
    strain = _strain(together, cell).amax(dim=(1, 2, 3), keepdim=True)
    share = torch.where(strain > _MOST[0], soft_limit(strain, *_MOST) / strain, 1.0)
    return (together * share).split(3, dim=1)


def inverse(field: Tensor, lattice: Tensor, sample: Callable[[Tensor, Tensor], Tensor], rounds: int) -> Tensor:
    """[N, 2, L, L]: solves q = s + D(s) for s, at each point q of the lattice.

    Fixed-point rounds do where D is flat. Where it stretches skin to more than double they leap past, and Newton's go on from the lattice.

    Args:
        field: D [N, 2, L, L] on the lattice [2, L, L].
        sample: (values [N, C, L, L], points [N, 2, L, L]) -> values looked up at the points.
        rounds: fixed-point rounds.
    """
    source = lattice[None] - field
    for _ in range(rounds):
        source = lattice[None] - sample(field, source)
    cell = float(lattice[0, 0, 1] - lattice[0, 0, 0])
    off = (source + sample(field, source) - lattice).norm(dim=1, keepdim=True) > _CLOSE * cell
    hard = off.flatten(1).any(dim=1).nonzero()[:, 0]
    if len(hard):
        source[hard] = torch.where(off[hard], _newton(field[hard], lattice, sample, cell), source[hard])
    return source


def _newton(field: Tensor, lattice: Tensor, sample: Callable[[Tensor, Tensor], Tensor], cell: float) -> Tensor:
    across, down = torch.gradient(field, spacing=cell, dim=(3, 2))
    everything = torch.cat([field, across, down], dim=1)
    source = lattice[None] - field
    for _ in range(_NEWTON_ROUNDS):
        shift, along_x, along_y = sample(everything, source).split(2, dim=1)
        missing = lattice - source - shift
        xx, yx = (1 + along_x[:, 0], along_x[:, 1])
        xy, yy = (along_y[:, 0], 1 + along_y[:, 1])
        area = (xx * yy - xy * yx).clamp_min(_NARROWEST)
        step = torch.stack([yy * missing[:, 0] - xy * missing[:, 1], xx * missing[:, 1] - yx * missing[:, 0]], dim=1) / area[:, None]
        source = source + step * (_LONGEST_STEP * cell / step.norm(dim=1, keepdim=True).clamp_min(1e-12)).clamp(max=1)
    return source


def _strain(fields: Tensor, cell: float) -> Tensor:
    """Fields [N, 3 n, L, L] -> [N, 1, L - 1, L - 1]: what each cell is to be divided by to be within bounds, the most of all."""
    fields = fields.unflatten(1, (-1, 3))
    across, down = fields.diff(dim=-1) / cell, fields.diff(dim=-2) / cell
    # the fields are bilinear within a cell: their areas are extreme in its corners
    corners = [(across[..., row, :], down[..., column]) for row in (_FIRST, _LAST) for column in (_FIRST, _LAST)]
    return torch.stack([_corner_strain(*corner) for corner in corners]).amax(dim=(0, 2))[:, None]


def _corner_strain(across: Tensor, down: Tensor) -> Tensor:
    """Slopes [N, n, 3, L - 1, L - 1] along x and y -> [N, n, L - 1, L - 1]."""
    (xx, yx, zx), (xy, yy, zy) = across.unbind(2), down.unbind(2)
    # of a share f of the field, the area is 1 + f * trace + f^2 * determinant; 1 / f is the larger root of this
    trace, determinant, kept = xx + yy, xx * yy - xy * yx, 1 - _NARROWEST
    under_root = trace**2 - 4 * kept * determinant
    fold = torch.where(under_root > 0, (under_root.clamp_min(0).sqrt() - trace) / (2 * kept), 0.0)
    stretch = (xx**2 + yx**2 + xy**2 + yy**2).sqrt() / _WIDEST
    slope = torch.hypot(zx, zy) / _STEEPEST
    return torch.maximum(torch.maximum(fold, stretch), slope)


def _mean(maps: Tensor, reach: int) -> Tensor:
    """Means over squares."""
    return F.avg_pool2d(maps, 2 * reach + 1, stride=1, padding=reach, count_include_pad=False)
