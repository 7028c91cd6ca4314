"""Planes: save, load, mix, to and from bare tensors."""

from __future__ import annotations

from ..real3d_core.errors import Real3DError
from . import runtime
from .conversions import bounded
from .runtime import CATEGORY, io, schema
from .sockets import Heads, PlanesSocket, TensorFrames, TensorSocket, one_for_each

_LAYOUT = "frame, plane, feature, row, column"
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
                io.Combo.Input("file", options=runtime.kept_choices(), tooltip="A .safetensors file in ComfyUI's output or input folder.")
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

        bounded(weight, 0, 1, "weight")
        if first.avatar != second.avatar:
            raise Real3DError(f"Planes of '{first.avatar}' and of '{second.avatar}' can not be mixed: lift both portraits with one avatar.")
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
            outputs=[TensorSocket.Output(display_name="tensor", tooltip="Streams of [n, 3, 32, 256, 256] float32, one per portrait.")],
        )

    @classmethod
    def execute(cls, planes) -> io.NodeOutput:
        streams = tuple(stream.map(lambda chunk, start, stop: chunk.features, keep=0) for stream in planes.streams)
        return io.NodeOutput(TensorFrames(streams, _LAYOUT, planes.avatar))


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
                TensorSocket.Input("tensor", tooltip="As many frames and portraits as the planes have, [n, 3, 32, H, W]."),
            ],
            outputs=[PlanesSocket.Output(display_name="planes", tooltip="The same heads with the tensor's numbers.")],
        )

    @classmethod
    def execute(cls, planes, tensor) -> io.NodeOutput:
        from dataclasses import replace

        if [len(stream) for stream in tensor.streams] != [len(stream) for stream in planes.streams] or tensor.layout != _LAYOUT:
            raise Real3DError(
                "The tensor does not belong to these planes: it must have the same portraits and frames, and come from 'Planes to tensor'."
            )

        def numbers(own, other):
            return own.map(lambda chunk, start, stop: replace(chunk, features=other.frames(start, stop)))

        streams = tuple(numbers(own, other) for own, other in zip(planes.streams, tensor.streams, strict=True))
        return io.NodeOutput(Heads(planes.avatar, streams, planes.moving))
