"""Which back end marches rays: the first one that works here and agrees with PyTorch (spec 07 section 4)."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from importlib import import_module
from typing import TypeVar

import torch
from torch import Tensor

from . import core
from .build import Refusal

VARIABLE = "REAL3D_MARCH_BACKEND"
TOLERANCE = 1e-4

_log = logging.getLogger(__name__)
_Found = TypeVar("_Found")


@dataclass(frozen=True)
class BackEnd:
    """A way to march rays.

    device: the type of the tensors that it takes; None: all.
    load: builds it and returns its marcher, or raises Refusal.
    """

    name: str
    device: str | None
    load: Callable[[], core.render.head.March]

    @cached_property
    def march(self) -> core.render.head.March:
        """Its marcher, loaded when it is first asked for.

        Raises:
            Refusal: it cannot be used here.
        """
        return self.load()


def _by(module: str, load: str = "load") -> Callable[[], core.render.head.March]:
    """A function of a module below this folder; neither is looked for before it is called."""
    return lambda: getattr(import_module(f".{module}", __package__), load)()


TORCH = BackEnd("torch", None, lambda: core.render.march_torch)

BACK_ENDS = (
    BackEnd("cuda-nvrtc", "cuda", _by("cuda.compilers", "load_nvrtc")),
    BackEnd("cuda-nvcc", "cuda", _by("cuda.compilers", "load_nvcc")),
    BackEnd("cpu-ext", "cpu", _by("cpu.extension")),
    BackEnd("cpu-numba", "cpu", _by("cpu.numba_loader")),
    TORCH,
)
"""In the order in which they are tried; the last one takes everything."""

NAMES = tuple(back_end.name for back_end in BACK_ENDS)

_chosen: dict[tuple[torch.device, str, bool], BackEnd] = {}
_lock = threading.Lock()


def march(
    planes: core.render.Planes,
    decoder: core.render.PlaneDecoder,
    cameras: Tensor,
    settings: core.render.MarchSettings | None = None,
    first_frame: int = 0,
    backend: str = "auto",
) -> core.render.HeadRender:
    """Renders a head as real3d_core.render.march does, by the fastest back end for the planes' device.

    Features and opacity are within 1e-4 of it. The first call builds the back end, which takes some seconds once per machine.
    Where a tensor requires gradients and grad mode is on, it is real3d_core.render.march itself that renders: compiled code
    has no derivatives.

    Args:
        settings: None: those of the released model.
        backend: preferred to all others; where it cannot be used, another one is. See `chosen`.

    Raises:
        Real3DError: there is no such back end; or see real3d_core.render.march.
    """
    arguments = (planes, decoder, cameras, settings or core.render.MarchSettings(), first_frame)
    back_end = chosen(planes.features.device, backend, planes.depth > 1)
    try:
        return back_end.march(*arguments)
    except Refusal as reason:  # kernels are compiled for each shape of decoder, and launched, after the choice
        _log.warning("Ray marching by torch from here on: %s failed: %s", back_end.name, reason)
        with _lock:
            _chosen.update({key: TORCH for key, one in _chosen.items() if one == back_end})
        return TORCH.march(*arguments)


def chosen(device: torch.device | str = "cpu", prefer: str = "auto", trigrids: bool = False) -> BackEnd:
    """The back end for a device; built at its first use, and remembered.

    Args:
        device: of the tensors.
        prefer: name of a back end to be tried first. "auto": what the environment variable REAL3D_MARCH_BACKEND says, else the
            fastest.
        trigrids: for planes with depth. They are another kernel to most back ends, so each kind is proven when it first comes.

    Raises:
        Real3DError: there is no back end of this name.
    """
    device = torch.device(device)
    if prefer == "auto":
        prefer = preferred()
    if prefer not in ("auto", *NAMES):
        raise core.errors.Real3DError(f"There is no ray-marching back end '{prefer[:40]}': choose one of auto, {', '.join(NAMES)}.")
    key = (device, prefer, trigrids)
    with _lock:
        if key not in _chosen:
            _chosen[key] = _choose(*key)
        return _chosen[key]


def preferred() -> str:
    """The name of the back end that the environment prefers; "auto": none."""
    return os.environ.get(VARIABLE, "").strip().lower() or "auto"


def _choose(device: torch.device, prefer: str, trigrids: bool) -> BackEnd:
    """The first one that works, the preferred one before all others."""

    def tried(back_end: BackEnd) -> BackEnd:
        if back_end.device not in (None, device.type):
            raise Refusal(f"it does not take tensors on '{device.type}'")
        march = back_end.march
        if back_end is not TORCH:
            with torch.inference_mode():
                _check(march, device, layers=3 if trigrids else 1)
        return back_end

    able = [one for one in BACK_ENDS if one.device in (None, device.type) or one.name == prefer]
    ways = {one.name: partial(tried, one) for one in sorted(able, key=lambda one: one.name != prefer)}
    what = "Ray marching of trigrids" if trigrids else "Ray marching"
    return first_that_works(ways, f"{what} on '{device}'")[1]


def first_that_works(ways: Mapping[str, Callable[[], _Found]], what: str) -> tuple[str, _Found]:
    """The name of the first way that can be loaded, and what it loads; whatever goes wrong is a reason to try the next one.

    Args:
        ways: by name, in the order in which they are tried; the last one works everywhere.
        what: is done, as the log says it.
    """
    refused: list[str] = []
    for name, load in ways.items():
        try:
            found = load()
        except Refusal as reason:
            refused.append(f"{name}: {reason}")
        except Exception as failure:
            refused.append(f"{name}: {type(failure).__name__}: {failure}")
        else:
            _log.info("%s by %s%s", what, name, f" (not by {'; '.join(refused)})" if refused else "")
            return name, found
    raise AssertionError("the last way works everywhere")


def _check(march: core.render.head.March, device: torch.device, layers: int) -> None:
    """Marches 64 rays through a small head of so many layers and compares them with PyTorch's.

    Raises:
        Refusal: they differ.
    """
    generator = torch.Generator().manual_seed(0)

    def numbers(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator)

    features = torch.nn.functional.interpolate(8 * numbers(3, 32 * layers, 6, 6), 32, mode="bilinear")[None]
    decoder = core.render.PlaneDecoder(numbers(64, 32) / 6, numbers(64), numbers(33, 64) / 8, numbers(33)).to(device)
    camera = torch.tensor([[1, 0, 0, 0.1, 0, -1, 0, 0, 0, 0, -1, 2.7, 0, 0, 0, 1, 4.0, 0, 0.5, 0, 4.0, 0.5, 0, 0, 1.0]])
    scene = (core.render.Planes(features.to(device)), decoder, camera.to(device), core.render.MarchSettings(8, 12, 12))
    expected, found = TORCH.march(*scene), march(*scene)
    for part in ("features", "opacity", "depth"):
        difference = (getattr(expected, part) - getattr(found, part)).abs().max().item()
        if not difference <= TOLERANCE:
            raise Refusal(f"its {part} differ from PyTorch's by {difference:.1g}")
