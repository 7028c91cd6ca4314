"""The order of the stages, what "auto" means, and how a head moves; the command line and the nodes only convert to and from this.

clip  --track_face------------> FaceTrack --video_to_motion--+
voice --audio_to_motion----------------------------------------+-> Motion
photo --prepare_portrait--> Portrait --lift--> Planes --adapt(Motion)--> Planes per frame --march--> HeadRender --compose--> frames
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from .avatar import NATURAL, Avatar, DrawsPortraits, MakesMotion, SpeechStyle
from .errors import ClipError, Real3DError
from .face.track import FaceTrack, track_face
from .media.pictures import opaque
from .media.sound import Sound
from .mediapipe_models.model_files import ModelFolders
from .motion.gaze import gaze_of, looking_about, with_gaze
from .motion.motion import Motion
from .motion.pose import orbit, speech_sway, turn_about_neck
from .portrait.crop import Backdrop
from .portrait.paste import paste_back
from .portrait.portrait import Portrait
from .portrait.remembered import prepared
from .progress import Progress, no_progress
from .ranges import (
    ACTING,
    BLINKS,
    DEFAULT_FACE_AREA,
    FACE_AREA,
    FACE_INDEX,
    FRAME_RATE,
    GAZE,
    NEUTRAL,
    POSE_AMOUNT,
    POSES,
    SEED,
    SIZE,
    SMOOTHING,
    refuse_unknown,
)
from .render.camera_paths import View, static_view
from .render.dense_marching import march_torch
from .render.head import March, render_head
from .render.planes import Planes
from .render.side_by_side import PANELS, beside_each_other
from .speech.alignment import refuse_too_many_words
from .speech.loudness import STEP_RATE
from .stream import FPS, FrameStream, exact_rate, mirror_index

FRAMINGS = ("crop", "whole photo", "side by side")
HEAD_MOVEMENTS = ("keep", "static", "sway", "driving", "orbit")

Place = tuple[float, float, float]  # of the viewer: yaw and pitch in degrees, distance in the camera's own
AT_THE_CAMERA: Place = (0.0, 0.0, 1.0)
StageProgress = Callable[[str, int, int], None]
"""Called with (name of the stage, steps done, steps in all); may raise to stop the work."""


class DrivingClip(Protocol):
    """Pictures that drive a face, and the sound that belongs to them."""

    @property
    def duration(self) -> float:
        """Seconds."""

    def frames(self) -> Iterator[np.ndarray]:
        """Pictures at 25 a second, one at a time: [height, width, 3] uint8 RGB."""

    def sound(self) -> Sound | None:
        """None where there is none that is of use."""


@dataclass(frozen=True)
class PipelineOptions:
    """Everything about a talking portrait that is a choice and not an input.

    pose: what the head does: "sway" gently with the voice, "static", as in the "driving" clip, "orbit" to and fro; "auto": as in the
        clip where there is one, else "sway".
    pose_amount: scales it, -3..3; 1 is natural, below 0 mirrored.
    blink: "natural", "periodic", "none", or as in the "driving" clip; "auto": as in the clip where there is one, else "natural".
    speech: how a voice moves the face, how much face and head act along, and the seed of blinks, gaze and sway.
    neutral: number of the driving clip's frame that stands for the portrait's own expression; None finds one.
    smoothing: of the driving clip, 0..5: 0 none, 1 gentle.
    fps: frames per second of the result, 1..120; 23.976 and the like mean 24000/1001 (see `stream.exact_rate`).
    size: side of a finished frame in pixels, 64..2048.
    face_index: which face of a photo, counted from the largest, which is 0.
    face_area: the least part of the crop that the face fills, 0.02..0.5 (spec 06 section 2).
    gaze: how far the eyes move, as in the clip where the head does and else by themselves, 0..2; 1 is natural, at 0 they look as in
        the photo.
    framing: "crop" is the square about the head, "whole photo" keeps the photo's own size and framing, "side by side" shows how each
        frame comes about.

    Raises:
        Real3DError: there is no such choice, or a number is out of range.
    """

    pose: str = "auto"
    pose_amount: float = 1.0
    blink: str = "auto"
    speech: SpeechStyle = NATURAL
    neutral: int | None = None
    smoothing: float = 1.0
    fps: float = FPS
    size: int = 512
    face_index: int = 0
    face_area: float = DEFAULT_FACE_AREA
    framing: str = "crop"
    gaze: float = 1.0

    def __post_init__(self) -> None:
        for value, choices, name in ((self.pose, POSES, "pose"), (self.blink, BLINKS, "blinking"), (self.framing, FRAMINGS, "framing")):
            refuse_unknown(value, choices, name)
        POSE_AMOUNT.check(self.pose_amount)
        if self.neutral is not None:
            NEUTRAL.check(self.neutral)
        SMOOTHING.check(self.smoothing)
        FRAME_RATE.check(self.fps)
        SIZE.check(self.size)
        FACE_INDEX.check(self.face_index)
        FACE_AREA.check(self.face_area)
        GAZE.check(self.gaze)

    @property
    def rate(self) -> Fraction:
        """Frames per second, exactly."""
        return exact_rate(self.fps)


USUAL = PipelineOptions()


@dataclass(frozen=True, eq=False)
class TalkingPortraits:
    """What the pipeline makes: films of one or more photos that all move alike.

    portraits: one per photo.
    motion: what moves them.
    films: per photo its frames, see `render_frames`; nothing is computed yet.
    sizes: (width, height) of each film in pixels.
    soundtrack: what is heard; None: silence.
    track: the driver's face, where there is a driving clip.
    rest: the planes of the first portrait, before any motion.
    """

    portraits: tuple[Portrait, ...]
    motion: Motion
    films: tuple[FrameStream[Tensor], ...]
    sizes: tuple[tuple[int, int], ...]
    soundtrack: Sound | None
    track: FaceTrack | None
    rest: Planes


def talking_portraits(
    avatar: Avatar,
    photos: Sequence[np.ndarray],
    options: PipelineOptions,
    models: ModelFolders,
    sound: Sound | None = None,
    clip: DrivingClip | None = None,
    mask: np.ndarray | None = None,
    background: Backdrop | None = None,
    viewer: Place = AT_THE_CAMERA,
    march: March = march_torch,
    progress: StageProgress = no_progress,
) -> TalkingPortraits:
    """All stages, from photos and what drives them to films.

    Args:
        photos: uint8 [H, W, 3 or 4], see `prepare_portrait`.
        models: where the user keeps model files.
        sound: a voice; moves the lips, and is the soundtrack. Without it the soundtrack is the clip's own.
        clip: moves the head, and the whole face where there is no voice.
        mask: float [h, w] in 0..1, where the person is in every photo; None: found.
        background: shown behind the person; None keeps the photo's own.
        viewer: from where the heads are seen.
        march: the function that marches rays.

    Raises:
        Real3DError: see `refuse_impossible`. NoFaceError: no face in a photo or in the clip.
    """
    refuse_impossible(options, sound, None if clip is None else clip_frames(clip))
    portraits = []
    for number, photo in enumerate(photos):
        progress("Preparing the portrait", number, len(photos))
        portraits.append(prepared(photo, models, mask, options.face_index, options.face_area))
    track = None if clip is None else follow(clip, models, progress)
    motion = make_motion(avatar, options, sound, track, lambda done, total: progress("Reading the motion", done, total))
    view = None if viewer == AT_THE_CAMERA else static_view(len(motion)).from_place(*viewer)
    rest = avatar.lift(portraits[0])  # before the films: an avatar remembers the portrait that it lifted last
    films = [
        render_frames(avatar, one, motion, options, photo, background, view, march) for one, photo in zip(portraits, photos, strict=True)
    ]
    sizes = [film_size(portrait, options) for portrait in portraits]
    return TalkingPortraits(tuple(portraits), motion, tuple(films), tuple(sizes), soundtrack(sound, clip), track, rest)


def soundtrack(sound: Sound | None, clip: DrivingClip | None) -> Sound | None:
    """What is heard in a film: the voice, without it the clip's own sound; None: silence."""
    return clip.sound() if sound is None and clip is not None else sound


def refuse_impossible(options: PipelineOptions, sound: Sound | None, clip_frames: int | None) -> None:
    """Compares the options with what there is to follow; takes no time.

    Args:
        clip_frames: how many frames the driving clip has, 25 a second; None: there is no clip.

    Raises:
        Real3DError: neither sound nor clip, a pose, blinks or a neutral frame from a clip that is not there or is shorter.
        SoundError: more words in the transcript than the sound has time for.
    """
    if sound is None and clip_frames is None:
        raise Real3DError("Nothing drives the portrait: give a sound, a driving clip, or both.")
    if clip_frames is None and "driving" in (options.pose, options.blink):
        raise Real3DError("The pose or the blinks are to follow a driving clip, but no clip was given: add one, or choose another mode.")
    if options.neutral is not None and clip_frames is None:
        raise Real3DError("A neutral frame was chosen, but there is no driving clip: add one, or leave the neutral frame out.")
    if options.neutral is not None and clip_frames is not None and options.neutral >= clip_frames:
        raise ClipError(
            f"The neutral frame is {options.neutral}, but the driving clip has {clip_frames} frames (25 a second, counted from 0): "
            "choose an earlier one, or none."
        )
    if sound is not None and options.speech.transcript is not None:
        refuse_too_many_words(options.speech.transcript, sound.duration * STEP_RATE)


def clip_frames(clip: DrivingClip) -> int:
    """How many pictures a clip gives at 25 a second, as far as its length is known beforehand."""
    return max(1, math.ceil(clip.duration * FPS - 1e-3))


def follow(clip: DrivingClip, models: ModelFolders, progress: StageProgress = no_progress) -> FaceTrack:
    """The face of a driving clip, frame by frame.

    Raises:
        NoFaceError: the clip shows no face that can be trusted.
    """
    expected = clip_frames(clip)
    return track_face(clip.frames(), models, progress=lambda done: progress("Following the face", min(done, expected), expected))


def make_motion(
    avatar: MakesMotion,
    options: PipelineOptions,
    sound: Sound | None = None,
    track: FaceTrack | None = None,
    progress: Progress = no_progress,
) -> Motion:
    """The motion of a talking portrait.

    A voice moves the lips; a driving clip moves the whole face where there is no voice, else only what `pose` and `blink` take
    from it, and where the eyes look if the head follows it. The motion lasts as long as the sound, without one as long as the clip.

    Raises:
        Real3DError: see `refuse_impossible`.
    """
    refuse_impossible(options, sound, None if track is None else len(track))
    pose, blink = _meant(options.pose, "sway", track), _meant(options.blink, "natural", track)
    followed = track if sound is None or pose == "driving" else None  # whatever else a clip gives is in its track already
    driven = None if followed is None else avatar.video_to_motion(followed, options.neutral, options.smoothing, progress)
    motion = driven if sound is None else avatar.audio_to_motion(sound, options.speech, progress)
    assert motion is not None  # something drives, or it would have been refused
    motion = with_head_pose(motion, pose, options.pose_amount, sound, driven, options.speech.seed, options.speech.acting)
    if driven is None:
        motion = looking_about(motion, options.gaze, options.speech.seed)
    else:
        motion = with_gaze(motion, options.gaze * gaze_of(driven.fitted(len(motion))))
    if blink in ("natural", "periodic"):
        motion = avatar.with_blinks(motion, avatar.blinks(len(motion), blink, options.speech.seed))
    elif blink == "driving" and sound is not None and track is not None:
        closed = torch.from_numpy(track.closed_eyes()).float()
        motion = avatar.with_blinks(motion, closed[mirror_index(torch.arange(len(motion)), len(track))])
    if driven is not None or blink == "driving":  # a clip may begin anywhere; all else begins at rest by itself
        motion = avatar.from_rest(motion)
    if options.rate == FPS:
        return motion
    duration = sound.duration if sound is not None else len(motion) / FPS
    return motion.resampled(float(options.rate), max(1, math.ceil(duration * options.rate - 1e-6)))


def _meant(choice: str, without_clip: str, track: FaceTrack | None) -> str:
    """What a choice means where it is "auto"."""
    if choice != "auto":
        return choice
    return without_clip if track is None else "driving"


def with_head_pose(
    motion: Motion,
    movement: str,
    amount: float = 1.0,
    sound: Sound | None = None,
    other: Motion | None = None,
    seed: int = 0,
    acting: float = 1.0,
) -> Motion:
    """The same face on another head pose.

    Args:
        movement: one of HEAD_MOVEMENTS: "keep" the motion's own, "static", "sway" gently as somebody who speaks, "driving" takes
            that of `other`, played to and fro if it is shorter, "orbit" turns to both sides.
        amount: scales it, -3..3; 1 is natural, below 0 mirrored.
        sound: for "sway": the voice that the head nods with; None: there is none to follow.
        seed: of the sway.
        acting: for "sway": how much the head underlines what is said, 0..2, where the face can act along, which takes a basis with
            controls.

    Raises:
        Real3DError: there is no such movement, a number is out of range, or there is no `other` to take the pose from.
    """
    refuse_unknown(movement, HEAD_MOVEMENTS, "head movement")
    POSE_AMOUNT.check(amount)
    SEED.check(seed)
    ACTING.check(acting)
    frames, fps = len(motion), motion.fps
    euler, translation = motion.euler, motion.translation
    if movement == "driving":
        if other is None:
            raise Real3DError("The head is to move as in another motion, but none was given: add one, or choose another movement.")
        fitted = other.fitted(frames)
        euler, translation = fitted.euler, fitted.translation
    elif movement == "static":
        euler, translation = torch.zeros(frames, 3), torch.zeros(frames, 3)
    elif movement == "orbit":
        euler = torch.from_numpy(orbit(frames, fps))
        translation = turn_about_neck(euler)
    elif movement == "sway":
        samples = None if sound is None else sound.mono(16000).numpy()
        euler, drift = (
            torch.from_numpy(part) for part in speech_sway(samples, frames, fps, seed, 1.0, acting if motion.basis.controls else 0.0)
        )
        translation = drift + turn_about_neck(euler)
    return motion.with_pose(euler * amount, translation * amount)


def render_frames(
    avatar: DrawsPortraits,
    portrait: Portrait,
    motion: Motion,
    options: PipelineOptions = USUAL,
    photo: np.ndarray | None = None,
    background: Backdrop | None = None,
    view: View | None = None,
    march: March = march_torch,
) -> FrameStream[Tensor]:
    """Frames [n, height, width, 3] of a portrait in motion, its viewer moving as `view` says; nothing is computed yet.

    They are in 0..1, for the framing "whole photo" uint8.

    Args:
        photo: uint8 [H, W, 3 or 4] that the portrait was prepared from; needed for the framing "whole photo" only.
    """
    renders = render_head(
        avatar.adapt(avatar.lift(portrait), motion), avatar.decoder, avatar.cameras(portrait, motion, view), avatar.march_settings, march
    )
    frames = avatar.compose(renders, portrait, motion, background, options.size)
    if options.framing == "side by side":
        return beside_each_other(portrait.image, avatar.condition(portrait, motion), renders, frames)
    if options.framing == "whole photo":
        if photo is None:
            raise ValueError("the framing 'whole photo' needs the photo")
        return paste_back(frames, portrait.window, torch.from_numpy(opaque(photo)))
    return frames


def film_size(portrait: Portrait, options: PipelineOptions) -> tuple[int, int]:
    """(width, height) in pixels of what `render_frames` makes."""
    if options.framing == "whole photo":
        return portrait.photo_size
    return (PANELS * options.size if options.framing == "side by side" else options.size, options.size)
