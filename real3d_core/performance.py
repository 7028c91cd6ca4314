"""From a prepared portrait and something that drives it to a stream of finished frames: the order of the stages, nothing else."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from .avatar import NATURAL, Avatar, SpeechStyle
from .errors import ClipError, Real3DError
from .motion.alignment import refuse_too_many_words
from .motion.face_track import FaceTrack
from .motion.loudness import STEP_RATE
from .motion.motion import FPS, Motion
from .motion.pose import turn_about_neck
from .motion.sway import orbit, speech_sway
from .portrait.framing import Backdrop
from .portrait.portrait import Portrait
from .progress import Progress, untold
from .ranges import LARGEST_FRAME, SMALLEST_FRAME, bounded, whole
from .render.camera import mirror_index
from .render.camera_paths import View
from .render.head import March, render_head
from .render.ray_marching import HeadRender
from .render.side_by_side import beside_each_other
from .render.table_marching import march_table
from .sound import Sound
from .stream import FrameStream, exact_rate

POSES = ("sway", "static", "driving", "orbit")
BLINKS = ("natural", "periodic", "none", "driving")
LAST_FRAME = 90000  # of a driving clip, an hour at 25 a second


@dataclass(frozen=True)
class Direction:
    """How a portrait shall perform.

    pose: what the head does: "sway" gently with the voice, "static", as in the "driving" clip, "orbit" to and fro.
    pose_amount: scales it, -3..3; 1 is natural, below 0 mirrored.
    blink: "natural", "periodic", "none", or as in the "driving" clip.
    speech: how a voice moves the face, and the seed of blinks and sway.
    neutral: number of the driving clip's frame that stands for the portrait's own expression; None finds one.
    smoothing: of the driving clip, 0..5: 0 none, 1 gentle.
    fps: frames per second of the result, 1..120; 23.976 and the like mean 24000/1001 (see `stream.exact_rate`).

    Raises:
        Real3DError: there is no such pose or blinking, or a number is out of range.
    """

    pose: str = "sway"
    pose_amount: float = 1.0
    blink: str = "natural"
    speech: SpeechStyle = NATURAL
    neutral: int | None = None
    smoothing: float = 1.0
    fps: float = FPS

    def __post_init__(self) -> None:
        if self.pose not in POSES:
            raise Real3DError(f"There is no pose '{self.pose}': choose one of {', '.join(POSES)}.")
        if self.blink not in BLINKS:
            raise Real3DError(f"There is no blinking '{self.blink}': choose one of {', '.join(BLINKS)}.")
        bounded(self.pose_amount, -3, 3, "The pose amount")
        if self.neutral is not None:
            whole(self.neutral, 0, LAST_FRAME, "The neutral frame")
        bounded(self.smoothing, 0, 5, "The smoothing")
        bounded(self.fps, 1, 120, "The number of frames per second")


def refuse_impossible(direction: Direction, sound: Sound | None, clip_frames: int | None) -> None:
    """Compares a direction with what there is to follow; takes no time.

    Args:
        clip_frames: how many frames the driving clip has, 25 a second; None: there is no clip.

    Raises:
        Real3DError: neither sound nor clip, a pose, blinks or a neutral frame from a clip that is not there or is shorter.
        SoundError: more words in the transcript than the sound has time for.
    """
    if sound is None and clip_frames is None:
        raise Real3DError("Nothing drives the portrait: give a sound, a driving clip, or both.")
    if clip_frames is None and "driving" in (direction.pose, direction.blink):
        raise Real3DError("Pose or blinks were asked for from a driving clip, but no clip was given: give one or choose another.")
    if direction.neutral is not None and clip_frames is None:
        raise Real3DError("A neutral frame was chosen, but there is no driving clip: give one, or choose no frame.")
    if direction.neutral is not None and direction.neutral >= clip_frames:
        raise ClipError(
            f"Frame {direction.neutral} shall be the neutral one, but the driving clip has {clip_frames}: "
            "count from 0, 25 a second, or choose none."
        )
    if sound is not None and direction.speech.transcript is not None:
        refuse_too_many_words(direction.speech.transcript, sound.duration * STEP_RATE)


def direct(
    avatar: Avatar, direction: Direction, sound: Sound | None = None, track: FaceTrack | None = None, progress: Progress = untold
) -> Motion:
    """The motion of a performance.

    A voice moves the lips; a driving clip moves the whole face where there is no voice, else only what `pose` and `blink` take
    from it. The motion lasts as long as the sound, without one as long as the clip.

    Raises:
        Real3DError: see `refuse_impossible`.
    """
    refuse_impossible(direction, sound, None if track is None else len(track))
    driven = None if track is None else avatar.video_to_motion(track, direction.neutral, direction.smoothing, progress)
    motion = driven if sound is None else avatar.audio_to_motion(sound, direction.speech, progress)
    frames = len(motion)
    euler, translation = _pose(direction, frames, sound, driven)
    motion = motion.with_pose(euler * direction.pose_amount, translation * direction.pose_amount)
    if direction.blink in ("natural", "periodic"):
        motion = avatar.with_blinks(motion, avatar.blinks(frames, direction.blink, direction.speech.seed))
    elif direction.blink == "driving" and sound is not None:
        closed = torch.from_numpy(track.closed_eyes()).float()
        motion = avatar.with_blinks(motion, closed[mirror_index(torch.arange(frames), len(track))])
    rate = exact_rate(direction.fps)
    if rate == FPS:
        return motion
    duration = sound.duration if sound is not None else frames / FPS
    return motion.resampled(float(rate), max(1, math.ceil(duration * rate - 1e-6)))


def perform(
    avatar: Avatar,
    portrait: Portrait,
    motion: Motion,
    background: Backdrop | None = None,
    size: int = 512,
    march: March = march_table,
    view: View | None = None,
) -> FrameStream[Tensor]:
    """Frames [n, size, size, 3] in 0..1 of a portrait in motion, its viewer moving as `view` says; nothing is computed yet.

    Raises:
        Real3DError: a size out of range, see `frame_size`.
    """
    size = frame_size(size)
    return avatar.compose(_rendered(avatar, portrait, motion, march, view), portrait, motion, background, size)


def side_by_side(
    avatar: Avatar,
    portrait: Portrait,
    motion: Motion,
    background: Backdrop | None = None,
    size: int = 512,
    march: March = march_table,
) -> FrameStream[Tensor]:
    """How the frames of `perform` come about, [n, size, 5 size, 3] in 0..1; see `render.side_by_side`."""
    size = frame_size(size)
    renders = _rendered(avatar, portrait, motion, march)
    frames = avatar.compose(renders, portrait, motion, background, size)
    return beside_each_other(portrait.image, avatar.condition(portrait, motion), renders, frames)


def frame_size(size: int) -> int:
    """The side of a finished frame in pixels, or a Real3DError if it is out of range."""
    return whole(size, SMALLEST_FRAME, LARGEST_FRAME, "The size")


def _rendered(avatar: Avatar, portrait: Portrait, motion: Motion, march: March, view: View | None = None) -> FrameStream[HeadRender]:
    planes = avatar.adapt(avatar.lift(portrait), motion)
    return render_head(planes, avatar.decoder, avatar.cameras(portrait, motion, view), avatar.march_settings, march)


def _pose(direction: Direction, frames: int, sound: Sound | None, driven: Motion | None) -> tuple[Tensor, Tensor]:
    if direction.pose == "driving":
        fitted = driven.fitted(frames)
        return fitted.euler, fitted.translation
    if direction.pose == "static":
        return torch.zeros(frames, 3), torch.zeros(frames, 3)
    if direction.pose == "orbit":
        euler = torch.as_tensor(orbit(frames, FPS), dtype=torch.float32)
        return euler, turn_about_neck(euler)
    samples = None if sound is None else sound.mono(16000).numpy()
    euler, translation = (torch.as_tensor(part, dtype=torch.float32) for part in speech_sway(samples, frames, FPS, direction.speech.seed))
    return euler, translation + turn_about_neck(euler)
