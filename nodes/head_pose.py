"""Head pose."""

from __future__ import annotations

from ..real3d_core.ranges import POSE_AMOUNT
from .conversions import sound
from .inputs import acting_input, choice, number, seed_input, sound_input
from .runtime.api import CATEGORY, io, schema
from .sockets import MotionSocket

MODES = ("keep", "static", "sway", "from other motion", "orbit")
_MOVEMENTS = {"from other motion": "driving"}  # names of the pipeline, if they differ


class HeadPose(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="Real3DHeadPose",
            display_name="Head pose",
            category=f"{CATEGORY}/motion",
            description="Sets the head movement of a motion; lips and expression stay unchanged.",
            search_aliases=["head movement", "nod", "sway"],
            inputs=[
                MotionSocket.Input("motion", tooltip="The motion whose lips and expression are kept."),
                choice(
                    "mode",
                    MODES,
                    "keep: the motion's own; static: still; sway: gentle movement of a speaker; from other motion: the head pose "
                    "of 'pose_from'; orbit: turns to both sides.",
                    default="sway",
                ),
                number(
                    "amount", 1.0, POSE_AMOUNT, "Scales the head movement; 1 is natural, 0 is still, negative values mirror it.", step=0.05
                ),
                seed_input("Random seed of the sway; the same seed gives the same movement."),
                MotionSocket.Input("pose_from", optional=True, tooltip="For 'from other motion'; played back and forth if it is shorter."),
                sound_input(
                    "For 'sway': speech, or a video with speech. The head nods with it and calms down in pauses.",
                    optional=True,
                ),
                acting_input(
                    "For 'sway' with audio: how much the head of the built-in avatar stresses loud syllables, and breathes in pauses. 0 "
                    "turns it off, 1 is natural."
                ),
            ],
            outputs=[MotionSocket.Output(display_name="motion", tooltip="The same lips and expression with the new head pose.")],
        )

    @classmethod
    def execute(cls, motion, mode: str, amount: float, seed: int, pose_from=None, audio=None, acting: float = 1.0) -> io.NodeOutput:
        from ..real3d_core.pipeline import with_head_pose

        voice = None if audio is None else sound(audio)
        return io.NodeOutput(with_head_pose(motion, _MOVEMENTS.get(mode, mode), amount, voice, pose_from, seed, acting))
