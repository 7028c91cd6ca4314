"""Save planes and Load planes."""

from __future__ import annotations

from .kept_files import LoadsKeptFile, file_output, kept_input, prefix_input, saved
from .runtime import folders
from .runtime.api import CATEGORY, io, schema
from .sockets import Heads, PlanesSocket


class SavePlanes(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="Real3DSavePlanes",
            display_name="Save planes",
            category=f"{CATEGORY}/files",
            description="Saves a lifted head as a .safetensors file in ComfyUI's output folder.",
            inputs=[
                PlanesSocket.Input("planes", tooltip="A head at rest, from 'Image to plane' or 'Mix planes'; 25 MB per portrait."),
                prefix_input("planes"),
            ],
            outputs=[file_output("Load planes")],
            is_output_node=True,
        )

    @classmethod
    def execute(cls, planes, filename_prefix: str) -> io.NodeOutput:
        from ..real3d_core.render.planes_files import save_planes

        heads = planes.still("Saving")
        return saved(filename_prefix, lambda path: save_planes(path, heads, planes.avatar))


class LoadPlanes(LoadsKeptFile):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="Real3DLoadPlanes",
            display_name="Load planes",
            category=f"{CATEGORY}/files",
            description="Loads a head saved by 'Save planes'.",
            inputs=[kept_input("planes", "Saved planes in ComfyUI's output or input folder.")],
            outputs=[PlanesSocket.Output(display_name="planes", tooltip="The head at rest.")],
        )

    @classmethod
    def execute(cls, file: str) -> io.NodeOutput:
        from ..real3d_core.render.planes_files import load_planes

        heads, avatar = load_planes(folders.kept_file(file))
        return io.NodeOutput(Heads.at_rest(avatar, heads))
