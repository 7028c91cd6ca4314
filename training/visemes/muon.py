"""The optimiser Muon (Jordan and others, 2024): every step turns a layer's matrix by about the same amount in all directions."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor
from torch.optim import Optimizer

MOMENTUM = 0.95
ROUNDS = 5
QUINTIC = (3.4445, -4.775, 2.0315)  # of x, x^3 and x^5: repeated, they take every singular value of 0..1 near to 1


class Muon(Optimizer):
    """For weights of two or more axes; the axes after the first count as one."""

    def __init__(self, parameters: Iterable[Tensor], rate: float, weight_decay: float):
        super().__init__(parameters, {"lr": rate, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self) -> None:
        """One step along the gradients."""
        for group in self.param_groups:
            for weight in group["params"]:
                momentum = self.state[weight].setdefault("momentum", torch.zeros_like(weight))
                momentum.mul_(MOMENTUM).add_(weight.grad)
                direction = _orthogonal(weight.grad.add(momentum, alpha=MOMENTUM).flatten(1))
                scale = max(1.0, direction.shape[0] / direction.shape[1]) ** 0.5
                weight.mul_(1.0 - group["lr"] * group["weight_decay"])
                weight.add_(direction.view_as(weight), alpha=-group["lr"] * scale)


def _orthogonal(matrix: Tensor) -> Tensor:
    """[M, N] -> the same singular vectors with singular values near 1."""
    wide = matrix.T if matrix.shape[0] > matrix.shape[1] else matrix
    wide = wide / (wide.norm() + 1e-7)
    first, third, fifth = QUINTIC
    for _ in range(ROUNDS):
        square = wide @ wide.T
        wide = first * wide + (third * square + fifth * square @ square) @ wide
    return wide.T if matrix.shape[0] > matrix.shape[1] else wide
