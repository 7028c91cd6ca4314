"""Talking portrait (simple): the whole pipeline in one node."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch

from ..real3d_core.ranges import FRAME_RATE, MOUTH, SIZE
from .backdrop import backdrop
from .conversions import driving_clip, floats, photos, sound
from .inputs import (
    acting_input,
    background_video_input,
    choice,
    face_inputs,
    fps_output,
    gaze_input,
    number,
    place_inputs,
    provenance_input,
    seed_input,
    sound_input,
    transcript_input,
)
from .live_faces import frame_at, one_frame, shown_portrait, shown_source
from .preview import shown_head, shown_motion
from .rendered_video import RenderedVideo
from .runtime import device, folders, progress, server
from .runtime.api import CATEGORY, io, schema
from .sockets import AvatarSocket
from .talking_portrait_to_video import metadata

if TYPE_CHECKING:
    from ..real3d_core.motion.motion import Motion
    from ..real3d_core.render.camera_paths import View

POSES = ("auto", "sway", "static", "driving", "orbit")
BLINKS = ("auto", "natural", "periodic", "none", "driving")
FRAMINGS = ("crop", "whole photo")


class TalkingPortrait(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="Real3DTalkingPortrait",
            display_name="Talking portrait (simple)",
            category=CATEGORY,
            description="Turns a photo into a talking portrait, driven by a voice, a video, or both. All stages in one node.",
            essentials_category="Video Tools",
            search_aliases=["talking head", "lip sync", "animate photo"],
            inputs=[
                io.Image.Input("image", tooltip="A frontal photo of a face; a batch gives one video per photo."),
                sound_input("Speech, or a video with speech. It drives the lips and becomes the soundtrack.", optional=True),
                io.Video.Input(
                    "driving_video",
                    optional=True,
                    tooltip="A clip of a face. It drives the head, and the whole face if no audio is connected.",
                ),
                choice(
                    "head_pose",
                    POSES,
                    "How the head moves. auto: as in the driving video if there is one, otherwise a gentle sway with the voice.",
                ),
                choice("blink", BLINKS, "auto: as in the driving video if there is one, otherwise natural."),
                number("mouth_amplitude", 1.0, MOUTH, "Strength of the mouth movement driven by the audio; 1 is natural.", step=0.05),
                choice("framing", FRAMINGS, "crop: a square around the head; whole photo: the entire photo at its original size."),
                number("size", 512, SIZE, "Side length of the square crop in pixels.", step=8),
                seed_input("Random seed of blinks, gaze, sway and acting; the same seed gives the same video."),
                io.Image.Input("background", optional=True, tooltip="Shown behind the person; cropped to its central square."),
                AvatarSocket.Input("avatar", optional=True, tooltip="From 'Load avatar'; if not connected, the built-in avatar is used."),
                *place_inputs(),
                number(
                    "fps",
                    25.0,
                    FRAME_RATE,
                    "Frame rate of the video, 1 to 120; 23.976, 29.97 and 59.94 mean the exact NTSC rates.",
                    step=0.001,
                    optional=True,
                ),
                *face_inputs(optional=True),
                transcript_input(),
                background_video_input(),
                provenance_input(),
                acting_input(
                    "How much brows, lids, cheeks and a swaying head of the built-in avatar go along with the voice: they stress loud "
                    "syllables, ask questions that the transcript marks with '?', and breathe in pauses. 0 moves only the lips, 1 is "
                    "natural."
                ),
                gaze_input(),
            ],
            outputs=[
                io.Video.Output(
                    display_name="video", is_output_list=True, tooltip="Rendered while it is being saved; connect it to 'Save Video'."
                ),
                io.Image.Output(
                    display_name="last frame", tooltip="[B, H, W, 3]: the last frame of each video, to preview it or to continue from it."
                ),
                fps_output(),
            ],
            hidden=[io.Hidden.unique_id],
        )

    @classmethod
    def execute(
        cls,
        image,
        head_pose: str,
        blink: str,
        mouth_amplitude: float,
        framing: str,
        size: int,
        seed: int,
        audio=None,
        driving_video=None,
        background=None,
        avatar=None,
        view_yaw: float = 0.0,
        view_pitch: float = 0.0,
        view_distance: float = 1.0,
        fps: float = 25.0,
        face_index: int = 0,
        face_area: float = 0.2,
        transcript: str = "",
        background_video=None,
        provenance: bool = True,
        acting: float = 1.0,
        gaze: float = 1.0,
    ) -> io.NodeOutput:
        from ..real3d_core.avatar import SpeechStyle
        from ..real3d_core.pipeline import PipelineOptions, talking_portraits

        avatar = avatar or device.built_in_avatar()
        options = PipelineOptions(
            pose=head_pose,
            blink=blink,
            speech=SpeechStyle(mouth_amplitude, transcript.strip() or None, seed, acting=acting),
            fps=fps,
            size=size,
            face_index=face_index,
            face_area=face_area,
            framing=framing,
            gaze=gaze,
        )
        made = talking_portraits(
            avatar,
            photos(image),
            options,
            folders.model_folders(),
            sound=None if audio is None else sound(audio),
            clip=None if driving_video is None else driving_clip(driving_video),
            background=backdrop(background, background_video, size, float(options.rate)),
            viewer=(view_yaw, view_pitch, view_distance),
            march=device.marcher("auto"),
            progress=progress.stages_bar(),
        )
        if made.track is not None:
            server.show_bridged(cls, made.track.gaps())
        first = made.portraits[0]
        preview = shown_head(avatar, made.rest, first.euler, first.translation) | shown_portrait(first)
        preview |= shown_motion(made.motion, made.soundtrack) | shown_source(made.motion)
        films = zip(made.films, made.sizes, strict=True)
        videos = [RenderedVideo(frames, shape, made.soundtrack, metadata(avatar, provenance)) for frames, shape in films]
        last = torch.cat([floats(frames.frames(len(frames) - 1, len(frames))) for frames in made.films])
        return io.NodeOutput(videos, last, made.motion.fps, ui=preview)


def moment(values: Mapping[str, Any], motion: Motion | None, time: float) -> tuple[Motion, View]:
    """One frame of the last run's motion, seen from where the widgets say now; a face at rest before a run."""
    from ..real3d_core.render.camera_paths import static_view

    view = static_view(1).from_place(values["view_yaw"], values["view_pitch"], values["view_distance"])
    return one_frame(motion, 0 if motion is None else frame_at(time, motion.fps)), view
