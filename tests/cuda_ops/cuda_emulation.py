"""The CUDA kernel's own source, compiled by g++ and run thread by thread."""

from __future__ import annotations

import ctypes
from functools import lru_cache
from pathlib import Path

from cuda_ops.build import built_library
from cuda_ops.cuda_source import MULTIPLE, KernelShape, kernel_arguments, kernel_source
from cuda_ops.fused_marching import FusedMarcher

HERE = Path(__file__).parent


def load(flags: tuple[str, ...] = ("-O2", "-ffp-contract=off")) -> FusedMarcher:
    """A marcher as the back ends have them; slow. Compiles the kernel for each shape of decoder."""
    before, after = ((HERE / name).read_text() for name in ("cuda_emulation.h", "cuda_emulation_launch.h"))

    @lru_cache
    def emulated(shape: KernelShape):
        return built_library("emulated", before + kernel_source() + after, (*flags, *shape.defines())).emulated_march

    emulated(KernelShape(MULTIPLE, 0, MULTIPLE))

    def march_packed(head, cutoffs, *rays):
        shape, struct = KernelShape.of(head), head.as_struct()
        arguments, results = kernel_arguments(struct, shape, cutoffs, rays)
        assert emulated(shape)(ctypes.byref(struct), *arguments[1:]) == 0
        return results

    return FusedMarcher(march_packed, MULTIPLE)
