"""Save motion and Load motion."""

from __future__ import annotations

from ..real3d_core.avatar_kinds import load_motion
from .kept_files import LoadsKeptFile, file_output, kept_input, prefix_input, saved
from .runtime import folders
from .runtime.api import CATEGORY, io, schema
from .sockets import MotionSocket


class SaveMotion(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="Real3DSaveMotion",
            display_name="Save motion",
            category=f"{CATEGORY}/files",
            description="Saves a motion as a .safetensors file in ComfyUI's output folder.",
            inputs=[
                MotionSocket.Input("motion", tooltip="Any motion."),
                prefix_input("motion"),
            ],
            outputs=[file_output("Load motion")],
            is_output_node=True,
        )

    @classmethod
    def execute(cls, motion, filename_prefix: str) -> io.NodeOutput:
        from ..real3d_core.motion.motion_files import save_motion

        return saved(filename_prefix, lambda path: save_motion(path, motion))


class LoadMotion(LoadsKeptFile):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="Real3DLoadMotion",
            display_name="Load motion",
            category=f"{CATEGORY}/files",
            description="Loads a motion saved by 'Save motion'; it fits the kind of avatar that it was made with.",
            inputs=[kept_input("motion", "A saved motion in ComfyUI's output or input folder.")],
            outputs=[MotionSocket.Output(display_name="motion", tooltip="The motion, at its own frame rate.")],
        )

    @classmethod
    def execute(cls, file: str) -> io.NodeOutput:
        return io.NodeOutput(load_motion(folders.kept_file(file)))
