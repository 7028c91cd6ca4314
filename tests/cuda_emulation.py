"""The CUDA kernel's own source, compiled by g++ and run thread by thread."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from cuda_ops.build import built_library
from cuda_ops.cuda.launch import MULTIPLE, KernelShape, Launch, kernel_source
from cuda_ops.fused_marching import FusedMarcher, ray_by_ray

HERE = Path(__file__).parent / "cuda_ops"
QUICK = ("-O2", "-ffp-contract=off")


@lru_cache
def emulated(options: tuple[str, ...], flags: tuple[str, ...] = QUICK):
    """The function that launches the kernel: (blocks, threads, bytes of shared memory, addresses of the arguments) -> 0.

    options: -D... as for the CUDA compilers.
    """
    before, after = ((HERE / name).read_text() for name in ("cuda_emulation.h", "cuda_emulation_launch.h"))
    return built_library("emulated", before + kernel_source() + after, (*flags, *options)).emulated_launch


def load(flags: tuple[str, ...] = QUICK) -> FusedMarcher:
    """A marcher as the back ends have them; slow. Compiles the kernel for each shape of decoder."""
    emulated(KernelShape(MULTIPLE, 0, MULTIPLE).defines(), flags)

    def march_packed(head, cutoffs, *rays):
        shape = KernelShape.of(head)
        launch = Launch.of(head.as_struct(), shape, cutoffs, *rays)
        assert emulated(shape.defines(), flags)(launch.blocks, launch.threads, launch.shared_bytes, launch.pointers()) == 0
        return launch.results

    return FusedMarcher(ray_by_ray(march_packed), MULTIPLE)
