"""The built-in avatar: no weights, no downloads, any processor (DESIGN section 3)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..avatar import HEAD_THRESHOLD, NATURAL, AvatarOptions, SpeechStyle
from ..errors import MissingModelError
from ..motion.anatomy import bounded_pose
from ..motion.blink import blink_curve
from ..motion.face_track import FaceTrack
from ..motion.landmark_motion import LandmarkMotion
from ..motion.motion import FPS, Motion, MotionBasis
from ..motion.speech import speech_controls
from ..portrait.canonical_face import canonical_face
from ..portrait.framing import Backdrop
from ..portrait.landmark_sets import CHIN, FOREHEAD
from ..portrait.model_files import DEFAULT_FOLDER
from ..portrait.portrait import Portrait
from ..progress import Progress, untold
from ..render.camera import CameraPath
from ..render.camera_paths import View, static_view, viewed_from
from ..render.decoder import PlaneDecoder
from ..render.planes import Planes
from ..render.ray_marching import HeadRender, MarchSettings
from ..render.table_marching import march_table
from ..sound import Sound
from ..stream import FrameStream
from .channels import (
    BACK,
    CARRIED,
    COLOUR,
    FACE_UV,
    FRONT,
    JAW_UV,
    SILHOUETTE,
    SKULL_UV,
    STEEPNESS,
    constructed_decoder,
    depth_ramp,
    encode_colour,
    encode_silhouette,
    encode_uv,
)
from .compose import Composer
from .controls import BASIS, FaceControls
from .driving import landmarks_from_motion, motion_from_landmarks, motion_from_track
from .line_drawing import LineDrawing
from .sheets import Sheets
from .solid import TEXELS, head_solid, sample_plate, texel_centres

RENDER = MarchSettings(resolution=128, coarse=16, fine=16)
_REACH = (0.7, 0.8)  # decimetres that a head may leave its torso, and never passes


class AnalyticAvatar:
    """Geometry and the photo's own pixels through the paper's planes, decoder shape and ray marching."""

    name = "analytic"
    motion_basis: MotionBasis = BASIS

    def __init__(self, march_settings: MarchSettings = RENDER, folders: Sequence[Path] = (DEFAULT_FOLDER,)):
        self.march_settings = march_settings
        self._folders = folders
        self.decoder: PlaneDecoder = constructed_decoder()
        self._lifted: tuple[Portrait, Planes] | None = None
        self._composing: tuple[tuple[Portrait, int, int], Composer] | None = None

    def drawing_networks(self) -> tuple[nn.Module, ...]:
        """None."""
        return ()

    def listening_networks(self) -> tuple[nn.Module, ...]:
        """None."""
        return ()

    def lift(self, portrait: Portrait) -> Planes:
        """The head of a photo as planes [1, 3, 32, 256, 256]."""
        if self._lifted is None or self._lifted[0] is not portrait:
            self._lifted = (portrait, _lift(portrait))
        return self._lifted[1]

    def adapt(self, planes: Planes, motion: Motion) -> FrameStream[Planes]:
        """Bends the planes for every frame of a motion; only plane 0 changes.

        Raises:
            MotionMismatchError: the motion belongs to another avatar.
            ValueError: the planes carry no landmarks.
        """
        motion.require_basis(self.motion_basis)
        if planes.landmarks is None:
            raise ValueError("these planes carry no landmarks: they were not lifted by the built-in avatar")
        bend = _PlaneBender(planes)
        return FrameStream(len(motion), motion.fps, lambda start, stop: bend(motion.expression[start:stop]))

    def cameras(self, portrait: Portrait, motion: Motion, view: View | None = None) -> CameraPath:
        """The motion's pose, as far as a neck allows, is added to the portrait's own.

        Decimetres of a real head become those of this portrait's head, whose size in the world depends on the photo's framing.
        """
        euler, translation = bounded_pose(motion.euler, motion.translation, *_REACH)
        euler, translation = portrait.euler + euler, portrait.translation + portrait.scale * translation
        return viewed_from(euler, translation, view or static_view(len(motion)), motion.fps)

    def condition(self, portrait: Portrait, motion: Motion) -> FrameStream[Tensor]:
        """The moved landmarks as a line drawing, [n, 512, 512, 3] in 0..1."""
        draw = LineDrawing(self.lift(portrait).landmarks)
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
        return renders.map(lambda render, start, stop: self._composer(portrait, render, size)(render, background, start, threshold))

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
        return renders.map(lambda render, start, stop: self._composer(portrait, render, size).person(render, threshold))

    def _composer(self, portrait: Portrait, render: HeadRender, size: int) -> Composer:
        """The composer of this portrait, made anew only when the portrait, the frames' size or the rays have changed."""
        key = (portrait, size, render.features.shape[-1])
        if self._composing is None or self._composing[0] != key:
            settings = replace(self.march_settings, resolution=key[2])
            at_rest = march_table(self.lift(portrait), self.decoder, portrait.camera, settings)
            self._composing = (key, Composer(portrait, at_rest, size))
        return self._composing[1]

    def audio_to_motion(self, sound: Sound, style: SpeechStyle = NATURAL, progress: Progress = untold) -> Motion:
        """Lips that follow the sounds (motion/speech.py), in one step.

        Raises:
            SoundError: no samples, or a transcript that does not fit.
        """
        frames = math.ceil(sound.duration * FPS - 1e-6)
        curves = speech_controls(sound.mono(16000).numpy(), frames, FPS, style.transcript, style.amplitude)
        return Motion.still(BASIS, frames).with_controls(**{name: torch.from_numpy(curve) for name, curve in curves.items()})

    def video_to_motion(self, track: FaceTrack, neutral: int | None = None, smoothing: float = 1.0, progress: Progress = untold) -> Motion:
        """Controls as far as they go, landmark displacements for the rest (driving.py), in one step."""
        return motion_from_track(track, neutral, smoothing)

    def blinks(self, frames: int, mode: str, seed: int = 0) -> Tensor:
        """Quick to close, slower to open (motion/blink.py)."""
        return torch.from_numpy(blink_curve(frames, FPS, seed, mode))

    def with_blinks(self, motion: Motion, closed: Tensor) -> Motion:
        """Lids closed at least as far as `closed` [T] says."""
        return motion.with_controls(**{name: torch.maximum(motion.control(name), closed) for name in ("blink_left", "blink_right")})

    def to_landmarks(self, motion: Motion) -> LandmarkMotion:
        """What the motion does to MediaPipe's canonical face."""
        motion.require_basis(self.motion_basis)
        points = canonical_face(self._folders).points
        return landmarks_from_motion(motion, points / np.linalg.norm(points[FOREHEAD] - points[CHIN]))

    def from_landmarks(self, told: LandmarkMotion) -> Motion:
        """As from a driving clip."""
        return motion_from_landmarks(told)


def load_analytic_avatar(options: AvatarOptions) -> AnalyticAvatar:
    """The built-in avatar.

    Raises:
        MissingModelError: a checkpoint was given.
    """
    if options.checkpoint is not None:
        raise MissingModelError(f"The built-in avatar reads no checkpoint, so '{options.checkpoint}' is in vain: choose 'real3d' for it.")
    return AnalyticAvatar(folders=options.folders)


def _lift(portrait: Portrait) -> Planes:
    solid = head_solid(portrait)
    colour = sample_plate(portrait.plates.head[:, :3], solid.photo_uv.permute(1, 2, 0)[None])[0]
    plane = torch.zeros(32, TEXELS, TEXELS)
    plane[FRONT] = STEEPNESS * solid.front
    plane[BACK] = -STEEPNESS * solid.back
    plane[SILHOUETTE] = encode_silhouette(solid.inside)
    carried = plane[CARRIED]
    carried[COLOUR] = encode_colour(colour)
    for sheet in (FACE_UV, JAW_UV, SKULL_UV):
        carried[sheet] = encode_uv(solid.photo_uv)
    features = torch.stack([3 * plane, depth_ramp(), torch.zeros_like(plane)])
    return Planes(features[None], bounds=_bounds(solid), landmarks=solid.landmarks)


def _bounds(solid) -> Tensor:
    """A box about the head, with room for a dropped jaw."""
    x, y = (torch.from_numpy(axis).float() for axis in texel_centres())
    head = solid.inside > -2
    room = 0.02
    chin = 0.14 * solid.face_height
    return torch.tensor(
        [
            [x[head].min() - room, y[head].min() - room - chin, solid.back[head].min() - room],
            [x[head].max() + room, y[head].max() + room, solid.front[head].max() + room],
        ]
    ).clamp(-0.5, 0.5)


class _PlaneBender:
    """Resamples plane 0 along the sheets of a motion."""

    def __init__(self, planes: Planes):
        self._planes = planes
        self._sheets = Sheets(planes.landmarks, FaceControls(planes.landmarks))
        x, y = texel_centres()
        self._texels = torch.stack([torch.from_numpy(x), torch.from_numpy(y)]).float()[None]
        self._channels = [_in_use(plane) for plane in planes.features[0]]

    def __call__(self, coefficients: Tensor) -> Planes:
        sheets = self._sheets
        bent = sheets.bend(coefficients)
        solid, face, jaw = (self._on_texels(source) for source in (sheets.in_front(bent), bent.face, bent.jaw))
        rest = self._planes.features
        features = _untouched_zeros(len(coefficients), *rest.shape[1:])
        for plane, channels in enumerate(self._channels):
            features[:, plane, :channels] = rest[:, plane, :channels]
        front = features[:, 0]
        carried, rest_carried = front[:, CARRIED], rest[:, 0, CARRIED]
        front[:, : CARRIED.start] = self._look_up(rest[:, 0, : CARRIED.start], solid)
        carried[:, COLOUR] = self._look_up(rest_carried[:, COLOUR], solid)
        carried[:, FACE_UV] = self._look_up(rest_carried[:, FACE_UV], face)
        carried[:, JAW_UV] = self._look_up(rest_carried[:, FACE_UV], jaw)
        forward = sheets.sample(bent.depth, self._texels.expand(len(front), -1, -1, -1))[:, 0]
        front[:, FRONT] += 3 * STEEPNESS * forward
        front[:, BACK] -= 3 * STEEPNESS * forward.clamp(max=0)  # what goes back must not go through its own back
        return replace(self._planes, features=features)

    def _on_texels(self, source: Tensor) -> Tensor:
        """Source points of all texels [N, 2, 256, 256]; beyond the lattice nothing moves."""
        texels = self._texels.expand(len(source), -1, -1, -1)
        return texels + self._sheets.sample(source - self._sheets.lattice, texels)

    def _look_up(self, plane: Tensor, points: Tensor) -> Tensor:
        return F.grid_sample(
            plane.expand(len(points), -1, -1, -1), points.permute(0, 2, 3, 1) * 2, padding_mode="border", align_corners=False
        )


def _untouched_zeros(*shape: int) -> Tensor:
    """Zeros that take no time and no memory where nothing is written: NumPy leaves them to the system, PyTorch writes them."""
    return torch.from_numpy(np.zeros(shape, np.float32))


def _in_use(plane: Tensor) -> int:
    """How many channels of a plane [C, H, W] there are up to the last that is not zero everywhere."""
    used = plane.flatten(1).any(dim=1).nonzero()
    return int(used[-1]) + 1 if len(used) else 0
