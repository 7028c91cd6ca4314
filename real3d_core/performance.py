"""From a prepared portrait and something that drives it to a stream of finished frames: the order of the stages, nothing else."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from .avatar import NATURAL, Avatar, SpeechStyle
from .errors import Real3DError
from .motion.face_track import FaceTrack
from .motion.motion import FPS, Motion
from .motion.pose import turn_about_neck
from .motion.sway import orbit, speech_sway
from .portrait.framing import Backdrop
from .portrait.portrait import Portrait
from .progress import Progress, untold
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


@dataclass(frozen=True)
class Direction:
    """How a portrait shall perform.

    pose: what the head does: "sway" gently with the voice, "static", as in the "driving" clip, "orbit" to and fro.
    pose_amount: scales it; 1 is natural.
    blink: "natural", "periodic", "none", or as in the "driving" clip.
    speech: how a voice moves the face, and the seed of blinks and sway.
    neutral: number of the driving clip's frame that stands for the portrait's own expression; None finds one.
    smoothing: of the driving clip, 0 none, 1 gentle.
    fps: frames per second of the result; 23.976 and the like are meant exactly (see `stream.exact_rate`).
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
        if not 0 <= self.speech.temperature <= 1:
            raise Real3DError(f"The temperature is {self.speech.temperature:g}: choose 0 (always the same) to 1 (very free).")
        if not 1 <= self.fps <= 120:
            raise Real3DError(f"{self.fps:g} frames per second were asked for: choose 1 to 120.")


def direct(
    avatar: Avatar, direction: Direction, sound: Sound | None = None, track: FaceTrack | None = None, progress: Progress = untold
) -> Motion:
    """The motion of a performance.

    A voice moves the lips; a driving clip moves the whole face where there is no voice, else only what `pose` and `blink` take
    from it. The motion lasts as long as the sound, without one as long as the clip.

    Raises:
        Real3DError: neither sound nor clip, or a pose or blinks from a clip that is not there.
    """
    if sound is None and track is None:
        raise Real3DError("Nothing drives the portrait: give a sound, a driving clip, or both.")
    if track is None and "driving" in (direction.pose, direction.blink):
        raise Real3DError("Pose or blinks were asked for from a driving clip, but no clip was given: give one or choose another.")
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
    """Frames [n, size, size, 3] in 0..1 of a portrait in motion, its viewer moving as `view` says; nothing is computed yet."""
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
    renders = _rendered(avatar, portrait, motion, march)
    frames = avatar.compose(renders, portrait, motion, background, size)
    return beside_each_other(portrait.image, avatar.condition(portrait, motion), renders, frames)


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
