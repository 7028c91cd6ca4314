"""The built-in avatar: no weights, no downloads, any processor (DESIGN section 3)."""

from __future__ import annotations

import logging
import math
from dataclasses import replace
from functools import partial
from threading import RLock

import torch
from torch import Tensor, nn

from ..avatar import HEAD_THRESHOLD, NATURAL, SpeechStyle
from ..face.canonical_face import canonical_face
from ..face.measures import face_height_of
from ..face.track import FaceTrack
from ..media.sound import Sound
from ..mediapipe_models.model_files import ModelFolders
from ..memory import give_back
from ..motion.anatomy import bounded_pose, soft_limit
from ..motion.blink import blink_curve
from ..motion.editing import eased_in
from ..motion.landmark_motion import LandmarkMotion
from ..motion.motion import Motion, MotionBasis
from ..one_thread import one_thread
from ..portrait.crop import Backdrop
from ..portrait.portrait import Portrait
from ..progress import Progress, no_progress
from ..render.camera import CameraPath, farthest_turn
from ..render.camera_paths import View, static_view, viewed_from
from ..render.decoder import PlaneDecoder
from ..render.dense_marching import march_dense
from ..render.planes import Planes
from ..render.ray_marching import HeadRender, MarchSettings
from ..render.table_marching import march_table
from ..speech.controls import speech_controls
from ..stream import FPS, FrameStream
from .adapt import PlaneBender, landmarks_of
from .channels import constructed_decoder
from .compose import Composer, Layers
from .controls import BASIS
from .driving import landmarks_from_motion, motion_from_landmarks, motion_from_track
from .eyes import looks
from .kind import KIND
from .lift import lift
from .line_drawing import LineDrawing
from .lip_edges import with_teeth_uncovered
from .on_device.bending import DeviceBender
from .on_device.chosen import chosen_bender, chosen_composer
from .on_device.composer import DeviceComposer
from .painting import IN_TORCH, Painting
from .solid import TEXELS

_LOG = logging.getLogger("real3d")
RENDER = MarchSettings(resolution=128, coarse=20, fine=8)
_FROM_REST = 0.14  # seconds
_SHOWN_WELL = 35  # degrees between a camera and the photo's
_SIDEWAYS, _FARTHER = math.radians(60), math.radians(10)  # yaw that is seen as asked for, and how much more there is at most
_PAST = math.radians(5)  # what is always seen beyond the photo's own yaw
_REACH = (0.7, 0.8)  # decimetres that a head may leave its torso, and never passes


class AnalyticAvatar:
    """Geometry and the photo's own pixels through the paper's planes, decoder shape and ray marching.

    Args:
        models: where the user keeps model files.
        march_settings: how finely its heads are marched.
        painting: the operators that frames are composed by on the processor.
        device: on which frames are made (on_device/); None: on the processor, by its faster path. What is made once per portrait is made
            on the processor.
    """

    name = KIND.name
    motion_basis: MotionBasis = BASIS

    def __init__(
        self,
        models: ModelFolders,
        march_settings: MarchSettings = RENDER,
        painting: Painting = IN_TORCH,
        device: torch.device | str | None = None,
    ):
        self.march_settings = march_settings
        self._device = None if device is None else torch.device(device)
        self._side_by_side = device is None  # a device computes the frames of a chunk at once
        self._painting = painting
        self._models = models
        self.decoder: PlaneDecoder = constructed_decoder().to(self._device or "cpu")
        self._lifted: tuple[Portrait, Planes] | None = None
        self._bending: tuple[Planes, PlaneBender | DeviceBender] | None = None
        self._composing: tuple[tuple[Portrait, int, int], Composer | DeviceComposer] | None = None
        self._making = RLock()  # frames are composed by several threads

    def video_networks(self) -> tuple[nn.Module, ...]:
        """None."""
        return ()

    def audio_networks(self) -> tuple[nn.Module, ...]:
        """None."""
        return ()

    @one_thread()
    def lift(self, portrait: Portrait) -> Planes:
        """The head of a photo as planes [1, 3, 32, 256, 256]."""
        with self._making:
            if self._lifted is None or self._lifted[0] is not portrait:
                self._lifted = (portrait, lift(portrait))
                give_back()
            return self._lifted[1]

    @one_thread()
    def adapt(self, planes: Planes, motion: Motion) -> FrameStream[Planes]:
        """Bends the planes for every frame of a motion; only plane 0 changes.

        Raises:
            MotionMismatchError: the motion belongs to another avatar.
            Real3DError: the planes have been resized.
            ValueError: the planes carry no landmarks.
        """
        motion.require_basis(self.motion_basis)
        planes.require_size(TEXELS, TEXELS)
        with self._making:
            if self._bending is None or self._bending[0] is not planes:
                usual = PlaneBender(planes)
                self._bending = (planes, chosen_bender(planes, usual, self._device) if self._device else usual)
            bend = self._bending[1]
        return FrameStream(len(motion), motion.fps, lambda start, stop: bend(motion.expression[start:stop]), parallel=self._side_by_side)

    def cameras(self, portrait: Portrait, motion: Motion, view: View | None = None) -> CameraPath:
        """The motion's pose, as far as a neck allows, is added to the portrait's own.

        Decimetres of a real head become those of this portrait's head, whose size in the world depends on the photo's framing.
        """
        euler, translation = bounded_pose(motion.euler, motion.translation, *_REACH)
        euler, translation = portrait.euler + euler, portrait.translation + portrait.scale * translation
        path = viewed_from(euler, translation, _shown(euler, view or static_view(len(motion)), portrait), motion.fps)
        turned = math.degrees(farthest_turn(path.cameras, portrait.camera))
        if turned > _SHOWN_WELL:
            _LOG.info(
                "The head turns up to %.0f degrees away from the photo. What the photo does not show is made up there: up to 30 degrees "
                "looks best.",
                turned,
            )
        return path

    def condition(self, portrait: Portrait, motion: Motion) -> FrameStream[Tensor]:
        """The moved landmarks as a line drawing, [n, 512, 512, 3] in 0..1."""
        draw = LineDrawing(landmarks_of(self.lift(portrait)))
        return FrameStream(len(motion), motion.fps, lambda start, stop: draw(motion.expression[start:stop]))

    def compose(
        self,
        renders: FrameStream[HeadRender],
        portrait: Portrait,
        motion: Motion,
        background: Backdrop | None = None,
        size: int = 512,
        head_threshold: float | None = None,
    ) -> FrameStream[Tensor]:
        """Frames [n, size, size, 3] in 0..1.

        Args:
            background: shown in place of the photo's own, which None keeps.
            head_threshold: where the head is more opaque than this it hides the background completely; None: HEAD_THRESHOLD.
        """
        threshold = HEAD_THRESHOLD if head_threshold is None else head_threshold
        eyes = looks(motion)
        return renders.map(
            lambda render, start, stop: self._composer(portrait, render, size)(render, eyes[start:stop], background, start, threshold),
            parallel=self._side_by_side,
        )

    def person_mask(
        self,
        renders: FrameStream[HeadRender],
        portrait: Portrait,
        motion: Motion,
        size: int = 512,
        head_threshold: float | None = None,
    ) -> FrameStream[Tensor]:
        """How much of each pixel is person, not background: [n, size, size] in 0..1."""
        threshold = HEAD_THRESHOLD if head_threshold is None else head_threshold
        eyes = looks(motion)
        return renders.map(
            lambda render, start, stop: self._composer(portrait, render, size).person(render, eyes[start:stop], threshold),
            parallel=self._side_by_side,
        )

    @one_thread()
    def _composer(self, portrait: Portrait, render: HeadRender, size: int) -> Composer | DeviceComposer:
        """The composer of this portrait, made anew only when the portrait, the frames' size or the rays have changed."""
        key = (portrait, size, render.features.shape[-1])
        with self._making:
            if self._composing is None or self._composing[0] != key:
                settings = replace(self.march_settings, resolution=key[2])
                planes = self.lift(portrait)
                at_rest = march_table(planes, self.decoder, portrait.camera, settings)
                seen = with_teeth_uncovered(portrait)  # lips move by the landmark model's own measure, so the head is lifted by that
                layers = Layers.of(seen, planes, at_rest, size, self._painting)
                usual = Composer(layers, at_rest, self._painting)
                self._composing = (key, usual)
                if self._device:
                    rest = replace(planes, features=planes.features.to(self._device))
                    march = partial(march_dense, rest, self.decoder, portrait.camera, settings)
                    self._composing = (key, chosen_composer(layers, usual, at_rest, march, self._device))
                give_back()
            return self._composing[1]

    @one_thread()
    def audio_to_motion(self, sound: Sound, style: SpeechStyle = NATURAL, progress: Progress = no_progress) -> Motion:
        """Lips that follow the sounds (speech/controls.py) and a face that acts along (speech/acting.py), in one step.

        Raises:
            SoundError: no samples, or a transcript that does not fit.
        """
        frames = math.ceil(sound.duration * FPS - 1e-6)
        samples = sound.mono(16000).numpy()
        curves = speech_controls(samples, frames, FPS, style.transcript, style.amplitude, style.acting, style.seed)
        said = Motion.still(BASIS, frames).with_controls(**{name: torch.from_numpy(curve) for name, curve in curves.items()})
        return self.from_rest(said)

    def video_to_motion(
        self, track: FaceTrack, neutral: int | None = None, smoothing: float = 1.0, progress: Progress = no_progress
    ) -> Motion:
        """Controls as far as they go, landmark displacements for the rest (driving.py), in one step."""
        return motion_from_track(track, neutral, smoothing)

    def blinks(self, frames: int, mode: str, seed: int = 0) -> Tensor:
        """Quick to close, slower to open (motion/blink.py)."""
        return torch.from_numpy(blink_curve(frames, FPS, seed, mode))

    def with_blinks(self, motion: Motion, closed: Tensor) -> Motion:
        """Lids closed at least as far as `closed` [T] says."""
        return motion.with_controls(**{name: torch.maximum(motion.control(name), closed) for name in ("blink_left", "blink_right")})

    def from_rest(self, motion: Motion) -> Motion:
        """Eased in, from the photo itself."""
        return eased_in(motion, _FROM_REST)

    def to_landmarks(self, motion: Motion) -> LandmarkMotion:
        """What the motion does to MediaPipe's canonical face."""
        motion.require_basis(self.motion_basis)
        points = canonical_face(self._models).points
        return landmarks_from_motion(motion, points / face_height_of(points))

    def from_landmarks(self, landmarks: LandmarkMotion) -> Motion:
        """As from a driving clip."""
        return motion_from_landmarks(landmarks)


def _shown(euler: Tensor, view: View, portrait: Portrait) -> View:
    """The view [T], from which a head in poses euler [T, 3] is seen no farther from the side than its photo can show it."""
    yaw = euler[:, 1] + view.angles[:, 1]
    free = max(_SIDEWAYS, abs(float(portrait.euler[0, 1])) + _PAST)
    shown = soft_limit(yaw, free, free + _FARTHER)
    if torch.equal(shown, yaw):
        return view
    _LOG.info(
        "The head is to turn up to %.0f degrees to the side; it turns up to %.0f, as far as its photo can show it.",
        math.degrees(float(yaw.abs().amax())),
        math.degrees(float(shown.abs().amax())),
    )
    return View(view.angles + torch.nn.functional.pad((shown - yaw)[:, None], (1, 1)), view.distance)
