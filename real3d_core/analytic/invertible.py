"""Displacement fields that can be inverted: how far one may be driven before it folds or tears, and its inverse."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from ..motion.anatomy import soft_limit

_FREE = 0.8  # strain up to which a field stays as it is; 1 is never reached
_NARROWEST = 0.05  # part of its area that a patch of skin keeps at strain 1
_WIDEST = 4.0  # gradient at strain 1: a lower lip stretches the chin by 2 and a half
_STEEPEST = 1.2  # gradient of the depth, likewise; rounded lips make 0.6
_CLOSE = 0.05  # cells of the lattice by which an inverse may be off
_NEWTON_ROUNDS = 12
_LONGEST_STEP = 3.0  # cells that a round may move a source


def bounded_share(*fields: Tensor, cell: float) -> Tensor:
    """How much of displacement fields keeps them from folding, [N] in 0..1; 1 for what faces do.

    Args:
        fields: each [N, 3, L, L], x, y and depth on a lattice; all are given the same share.
        cell: distance of the lattice's points, in the fields' unit.
    """
    strain = torch.stack([_strain(field, cell) for field in fields]).amax(dim=0)
    return torch.where(strain > _FREE, soft_limit(strain, _FREE, 1.0) / strain, 1.0)


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


def _strain(field: Tensor, cell: float) -> Tensor:
    """[N]: what is to be multiplied with 1 / strain so that nowhere on the lattice a bound is passed."""
    across = (field[..., :-1, 1:] - field[..., :-1, :-1]) / cell
    down = (field[..., 1:, :-1] - field[..., :-1, :-1]) / cell
    # of a share f of the field, the area is 1 + f * trace + f^2 * determinant; 1 / f is the larger root of this
    trace, determinant = across[:, 0] + down[:, 1], across[:, 0] * down[:, 1] - across[:, 1] * down[:, 0]
    kept = 1 - _NARROWEST
    under_root = trace**2 - 4 * kept * determinant
    fold = torch.where(under_root > 0, (-trace + under_root.clamp_min(0).sqrt()) / (2 * kept), 0.0)
    stretch = (across[:, :2] ** 2 + down[:, :2] ** 2).sum(dim=1).sqrt() / _WIDEST
    slope = torch.hypot(across[:, 2], down[:, 2]) / _STEEPEST
    return torch.stack([fold, stretch, slope]).amax(dim=0).flatten(1).amax(dim=1)
