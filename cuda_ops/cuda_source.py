"""march_cuda.cu for one shape of decoder, and how it is launched; the same for all that compile it."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from .fused_marching import Cutoffs, Head, PackedHead, results_for
from .polynomials import cuda_macro

SOURCE = Path(__file__).with_name("march_cuda.cu")
MULTIPLE = 32  # lanes of a warp
WARPS = 4
AT_ONCE = 4


@dataclass(frozen=True)
class KernelShape:
    """Numbers that the kernel is compiled for: hidden units early and late, varying colours."""

    early: int
    late: int
    varying: int

    @classmethod
    def of(cls, head: PackedHead) -> KernelShape:
        return cls(head.early.shape[1], head.late.shape[1], head.decoder.to_colour.shape[1])

    def defines(self) -> tuple[str, ...]:
        """Options for the compiler."""
        return (f"-DEARLY={self.early}", f"-DLATE={self.late}", f"-DVARYING={self.varying}", f"-DWARPS={WARPS}")

    def room_per_ray(self, coarse: int, fine: int) -> int:
        """Floats of shared memory that a warp needs."""
        return -(-(AT_ONCE * (self.early + self.late) + 5 * (coarse + fine) + 2 * coarse) // 4) * 4


def kernel_source() -> str:
    """CUDA C++ without any include."""
    return cuda_macro() + SOURCE.read_text(encoding="utf-8")


def kernel_arguments(
    head: Head, shape: KernelShape, cutoffs: Cutoffs, rays: tuple[Tensor, Tensor, Tensor, Tensor]
) -> tuple[list, tuple[Tensor, Tensor, Tensor]]:
    """The kernel's arguments as ctypes values, and the tensors [r, 32], [r], [r] that it writes to.

    Args:
        head: by value.
        rays: origins, directions, depths, positions, contiguous.
    """
    origins, _, depths, positions = rays
    coarse, fine = depths.shape[1], positions.shape[1]
    results = results_for(origins)
    numbers = (ctypes.c_longlong(len(origins)), *map(ctypes.c_int, (coarse, fine, shape.room_per_ray(coarse, fine))))
    stride = ctypes.c_longlong(0 if len(positions) == 1 else fine)
    limits = map(ctypes.c_float, (cutoffs.stop_below, cutoffs.colour_above))
    addresses, written = ([ctypes.c_void_p(tensor.data_ptr()) for tensor in tensors] for tensors in (rays, results))
    return [head, *addresses, *numbers, stride, *limits, *written], results
