"""Save motion and Load motion."""

from __future__ import annotations

from .runtime import api, folders
from .runtime.api import CATEGORY, io, schema
from .sockets import FileSocket, MotionSocket


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
                io.String.Input(
                    "filename_prefix", default="real3d/motion", tooltip="Subfolder and prefix of the file name, inside the output folder."
                ),
            ],
            outputs=[FileSocket.Output(display_name="file", tooltip="The file name, for 'Load motion'.")],
            is_output_node=True,
        )

    @classmethod
    def execute(cls, motion, filename_prefix: str) -> io.NodeOutput:
        from ..real3d_core.motion.motion_files import save_motion

        path, name = folders.new_output(filename_prefix)
        save_motion(path, motion)
        return io.NodeOutput(name, ui={"text": [name]})


class LoadMotion(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="Real3DLoadMotion",
            display_name="Load motion",
            category=f"{CATEGORY}/files",
            description="Loads a motion saved by 'Save motion'; it fits the kind of avatar that it was made with.",
            inputs=[
                io.Combo.Input(
                    "file", options=folders.kept_choices("motion"), tooltip="A saved motion in ComfyUI's output or input folder."
                )
            ],
            outputs=[MotionSocket.Output(display_name="motion", tooltip="The motion, at its own frame rate.")],
        )

    @classmethod
    def validate_inputs(cls, file: str = "") -> bool | str:
        return api.sentence_or_true(lambda: folders.refuse_hostile(file, "file")) if file else True

    @classmethod
    def fingerprint_inputs(cls, file: str = "") -> tuple:
        return folders.kept_fingerprint(file) if file else ()

    @classmethod
    def execute(cls, file: str) -> io.NodeOutput:
        from ..real3d_core.avatar_kinds import load_motion

        return io.NodeOutput(load_motion(folders.kept_file(file)))
