"""Head pose."""

from __future__ import annotations

from .conversions import bounded, chosen, sound
from .motion_sources import LARGEST_SEED
from .runtime import CATEGORY, io, schema
from .sockets import MotionSocket, sound_input

MODES = ("keep", "static", "sway", "from other motion")


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
                        "of 'pose_from'."
                    ),
                ),
                io.Float.Input(
                    "amount",
                    default=1.0,
                    min=-3.0,
                    max=3.0,
                    step=0.05,
                    tooltip="Scales the movement; 1 is natural, 0 still, below 0 mirrored.",
                ),
                io.Int.Input(
                    "seed",
                    default=0,
                    min=0,
                    max=LARGEST_SEED,
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
        import torch

        from ..real3d_core.errors import Real3DError
        from ..real3d_core.motion.pose import turn_about_neck
        from ..real3d_core.motion.sway import speech_sway

        chosen(mode, MODES, "mode")
        bounded(amount, -3, 3, "amount")
        bounded(seed, 0, LARGEST_SEED, "seed")
        if mode == "static":
            euler, translation = torch.zeros_like(motion.euler), torch.zeros_like(motion.translation)
        elif mode == "sway":
            samples = None if audio is None else sound(audio).mono(16000).numpy()
            euler, translation = (torch.from_numpy(part) for part in speech_sway(samples, len(motion), motion.fps, seed))
            translation = translation + turn_about_neck(euler)
        elif mode == "from other motion":
            if pose_from is None:
                raise Real3DError(
                    "The head shall move as in another motion, but none is connected: connect one to 'pose_from' or choose another mode."
                )
            fitted = pose_from.fitted(len(motion))
            euler, translation = fitted.euler, fitted.translation
        else:
            euler, translation = motion.euler, motion.translation
        return io.NodeOutput(motion.with_pose(euler * amount, translation * amount))
