"""Image to plane."""

from __future__ import annotations

from .runtime import progress
from .runtime.api import CATEGORY, io, schema
from .sockets import AvatarSocket, Heads, PlanesSocket, PortraitSocket


class ImageToPlane(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="Real3DImageToPlane",
            display_name="Image to plane",
            category=f"{CATEGORY}/render",
            description="Lifts the head of a portrait to three feature planes (a triplane), which can be rendered from any viewpoint.",
            search_aliases=["triplane", "lift", "encode portrait"],
            inputs=[
                AvatarSocket.Input("avatar", tooltip="From 'Load avatar'."),
                PortraitSocket.Input("portrait", tooltip="From 'Prepare portrait'."),
            ],
            outputs=[PlanesSocket.Output(display_name="planes", tooltip="The head at rest, [1, 3, 32, 256, 256] per portrait.")],
        )

    @classmethod
    def execute(cls, avatar, portrait) -> io.NodeOutput:
        show = progress.progress_bar(len(portrait.items))
        lifted = []
        for one in portrait.items:
            lifted.append(avatar.lift(one))
            show(len(lifted))
        return io.NodeOutput(Heads.at_rest(avatar.name, lifted))
