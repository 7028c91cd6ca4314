"""Planes: save, load, mix, to and from bare tensors."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from ..real3d_core.errors import Real3DError
from . import runtime
from .runtime import CATEGORY, io, schema
from .sockets import Heads, PlanesSocket, TensorFrames, TensorSocket, one_for_each

_LAYOUT = "frame, plane, feature, row, column"
_MOST_IN_LATENT = 32  # frames
_CHANNELS = 96  # of a triplane as a latent; a trigrid has so many for each of its layers
_OWNER = "real3d_avatar"  # whose numbers a latent holds; nodes for latents pass on what they do not know
FileSocket = io.Custom("COMBO")  # a file's name, so that it can be wired into a loader's list


class SavePlanes(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="Real3DSavePlanes",
            display_name="Save planes",
            category=f"{CATEGORY}/files",
            description="Keeps a lifted head as a .safetensors file in ComfyUI's output folder.",
            inputs=[
                PlanesSocket.Input("planes", tooltip="A head at rest, from 'Image to plane' or 'Mix planes'; 25 MB per portrait."),
                io.String.Input(
                    "filename_prefix", default="real3d/planes", tooltip="Folder and beginning of the file's name, inside the output folder."
                ),
            ],
            outputs=[FileSocket.Output(display_name="file", tooltip="The file's name, as 'Load planes' takes it.")],
            is_output_node=True,
        )

    @classmethod
    def execute(cls, planes, filename_prefix: str) -> io.NodeOutput:
        from ..real3d_core.render.planes_files import save_planes

        heads = planes.still("Saving")
        path, name = runtime.new_output(filename_prefix)
        save_planes(path, heads, planes.avatar)
        return io.NodeOutput(name, ui={"text": [name]})


class LoadPlanes(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="Real3DLoadPlanes",
            display_name="Load planes",
            category=f"{CATEGORY}/files",
            description="A head that 'Save planes' kept.",
            inputs=[
                io.Combo.Input("file", options=runtime.kept_choices("planes"), tooltip="Saved planes in ComfyUI's output or input folder.")
            ],
            outputs=[PlanesSocket.Output(display_name="planes", tooltip="The head at rest.")],
        )

    @classmethod
    def validate_inputs(cls, file: str = "") -> bool | str:
        return runtime.sentence_or_true(lambda: file and runtime.refuse_hostile(file, "file"))

    @classmethod
    def fingerprint_inputs(cls, file: str = "") -> tuple:
        return runtime.kept_fingerprint(file) if file else ()

    @classmethod
    def execute(cls, file: str) -> io.NodeOutput:
        from ..real3d_core.render.planes_files import load_planes

        heads, avatar = load_planes(runtime.kept_file(file))
        return io.NodeOutput(Heads.at_rest(avatar, heads))


class MixPlanes(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="Real3DMixPlanes",
            display_name="Mix planes",
            category=f"{CATEGORY}/render",
            description=(
                "A head between two heads. The portrait given to super-resolution later says whose skin, torso and background it wears."
            ),
            search_aliases=["blend heads", "morph"],
            inputs=[
                PlanesSocket.Input("first", tooltip="A head at rest."),
                PlanesSocket.Input("second", tooltip="Another one, lifted by the same avatar."),
                io.Float.Input("weight", default=0.5, min=0.0, max=1.0, step=0.01, tooltip="How much of the second head, 0 to 1."),
            ],
            outputs=[PlanesSocket.Output(display_name="planes", tooltip="The mixed head at rest.")],
        )

    @classmethod
    def execute(cls, first, second, weight: float) -> io.NodeOutput:
        from ..real3d_core.render.mixing import mix_planes

        if first.avatar != second.avatar:
            raise Real3DError(f"Planes of '{first.avatar}' and of '{second.avatar}' cannot be mixed: lift both portraits with one avatar.")
        heads, others = tuple(first.still("Mixing")), tuple(second.still("Mixing"))
        count = max(len(heads), len(others))
        pairs = zip(
            one_for_each(heads, count, "First and second planes"), one_for_each(others, count, "First and second planes"), strict=True
        )
        return io.NodeOutput(Heads.at_rest(first.avatar, [mix_planes(head, other, weight) for head, other in pairs]))


class PlanesToTensor(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="Real3DPlanesToTensor",
            display_name="Planes to tensor",
            category=f"{CATEGORY}/render",
            description="The bare numbers of the planes, for nodes of your own that change them.",
            inputs=[PlanesSocket.Input("planes", tooltip="At rest or moving.")],
            outputs=[
                TensorSocket.Output(display_name="tensor", tooltip="Streams of [n, 3, 32, 256, 256] float32, one per portrait."),
                io.Latent.Output(
                    display_name="latent",
                    tooltip="The same for nodes that calculate with latents: [n, 96, 256, 256], plane after plane; at most 32 frames.",
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
            description="Planes with other numbers: the box, the landmarks and the avatar are taken from the planes that they came from.",
            inputs=[
                PlanesSocket.Input("planes", tooltip="The planes that the tensor was made from."),
                io.MultiType.Input(
                    "tensor",
                    [TensorSocket, io.Latent],
                    tooltip="As many frames and portraits as the planes have, [n, 3, 32, H, W]; or a latent [n, 96, H, W].",
                ),
            ],
            outputs=[PlanesSocket.Output(display_name="planes", tooltip="The same heads with the tensor's numbers.")],
        )

    @classmethod
    def execute(cls, planes, tensor) -> io.NodeOutput:
        from dataclasses import replace

        tensor = tensor if isinstance(tensor, TensorFrames) else _from_latent(tensor, planes)
        if [len(stream) for stream in tensor.streams] != [len(stream) for stream in planes.streams] or tensor.layout != _LAYOUT:
            raise Real3DError(
                "The tensor does not belong to these planes: it must have the same portraits and frames, and come from 'Planes to tensor'."
            )
        if tensor.avatar != planes.avatar:
            raise Real3DError(
                f"The numbers are those of the avatar '{tensor.avatar}', the planes those of '{planes.avatar}': "
                "connect the planes that the numbers were made from."
            )

        def numbers(own, other):
            return own.map(lambda chunk, start, stop: replace(chunk, features=_fitting(other.frames(start, stop), chunk.features)))

        streams = tuple(numbers(own, other) for own, other in zip(planes.streams, tensor.streams, strict=True))
        return io.NodeOutput(Heads(planes.avatar, streams, planes.moving))


def _latent(planes: Heads) -> dict | object:
    """LATENT {"samples": [n, 96, H, W]}, or what stops the nodes behind it where there are too many frames."""
    frames = sum(map(len, planes.streams))
    if frames > _MOST_IN_LATENT:
        return runtime.blocked(
            f"{frames} frames of planes are too many for a latent: connect a head at rest, or at most {_MOST_IN_LATENT} frames of 25 MB."
        )
    chunks = []
    for stream in planes.streams:
        for chunk in stream.chunks(runtime.CHUNK):
            runtime.check_interrupted()
            chunks.append(chunk.features.float().cpu().flatten(1, 2))
    return {"samples": torch.cat(chunks), _OWNER: planes.avatar}


def _from_latent(latent: Mapping, planes: Heads) -> TensorFrames:
    """The samples as `TensorFrames`; whose they are is known as long as the nodes between pass on what a latent carries."""
    from ..real3d_core.stream import FrameStream

    samples, lengths = latent["samples"].detach(), [len(stream) for stream in planes.streams]
    if samples.ndim != 4 or len(samples) != sum(lengths) or not samples.shape[1] or samples.shape[1] % _CHANNELS:
        raise Real3DError(
            f"The latent is {list(samples.shape)}, but these planes are [{sum(lengths)}, {_CHANNELS}, 256, 256] as a latent "
            f"({_CHANNELS} times the depth for a trigrid): connect one that came from the 'latent' of 'Planes to tensor'."
        )
    streams = tuple(
        FrameStream(len(one), stream.fps, lambda start, stop, one=one: one[start:stop].unflatten(1, (3, -1)), keep=0)
        for one, stream in zip(samples.split(lengths), planes.streams, strict=True)
    )
    return TensorFrames(streams, _LAYOUT, latent.get(_OWNER, planes.avatar))


def _fitting(numbers: Tensor, own: Tensor) -> Tensor:
    """The numbers where and as the planes' own are.

    Raises:
        Real3DError: they are no numbers of planes.
    """
    if numbers.ndim != 5 or numbers.shape[:3] != own.shape[:3]:
        raise Real3DError(f"The numbers are {list(numbers.shape)}, the planes {list(own.shape)}: only rows and columns may differ.")
    if not torch.isfinite(numbers).all():
        raise Real3DError("The numbers for the planes are not all finite: look for a division by zero in the nodes that changed them.")
    return numbers.to(own)
