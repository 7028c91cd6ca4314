"""From the features of a point to its density and colour (spec 03 section 6)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor


@dataclass(frozen=True)
class PlaneDecoder:
    """Two dense layers with a softplus between them; the same for trained and for constructed heads.

    The weights are effective ones: what multiplies the numbers, no gain left to apply. Any hidden width will do.

    weight1 [hidden, 32], bias1 [hidden], weight2 [33, hidden], bias2 [33]: row 0 of the second layer is the density.
    """

    weight1: Tensor
    bias1: Tensor
    weight2: Tensor
    bias2: Tensor

    @classmethod
    def from_checkpoint(cls, state: Mapping[str, Tensor], prefix: str = "decoder.") -> PlaneDecoder:
        """Reads the stored weights of an equalised-learning-rate decoder: they still lack their gain 1/sqrt(inputs)."""
        weight1, weight2 = (state[f"{prefix}net.{layer}.weight"].float() for layer in (0, 2))
        bias1, bias2 = (state[f"{prefix}net.{layer}.bias"].float() for layer in (0, 2))
        return cls(weight1 / weight1.shape[1] ** 0.5, bias1, weight2 / weight2.shape[1] ** 0.5, bias2)

    def __call__(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """features [..., 32], the mean over the planes -> density before activation [...], colour [..., 32] in about 0..1."""
        hidden = F.softplus(F.linear(features, self.weight1, self.bias1))
        decoded = F.linear(hidden, self.weight2, self.bias2)
        return decoded[..., 0], colour_from_raw(decoded[..., 1:])

    def to(self, device) -> PlaneDecoder:
        """The same decoder on another device."""
        return PlaneDecoder(self.weight1.to(device), self.bias1.to(device), self.weight2.to(device), self.bias2.to(device))


def colour_from_raw(raw: Tensor) -> Tensor:
    """The decoder's last step: a sigmoid that reaches a little beyond 0 and 1."""
    return raw.sigmoid() * 1.002 - 0.001
