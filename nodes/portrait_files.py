"""Save portrait and Load portrait."""

from __future__ import annotations

from .kept_files import LoadsKeptFile, load_schema, save_schema, saved
from .prepare_portrait import portrait_outputs, portrait_results
from .runtime import folders
from .runtime.api import io
from .sockets import PortraitSocket


class SavePortrait(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        tooltip = "From 'Prepare portrait'; 35 MB each, up to 220 MB for large photos."
        return save_schema(
            "portrait", "a prepared portrait", PortraitSocket.Input("portrait", tooltip=tooltip), node_id="Real3DSavePortrait"
        )

    @classmethod
    def execute(cls, portrait, filename_prefix: str) -> io.NodeOutput:
        from ..real3d_core.portrait.portrait_files import save_portraits

        return saved(filename_prefix, lambda path: save_portraits(path, portrait.items))


class LoadPortrait(LoadsKeptFile):
    @classmethod
    def define_schema(cls) -> io.Schema:
        description = "Loads a portrait saved by 'Save portrait', in place of 'Prepare portrait': the photo is not needed."
        return load_schema("portrait", description, "A saved portrait", portrait_outputs(), node_id="Real3DLoadPortrait")

    @classmethod
    def execute(cls, file: str) -> io.NodeOutput:
        from ..real3d_core.portrait.portrait_files import load_portraits

        return portrait_results(load_portraits(folders.kept_file(file)))
