"""Planes to tensor and Planes from tensor."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor

from ..real3d_core.errors import Real3DError
from ..real3d_core.stream import FrameStream
from .runtime import api, progress
from .runtime.api import CATEGORY, io, schema
from .sockets import Heads, PlanesSocket, TensorFrames, TensorSocket

_LAYOUT = "frame, plane, feature, row, column"
_MOST_IN_LATENT = 32  # frames
_CHANNELS = 96  # of a triplane as a latent; a trigrid has as many for each of its layers
_OWNER = "real3d_avatar"  # key of the avatar's name in a latent; core's latent nodes pass unknown keys on


class PlanesToTensor(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="Real3DPlanesToTensor",
            display_name="Planes to tensor",
            category=f"{CATEGORY}/render",
            description="The values of the planes as tensors, for custom nodes that change them.",
            inputs=[PlanesSocket.Input("planes", tooltip="Planes at rest or animated.")],
            outputs=[
                TensorSocket.Output(display_name="tensor", tooltip="Lazy streams of [n, 3, 32, 256, 256] float32, one per portrait."),
                io.Latent.Output(
                    display_name="latent",
                    tooltip=(
                        "The same as a latent, for nodes that process latents: [n, 96, 256, 256], plane after plane; at most 32 frames."
                    ),
                ),
            ],
        )

    @classmethod
    def execute(cls, planes) -> io.NodeOutput:
        streams = tuple(stream.map(lambda chunk, start, stop: chunk.features, keep=0) for stream in planes.streams)
        return io.NodeOutput(TensorFrames(streams, _LAYOUT, planes.avatar), _latent(planes))


class PlanesFromTensor(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="Real3DPlanesFromTensor",
            display_name="Planes from tensor",
            category=f"{CATEGORY}/render",
            description="Puts new values into planes; the box, the landmarks and the avatar are those of the original planes.",
            inputs=[
                PlanesSocket.Input("planes", tooltip="The planes that the tensor was made from."),
                io.MultiType.Input(
                    "tensor",
                    [TensorSocket, io.Latent],
                    tooltip="As many frames and portraits as the planes, [n, 3, 32, H, W]; or a latent [n, 96, H, W].",
                ),
            ],
            outputs=[PlanesSocket.Output(display_name="planes", tooltip="The same heads with the values of the tensor.")],
        )

    @classmethod
    def execute(cls, planes, tensor) -> io.NodeOutput:
        tensor = tensor if isinstance(tensor, TensorFrames) else _from_latent(tensor, planes)
        if [len(stream) for stream in tensor.streams] != [len(stream) for stream in planes.streams] or tensor.layout != _LAYOUT:
            raise Real3DError(
                "The tensor does not match these planes: it must come from 'Planes to tensor' and have the same portraits and frames."
            )
        if tensor.avatar != planes.avatar:
            raise Real3DError(
                f"The tensor belongs to the avatar '{tensor.avatar}', the planes to '{planes.avatar}': "
                "connect the planes that the tensor was made from."
            )

        def numbers(own, other):
            return own.map(lambda chunk, start, stop: replace(chunk, features=_fitting(other.frames(start, stop), chunk.features)))

        streams = tuple(numbers(own, other) for own, other in zip(planes.streams, tensor.streams, strict=True))
        return io.NodeOutput(Heads(planes.avatar, streams, planes.moving))


def _latent(planes: Heads) -> dict | object:
    """LATENT {"samples": [n, 96, H, W]}; if there are too many frames, a value that blocks the nodes connected to it."""
    frames = sum(map(len, planes.streams))
    if frames > _MOST_IN_LATENT:
        return api.blocked(
            f"{frames} frames of planes are too many for a latent: "
            f"connect a head at rest, or at most {_MOST_IN_LATENT} frames (25 MB each)."
        )
    chunks = []
    for stream in planes.streams:
        for chunk in stream.chunks(progress.CHUNK):
            api.check_interrupted()
            chunks.append(chunk.features.float().cpu().flatten(1, 2))
    return {"samples": torch.cat(chunks), _OWNER: planes.avatar}


def _from_latent(latent: Mapping, planes: Heads) -> TensorFrames:
    """The samples as `TensorFrames`; the avatar is known only if the nodes in between pass the latent's extra keys on."""
    samples, lengths = latent["samples"].detach(), [len(stream) for stream in planes.streams]
    if samples.ndim != 4 or len(samples) != sum(lengths) or not samples.shape[1] or samples.shape[1] % _CHANNELS:
        raise Real3DError(
            f"The latent is {list(samples.shape)}, but these planes are [{sum(lengths)}, {_CHANNELS}, 256, 256] as a latent "
            f"({_CHANNELS} times the depth for a trigrid): connect one that was made from the 'latent' of 'Planes to tensor'."
        )
    streams = tuple(_stream_of(one, stream.fps) for one, stream in zip(samples.split(lengths), planes.streams, strict=True))
    return TensorFrames(streams, _LAYOUT, latent.get(_OWNER, planes.avatar))


def _fitting(numbers: Tensor, own: Tensor) -> Tensor:
    """The values with the device and the number type of the planes' own.

    Raises:
        Real3DError: they cannot be the values of planes.
    """
    if numbers.ndim != 5 or numbers.shape[:3] != own.shape[:3]:
        raise Real3DError(
            f"The tensor has the shape {list(numbers.shape)}, the planes {list(own.shape)}: only rows and columns may differ."
        )
    if not torch.isfinite(numbers).all():
        raise Real3DError("The tensor has values that are not finite: look for a division by zero in the nodes that changed it.")
    return numbers.to(own)


def _stream_of(latent: Tensor, fps: float) -> FrameStream[Tensor]:
    return FrameStream(len(latent), fps, lambda start, stop: latent[start:stop].unflatten(1, (3, -1)), keep=0)
