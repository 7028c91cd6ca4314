"""Mixing heads: planes are numbers on a grid, so they can be interpolated."""

from __future__ import annotations

from dataclasses import replace

import torch

from ..errors import Real3DError
from .planes import Planes


def mix_planes(first: Planes, second: Planes, share: float) -> Planes:
    """`share` of the second head and the rest of the first; landmarks are mixed alike, the bounds hold both, all else is the first's.

    Raises:
        Real3DError: they differ in shape or in the box they span.
    """
    if first.features.shape != second.features.shape or first.box_side != second.box_side:
        raise Real3DError(
            f"Planes of {tuple(first.features.shape)} and {tuple(second.features.shape)} cannot be mixed: take both from one avatar."
        )
    bounds, landmarks = None, None
    if first.bounds is not None and second.bounds is not None:
        lower, upper = torch.minimum(first.bounds[0], second.bounds[0]), torch.maximum(first.bounds[1], second.bounds[1])
        bounds = torch.stack([lower, upper])
    if first.landmarks is not None and second.landmarks is not None:
        landmarks = torch.lerp(first.landmarks, second.landmarks, share)
    return replace(first, features=torch.lerp(first.features, second.features, share), bounds=bounds, landmarks=landmarks)
