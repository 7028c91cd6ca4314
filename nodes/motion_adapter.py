"""Motion adapter."""

from __future__ import annotations

from .runtime.api import CATEGORY, io, schema
from .sockets import AvatarSocket, Heads, MotionSocket, PlanesSocket, require_same_avatar


class MotionAdapter(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="Real3DMotionAdapter",
            display_name="Motion adapter",
            category=f"{CATEGORY}/render",
            description=(
                "Applies the motion's expression to the planes of the head, frame by frame. Frames are computed lazily, when "
                "a later node needs them."
            ),
            search_aliases=["animate planes", "expression"],
            inputs=[
                AvatarSocket.Input("avatar", tooltip="The avatar that lifted the planes."),
                PlanesSocket.Input("planes", tooltip="A head at rest, from 'Image to plane'."),
                MotionSocket.Input("motion", tooltip="A motion made with the same kind of avatar; others are refused."),
            ],
            outputs=[PlanesSocket.Output(display_name="planes", tooltip="A lazy stream with one head per frame of the motion.")],
        )

    @classmethod
    def execute(cls, avatar, planes, motion) -> io.NodeOutput:
        require_same_avatar(planes, avatar)
        motion.require_basis(avatar.motion_basis)
        heads = tuple(planes.still("The motion adapter"))
        streams = tuple(avatar.adapt(head, motion) for head in heads)
        return io.NodeOutput(Heads(planes.avatar, streams, moving=True, rest=heads))
