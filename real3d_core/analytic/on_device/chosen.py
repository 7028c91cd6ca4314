"""Who makes a portrait's frames: a device where it works and agrees with the processor, else the processor.

It is asked once per portrait, since a device may lack an operator, or compute wrongly.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from ...avatar import HEAD_THRESHOLD
from ...motion.motion import Motion
from ...render.camera import camera_from_pose
from ...render.dense_marching import march_dense
from ...render.planes import Planes
from ...render.ray_marching import HeadRender, MarchSettings
from ..adapt import PlaneBender
from ..channels import constructed_decoder
from ..compose import Composer, Layers
from ..controls import BASIS
from ..eyes import Look
from .bending import DeviceBender
from .composer import DeviceComposer

_LOG = logging.getLogger("real3d")
_ALIKE = 1e-3  # mean difference of pictures in 0..1, and of features in -1..1
_QUICK = MarchSettings(resolution=32, coarse=20, fine=8)
_LOOK = Look(gaze=(0.2, 0.1), closed=(0.5, 0.0))


def chosen_bender(planes: Planes, usual: PlaneBender, device: torch.device) -> PlaneBender | DeviceBender:
    """What bends the planes of a head at rest for frames on a device, which must then march them; usual: the processor's."""
    speaks = Motion.still(BASIS, 1).with_controls(jaw_open=torch.ones(1)).expression
    camera = camera_from_pose(torch.zeros(1, 3), torch.zeros(1, 3)).float()

    def seen(bend: PlaneBender | DeviceBender) -> Tensor:
        return march_dense(bend(speaks), constructed_decoder(), camera, _QUICK).features

    return _there_if_alike(lambda: DeviceBender(planes, usual.sheets, device), usual, seen, device)


def chosen_composer(
    layers: Layers, usual: Composer, at_rest: HeadRender, march_there: Callable[[], HeadRender], device: torch.device
) -> Composer | DeviceComposer:
    """What composes frames on a device.

    Args:
        layers: of the portrait; usual: the processor's composer of them; at_rest: the render that it was made with.
        march_there: gives the same render on the device.
    """
    asked = at_rest, [_LOOK], None, 0, HEAD_THRESHOLD
    return _there_if_alike(lambda: DeviceComposer(layers, march_there()), usual, lambda compose: compose(*asked), device)


def _there_if_alike(make: Callable[[], Any], usual: Any, ask: Callable[[Any], Tensor], device: torch.device) -> Any:
    """What `make` makes for a device, if it answers as `usual` does; else `usual`, and the log says why."""
    try:
        there = make()
        off = float((ask(there).cpu() - ask(usual)).abs().mean())
        if off <= _ALIKE:
            return there
        reason = f"its numbers are off by {off:.1g}"
    except Exception as failure:  # whatever a device cannot do, the processor can
        reason = f"{type(failure).__name__}: {failure}"
    _LOG.warning("The processor does a part of the built-in avatar's work, not '%s': %s", device, reason)
    return usual
