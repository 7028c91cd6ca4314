"""Displacement fields that can be inverted: how far one may be driven before it folds or tears, and its inverse."""

from __future__ import annotations

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
_DONE = 2e-4  # cells; what a round moves less than this is exact
_LONGEST_STEP = 3.0  # cells that a round may move a source


def unfolded(*fields: Tensor, cell: float) -> tuple[Tensor, ...]:
    """Displacement fields that do not fold: smoothed where they would, and held back as a whole if that is not enough.

    What faces do stays as it is, to the bit wherever no skin is near folding.

    Args:
        fields: each [N, 3, L, L], x, y and depth on a lattice; where one is smoothed, all are.
        cell: distance of the lattice's points, in the fields' unit.
    """
    together = torch.cat(fields, dim=1)
    if _gentle(together, cell):
        return fields
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


def inverse(field: Tensor, rounds: int) -> Tensor:
    """[N, 2, L, L]: solves q = s + D(s) for s - q, at each point q of the lattice.

    Fixed-point rounds do where D is flat. Where it stretches skin to more than double they leap past, and Newton's go on from the lattice.

    Args:
        field: D [N, 2, L, L] on the lattice, which reaches from -1 to 1 in D's unit.
        rounds: fixed-point rounds.
    """
    axis = torch.linspace(-1, 1, field.shape[-1], device=field.device)
    lattice = torch.stack(torch.meshgrid(axis, axis, indexing="xy"))
    cell = 2 / (field.shape[-1] - 1)
    points = lattice - field
    for number in range(rounds):
        before, points = points, lattice - _looked_up(field, points)
        if number % 2 and (points - before).abs().amax() < _DONE * cell:
            return points - lattice
    missing = points - lattice + _looked_up(field, points)
    shift = points - lattice
    for frame, off in enumerate(missing.square().sum(dim=1) > (_CLOSE * cell) ** 2):
        if off.any():
            shift[frame, :, off] = _newton(field[frame], lattice[:, off], -field[frame][:, off], cell)
    return shift


def _looked_up(field: Tensor, points: Tensor) -> Tensor:
    return F.grid_sample(field, points.permute(0, 2, 3, 1), padding_mode="border", align_corners=True)


def _newton(field: Tensor, targets: Tensor, shift: Tensor, cell: float) -> Tensor:
    """[2, P]: the same for one field [2, L, L], at some points q [2, P], from a first s - q [2, P] on."""
    across, down = torch.gradient(field, spacing=cell, dim=(2, 1))
    everything = torch.cat([field, across, down])[None]
    for _ in range(_NEWTON_ROUNDS):
        moved, (xx, yx), (xy, yy) = _looked_up(everything, (targets + shift)[None, :, None])[0, :, 0].split(2)
        missing = -shift - moved
        xx, yy = 1 + xx, 1 + yy
        area = (xx * yy - xy * yx).clamp_min(_NARROWEST)
        step = torch.stack([yy * missing[0] - xy * missing[1], xx * missing[1] - yx * missing[0]]) / area
        length = torch.hypot(*step)
        shift = shift + step * (_LONGEST_STEP * cell / length.clamp_min(1e-12)).clamp(max=1)
        if length.amax() < _DONE * cell:
            break
    return shift


def _gentle(fields: Tensor, cell: float) -> bool:
    """Whether all strain stays below _FREE; worked out only where slopes are steep enough for more."""
    fields = fields.unflatten(1, (-1, 3)) / cell
    across, down = fields.diff(dim=-1), fields.diff(dim=-2)
    steepest = [
        torch.maximum(along[..., _FIRST, :], along[..., _LAST, :]) + torch.maximum(aside[..., _FIRST], aside[..., _LAST])
        for along, aside in zip(_squared_slopes(across), _squared_slopes(down), strict=True)
    ]
    # a field whose slopes have the norm s keeps at least (1 - f s)^2 of the area at a share f of it
    most = _FREE * (1 - _NARROWEST**0.5), _FREE * _STEEPEST
    steep = (steepest[0] > most[0] ** 2) | (steepest[1] > most[1] ** 2)
    frame, field, row, column = steep.nonzero(as_tuple=True)
    if not len(frame):
        return True
    below, right = (torch.tensor(corners)[:, None] for corners in ((0, 0, 1, 1), (0, 1, 0, 1)))
    slopes = across[frame, field, :, row + below, column], down[frame, field, :, row, column + right]
    return bool(_corner_strain(*slopes).amax() <= _FREE)


def _squared_slopes(slopes: Tensor) -> tuple[Tensor, Tensor]:
    """[N, n, 3, h, w] -> of the shift within the plane and of the depth, each [N, n, h, w]."""
    squares = slopes.square()
    return squares[:, :, 0] + squares[:, :, 1], squares[:, :, 2]


def _strain(fields: Tensor, cell: float) -> Tensor:
    """Fields [N, 3 n, L, L] -> [N, 1, L - 1, L - 1]: what each cell is to be divided by to be within bounds, the most of all."""
    fields = fields.unflatten(1, (-1, 3))
    across, down = fields.diff(dim=-1) / cell, fields.diff(dim=-2) / cell
    # the fields are bilinear within a cell: their areas are extreme in its corners
    corners = [(across[..., row, :], down[..., column]) for row in (_FIRST, _LAST) for column in (_FIRST, _LAST)]
    return torch.stack([_corner_strain(*corner) for corner in corners]).amax(dim=(0, 2))[:, None]


def _corner_strain(across: Tensor, down: Tensor) -> Tensor:
    """Slopes [*, *, 3, ...] along x and y -> [*, *, ...]."""
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
