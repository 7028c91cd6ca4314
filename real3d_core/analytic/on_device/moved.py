"""What a portrait's frames are made from, moved to a device once."""

from __future__ import annotations

import copy
from typing import Any, TypeVar, overload

import numpy as np
import torch
from torch import Tensor

Thing = TypeVar("Thing")
_OWN = __name__.rpartition(".analytic.")[0]


@overload
def moved(thing: np.ndarray, device: torch.device) -> Tensor: ...
@overload
def moved(thing: Thing, device: torch.device) -> Thing: ...
def moved(thing: Any, device: torch.device) -> Any:
    """A copy of an object of this package, or of several, whose tensors and arrays are tensors on a device; float64 becomes float32.

    What it holds is moved likewise; all else is shared with it.
    """
    if isinstance(thing, np.ndarray):
        return moved(torch.from_numpy(thing), device)
    if isinstance(thing, Tensor):
        return (thing.float() if thing.dtype == torch.float64 else thing).to(device)
    if isinstance(thing, (tuple, list)):
        return type(thing)(moved(one, device) for one in thing)
    if type(thing).__module__.startswith(_OWN) and hasattr(thing, "__dict__"):
        there = copy.copy(thing)
        there.__dict__.update({name: moved(one, device) for name, one in vars(thing).items()})
        return there
    return thing


def sent(numbers: Tensor, device: torch.device) -> Tensor:
    """Numbers of a chunk on the device, which is not waited for."""
    return numbers.to(device, non_blocking=True)
