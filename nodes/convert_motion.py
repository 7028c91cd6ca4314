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
                "A motion made with one kind of avatar becomes one for another, so that a clip tracked once drives either. "
                "A motion that fits already passes unchanged."
            ),
            search_aliases=["retarget", "transfer motion"],
            inputs=[
                MotionSocket.Input("motion", tooltip="The motion to convert."),
                AvatarSocket.Input("avatar", tooltip="The avatar that shall show it."),
                AvatarSocket.Input(
                    "made_with",
                    optional=True,
                    tooltip="An avatar of the kind that the motion was made with; needed only if that is not the built-in one.",
                ),
            ],
            outputs=[MotionSocket.Output(display_name="motion", tooltip="The same movement, for the avatar that shall show it.")],
        )

    @classmethod
    def execute(cls, motion, avatar, made_with=None) -> io.NodeOutput:
        from ..real3d_core.avatar import converted

        source = made_with or device.built_in_avatar(motion.basis.name)
        return io.NodeOutput(converted(motion, source, avatar))
