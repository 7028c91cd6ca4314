"""Head pose."""

from __future__ import annotations

from ..real3d_core.ranges import POSE_AMOUNT, SEED
from .conversions import sound
from .inputs import sound_input
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
                io.Combo.Input(
                    "mode",
                    options=list(MODES),
                    default="sway",
                    tooltip=(
                        "keep: the motion's own; static: still; sway: gentle movement of a speaker; from other motion: the head pose "
                        "of 'pose_from'; orbit: turns to both sides."
                    ),
                ),
                io.Float.Input(
                    "amount",
                    default=1.0,
                    min=POSE_AMOUNT.low,
                    max=POSE_AMOUNT.high,
                    step=0.05,
                    tooltip="Scales the head movement; 1 is natural, 0 is still, negative values mirror it.",
                ),
                io.Int.Input(
                    "seed",
                    default=0,
                    min=0,
                    max=SEED.high,
                    control_after_generate=True,
                    tooltip="Random seed of the sway; the same seed gives the same movement.",
                ),
                MotionSocket.Input("pose_from", optional=True, tooltip="For 'from other motion'; played back and forth if it is shorter."),
                sound_input(
                    "For 'sway': speech, or a video with speech. The head nods with it and calms down in pauses.",
                    optional=True,
                ),
            ],
            outputs=[MotionSocket.Output(display_name="motion", tooltip="The same lips and expression with the new head pose.")],
        )

    @classmethod
    def execute(cls, motion, mode: str, amount: float, seed: int, pose_from=None, audio=None) -> io.NodeOutput:
        from ..real3d_core.pipeline import with_head_pose

        voice = None if audio is None else sound(audio)
        return io.NodeOutput(with_head_pose(motion, _MOVEMENTS.get(mode, mode), amount, voice, pose_from, seed))
