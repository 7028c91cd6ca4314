"""Convert motion."""

from __future__ import annotations

from .runtime import device
from .runtime.api import CATEGORY, io, schema
from .sockets import AvatarSocket, MotionSocket


class ConvertMotion(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="Real3DConvertMotion",
            display_name="Convert motion",
            category=f"{CATEGORY}/motion",
            description=(
                "Converts a motion made with one kind of avatar for another, so that a clip tracked once can drive both. A "
                "motion that already fits passes unchanged."
            ),
            search_aliases=["retarget", "transfer motion"],
            inputs=[
                MotionSocket.Input("motion", tooltip="The motion to convert."),
                AvatarSocket.Input("avatar", tooltip="The avatar to convert it for."),
                AvatarSocket.Input(
                    "made_with",
                    optional=True,
                    tooltip="An avatar of the kind that the motion was made with; only needed if that is not the built-in one.",
                ),
            ],
            outputs=[MotionSocket.Output(display_name="motion", tooltip="The same movement, for the target avatar.")],
        )

    @classmethod
    def execute(cls, motion, avatar, made_with=None) -> io.NodeOutput:
        from ..real3d_core.avatar import converted

        source = made_with or device.built_in_avatar(motion.basis.name)
        return io.NodeOutput(converted(motion, source, avatar))
