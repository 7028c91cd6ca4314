"""Talking portrait to video."""

from __future__ import annotations

from .conversions import sound
from .inputs import (
    background_video_input,
    composing_inputs,
    provenance_input,
    sound_input,
)
from .rendered_video import RenderedVideo
from .runtime.api import CATEGORY, io, schema
from .super_resolution import composed


def metadata(avatar, provenance: bool) -> dict[str, str]:
    from ..real3d_core.provenance import provenance as told

    return told(avatar.name) if provenance else {}


class TalkingPortraitToVideo(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="Real3DTalkingPortraitToVideo",
            display_name="Talking portrait to video",
            category=CATEGORY,
            description=(
                "Finished frames with their sound as a video that is rendered while it is being saved, so that "
                "memory does not grow with length."
            ),
            essentials_category="Video Tools",
            search_aliases=["long video", "stream"],
            inputs=[
                *composing_inputs(),
                sound_input("The video's sound, or another video that has one; not connected: silent.", optional=True),
                background_video_input(),
                provenance_input(),
            ],
            outputs=[
                io.Video.Output(
                    display_name="video",
                    is_output_list=True,
                    tooltip="Connect it to 'Save Video'; a batch of portraits gives a video each.",
                )
            ],
        )

    @classmethod
    def execute(
        cls,
        avatar,
        render,
        portrait,
        motion,
        head_threshold: float,
        size: int,
        background=None,
        audio=None,
        background_video=None,
        provenance: bool = True,
    ) -> io.NodeOutput:
        heard = None if audio is None else sound(audio)
        rows = composed(avatar, render, portrait, motion, head_threshold, size, background, background_video)
        return io.NodeOutput([RenderedVideo(frames, (size, size), heard, metadata(avatar, provenance)) for frames, _ in rows])
