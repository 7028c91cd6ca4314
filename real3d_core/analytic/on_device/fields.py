"""Displacement fields that can be inverted: `invertible` for many frames at once, where each frame goes its own number of rounds."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from ...portrait.boxes import Box
from ..invertible import (
    _CLOSE,
    _DONE,
    _FREE,
    _LONGEST_STEP,
    _MOST,
    _NARROWEST,
    _NEWTON_ROUNDS,
    _REACHES,
    _looked_up,
    _mean,
    _strain,
)


def unfolded(face: Tensor, jaw: Tensor, cell: float) -> tuple[Tensor, Tensor]:
    """`invertible.unfolded` of two fields [n, 3, L, L]: nothing is added where nothing is strained."""
    fields = torch.cat([face, jaw], dim=1)
    for reach in _REACHES:
        strained = ((_strain(fields, cell) - _FREE) / (1 - _FREE)).clamp(0, 1)
        near = _mean(F.max_pool2d(F.pad(strained, (0, 1, 0, 1)), 2 * reach + 1, stride=1, padding=reach), reach)
        fields = fields + near * (_mean(_mean(fields, reach), reach) - fields)
    strain = _strain(fields, cell).amax(dim=(1, 2, 3), keepdim=True)
    free, room = _MOST[0], _MOST[1] - _MOST[0]
    held = (free + room * ((strain - free) / room).clamp_min(0).tanh()) / strain.clamp_min(free)
    face, jaw = (fields * held.clamp_max(1)).split(3, dim=1)
    return face, jaw


def inverse(face: Tensor, jaw: Tensor, rounds: int, box: Box) -> tuple[Tensor, Tensor]:
    """`invertible.inverse` of two fields [n, 2, L, L] which are done when both are."""
    rows, columns = box
    fields = torch.cat([face, jaw])
    axis = torch.linspace(-1, 1, fields.shape[-1], device=fields.device)
    targets = torch.stack(torch.meshgrid(axis, axis, indexing="xy"))[..., rows, columns]
    cell, points = 2 / (fields.shape[-1] - 1), targets - fields[..., rows, columns]
    done = torch.zeros_like(fields[:, :1, :1, :1], dtype=torch.bool)
    early = done
    for number in range(rounds):
        before, early = points, done
        points = torch.where(done, before, targets - _looked_up(fields, before))
        if number % 2:
            settled = (points - before).abs().amax(dim=(1, 2, 3)).view(2, -1).amax(dim=0) < _DONE * cell
            done = done | settled.repeat(2)[:, None, None, None]
    missing = points - targets + _looked_up(fields, points)
    off = (missing.square().sum(dim=1, keepdim=True) > (_CLOSE * cell) ** 2) & ~early
    shift = torch.where(off, _newton(fields, targets, -fields[..., rows, columns], cell, off), points - targets)
    height, width = fields.shape[2:]
    edges = (columns.start, width - columns.stop, rows.start, height - rows.stop)
    face, jaw = F.pad(shift, edges).chunk(2)
    return face, jaw


def _newton(fields: Tensor, targets: Tensor, shift: Tensor, cell: float, off: Tensor) -> Tensor:
    """Newton's rounds from a first shift [2 n, 2, h, w] on; a field is done when they are where they are wanted, [2 n, 1, h, w] bool."""
    across, down = torch.gradient(fields, spacing=cell, dim=(3, 2))
    everything = torch.cat([fields, across, down], dim=1)
    done = torch.zeros_like(off[:, :, :1, :1])
    for _ in range(_NEWTON_ROUNDS):
        moved, (xx, yx), (xy, yy) = (one.unbind(1) for one in _looked_up(everything, targets + shift).split(2, dim=1))
        x, y = (-shift - torch.stack(moved, dim=1)).unbind(1)
        xx, yy = 1 + xx, 1 + yy
        area = (xx * yy - xy * yx).clamp_min(_NARROWEST)
        step = torch.stack([yy * x - xy * y, xx * y - yx * x], dim=1) / area[:, None]
        length = torch.hypot(*step.unbind(1))[:, None]
        shift = torch.where(done, shift, shift + step * (_LONGEST_STEP * cell / length.clamp_min(1e-12)).clamp(max=1))
        done = done | ((length * off).amax(dim=(1, 2, 3), keepdim=True) < _DONE * cell)
    return shift
