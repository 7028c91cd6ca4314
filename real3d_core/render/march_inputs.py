"""The inputs of a marcher, checked once and converted to the form that every marcher computes in: dense float32."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import torch
from torch import Tensor

from ..errors import Real3DError
from .decoder import PlaneDecoder
from .planes import CHANNELS, MOST_LAYERS, Planes

_REACH = 1e6  # world units: beyond it, depths and texels overflow


def checked_inputs(planes: Planes, decoder: PlaneDecoder, cameras: Tensor) -> tuple[Planes, PlaneDecoder, Tensor]:
    """The same as dense float32 on the device of the planes.

    Narrower floating-point numbers are widened, which is exact. float64 is refused: rounding it is the caller's decision.
    Features may be infinite or not numbers; the rays that meet such features come out empty.

    Raises:
        Real3DError: a wrong shape, a wrong type of numbers, or an invalid box.
    """
    device = planes.features.device
    features = _float32("planes", planes.features, device)
    layers = features.shape[2] / CHANNELS
    if layers not in range(1, MOST_LAYERS + 1) or not features.shape[3] * features.shape[4]:
        raise Real3DError(
            f"Planes must be [N, 3, {CHANNELS}, H, W] to be marched ({CHANNELS} times the depth for a trigrid), "
            f"these are {_shape(features)}: use planes as 'lift' returns them."
        )
    box = (planes.bounds is None or bool((planes.bounds.abs() <= _REACH).all())) and 1 / _REACH <= planes.box_side <= _REACH
    if not box:
        raise Real3DError(f"The box of the planes (side {planes.box_side}, bounds {planes.bounds}) must be finite and not empty.")
    if cameras.ndim != 2 or cameras.shape[1] != 25:
        raise Real3DError(f"Cameras must be [N, 25] numbers, these are {_shape(cameras)}: a 4x4 matrix and 3x3 intrinsics for each frame.")
    checked = planes if features is planes.features else replace(planes, features=features)
    return checked, _checked_decoder(decoder, device), _float32("cameras", cameras, device)


def wants_gradients(planes: Planes, decoder: PlaneDecoder, cameras: Tensor) -> bool:
    """Whether a backward pass may follow: grad mode is on and one of the tensors requires it. Only `march` is differentiable."""
    tensors = (planes.features, planes.bounds, cameras, *vars(decoder).values())
    return torch.is_grad_enabled() and any(tensor is not None and tensor.requires_grad for tensor in tensors)


@contextmanager
def full_float32(device: torch.device) -> Iterator[None]:
    """Products inside are float32 whatever the host or another node allows: no TF32, no bfloat16, no autocast."""
    with _without_reduced_products(), torch.autocast(device.type, enabled=False):
        yield


@contextmanager
def _without_reduced_products() -> Iterator[None]:
    try:
        allowed = torch.get_float32_matmul_precision()
    except RuntimeError:  # somebody has set it by the newer names, which PyTorch does not allow to be mixed with this one
        yield from _without_reduced_products_by_place()
        return
    if allowed == "highest":
        yield
        return
    torch.set_float32_matmul_precision("highest")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(allowed)


def _without_reduced_products_by_place() -> Iterator[None]:
    places = (torch.backends.cuda.matmul, torch.backends.mkldnn.matmul)  # type: ignore[attr-defined]
    allowed = [place.fp32_precision for place in places]
    try:
        for place in places:
            place.fp32_precision = "ieee"
        yield
    finally:
        for place, precision in zip(places, allowed, strict=True):
            place.fp32_precision = precision


def _checked_decoder(decoder: PlaneDecoder, device: torch.device) -> PlaneDecoder:
    hidden = len(decoder.weight1) if decoder.weight1.ndim else 0
    wanted = ((hidden, CHANNELS), (hidden,), (1 + CHANNELS, hidden), (1 + CHANNELS,))
    parts = (decoder.weight1, decoder.bias1, decoder.weight2, decoder.bias2)
    if not hidden or any(part.shape != shape for part, shape in zip(parts, wanted, strict=True)):
        shapes = ", ".join(map(_shape, parts))
        raise Real3DError(f"The decoder's layers must be {', '.join(str(list(shape)) for shape in wanted)}, these are {shapes}.")
    return PlaneDecoder(*(_float32("decoder's weights", part, device) for part in parts))


def _float32(what: str, tensor: Tensor, device: torch.device) -> Tensor:
    dense = tensor.layout == torch.strided and not tensor.is_quantized and not tensor.is_meta
    if not dense or not tensor.is_floating_point() or tensor.dtype.itemsize > 4:
        kind = str(tensor.dtype).removeprefix("torch.") if dense else "sparse, quantized or without storage"
        raise Real3DError(f"The {what} must be dense float32 numbers, these are {kind}: convert them with .float() first.")
    there = tensor.to(device, torch.float32, non_blocking=device.type != "cpu")  # nobody waits for what a device is still computing
    return there.resolve_neg()  # compiled code reads memory, where a negated view is not negated


def _shape(tensor: Tensor) -> str:
    return str(list(tensor.shape))
