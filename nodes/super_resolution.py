"""Head-torso-background super-resolution."""

from __future__ import annotations

from torch import Tensor

from ..real3d_core.errors import Real3DError
from ..real3d_core.stream import FrameStream
from .backdrop import backdrop
from .inputs import background_video_input, composing_inputs, fps_output
from .runtime import progress
from .runtime.api import CATEGORY, io, schema
from .sockets import Portraits, Renders, one_for_each


def composed(
    avatar, render: Renders, portrait: Portraits, motion, head_threshold: float, size: int, background=None, background_video=None
) -> list[tuple[FrameStream[Tensor], FrameStream[Tensor]]]:
    """Frames [n, size, size, 3] and person masks [n, size, size] of every portrait, as streams."""
    threshold = head_threshold or None
    motion.require_basis(avatar.motion_basis)
    behind = backdrop(background, background_video, size, render.streams[0].fps)
    portraits = one_for_each(portrait.items, len(render.streams), "Render and portrait")
    for stream in render.streams:
        if len(motion) not in (1, len(stream)):
            raise Real3DError(
                f"The render has {len(stream)} frames, the motion {len(motion)}: connect the motion that the render was made with."
            )
    fitted = [motion if len(motion) == len(stream) else motion.fitted(len(stream)) for stream in render.streams]
    return [
        (
            avatar.compose(stream, one, shown, behind, size, threshold),
            avatar.person_mask(stream, one, shown, size, threshold),
        )
        for stream, one, shown in zip(render.streams, portraits, fitted, strict=True)
    ]


class SuperResolution(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="Real3DSuperResolution",
            display_name="Head-torso-background super-resolution",
            category=f"{CATEGORY}/render",
            description=(
                "Produces the finished frames: the rendered head at full resolution, composited with its torso and the "
                "photo's own or another background."
            ),
            search_aliases=["compose", "upscale head", "HTB-SR"],
            inputs=[*composing_inputs(), background_video_input()],
            outputs=[
                io.Image.Output(display_name="frames", tooltip="[T, size, size, 3]; for a batch, one portrait after the other."),
                io.Mask.Output(display_name="person mask", tooltip="[T, size, size]: white where head and torso hide the background."),
                fps_output(),
            ],
        )

    @classmethod
    def execute(cls, **composing) -> io.NodeOutput:
        rows = composed(**composing)
        return io.NodeOutput(*progress.gather(rows), rows[0][0].fps)
