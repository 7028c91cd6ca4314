"""The marcher that all compiled back ends share: tables by PyTorch, rays by compiled code (spec 07 section 4)."""

from __future__ import annotations

import ctypes
import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from torch import Tensor

from .core import render

HEAD_SOURCE = Path(__file__).with_name("head.h")
CHANNELS = 32
LN_2 = math.log(2)


@dataclass(frozen=True)
class Cutoffs:
    """What is too little to be worked out.

    stop_below: a ray is followed until less than this share of its light passes.
    colour_above: a sample's colour counts if its share of the pixel exceeds this.

    What is left out changes features by twice its share at the most (spec 07 section 2).
    """

    stop_below: float = 1e-5
    colour_above: float = 1e-6


DEFAULT = Cutoffs()
EXACT = Cutoffs(0.0, -1.0)


@dataclass(frozen=True)
class PackedDecoder:
    """A lean decoder in the form that compiled code reads: unit counts padded with units that have no output weights.

    weight [early + late, i], bias [early + late]: of the first layer, times log2 e; what follows the hidden units is times ln 2. So a
    hidden unit is log2(1 + 2^x), which costs less than log(1 + e^x).
    to_density [early]; to_colour [early + late, varying]; colour_bias [varying]; constant [32]; outputs [o] int32.
    """

    inputs: Tensor
    weight: Tensor
    bias: Tensor
    early_units: int
    to_density: Tensor
    to_colour: Tensor
    colour_bias: Tensor
    constant: Tensor
    outputs: Tensor
    density_bias: float

    @classmethod
    def of(cls, decoder: render.PlaneDecoder, multiple: int) -> PackedDecoder:
        """Counts become multiples of `multiple`; there is at least one early unit, and at least one varying colour."""
        lean = render.table_marching.LeanDecoder.of(decoder)
        early, late = lean.early, lean.late
        early_units = max(_up(len(early.bias), multiple), multiple)
        late_units = _up(len(late.bias), multiple)
        varying = max(_up(len(lean.outputs), multiple), multiple)

        def units(part: str, *width: int) -> Tensor:
            rows = [_padded(getattr(group, part), count, *width) for group, count in ((early, early_units), (late, late_units))]
            return torch.cat(rows).contiguous()

        return cls(
            lean.inputs,
            units("weight", len(lean.inputs)) / LN_2,
            units("bias") / LN_2,
            early_units,
            _padded(early.to_density, early_units) * LN_2,
            units("to_colour", varying) * LN_2,
            _padded(lean.colour_bias, varying),
            lean.constant.contiguous(),
            lean.outputs.int(),
            lean.density_bias.item(),
        )


class Window(ctypes.Structure):
    """A rectangle of texels, or a stack of them; the same fields in head.h. through_length 0: no stack."""

    _fields_ = [
        *((name, ctypes.c_int32) for name in ("across_axis", "across_length", "down_axis", "down_length", "start")),
        *((name, ctypes.c_float) for name in ("across_scale", "across_shift", "down_scale", "down_shift")),
        *((name, ctypes.c_int32) for name in ("through_axis", "through_length")),
        *((name, ctypes.c_float) for name in ("through_scale", "through_shift")),
    ]


class Head(ctypes.Structure):
    """A head as compiled code reads it; the same fields in head.h."""

    _fields_ = [
        *((name, ctypes.c_void_p) for name in ("early", "late", "to_density", "to_colour", "colour_bias", "constant", "outputs")),
        ("density_bias", ctypes.c_float),
        *((name, ctypes.c_int32) for name in ("early_units", "late_units", "varying", "written", "channels", "windows")),
        ("window", Window * 3),
    ]


STRUCT_BYTES = {"WINDOW_BYTES": ctypes.sizeof(Window), "HEAD_BYTES": ctypes.sizeof(Head)}
"""Sizes that compiled code compares with those of its own structs; it does not compile where they differ."""

Project = Callable[[render.plane_table.PlaneTable, tuple[Window, ...], PackedDecoder], tuple[Tensor, Tensor]]
"""(table, its windows, decoder) -> what the early [T, early units] and the late units [T, late units] receive at every texel."""


def project_by_torch(table: render.plane_table.PlaneTable, windows: tuple[Window, ...], decoder: PackedDecoder) -> tuple[Tensor, Tensor]:
    """A Project that runs wherever PyTorch does."""
    count = decoder.early_units
    return table.project(decoder.weight[:count], decoder.bias[:count]), table.project(decoder.weight[count:], decoder.bias[count:])


@dataclass(frozen=True)
class PackedHead:
    """A head ready to be marched by compiled code.

    early [T, early units], late [T, late units]: what hidden units receive at every texel of `windows`.
    """

    decoder: PackedDecoder
    windows: tuple[Window, ...]
    early: Tensor
    late: Tensor

    @classmethod
    def of(cls, table: render.plane_table.PlaneTable, decoder: PackedDecoder, project: Project) -> PackedHead:
        windows = tuple(
            Window(
                *(window.across.axis, len(window.across), window.down.axis, len(window.down), window.start),
                *(window.across.scale, window.across.shift - window.across.first),
                *(window.down.scale, window.down.shift - window.down.first),
                *_through(window.through),
            )
            for window in table.windows
        )
        return cls(decoder, windows, *project(table, windows, decoder))

    def as_struct(self) -> Head:
        """Holds addresses of this object's tensors: keep it while the struct is in use."""
        decoder = self.decoder
        pointers = (self.early, self.late, decoder.to_density, decoder.to_colour, decoder.colour_bias, decoder.constant, decoder.outputs)
        varying = decoder.to_colour.shape[1]
        counts = (decoder.early_units, self.late.shape[1], varying, len(decoder.outputs), len(decoder.constant), len(self.windows))
        return Head(*(tensor.data_ptr() for tensor in pointers), decoder.density_bias, *counts, (Window * 3)(*self.windows))


MarchPacked = Callable[[PackedHead, Cutoffs, Tensor, Tensor, Tensor, Tensor], tuple[Tensor, Tensor, Tensor]]
"""(head, cutoffs, and the arguments of MarchRays, contiguous float32) -> what MarchRays returns."""

Draw = Callable[[render.Planes, PackedDecoder, Cutoffs, Tensor, render.MarchSettings, int], render.HeadRender]
"""The arguments of march, checked, the decoder packed, with what may be left out before the cameras -> what march returns."""


@dataclass(frozen=True)
class FusedMarcher:
    """A back end's marcher; calling it is calling real3d_core.render.march, which it hands over to where gradients are asked for.

    draw: the compiled code and what is around it.
    multiple: it wants unit counts that are multiples of this.
    cutoffs: what it may leave out.
    """

    draw: Draw
    multiple: int
    cutoffs: Cutoffs = DEFAULT
    _latest: list[tuple[render.PlaneDecoder, PackedDecoder]] = field(default_factory=list, repr=False, compare=False)

    def exact(self) -> FusedMarcher:
        """The same with nothing left out."""
        return replace(self, cutoffs=EXACT)

    def __call__(
        self,
        planes: render.Planes,
        decoder: render.PlaneDecoder,
        cameras: Tensor,
        settings: render.MarchSettings = render.ray_marching.OFFICIAL,
        first_frame: int = 0,
    ) -> render.HeadRender:
        planes, decoder, cameras = render.march_inputs.checked_inputs(planes, decoder, cameras)
        if render.march_inputs.wants_gradients(planes, decoder, cameras):
            return render.march(planes, decoder, cameras, settings, first_frame)
        with render.march_inputs.full_float32(cameras.device):
            return self.draw(planes, self._packed(decoder), self.cutoffs, cameras, settings, first_frame)

    def _packed(self, decoder: render.PlaneDecoder) -> PackedDecoder:
        """Of the latest decoder again, if it has these numbers: a film has one for all its frames."""
        for known, packed in self._latest:
            if _same(known, decoder):
                return packed
        own = render.PlaneDecoder(*(part.detach().clone() for part in vars(decoder).values()))
        packed = PackedDecoder.of(own, self.multiple)
        self._latest[:] = [(own, packed)]
        return packed


def ray_by_ray(march_packed: MarchPacked) -> Draw:
    """Where only the rays are marched by compiled code, and all else is PyTorch's."""

    def draw(
        planes: render.Planes,
        decoder: PackedDecoder,
        cutoffs: Cutoffs,
        cameras: Tensor,
        settings: render.MarchSettings,
        first_frame: int,
    ) -> render.HeadRender:
        def prepare(features: Tensor, reach: Tensor) -> render.ray_marching.MarchRays:
            table = render.plane_table.PlaneTable.of(features, decoder.inputs, planes.box_side, reach)
            head = PackedHead.of(table, decoder, project_by_torch)
            return lambda *rays: march_packed(head, cutoffs, *(part.contiguous() for part in rays))

        whole_frame = replace(settings, rays_per_chunk=settings.resolution**2)
        return render.ray_marching.march_frames(prepare, planes, cameras, whole_frame, first_frame)

    return draw


def results_for(origins: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Room for colour [r, 32], depth [r] and opacity [r]."""
    return origins.new_empty(len(origins), CHANNELS), origins.new_empty(len(origins)), origins.new_empty(len(origins))


def _same(one: render.PlaneDecoder, other: render.PlaneDecoder) -> bool:
    pairs = zip(vars(one).values(), vars(other).values(), strict=True)
    return all(a.device == b.device and torch.equal(a, b) for a, b in pairs)


def _through(run: render.plane_table.Run | None) -> tuple[int, int, float, float]:
    return (0, 0, 0.0, 0.0) if run is None else (run.axis, len(run), run.scale, run.shift - run.first)


def _up(count: int, multiple: int) -> int:
    return -(-count // multiple) * multiple


def _padded(values: Tensor, *shape: int) -> Tensor:
    """Zeros of a shape with the values in their first corner."""
    whole = values.new_zeros(shape)
    whole[tuple(slice(size) for size in values.shape)] = values
    return whole
