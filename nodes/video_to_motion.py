"""Video to motion."""

from __future__ import annotations

from ..real3d_core.errors import ClipError
from ..real3d_core.ranges import CLIP_RATE, NEUTRAL, SMOOTHING
from .conversions import driving_clip
from .face_landmarks import FaceLandmarksSocket, faces_at_25
from .inputs import number
from .preview import shown_motion
from .runtime import folders, progress, server
from .runtime.api import CATEGORY, io, schema
from .sockets import AvatarSocket, MotionSocket


class VideoToMotion(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="Real3DVideoToMotion",
            display_name="Video to motion",
            category=f"{CATEGORY}/motion",
            description="Tracks a face in a video: expression, blinks, gaze and head pose, relative to a neutral frame of the same video.",
            search_aliases=["face tracking", "motion transfer", "driving video"],
            inputs=[
                AvatarSocket.Input("avatar", tooltip="From 'Load avatar'; the motion fits only this kind of avatar."),
                io.Video.Input(
                    "video", optional=True, tooltip="The driving clip, from 'Load Video', at most 60 min; it is read frame by frame."
                ),
                io.Image.Input("frames", optional=True, tooltip="The driving clip as a batch of images, instead of 'video'."),
                number("fps", 25.0, CLIP_RATE, "Frame rate of 'frames'; a video has its own.", step=0.01),
                number(
                    "neutral_frame",
                    -1,
                    (-1, NEUTRAL.high),
                    "Index of the frame (at 25 fps) with a neutral expression like the portrait's; -1 finds one automatically.",
                ),
                number(
                    "smoothing",
                    1.0,
                    SMOOTHING,
                    "Temporal smoothing: 0 keeps the tracking jitter, 1 is gentle, higher values are smoother.",
                    step=0.1,
                ),
                FaceLandmarksSocket.Input(
                    "face_landmarks",
                    optional=True,
                    tooltip=(
                        "From ComfyUI's 'Detect Face Landmarks (MediaPipe)' on all frames of the clip; if not connected, the face is "
                        "tracked here. Without 'video' and 'frames', 'fps' is the frame rate of the landmarks."
                    ),
                ),
            ],
            outputs=[MotionSocket.Output(display_name="motion", tooltip="25 frames per second, as long as the clip.")],
            hidden=[io.Hidden.unique_id],
        )

    @classmethod
    def execute(
        cls, avatar, fps: float, neutral_frame: int, smoothing: float, video=None, frames=None, face_landmarks=None
    ) -> io.NodeOutput:
        from ..real3d_core.face.track import track_found_faces
        from ..real3d_core.pipeline import follow

        if face_landmarks is None:
            track = follow(driving_clip(video, frames, fps), folders.model_folders(), progress.stages_bar())
        else:
            track = track_found_faces(faces_at_25(face_landmarks, video, frames, fps), folders.model_folders())
        if neutral_frame >= len(track):
            raise ClipError(
                f"'neutral_frame' is {neutral_frame}, but the clip has only {len(track)} frames (at 25 fps): "
                "choose a smaller number, or -1."
            )
        neutral = None if neutral_frame < 0 else neutral_frame
        motion = avatar.video_to_motion(track, neutral, smoothing, progress.steps_bar())
        server.show_bridged(cls, track.gaps())
        return io.NodeOutput(motion, ui=shown_motion(motion))
