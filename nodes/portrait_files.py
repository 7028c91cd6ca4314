"""Save portrait and Load portrait."""

from __future__ import annotations

from .kept_files import LoadsKeptFile, file_output, kept_input, prefix_input, saved
from .prepare_portrait import portrait_outputs, portrait_results
from .runtime import folders
from .runtime.api import CATEGORY, io, schema
from .sockets import PortraitSocket


class SavePortrait(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="Real3DSavePortrait",
            display_name="Save portrait",
            category=f"{CATEGORY}/files",
            description="Saves a prepared portrait as a .safetensors file in ComfyUI's output folder.",
            inputs=[
                PortraitSocket.Input("portrait", tooltip="From 'Prepare portrait'; 35 MB each, up to 220 MB for large photos."),
                prefix_input("portrait"),
            ],
            outputs=[file_output("Load portrait")],
            is_output_node=True,
        )

    @classmethod
    def execute(cls, portrait, filename_prefix: str) -> io.NodeOutput:
        from ..real3d_core.portrait.portrait_files import save_portraits

        return saved(filename_prefix, lambda path: save_portraits(path, portrait.items))


class LoadPortrait(LoadsKeptFile):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="Real3DLoadPortrait",
            display_name="Load portrait",
            category=f"{CATEGORY}/files",
            description="Loads a portrait saved by 'Save portrait', in place of 'Prepare portrait': the photo is not needed.",
            inputs=[kept_input("portrait", "A saved portrait in ComfyUI's output or input folder.")],
            outputs=portrait_outputs(),
        )

    @classmethod
    def execute(cls, file: str) -> io.NodeOutput:
        from ..real3d_core.portrait.portrait_files import load_portraits

        return portrait_results(load_portraits(folders.kept_file(file)))
