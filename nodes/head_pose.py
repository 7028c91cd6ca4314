"""Head pose."""

from __future__ import annotations

from ..real3d_core.ranges import POSE_AMOUNT, SEED
from .conversions import sound
from .inputs import sound_input
from .runtime.api import CATEGORY, io, schema
from .sockets import MotionSocket

MODES = ("keep", "static", "sway", "from other motion", "orbit")
_MOVEMENTS = {"from other motion": "driving"}  # what the pipeline calls a mode


class HeadPose(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="Real3DHeadPose",
            display_name="Head pose",
            category=f"{CATEGORY}/motion",
            description="Chooses how the head itself moves, while lips and face stay as they are in the motion.",
            search_aliases=["head movement", "nod", "sway"],
            inputs=[
                MotionSocket.Input("motion", tooltip="Whose face moves."),
                io.Combo.Input(
                    "mode",
                    options=list(MODES),
                    default="sway",
                    tooltip=(
                        "keep: as it is; static: still; sway: gently, as somebody who speaks; from other motion: as the head "
                        "of 'pose_from'; orbit: turned to both sides."
                    ),
                ),
                io.Float.Input(
                    "amount",
                    default=1.0,
                    min=POSE_AMOUNT.low,
                    max=POSE_AMOUNT.high,
                    step=0.05,
                    tooltip="Scales the movement; 1 is natural, 0 still, below 0 mirrored.",
                ),
                io.Int.Input(
                    "seed",
                    default=0,
                    min=0,
                    max=SEED.high,
                    control_after_generate=True,
                    tooltip="Of the sway; same seed, same movement.",
                ),
                MotionSocket.Input("pose_from", optional=True, tooltip="For 'from other motion': played to and fro if it is shorter."),
                sound_input(
                    "For 'sway': the voice, or a video that has one: the head nods with it and calms down in silence.",
                    optional=True,
                ),
            ],
            outputs=[MotionSocket.Output(display_name="motion", tooltip="The same face on another head pose.")],
        )

    @classmethod
    def execute(cls, motion, mode: str, amount: float, seed: int, pose_from=None, audio=None) -> io.NodeOutput:
        from ..real3d_core.pipeline import with_head_pose

        voice = None if audio is None else sound(audio)
        return io.NodeOutput(with_head_pose(motion, _MOVEMENTS.get(mode, mode), amount, voice, pose_from, seed))
