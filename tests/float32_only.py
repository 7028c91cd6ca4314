"""A processor that behaves like a device without float64."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten


class _Float32Only(TorchDispatchMode):
    def __torch_dispatch__(self, function, types, arguments=(), options=None):
        result = function(*arguments, **(options or {}))
        for value in tree_flatten((arguments, options, result))[0]:
            if (isinstance(value, torch.Tensor) and value.dtype == torch.float64) or value is torch.float64:
                raise TypeError(f"{function} on float64, which this device does not have")
        return result


@contextmanager
def float32_only() -> Iterator[None]:
    """Whatever reads or makes a float64 tensor within fails, as it does on Apple's GPUs."""
    with _Float32Only():
        yield
