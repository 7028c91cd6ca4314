"""Back end cpu-ext: march_cpu.cpp, compiled for this very processor."""

from __future__ import annotations

import ctypes
from pathlib import Path

import torch
from torch import Tensor

from .build import built_library
from .fused_marching import Cutoffs, FusedMarcher, PackedHead, results_for
from .polynomials import c_constants

SOURCE = Path(__file__).with_name("march_cpu.cpp")
MULTIPLE = 16  # the widest vectors


def load(flags: tuple[str, ...] | None = None) -> FusedMarcher:
    """Builds it or takes it from the cache.

    Args:
        flags: for the compiler, instead of those for this processor.

    Raises:
        Refusal: it can not be built here.
    """
    library = built_library("march_cpu", c_constants() + SOURCE.read_text(encoding="utf-8"), flags)
    run = library.march
    number, pointer, real = ctypes.c_int32, ctypes.c_void_p, ctypes.c_float
    run.argtypes = [*[pointer] * 5, ctypes.c_int64, number, number, ctypes.c_int64, real, real, number, *[pointer] * 3]
    run.restype = number

    def march_packed(
        head: PackedHead, cutoffs: Cutoffs, origins: Tensor, directions: Tensor, depths: Tensor, positions: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        fine = positions.shape[1]
        results = results_for(origins)
        struct = head.as_struct()
        failed = run(
            ctypes.addressof(struct),
            *(tensor.data_ptr() for tensor in (origins, directions, depths, positions)),
            *(len(depths), depths.shape[1], fine, 0 if len(positions) == 1 else fine),
            *(cutoffs.stop_below, cutoffs.colour_above, torch.get_num_threads()),
            *(tensor.data_ptr() for tensor in results),
        )
        if failed:
            raise MemoryError("there is not enough memory to march rays")
        return results

    return FusedMarcher(march_packed, MULTIPLE)
