"""What every avatar can do (DESIGN section 2)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from torch import Tensor, nn

from .face.track import FaceTrack
from .media.sound import Sound
from .motion.landmark_motion import LandmarkMotion
from .motion.motion import Motion, MotionBasis
from .portrait.crop import Backdrop
from .portrait.portrait import Portrait
from .progress import Progress, no_progress
from .ranges import ACTING, MOUTH, SEED, TEMPERATURE
from .render.camera import CameraPath
from .render.camera_paths import View
from .render.decoder import PlaneDecoder
from .render.planes import Planes
from .render.ray_marching import HeadRender, MarchSettings
from .speech.spelling import words_of
from .stream import FrameStream


@dataclass(frozen=True)
class SpeechStyle:
    """How a voice moves the face.

    amplitude: how far the mouth opens, 0..3; 1 is natural.
    transcript: the words spoken, where they are known; avatars that can, time the lips by them.
    seed: of everything random, 0..2^63 - 1.
    temperature: how freely a variational avatar moves, 0..1; others ignore it.
    acting: how much brows, lids, cheeks and a swaying head go along, 0..2; 0 moves the lips only, 1 is natural. Avatars whose motions
        have no controls ignore it.

    Raises:
        Real3DError: a number is out of range. SoundError: a transcript without words, or not in Latin letters.
    """

    amplitude: float = 1.0
    transcript: str | None = None
    seed: int = 0
    temperature: float = 0.2
    acting: float = 1.0

    def __post_init__(self) -> None:
        MOUTH.check(self.amplitude)
        SEED.check(self.seed)
        TEMPERATURE.check(self.temperature)
        ACTING.check(self.acting)
        if self.transcript is not None:
            words_of(self.transcript)


NATURAL = SpeechStyle()
HEAD_THRESHOLD = 0.9  # of the released model (spec 04)


class DrawsPortraits(Protocol):
    """The part of an avatar that lifts, adapts and composes."""

    decoder: PlaneDecoder
    march_settings: MarchSettings

    def lift(self, portrait: Portrait) -> Planes:
        """Image to plane: the head of a photo at rest, one head."""

    def adapt(self, planes: Planes, motion: Motion) -> FrameStream[Planes]:
        """Motion adapter: the planes of every frame."""

    def cameras(self, portrait: Portrait, motion: Motion, view: View | None = None) -> CameraPath:
        """Where a portrait's head is seen from in the poses of a motion, by a viewer who moves as `view` says (None: not at all)."""

    def condition(self, portrait: Portrait, motion: Motion) -> FrameStream[Tensor]:
        """What the motion adapter sees of the expression of each frame, as pictures: [n, H, H, 3] in 0..1."""

    def compose(
        self,
        renders: FrameStream[HeadRender],
        portrait: Portrait,
        motion: Motion,
        background: Backdrop | None = None,
        size: int = 512,
        head_threshold: float | None = None,
    ) -> FrameStream[Tensor]:
        """Head-torso-background super-resolution: frames [n, size, size, 3] in 0..1.

        Args:
            background: one for all frames or one per frame, from the first again where they are fewer; None keeps the photo's.
            head_threshold: where the head is more opaque than this it hides the background completely; None: as the avatar was made.
        """

    def person_mask(
        self,
        renders: FrameStream[HeadRender],
        portrait: Portrait,
        motion: Motion,
        size: int = 512,
        head_threshold: float | None = None,
    ) -> FrameStream[Tensor]:
        """Matte of the person in the frames of `compose`: [n, size, size] in 0..1."""


class MakesMotion(Protocol):
    """The part of an avatar that turns voices, driving clips and other avatars' motions into its own."""

    motion_basis: MotionBasis

    def audio_to_motion(self, sound: Sound, style: SpeechStyle = NATURAL, progress: Progress = no_progress) -> Motion:
        """The expressions of a voice on a still head without blinks, at 25 frames a second, ceil(duration * 25) frames."""

    def video_to_motion(
        self, track: FaceTrack, neutral: int | None = None, smoothing: float = 1.0, progress: Progress = no_progress
    ) -> Motion:
        """The motion of a driving clip, relative to its most neutral or to a given frame."""

    def blinks(self, frames: int, mode: str, seed: int = 0) -> Tensor:
        """How far lids are closed, [frames] in 0..1 at 25 a second, by blinks of a mode (`motion.blink.BLINK_MODES`)."""

    def with_blinks(self, motion: Motion, closed: Tensor) -> Motion:
        """The motion with both lids closed by [T] values in 0..1, on top of what they do already."""

    def from_rest(self, motion: Motion) -> Motion:
        """The motion begun from the face and pose of the photo, for avatars that know them; its first frame is the photo."""

    def to_landmarks(self, motion: Motion) -> LandmarkMotion:
        """A motion of this avatar as landmarks, so that another avatar can take it over."""

    def from_landmarks(self, landmarks: LandmarkMotion) -> Motion:
        """A motion of another avatar as one of this avatar."""


class HasNetworks(Protocol):
    """The part of an avatar that a host with scarce memory looks at."""

    def video_networks(self) -> tuple[nn.Module, ...]:
        """What lift, adapt and compose need on the device; a host may move it there and away again. Empty without networks."""

    def audio_networks(self) -> tuple[nn.Module, ...]:
        """What audio_to_motion needs on the device; may read files at the first call.

        Raises:
            MissingModelError: the avatar has no audio-to-motion model.
        """


class Avatar(DrawsPortraits, MakesMotion, HasNetworks, Protocol):
    """A model that can lift, adapt and compose."""

    name: str


def converted(motion: Motion, source: Avatar, target: Avatar) -> Motion:
    """A motion of one avatar as one of another; a motion that is the target's already stays as it is.

    Raises:
        MotionMismatchError: the motion is neither avatar's.
    """
    if motion.basis.name == target.motion_basis.name:
        return motion
    return target.from_landmarks(source.to_landmarks(motion))
