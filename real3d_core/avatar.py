"""What every avatar can do, and which ones there are (DESIGN section 2)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Protocol

from torch import Tensor

from .errors import Real3DError
from .motion.face_track import FaceTrack
from .motion.motion import Motion, MotionBasis
from .portrait.portrait import Portrait
from .render.decoder import PlaneDecoder
from .render.planes import Planes
from .render.ray_marching import HeadRender, MarchSettings
from .sound import Sound
from .stream import FrameStream

AVATARS = {"analytic": "analytic.avatar:AnalyticAvatar"}
"""Name to module and class below this package. A further avatar is one folder and one line here."""


@dataclass(frozen=True)
class SpeechStyle:
    """How a voice moves the face.

    amplitude: how far the mouth opens; 1 is natural.
    transcript: the words spoken, where they are known; avatars that can, time the lips by them.
    seed: of everything random.
    temperature: how freely a variational avatar moves, 0..1; others ignore it.
    """

    amplitude: float = 1.0
    transcript: str | None = None
    seed: int = 0
    temperature: float = 0.2


NATURAL = SpeechStyle()
HEAD_THRESHOLD = 0.9  # of the released model (spec 04)


class Avatar(Protocol):
    """A model that can lift, adapt and compose."""

    name: str
    motion_basis: MotionBasis
    decoder: PlaneDecoder
    march_settings: MarchSettings

    def lift(self, portrait: Portrait) -> Planes:
        """Image to plane: the head of a photo at rest, one head."""

    def adapt(self, planes: Planes, motion: Motion) -> FrameStream[Planes]:
        """Motion adapter: the planes of every frame."""

    def compose(
        self,
        renders: FrameStream[HeadRender],
        portrait: Portrait,
        motion: Motion,
        background: Tensor | None = None,
        size: int = 512,
        head_threshold: float = HEAD_THRESHOLD,
    ) -> FrameStream[Tensor]:
        """Head-torso-background super-resolution: frames [n, size, size, 3] in 0..1.

        Args:
            background: [B, 3, size, size] in 0..1, one for all frames or one per frame (from the first again where they are fewer).
            head_threshold: where the head is more opaque than this it hides the background completely.
        """

    def person_mask(
        self,
        renders: FrameStream[HeadRender],
        portrait: Portrait,
        motion: Motion,
        size: int = 512,
        head_threshold: float = HEAD_THRESHOLD,
    ) -> FrameStream[Tensor]:
        """How much of each pixel of the frames of `compose` is person, not background: [n, size, size] in 0..1."""

    def audio_to_motion(self, sound: Sound, style: SpeechStyle = NATURAL) -> Motion:
        """The expressions of a voice on a still head without blinks, at 25 frames a second, ceil(duration * 25) frames."""

    def video_to_motion(self, track: FaceTrack, neutral: int | None = None, smoothing: float = 1.0) -> Motion:
        """The motion of a driving clip, relative to its most neutral or to a given frame."""

    def with_blinks(self, motion: Motion, closed: Tensor) -> Motion:
        """The motion with both lids closed by [T] values in 0..1, on top of what they do already."""


def load_avatar(name: str = "analytic") -> Avatar:
    """The avatar of this name.

    Raises:
        Real3DError: there is none.
    """
    if name not in AVATARS:
        raise Real3DError(f"There is no avatar '{name}': choose one of {', '.join(AVATARS)}.")
    module, _, kind = AVATARS[name].partition(":")
    make: Callable[[], Avatar] = getattr(import_module(f".{module}", __package__), kind)
    return make()
