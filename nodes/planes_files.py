"""Save planes and Load planes."""

from __future__ import annotations

from .kept_files import LoadsKeptFile, load_schema, save_schema, saved
from .runtime import folders
from .runtime.api import io
from .sockets import Heads, PlanesSocket


class SavePlanes(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        tooltip = "A head at rest, from 'Image to plane' or 'Mix planes'; 25 MB per portrait."
        return save_schema("planes", "a lifted head", PlanesSocket.Input("planes", tooltip=tooltip), node_id="Real3DSavePlanes")

    @classmethod
    def execute(cls, planes, filename_prefix: str) -> io.NodeOutput:
        from ..real3d_core.render.planes_files import save_planes

        heads = planes.still("Saving")
        return saved(filename_prefix, lambda path: save_planes(path, heads, planes.avatar))


class LoadPlanes(LoadsKeptFile):
    @classmethod
    def define_schema(cls) -> io.Schema:
        outputs = [PlanesSocket.Output(display_name="planes", tooltip="The head at rest.")]
        return load_schema("planes", "Loads a head saved by 'Save planes'.", "Saved planes", outputs, node_id="Real3DLoadPlanes")

    @classmethod
    def execute(cls, file: str) -> io.NodeOutput:
        from ..real3d_core.render.planes_files import load_planes

        heads, avatar = load_planes(folders.kept_file(file))
        return io.NodeOutput(Heads.at_rest(avatar, heads))
