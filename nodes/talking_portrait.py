"""Talking portrait to video, and the simple node that does everything."""

from __future__ import annotations

from . import runtime
from .camera import place, place_inputs
from .conversions import LARGEST_FRAME, SMALLEST_FRAME, bounded, chosen, driving_frames, photos, sound, video_sound
from .motion_sources import LARGEST_SEED
from .preview import shown_head
from .rendered_video import RenderedVideo
from .runtime import CATEGORY, io, schema
from .sockets import AvatarSocket
from .super_resolution import composed, composing_inputs

POSES = ("auto", "sway", "static", "driving", "orbit")
BLINKS = ("auto", "natural", "periodic", "none", "driving")
FRAMINGS = ("crop", "whole photo")


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
            inputs=[*composing_inputs(), io.Audio.Input("audio", optional=True, tooltip="The video's sound; not connected: silent.")],
            outputs=[
                io.Video.Output(
                    display_name="video",
                    is_output_list=True,
                    tooltip="Connect it to 'Save Video'; a batch of portraits gives a video each.",
                )
            ],
        )

    @classmethod
    def execute(cls, avatar, render, portrait, motion, head_threshold: float, size: int, background=None, audio=None) -> io.NodeOutput:
        heard = None if audio is None else sound(audio)
        rows = composed(avatar, render, portrait, motion, head_threshold, size, background)
        return io.NodeOutput([RenderedVideo(frames, (size, size), heard) for frames, _ in rows])


class TalkingPortrait(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="Real3DTalkingPortrait",
            display_name="Talking portrait (simple)",
            category=CATEGORY,
            description="One photo and a voice, a driving video, or both, become a talking portrait: all stages in one node.",
            essentials_category="Video Tools",
            search_aliases=["talking head", "lip sync", "animate photo"],
            inputs=[
                io.Image.Input("image", tooltip="A photo of a face from the front; a batch gives a video each."),
                io.Audio.Input("audio", optional=True, tooltip="A voice: moves the lips, and is the video's sound."),
                io.Video.Input(
                    "driving_video", optional=True, tooltip="A clip of a face: moves the head, and the whole face where there is no voice."
                ),
                io.Combo.Input(
                    "head_pose",
                    options=list(POSES),
                    default="auto",
                    tooltip="How the head moves; auto: as in the driving video, else gently with the voice (sway).",
                ),
                io.Combo.Input("blink", options=list(BLINKS), default="auto", tooltip="auto: as in the driving video, else natural."),
                io.Float.Input(
                    "mouth_amplitude", default=1.0, min=0.0, max=3.0, step=0.05, tooltip="How far a voice moves the mouth; 1 is natural."
                ),
                io.Combo.Input(
                    "framing",
                    options=list(FRAMINGS),
                    default="crop",
                    tooltip="A square about the head, or all of the photo at its own size.",
                ),
                io.Int.Input("size", default=512, min=SMALLEST_FRAME, max=LARGEST_FRAME, step=8, tooltip="Side of the square in pixels."),
                io.Int.Input(
                    "seed",
                    default=0,
                    min=0,
                    max=LARGEST_SEED,
                    control_after_generate=True,
                    tooltip="Of blinks and sway; same seed, same video.",
                ),
                io.Image.Input("background", optional=True, tooltip="Shown behind the person; its middle square is taken."),
                AvatarSocket.Input("avatar", optional=True, tooltip="From 'Load avatar'; not connected: the built-in one."),
                *place_inputs(),
            ],
            outputs=[
                io.Video.Output(
                    display_name="video", is_output_list=True, tooltip="Rendered while it is being saved; connect it to 'Save Video'."
                ),
                io.Image.Output(
                    display_name="last frame", tooltip="[B, H, W, 3]: the last frame of each portrait, to look at or to go on from."
                ),
            ],
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
    ) -> io.NodeOutput:
        import torch

        from ..real3d_core.avatar import SpeechStyle
        from ..real3d_core.motion.face_track import track_face
        from ..real3d_core.performance import Direction, direct, perform
        from ..real3d_core.portrait.framing import square_backdrop
        from ..real3d_core.portrait.paste import paste_back
        from ..real3d_core.portrait.portrait import prepare_portrait
        from ..real3d_core.render.camera_paths import static_view

        bounded(size, SMALLEST_FRAME, LARGEST_FRAME, "size")
        bounded(seed, 0, LARGEST_SEED, "seed")
        chosen(framing, FRAMINGS, "framing")
        chosen(head_pose, POSES, "head_pose")
        chosen(blink, BLINKS, "blink")
        stand = place(view_yaw, view_pitch, view_distance)
        driven = driving_video is not None
        direction = Direction(
            pose=head_pose if head_pose != "auto" else "driving" if driven else "sway",
            blink=blink if blink != "auto" else "driving" if driven else "natural",
            speech=SpeechStyle(bounded(mouth_amplitude, 0, 3, "mouth_amplitude"), None, seed),
        )
        avatar = avatar or runtime.load_avatar(runtime.BUILT_IN)
        folders = runtime.model_folders()
        portraits = [prepare_portrait(photo, folders=folders) for photo in photos(image)]
        voice = None if audio is None else sound(audio)
        track = None
        if driven:
            pictures, expected = driving_frames(driving_video, None, 25.0)
            bar = runtime.progress_bar(expected)
            track = track_face(pictures, folders=folders, progress=lambda done: bar(min(done, expected)))
        motion = direct(avatar.core if voice is None else avatar.ready_to_listen(), direction, voice, track, runtime.steps_bar())
        backdrop = None if background is None else square_backdrop(background.detach().cpu().float().clamp(0, 1), size)
        heard = voice
        if voice is None and (own := video_sound(driving_video)) is not None:
            heard = sound(own)

        first = portraits[0]
        seen = shown_head(avatar.core, avatar.ready().lift(first), first.euler, first.translation)
        view = static_view(len(motion)).from_place(*stand)
        videos, last = [], []
        for number, portrait in enumerate(portraits):
            runtime.check_interrupted()
            frames = avatar.streamed(perform(avatar.ready(), portrait, motion, backdrop, size, runtime.marcher("auto"), view))
            shape = (size, size)
            if framing == "whole photo":
                frames = paste_back(frames, portrait.window, image[number, ..., :3].detach().cpu().float())
                shape = portrait.photo_size
            videos.append(RenderedVideo(frames, shape, heard))
            last.append(frames.frames(len(frames) - 1, len(frames)))
        return io.NodeOutput(videos, torch.cat(last), ui=seen)
