"""Save planes and Load planes."""

from __future__ import annotations

from .runtime import api, folders
from .runtime.api import CATEGORY, io, schema
from .sockets import FileSocket, Heads, PlanesSocket


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
                io.String.Input(
                    "filename_prefix", default="real3d/planes", tooltip="Subfolder and prefix of the file name, inside the output folder."
                ),
            ],
            outputs=[FileSocket.Output(display_name="file", tooltip="The file name, for 'Load planes'.")],
            is_output_node=True,
        )

    @classmethod
    def execute(cls, planes, filename_prefix: str) -> io.NodeOutput:
        from ..real3d_core.render.planes_files import save_planes

        heads = planes.still("Saving")
        path, name = folders.new_output(filename_prefix)
        save_planes(path, heads, planes.avatar)
        return io.NodeOutput(name, ui={"text": [name]})


class LoadPlanes(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="Real3DLoadPlanes",
            display_name="Load planes",
            category=f"{CATEGORY}/files",
            description="Loads a head saved by 'Save planes'.",
            inputs=[
                io.Combo.Input("file", options=folders.kept_choices("planes"), tooltip="Saved planes in ComfyUI's output or input folder.")
            ],
            outputs=[PlanesSocket.Output(display_name="planes", tooltip="The head at rest.")],
        )

    @classmethod
    def validate_inputs(cls, file: str = "") -> bool | str:
        return api.sentence_or_true(lambda: folders.refuse_hostile(file, "file")) if file else True

    @classmethod
    def fingerprint_inputs(cls, file: str = "") -> tuple:
        return folders.kept_fingerprint(file) if file else ()

    @classmethod
    def execute(cls, file: str) -> io.NodeOutput:
        from ..real3d_core.render.planes_files import load_planes

        heads, avatar = load_planes(folders.kept_file(file))
        return io.NodeOutput(Heads.at_rest(avatar, heads))
