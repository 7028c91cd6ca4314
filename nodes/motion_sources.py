"""Audio to motion and Video to motion."""

from __future__ import annotations

from ..real3d_core.ranges import MOUTH, NEUTRAL, SEED, SMOOTHING, TEMPERATURE
from . import runtime
from .conversions import driving_clip, sound
from .face_landmarks import FaceLandmarksSocket, faces_at_25
from .preview import shown_motion
from .runtime import CATEGORY, io, schema
from .sockets import AvatarSocket, MotionSocket, sound_input

BLINKS = ("natural", "periodic", "none")


def transcript_input() -> io.Input:
    """The words of a voice; shared by the nodes that hear one."""
    return io.String.Input(
        "transcript",
        default="",
        multiline=True,
        optional=True,
        tooltip="The words spoken, in Latin letters, if you know them: lips are then timed by them.",
    )


class AudioToMotion(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="Real3DAudioToMotion",
            display_name="Audio to motion",
            category=f"{CATEGORY}/motion",
            description="Lips, and blinks, that follow a voice; the head stays still until 'Head pose' moves it.",
            search_aliases=["lip sync", "speech to face", "audio2motion"],
            inputs=[
                AvatarSocket.Input("avatar", tooltip="From 'Load avatar'; the motion fits this kind of avatar only."),
                sound_input("A voice, or a video that has one: 0.2 s to 60 min, any rate; of a batch the first one is taken."),
                io.Float.Input(
                    "mouth_amplitude",
                    default=1.0,
                    min=MOUTH.low,
                    max=MOUTH.high,
                    step=0.05,
                    tooltip="How far the mouth moves; 1 is natural, 0 keeps it shut.",
                ),
                io.Float.Input(
                    "temperature",
                    default=0.2,
                    min=TEMPERATURE.low,
                    max=TEMPERATURE.high,
                    step=0.05,
                    tooltip="How freely a trained avatar moves, 0 to 1; the built-in one ignores it.",
                ),
                io.Combo.Input(
                    "blink", options=list(BLINKS), default="natural", tooltip="Irregular blinks, one every 4 s (real3d: 5 s), or none."
                ),
                io.Int.Input(
                    "seed",
                    default=0,
                    min=0,
                    max=SEED.high,
                    control_after_generate=True,
                    tooltip="Of the blinks and all else that is random; same seed, same motion.",
                ),
                transcript_input(),
            ],
            outputs=[MotionSocket.Output(display_name="motion", tooltip="25 frames a second, as long as the sound.")],
        )

    @classmethod
    def execute(
        cls, avatar, audio, mouth_amplitude: float, temperature: float, blink: str, seed: int, transcript: str = ""
    ) -> io.NodeOutput:
        from ..real3d_core.avatar import SpeechStyle

        style = SpeechStyle(mouth_amplitude, transcript.strip() or None, seed, temperature)
        heard = sound(audio)
        motion = avatar.audio_to_motion(heard, style, runtime.steps_bar())
        motion = avatar.with_blinks(motion, avatar.blinks(len(motion), blink, seed))
        return io.NodeOutput(motion, ui=shown_motion(motion, heard))


class VideoToMotion(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="Real3DVideoToMotion",
            display_name="Video to motion",
            category=f"{CATEGORY}/motion",
            description="Expression, blinks and head pose of a face in a video, relative to the video's own face at rest.",
            search_aliases=["face tracking", "motion transfer", "driving video"],
            inputs=[
                AvatarSocket.Input("avatar", tooltip="From 'Load avatar'; the motion fits this kind of avatar only."),
                io.Video.Input("video", optional=True, tooltip="The driving clip, from 'Load Video'; at most 60 min. Read frame by frame."),
                io.Image.Input("frames", optional=True, tooltip="Or the driving clip as a batch of images."),
                io.Float.Input(
                    "fps", default=25.0, min=1.0, max=240.0, step=0.01, tooltip="Frames per second of 'frames'; a video knows its own."
                ),
                io.Int.Input(
                    "neutral_frame",
                    default=-1,
                    min=-1,
                    max=NEUTRAL.high,
                    tooltip="Number of the frame (25 a second) whose face is at rest like the portrait's; -1 finds one.",
                ),
                io.Float.Input(
                    "smoothing",
                    default=1.0,
                    min=SMOOTHING.low,
                    max=SMOOTHING.high,
                    step=0.1,
                    tooltip="0 keeps every tremble of the tracking, 1 is gentle, more is softer.",
                ),
                FaceLandmarksSocket.Input(
                    "face_landmarks",
                    optional=True,
                    tooltip=(
                        "From ComfyUI's 'Detect Face Landmarks (MediaPipe)' on all frames of the clip; not connected: found here. "
                        "Without video and frames 'fps' is their rate."
                    ),
                ),
            ],
            outputs=[MotionSocket.Output(display_name="motion", tooltip="25 frames a second, as long as the clip.")],
            hidden=[io.Hidden.unique_id],
        )

    @classmethod
    def execute(
        cls, avatar, fps: float, neutral_frame: int, smoothing: float, video=None, frames=None, face_landmarks=None
    ) -> io.NodeOutput:
        from ..real3d_core.errors import ClipError
        from ..real3d_core.face.track import track_found_faces
        from ..real3d_core.pipeline import follow

        if face_landmarks is None:
            track = follow(driving_clip(video, frames, fps), runtime.model_folders(), runtime.stages_bar())
        else:
            track = track_found_faces(faces_at_25(face_landmarks, video, frames, fps), runtime.model_folders())
        if neutral_frame >= len(track):
            raise ClipError(
                f"Frame {neutral_frame} shall be the neutral one, but the clip has {len(track)} frames (25 a second): choose less, or -1."
            )
        neutral = None if neutral_frame < 0 else neutral_frame
        motion = avatar.video_to_motion(track, neutral, smoothing, runtime.steps_bar())
        runtime.show_bridged(cls, track.gaps())
        return io.NodeOutput(motion, ui=shown_motion(motion))
