"""Save motion and Load motion."""

from __future__ import annotations

from ..real3d_core.avatar_kinds import load_motion
from .kept_files import LoadsKeptFile, load_schema, save_schema, saved
from .runtime import folders
from .runtime.api import io
from .sockets import MotionSocket


class SaveMotion(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return save_schema("motion", "a motion", MotionSocket.Input("motion", tooltip="Any motion."), node_id="Real3DSaveMotion")

    @classmethod
    def execute(cls, motion, filename_prefix: str) -> io.NodeOutput:
        from ..real3d_core.motion.motion_files import save_motion

        return saved(filename_prefix, lambda path: save_motion(path, motion))


class LoadMotion(LoadsKeptFile):
    @classmethod
    def define_schema(cls) -> io.Schema:
        description = "Loads a motion saved by 'Save motion'; it fits the kind of avatar that it was made with."
        outputs = [MotionSocket.Output(display_name="motion", tooltip="The motion, at its own frame rate.")]
        return load_schema("motion", description, "A saved motion", outputs, node_id="Real3DLoadMotion")

    @classmethod
    def execute(cls, file: str) -> io.NodeOutput:
        return io.NodeOutput(load_motion(folders.kept_file(file)))
