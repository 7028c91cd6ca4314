"""Side by side."""

from __future__ import annotations

from .inputs import background_video_input, composing_inputs, fps_output
from .runtime import progress
from .runtime.api import CATEGORY, io, schema
from .sockets import one_for_each
from .super_resolution import composed


class SideBySide(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="Real3DSideBySide",
            display_name="Side by side",
            category=f"{CATEGORY}/render",
            description=(
                "Shows how each frame is made, from left to right: the photo, the expression condition, the raw head, its "
                "depth, and the finished frame."
            ),
            search_aliases=["debug", "PNCC", "compare stages"],
            inputs=[*composing_inputs(), background_video_input()],
            outputs=[
                io.Image.Output(display_name="pictures", tooltip="[T, size, 5 size, 3]; for a batch, one portrait after the other."),
                fps_output(),
            ],
        )

    @classmethod
    def execute(cls, avatar, render, portrait, motion, **composing) -> io.NodeOutput:
        from ..real3d_core.render.side_by_side import beside_each_other

        rows = composed(avatar, render, portrait, motion, **composing)
        portraits = one_for_each(portrait.items, len(rows), "Render and portrait")
        pictures = [
            [beside_each_other(one.image, avatar.condition(one, motion.fitted(len(frames))), renders, frames)]
            for (frames, _), renders, one in zip(rows, render.streams, portraits, strict=True)
        ]
        return io.NodeOutput(*progress.gather(pictures), pictures[0][0].fps)
