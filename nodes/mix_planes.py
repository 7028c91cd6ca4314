"""Mix planes."""

from __future__ import annotations

from ..real3d_core.errors import Real3DError
from .runtime.api import CATEGORY, io, schema
from .sockets import Heads, PlanesSocket, one_for_each


class MixPlanes(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="Real3DMixPlanes",
            display_name="Mix planes",
            category=f"{CATEGORY}/render",
            description=(
                "Blends two heads. The portrait given to super-resolution later determines the skin, the torso and the background."
            ),
            search_aliases=["blend heads", "morph"],
            inputs=[
                PlanesSocket.Input("first", tooltip="A head at rest."),
                PlanesSocket.Input("second", tooltip="Another head at rest, lifted by the same avatar."),
                io.Float.Input("weight", default=0.5, min=0.0, max=1.0, step=0.01, tooltip="Weight of the second head, 0 to 1."),
            ],
            outputs=[PlanesSocket.Output(display_name="planes", tooltip="The blended head at rest.")],
        )

    @classmethod
    def execute(cls, first, second, weight: float) -> io.NodeOutput:
        from ..real3d_core.render.mixing import mix_planes

        if first.avatar != second.avatar:
            raise Real3DError(f"Planes of '{first.avatar}' and of '{second.avatar}' cannot be mixed: lift both portraits with one avatar.")
        heads, others = tuple(first.still("Mixing")), tuple(second.still("Mixing"))
        count = max(len(heads), len(others))
        pairs = zip(
            one_for_each(heads, count, "First and second planes"), one_for_each(others, count, "First and second planes"), strict=True
        )
        return io.NodeOutput(Heads.at_rest(first.avatar, [mix_planes(head, other, weight) for head, other in pairs]))
