"""By which back end frames of the built-in avatar are composed: the first one that works here and agrees with PyTorch."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache, partial
from importlib import import_module

import numpy as np
import torch
from torch import Tensor

from . import core
from .back_ends import first_that_works, preferred
from .build import Refusal

TOLERANCE = 1e-4
PLACES_TOLERANCE = 1e-3
ASIDE = 0.4  # radians
EYE_TOLERANCE = 0.02  # OpenCV before 5 rounds to 1/32 pixel where colours are taken from
COMPILED = {"cpu-ext": ".cpu.paint_extension"}
"""Name of a back end -> where it is loaded from. In the order in which they are tried."""

_log = logging.getLogger(__name__)


def painting() -> core.painting.Painting:
    """The operators, which choose their back end when they are first called; building it takes some seconds once per machine.

    Colours are within 1e-4 of PyTorch's. REAL3D_MARCH_BACKEND names a back end that is preferred.
    """

    def look_up(plate: Tensor, places: Tensor, patches: Sequence[core.painting.Patch] = ()) -> Tensor:
        return chosen()[1].look_up(plate, places, patches)

    def look_up_rays(plate: Tensor, places: Tensor, *beside) -> Tensor:
        return chosen()[1].look_up_rays(plate, places, *beside)

    def paint(layers: core.painting.FrameLayers, *beside) -> tuple[Tensor, Tensor]:
        return chosen()[1].paint(layers, *beside)

    def coordinates(readable: core.ray_maps.RayCoordinates, at_rest: core.ray_maps.FrameRays) -> core.ray_maps.FindPlaces:
        compiled = chosen()[1].coordinates(readable, at_rest)
        rays = (at_rest, _from_the_side(at_rest))
        agree = all(_agree(compiled, readable, (one,), PLACES_TOLERANCE, "Where rays arrive is found") for one in rays)
        return compiled if agree else readable

    def between_lips(readable: core.mouth.MouthInterior) -> core.mouth.BetweenLips:
        compiled = chosen()[1].between_lips(readable)
        return compiled if _agree(compiled, readable, readable.some_places(), TOLERANCE, "Mouths are painted") else readable

    def eye(readable: core.eyes.Eye) -> core.eyes.PaintEye:
        compiled = chosen()[1].eye(readable)
        agree = all(_agree(compiled, readable, (pose,), EYE_TOLERANCE, "Eyes are painted") for pose in readable.some_poses())
        return compiled if agree else readable

    return core.painting.Painting(look_up, look_up_rays, paint, coordinates, between_lips, eye)


def _from_the_side(rays: core.ray_maps.FrameRays) -> core.ray_maps.FrameRays:
    """The same as if the camera stood aside: places on the far side of a head are found that are none at rest."""
    cameras = rays.render.cameras.clone()
    turn = torch.eye(4)
    turn[:3, :3] = core.render.camera.euler_to_matrix(torch.tensor([[0.0, ASIDE, 0.0]]))[0]
    cameras[:, :16] = (turn @ cameras[:, :16].reshape(-1, 4, 4)).flatten(1)
    return core.ray_maps.FrameRays(replace(rays.render, cameras=cameras))


def _agree(compiled: Callable, readable: Callable, given: tuple, tolerance: float, what: str) -> bool:
    """Whether both make the same of what is given; where they do not, it is said `what` is done by PyTorch."""
    if compiled is readable:
        return True
    pairs = zip(*(_tensors(function(*given)) for function in (compiled, readable)), strict=True)
    agree = all((a - b).abs().max() <= tolerance for a, b in pairs)
    if not agree:
        _log.info("%s by torch (not by %s: it differs from PyTorch)", what, chosen()[0])
    return agree


def _tensors(made: Tensor | np.ndarray | core.ray_maps.RayPlaces) -> list[Tensor]:
    return [torch.as_tensor(made)] if isinstance(made, (Tensor, np.ndarray)) else list(vars(made).values())


def chosen() -> tuple[str, core.painting.Painting]:
    """The back end's name and its operators; built at the first call. One that fails in whatever way is passed over."""
    return _chosen(preferred())


@cache
def _chosen(prefer: str) -> tuple[str, core.painting.Painting]:
    compiled = () if prefer == "torch" else sorted(COMPILED, key=lambda name: name != prefer)
    return first_that_works({**{name: partial(_loaded, name) for name in compiled}, "torch": lambda: core.painting.IN_TORCH}, "Composing")


def _loaded(name: str) -> core.painting.Painting:
    compiled = import_module(COMPILED[name], __package__).load()
    with torch.inference_mode():
        _check(compiled)
    return compiled


def _check(compiled: core.painting.Painting) -> None:
    """Composes a small frame and compares it with PyTorch's.

    Raises:
        Refusal: they differ.
    """
    generator = torch.Generator().manual_seed(0)

    def numbers(*shape: int) -> Tensor:
        return torch.rand(shape, generator=generator)

    plate, places, patch = numbers(1, 5, 12, 12), 3 * numbers(2, 16, 20) - 1.5, core.painting.Patch((3, 4), numbers(1, 5, 6, 7))
    layers = core.painting.FrameLayers(
        *(numbers(1, 4, 12, 12), 3, torch.ones(1, 1, dtype=torch.bool), 0.1 * numbers(3, 4, 4)),
        *((slice(2, 18), slice(1, 21)), numbers(5, 16, 20), numbers(3, 6, 6), 0.9),
    )
    beside = numbers(3, 24, 24), numbers(3, 24, 24) - 0.5, True
    by_rays = 3 * numbers(2, 6, 6) - 1.5, 24, layers.box, torch.ones(6, 6, dtype=torch.bool), [patch]
    expected, found = (
        (operators.look_up(plate, places, [patch]), operators.look_up_rays(plate, *by_rays), *operators.paint(layers, *beside))
        for operators in (core.painting.IN_TORCH, compiled)
    )
    difference = max((a - b).abs().max().item() for a, b in zip(expected, found, strict=True))
    if not difference <= TOLERANCE:
        raise Refusal(f"its colours differ from PyTorch's by {difference:.1g}")
