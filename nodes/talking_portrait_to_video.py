"""Talking portrait to video."""

from __future__ import annotations

from .conversions import sound
from .inputs import background_video_input, composing_inputs, part_inputs, provenance_input, sound_input
from .rendered_video import RenderedVideo
from .runtime.api import CATEGORY, io, schema
from .super_resolution import composed


def metadata(avatar, included: bool) -> dict[str, str]:
    """The metadata that marks a video as a generated portrait; empty if it is not to be included."""
    from ..real3d_core.provenance import provenance

    return provenance(avatar.name) if included else {}


class TalkingPortraitToVideo(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="Real3DTalkingPortraitToVideo",
            display_name="Talking portrait to video",
            category=CATEGORY,
            description=(
                "Combines finished frames and sound into a video that is rendered while it is saved, so that memory use does "
                "not grow with its length."
            ),
            essentials_category="Video Tools",
            search_aliases=["long video", "stream"],
            inputs=[
                *composing_inputs(),
                sound_input("The soundtrack, or a video with sound; if not connected, the video is silent.", optional=True),
                background_video_input(),
                provenance_input(),
                *part_inputs(),
            ],
            outputs=[
                io.Video.Output(
                    display_name="video",
                    is_output_list=True,
                    tooltip="Connect it to 'Save Video'; a batch of portraits gives one video per portrait.",
                )
            ],
        )

    @classmethod
    def execute(
        cls, avatar, size: int, audio=None, provenance: bool = True, start_frame: int = 0, frame_count: int = 0, **composing
    ) -> io.NodeOutput:
        soundtrack = None if audio is None else sound(audio)
        rows = composed(avatar, size=size, **composing)
        videos = [RenderedVideo(frames, (size, size), soundtrack, metadata(avatar, provenance)) for frames, _ in rows]
        if start_frame or frame_count:
            videos = [video.part(start_frame, frame_count) for video in videos]
        return io.NodeOutput(videos)
