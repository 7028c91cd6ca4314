"""march.cu for one shape of decoder, and how it is launched; the same for all that compile it."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from ..build import Refusal
from ..cpu.polynomials import cuda_macro
from ..fused_marching import HEAD_SOURCE, STRUCT_BYTES, Cutoffs, Head, PackedHead, results_for

SOURCES = (HEAD_SOURCE, *(Path(__file__).with_name(name) for name in ("table.h", "march.cu")))
MULTIPLE = 32  # lanes of a warp
WARPS = 4
AT_ONCE = 4  # samples whose colours are worked out together
ROWS_OF_ALL, ROWS_OF_COARSE = 5, 2  # of shared memory: one number for each sample, or for each coarse one
SHARED_BYTES = 48 << 10  # bytes of shared memory that every GPU has for a block


@dataclass(frozen=True)
class KernelShape:
    """What the kernel is compiled for: hidden units early and late, varying colours, planes with depth."""

    early: int
    late: int
    varying: int
    trigrid: bool = False

    @classmethod
    def of(cls, head: PackedHead) -> KernelShape:
        stacked = head.windows[0].through_length > 0
        return cls(head.early.shape[1], head.late.shape[1], head.decoder.to_colour.shape[1], stacked)

    def defines(self) -> tuple[str, ...]:
        """Options for the compiler."""
        shape = (f"-DEARLY={self.early}", f"-DLATE={self.late}", f"-DVARYING={self.varying}", f"-DSTACKED={int(self.trigrid)}")
        memory = (f"-DWARPS={WARPS}", f"-DAT_ONCE={AT_ONCE}", f"-DROWS_OF_ALL={ROWS_OF_ALL}", f"-DROWS_OF_COARSE={ROWS_OF_COARSE}")
        return (*shape, *memory, *(f"-D{name}={size}" for name, size in STRUCT_BYTES.items()))

    def room_per_ray(self, coarse: int, fine: int) -> int:
        """Floats of shared memory that a warp needs."""
        floats = AT_ONCE * (self.early + self.late) + ROWS_OF_ALL * (coarse + fine) + ROWS_OF_COARSE * coarse
        return -(-floats // 4) * 4


def kernel_source() -> str:
    """CUDA C++ without any include."""
    return cuda_macro() + "".join(path.read_text(encoding="utf-8") for path in SOURCES)


@dataclass(frozen=True)
class Launch:
    """A launch of the kernel as the driver wants it.

    results: colour [r, 32], depth [r], opacity [r] that the kernel writes to.
    """

    blocks: int
    threads: int
    shared_bytes: int
    arguments: tuple
    results: tuple[Tensor, Tensor, Tensor]

    @classmethod
    def of(cls, head: Head, shape: KernelShape, cutoffs: Cutoffs, *rays: Tensor) -> Launch:
        """
        Args:
            head: by value; the tensors it points to must outlive the launch.
            rays: origins, directions, depths, positions, contiguous.

        Raises:
            Refusal: so many samples do not fit into a block's memory.
        """
        origins, _, depths, positions = rays
        coarse, fine = depths.shape[1], positions.shape[1]
        room = shape.room_per_ray(coarse, fine)
        warps = min(WARPS, SHARED_BYTES // (4 * room))
        if not warps:
            raise Refusal(f"{coarse} + {fine} samples per ray are too many")
        results = results_for(origins)
        arguments = (
            head,
            *(ctypes.c_void_p(tensor.data_ptr()) for tensor in rays),
            *(ctypes.c_longlong(len(origins)), ctypes.c_int(coarse), ctypes.c_int(fine), ctypes.c_int(room)),
            *(ctypes.c_longlong(0 if len(positions) == 1 else fine), *map(ctypes.c_float, (cutoffs.stop_below, cutoffs.colour_above))),
            *(ctypes.c_void_p(tensor.data_ptr()) for tensor in results),
        )
        return cls(-(-len(origins) // warps), 32 * warps, 4 * room * warps, arguments, results)

    def pointers(self) -> ctypes.Array:
        """Where the arguments lie; keep this object while they are in use."""
        return (ctypes.c_void_p * len(self.arguments))(*(ctypes.addressof(argument) for argument in self.arguments))
