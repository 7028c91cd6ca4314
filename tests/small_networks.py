"""Networks of the paper's design, but small: built, loaded and run in milliseconds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from golden import make_weight
from reference_checkpoint import settle_spectral_norms
from torch import Tensor, nn

from real3d_core.real3d.image_to_plane import ImageToPlane, ImageToPlaneSizes
from real3d_core.real3d.motion_adapter import MotionAdapter, MotionAdapterSizes
from real3d_core.real3d.super_resolution.frame import SuperResolution, SuperResolutionSizes
from real3d_core.real3d.super_resolution.torso_layers import TorsoSizes
from real3d_core.real3d.weights import key_table
from real3d_core.real3d.weights.checkpoint import (
    DECODER,
    DECODER_SHAPES,
    GRID,
    IMAGE_TO_PLANE,
    MOTION_ADAPTER,
    SUPER_RESOLUTION,
    NetworkSizes,
)

SMALL = NetworkSizes(
    ImageToPlaneSizes(
        stages=((1, 8), (1, 8), (2, 16), (1, 16)), encoding=8, tokens=16, heads=2, hidden=16, blocks=2, fine=8, wide=16, narrow=8
    ),
    # the published first width, by which larger variants are told apart
    MotionAdapterSizes(widths=(32, 8, 8, 16), heads=(1, 2, 2, 4), blocks=1, fused=8),
    SuperResolutionSizes(
        side=16,
        features=8,
        narrow=4,
        frame=8,
        torso=TorsoSizes(channels=4, depth=8, compressed=2, appearance=(8, 8, 8), field=(16, 16), generator=(8, 8, 16), residuals=2),
    ),
)


class _Drawn(key_table.StoredTensors):
    """Draws each tensor that the key table asks for."""

    def at(self, prefix: str) -> _Drawn:
        return _Drawn(self.tensors, self.prefix + prefix, self)

    def take(self, key: str, *shape: int) -> Tensor:
        name = self.prefix + key
        self.tensors[name] = torch.from_numpy(np.array(make_weight(name, shape)))
        return super().take(key, *shape)


def small_tensors(depth: int = 1, refined: bool = False) -> dict[str, Tensor]:
    """Every tensor of head-and-torso networks of the sizes SMALL, under its official name."""
    tensors: dict[str, Tensor] = {}
    drawn = _Drawn(tensors)

    def draw(network: nn.Module, rows: Callable[..., key_table.Rows], prefix: str) -> None:
        for _ in rows(network, drawn.at(prefix)):
            pass

    with torch.device("meta"):
        lifting = ImageToPlane(replace(SMALL.image_to_plane, depth=depth, refined=refined))
        draw(lifting, key_table.image_to_plane, IMAGE_TO_PLANE)
        draw(MotionAdapter(replace(SMALL.motion_adapter, depth=depth)), key_table.motion_adapter, MOTION_ADAPTER)
        draw(SuperResolution(SMALL.super_resolution), key_table.super_resolution, SUPER_RESOLUTION)
    if refined:
        draw(lifting.refine, key_table.grid_refinement, GRID)
    for key, shape in DECODER_SHAPES.items():
        drawn.at(DECODER).take(key, *shape)
    settle_spectral_norms(tensors)
    return tensors


def every_weight_learns(network: nn.Module, output: Tensor) -> bool:
    """Whether a loss on the output gives each parameter a gradient that is finite and not zero."""
    output.square().mean().backward()
    return all(weight.grad is not None and weight.grad.isfinite().all() and weight.grad.any() for weight in network.parameters())
