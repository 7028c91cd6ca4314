"""The paper's avatar: the official networks behind the interface that all avatars have (DESIGN section 2)."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import cache, lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..avatar import NATURAL, SpeechStyle
from ..errors import MissingModelError, Real3DError
from ..face.track import FaceTrack
from ..media.sound import Sound
from ..motion.anatomy import bounded_pose, soft_length, soft_limit
from ..motion.blink import blink_curve
from ..motion.landmark_motion import LandmarkMotion
from ..motion.motion import Motion, MotionBasis
from ..portrait.crop import Backdrop, behind
from ..portrait.portrait import Portrait
from ..progress import Progress, no_progress
from ..render.camera import CameraPath, camera_rays
from ..render.camera_paths import View, seen_poses
from ..render.planes import Planes
from ..render.ray_marching import HeadRender, ray_span
from ..stream import FPS, FrameStream
from .audio_to_motion.voice import Voice
from .face_model.basel import EXPRESSIONS, IDENTITIES
from .face_model.driven import DrivenFace, Trajectory, trajectory_cameras
from .face_model.expression_exchange import expression_to_landmarks, landmarks_to_expression, rest_landmarks
from .face_model.eyelids import blink_schedule, close_eyelids
from .face_model.fit import FaceFit
from .kind import KIND
from .source import Source
from .super_resolution.frame import HeadSuperResolution, SceneCode, SuperResolution
from .weights.checkpoint import Real3DNetworks

BASIS = MotionBasis(KIND.basis, ("eyelids",), 1 + EXPRESSIONS)
"""Column 0 closes the eyelids, 0 to 1; the others are the face model's expression, absolute: zeros are the mean expression."""

_FIT = {"identity": (1, IDENTITIES), "expression": (1, EXPRESSIONS), "euler": (1, 3), "translation": (1, 3)}
_COEFFICIENT = (3.0, 5.0)  # standard deviations of the face model that faces show, and that none passes
_EXPRESSION = (7.0, 8.5)  # likewise, of all together: up to 7 in fitted clips; from 8 on the mesh turns over here and there
_REACH = (0.85, 1.05)  # decimetres that a head may leave its torso, and never passes
_SIDE = 512
_PORTRAITS = 8  # whose layers are remembered; 15 MB each


class Real3DAvatar:
    """Image-to-plane, motion adapter and super-resolution with the official weights.

    Args:
        networks: from `load_networks`; everything runs on their device.
        face: draws and places the user's face model, on the same device.
        prepare: takes a portrait apart for the networks, once per portrait; None: as `prepare_source` does.
        speech: (sound, style, progress) -> [T, 64] expressions at 25 frames a second; None: the avatar cannot use a voice.
        own_expression: the motion adapter starts from the portrait's own expression, not from the motion's first one.
    """

    name = KIND.name
    motion_basis = BASIS

    def __init__(
        self,
        networks: Real3DNetworks,
        face: DrivenFace,
        prepare: Callable[[Portrait], Source],
        speech: Voice | None = None,
        own_expression: bool = False,
    ):
        self.networks = networks
        self.decoder = networks.decoder.to(face.device)
        self.march_settings = networks.config.march_settings
        self._face = face
        self._prepare = lru_cache(_PORTRAITS)(prepare)
        self._lifted = lru_cache(1)(self._lift)
        self._speech = speech
        self._own_expression = own_expression
        self._device = self.decoder.weight1.device

    def video_networks(self) -> tuple[nn.Module, ...]:
        """Image-to-plane, motion adapter and super-resolution; the decoder is small and stays on the device."""
        return tuple(part for part in vars(self.networks).values() if isinstance(part, nn.Module))

    def audio_networks(self) -> tuple[nn.Module, ...]:
        """HuBERT and the audio-to-motion model, read when they are first asked for.

        Raises:
            MissingModelError: their files are missing.
        """
        return () if self._speech is None else (self._speech.networks(),)

    def source(self, portrait: Portrait) -> Source:
        """What the networks see of a portrait; the latest ones are remembered."""
        return self._prepare(portrait)

    def lift(self, portrait: Portrait) -> Planes:
        """The canonical planes [1, 3, 32 depth, 256, 256] of a portrait; the latest ones are remembered."""
        return self._lifted(portrait)

    def _lift(self, portrait: Portrait) -> Planes:
        source = self.source(portrait)
        features = self.networks.image_to_plane(source.head.to(self._device))
        return Planes(features, self.networks.config.box_side, person=vars(source.fit))

    def adapt(self, planes: Planes, motion: Motion) -> FrameStream[Planes]:
        """Adds to the planes what the expression of each frame changes.

        Raises:
            MotionMismatchError: the motion belongs to another avatar.
            Real3DError: the planes were not lifted by this avatar, or have another depth than this checkpoint's; in a frame: they have
                been resized.
        """
        motion.require_basis(self.motion_basis)
        fit = _fit_in(planes)
        if planes.depth != self.networks.motion_adapter.depth:
            raise Real3DError(
                f"Planes of depth {planes.depth} do not go with a checkpoint whose planes have depth "
                f"{self.networks.motion_adapter.depth}: lift the portrait again with this checkpoint."
            )
        motion = _bounded(motion)
        pictures, target = self._face.pictures(fit), self._targets(fit, motion)

        @cache
        def fixed() -> tuple[Tensor, Tensor]:
            # the published program takes the first driving frame for the source's expression (spec 06 section 12, item 1)
            start = fit.expression[:1] if self._own_expression else motion.expression[:1, 1:]
            return pictures(torch.zeros(1, EXPRESSIONS)), pictures(start)

        def adapt_chunk(start: int, stop: int) -> Planes:
            changes = torch.cat([self.networks.motion_adapter(*fixed(), target(frame)) for frame in range(start, stop)])
            planes.require_size(*changes.shape[-2:])
            return replace(planes, features=planes.features + changes)

        return FrameStream(len(motion), motion.fps, adapt_chunk)

    def cameras(self, portrait: Portrait, motion: Motion, view: View | None = None) -> CameraPath:
        """The cameras that the paper sees this motion from: the fitted pose and the motion's, smoothed over seven frames."""
        trajectory = self._trajectory(portrait, _bounded(motion))
        if view is not None:
            trajectory = Trajectory(*seen_poses(trajectory.euler, trajectory.translation, view))
        return CameraPath(trajectory_cameras(trajectory), motion.fps)

    def condition(self, portrait: Portrait, motion: Motion) -> FrameStream[Tensor]:
        """The PNCC pictures of the motion, [n, 512, 512, 3] in 0..1."""
        target = self._targets(self.source(portrait).fit, _bounded(motion))

        def show(start: int, stop: int) -> Tensor:
            return (torch.cat([target(frame) for frame in range(start, stop)]).permute(0, 2, 3, 1).cpu() + 1) / 2

        return FrameStream(len(motion), motion.fps, show)

    def compose(
        self,
        renders: FrameStream[HeadRender],
        portrait: Portrait,
        motion: Motion,
        background: Backdrop | None = None,
        size: int = _SIDE,
        head_threshold: float | None = None,
    ) -> FrameStream[Tensor]:
        """Frames [n, size, size, 3] in 0..1; drawn at 512 and resized.

        Args:
            background: one for all frames or one per frame, from the first again where they are fewer; None keeps the photo's.
                A head-only checkpoint shows no background.
            head_threshold: where the head is more opaque than this it hides the background completely; None: as the checkpoint's
                configuration says.
        """
        network = self.networks.super_resolution
        threshold = self.networks.config.head_threshold if head_threshold is None else head_threshold
        if isinstance(network, HeadSuperResolution):
            return renders.map(
                lambda render, start, stop: self._frames(lambda i: network(self._features(render, i)), stop - start, size), parallel=False
            )
        stage = self._stage(network, portrait, motion, background)

        def compose_chunk(render: HeadRender, start: int, stop: int) -> Tensor:
            def draw(i: int) -> Tensor:
                keypoints, scene = stage(start + i)
                return network(self._features(render, i), render.opacity[i : i + 1], keypoints, scene, threshold)

            return self._frames(draw, stop - start, size)

        return renders.map(compose_chunk, parallel=False)

    def person_mask(
        self,
        renders: FrameStream[HeadRender],
        portrait: Portrait,
        motion: Motion,
        size: int = _SIDE,
        head_threshold: float | None = None,
    ) -> FrameStream[Tensor]:
        """How much of each pixel of the frames of `compose` is person: [n, size, size] in 0..1."""
        network = self.networks.super_resolution
        threshold = self.networks.config.head_threshold if head_threshold is None else head_threshold
        if isinstance(network, HeadSuperResolution):
            return renders.map(lambda render, start, stop: _mattes(render.opacity.split(1), size), parallel=False)
        stage = self._stage(network, portrait, motion, None)

        def mask_chunk(render: HeadRender, start: int, stop: int) -> Tensor:
            each = enumerate(render.opacity.split(1))
            return _mattes((network.person(self._features(render, i), head, *stage(start + i), threshold) for i, head in each), size)

        return renders.map(mask_chunk, parallel=False)

    def audio_to_motion(self, sound: Sound, style: SpeechStyle = NATURAL, progress: Progress = no_progress) -> Motion:
        """The expressions of a voice on a still head.

        Raises:
            MissingModelError: the avatar was made without an audio-to-motion model.
            SoundError: no samples.
        """
        if self._speech is None:
            raise MissingModelError(
                "The avatar 'real3d' was loaded without an audio-to-motion model: "
                "put its checkpoint into the models folder, or use a driving clip."
            )
        frames = math.ceil(sound.duration * FPS - 1e-6)
        expression = self._speech(sound, style, progress).cpu().float()
        # the last frame is held: the features of a sound can end up to a frame before the sound does
        expression = expression[torch.arange(frames).clamp(max=len(expression) - 1)]
        return _motion(expression, torch.zeros(frames, 3), torch.zeros(frames, 3))

    def video_to_motion(
        self, track: FaceTrack, neutral: int | None = None, smoothing: float = 1.0, progress: Progress = no_progress
    ) -> Motion:
        """The face model fitted to a driving clip: its expressions as they are, its pose relative to each shot's first or the given frame.

        `smoothing` has no effect: the fit is smooth in time already, as in the paper.
        """
        fits = self._face.fit_shots(track, progress)
        expression, euler, translation = (
            torch.cat([getattr(fit, part) for fit in fits]) for part in ("expression", "euler", "translation")
        )
        still = track.first_frames(neutral)
        translation = translation - translation[still]
        translation[:, 2] = 0  # the distance to the camera is frozen (spec 06 section 8)
        bridges = track.bridges(track.neutral_frames(neutral))
        parts = (expression, euler - euler[still], translation)
        expression, euler, translation = (torch.from_numpy(bridges(part.numpy())) for part in parts)
        return _motion(expression, euler, translation)

    def blinks(self, frames: int, mode: str, seed: int = 0) -> Tensor:
        """Periodic blinks are the published ones; the others are those of the built-in avatar."""
        return blink_schedule(frames, seed) if mode == "periodic" else torch.from_numpy(blink_curve(frames, FPS, seed, mode))

    def with_blinks(self, motion: Motion, closed: Tensor) -> Motion:
        """Lids closed at least as far as `closed` [T] says."""
        return motion.with_controls(eyelids=torch.maximum(motion.control("eyelids"), closed))

    def from_rest(self, motion: Motion) -> Motion:
        """The motion as it is: its expressions are a face's own, with none that stands for the photo's."""
        return motion

    def to_landmarks(self, motion: Motion) -> LandmarkMotion:
        """The landmarks of the face model's mean person; painted lids and those of the expression both count."""
        motion.require_basis(self.motion_basis)
        displacements, lids = expression_to_landmarks(self._face.face, motion.expression[:, 1:])
        lids = (lids + motion.control("eyelids")[:, None].double().numpy()).clip(0, 1)
        return LandmarkMotion(rest_landmarks(self._face.face), displacements, lids, motion.euler, motion.translation, motion.fps)

    def from_landmarks(self, landmarks: LandmarkMotion) -> Motion:
        """The expressions that move the mean person's landmarks likewise; lids close as far as both eyes do: this avatar cannot wink."""
        expression = landmarks_to_expression(self._face.face, landmarks.displacements)
        motion = replace(_motion(expression, landmarks.euler, landmarks.translation), fps=landmarks.fps)
        return motion.with_controls(eyelids=torch.from_numpy(landmarks.lids.min(axis=1)).float())

    def _targets(self, fit: FaceFit, motion: Motion) -> Callable[[int], Tensor]:
        """frame -> the PNCC picture [1, 3, 512, 512] of its expression, lids closed."""
        pictures, closing = self._face.pictures(fit), motion.control("eyelids")
        # a blink begins with open lids, one frame before they move; that frame is quantised too (spec 06 section 12, item 14)
        blinks = closing > 0
        blinks = blinks | F.pad(blinks[1:], (0, 1))

        def target(frame: int) -> Tensor:
            picture = pictures(motion.expression[frame : frame + 1, 1:])
            return close_eyelids(picture[0], float(closing[frame]))[None] if blinks[frame] else picture

        return target

    def _trajectory(self, portrait: Portrait, motion: Motion) -> Trajectory:
        fit = self.source(portrait).fit
        return Trajectory(fit.euler + motion.euler, fit.translation + motion.translation)

    def _stage(
        self, network: SuperResolution, portrait: Portrait, motion: Motion, background: Backdrop | None
    ) -> Callable[[int], tuple[Tensor, SceneCode]]:
        """frame -> key points [1, 68, 3] and scene; what is constant is computed once, when the first frame asks for it."""
        source, motion = self.source(portrait), _bounded(motion)
        driven = self._face.driving_key_points(source.fit, motion.expression[:, 1:], self._trajectory(portrait, motion))

        @cache
        def own() -> SceneCode:
            torso, behind_it, classes = (image.to(self._device) for image in (source.torso, source.background, source.classes))
            return network.encode(torso, behind_it, classes, self._face.source_key_points(source.fit))

        if background is None:
            return lambda frame: (driven[frame : frame + 1], own())

        @lru_cache(1)
        def before(picture: int) -> SceneCode:
            return network.with_background(own(), self._network_background(behind(background, picture, picture + 1)))

        return lambda frame: (driven[frame : frame + 1], before(frame % len(background)))

    def _network_background(self, background: Tensor) -> Tensor:
        return _resized(background.to(self._device, torch.float32), _SIDE).clamp(0, 1) * 2 - 1

    def _features(self, render: HeadRender, frame: int) -> Tensor:
        """[1, 32, R, R] of one frame; -1 where rays miss the cube, if the checkpoint's configuration asks for it (spec 03 section 10)."""
        features = render.features[frame : frame + 1]
        if not self.networks.config.mask_invalid_rays:
            return features
        side = features.shape[-1]
        origins, directions = camera_rays(render.cameras[frame : frame + 1], side)
        _, _, hit = ray_span(origins, directions, Planes(features.new_zeros(1, 3, 1, 1, 1), self.networks.config.box_side))
        return torch.where(hit.view(1, 1, side, side), features, -1.0)

    def _frames(self, draw: Callable[[int], Tensor], count: int, size: int) -> Tensor:
        """Frames drawn one by one, so that memory does not grow with the chunk: [count, size, size, 3] in 0..1."""
        drawn = [_resized(draw(i).clamp(-1, 1), size).cpu() for i in range(count)]
        return ((torch.cat(drawn).permute(0, 2, 3, 1) + 1) / 2).clamp(0, 1)


def _fit_in(planes: Planes) -> FaceFit:
    """The face model as fitted to the portrait that the planes were lifted from.

    Raises:
        Real3DError: they do not know it.
    """
    known = planes.person or {}
    if {name: tuple(part.shape) for name, part in known.items()} != _FIT:
        raise Real3DError("These planes do not contain the face fit of their portrait: lift the portrait again with the avatar 'real3d'.")
    return FaceFit(**known)


def _motion(expression: Tensor, euler: Tensor, translation: Tensor) -> Motion:
    """A motion with open eyes at 25 frames a second from expressions [T, 64]."""
    return Motion(BASIS, F.pad(expression, (1, 0)), euler, translation)


def _bounded(motion: Motion) -> Motion:
    """A motion as far as a head and a face can go, before it drives the networks; what they do usually stays as it is."""
    lids, expression = motion.expression[:, :1], motion.expression[:, 1:]
    expression = soft_length(soft_limit(expression, *_COEFFICIENT), *_EXPRESSION)
    expression = torch.cat([lids.nan_to_num(nan=0.0).clamp(0, 1), expression], dim=1)
    euler, translation = bounded_pose(motion.euler, motion.translation, *_REACH)
    return replace(motion, expression=expression, euler=euler, translation=translation)


def _mattes(masks: Iterable[Tensor], size: int) -> Tensor:
    """Masks [1, 1, h, w] each -> [n, size, size] in 0..1."""
    return torch.cat([_resized(mask, size)[:, 0].clamp(0, 1).cpu() for mask in masks])


def _resized(image: Tensor, size: int) -> Tensor:
    """[N, C, H, W] -> [N, C, size, size]; the image itself where it has that size."""
    if image.shape[-2:] == (size, size):
        return image
    return F.interpolate(image.float(), size=(size, size), mode="bicubic", align_corners=False, antialias=True)
