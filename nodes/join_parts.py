"""Join parts."""

from __future__ import annotations

from .conversions import sound
from .incoming_video import IncomingVideo
from .inputs import sound_input
from .runtime.api import CATEGORY, InputImpl, io, schema
from .runtime.folders import new_temporary

_PARTS = 8


class JoinParts(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="Real3DJoinParts",
            display_name="Join parts",
            category=f"{CATEGORY}/files",
            description=(
                "Joins parts of a film, as 'Talking portrait to video' renders them, without encoding their pictures again; the sound "
                "is encoded once for the whole film."
            ),
            search_aliases=["concatenate video", "merge videos"],
            inputs=[
                *(
                    io.Video.Input(
                        f"part_{number}",
                        optional=number > 1,
                        tooltip=f"Part {number} of the film. All parts have the same size, frame rate and encoding.",
                    )
                    for number in range(1, _PARTS + 1)
                ),
                sound_input(
                    "The sound of the whole film, or a video with it; if not connected, the sounds of the parts are joined, which have "
                    "been encoded once already.",
                    optional=True,
                ),
            ],
            outputs=[io.Video.Output(display_name="video", tooltip="Connect it to 'Save Video', or to another 'Join parts'.")],
        )

    @classmethod
    def execute(cls, audio=None, **parts) -> io.NodeOutput:
        from ..real3d_core.provenance import stated_by
        from ..real3d_core.series.parts import Part, joined, sound_of_parts

        videos = [IncomingVideo(parts[name]) for name in sorted(parts) if parts[name] is not None]
        found = [Part.of(video.file()) for video in videos]
        seconds = [float(part.frames / part.rate) for part in found]
        heard = sound_of_parts([(s, v.sound()) for s, v in zip(seconds, videos, strict=True)]) if audio is None else sound(audio)
        film = new_temporary(".mp4")
        joined(film, found, heard, stated_by(found[0].path))
        return io.NodeOutput(InputImpl.VideoFromFile(str(film)))
