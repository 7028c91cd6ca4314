"""A portrait with everything needed to render it and to look at the result; each thing is made when it is first asked for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import cv2
import numpy as np
import torch

from real3d_core.analytic.avatar import AnalyticAvatar
from real3d_core.analytic.controls import BASIS, FaceControls
from real3d_core.analytic.glasses import GLASSES
from real3d_core.face.canonical_face import canonical_face
from real3d_core.face.landmarks import FaceLandmarks
from real3d_core.face.track import FaceTrack, track_face, track_from_landmarks
from real3d_core.media.clip import open_clip
from real3d_core.media.pictures import load_picture, opaque
from real3d_core.mediapipe_models.model_files import SELFIE_SEGMENTER, ModelFolders
from real3d_core.mediapipe_models.runner import segmenter
from real3d_core.motion.motion import Motion
from real3d_core.motion.pose import turn_about_neck
from real3d_core.pipeline import render_frames
from real3d_core.portrait.portrait import Portrait, prepare_portrait
from real3d_core.render.head import render_head
from real3d_core.stream import FPS

ROOT = Path(__file__).resolve().parent.parent.parent
ASSETS = ROOT / "assets"
SIDE = 512
FRONTAL = np.radians(20)  # rows on turning and on the descriptor are about faces turned less than this
Measured = TypeVar("Measured")
_FLAT = {"green": (0.0, 1.0, 0.0), "magenta": (1.0, 0.0, 1.0)}


class NoFaceSeen(Exception):
    """Frames were looked at and none shows a face."""


class Once:
    """What several rows share is measured when the first of them asks for it."""

    def __init__(self) -> None:
        self._measured: dict[tuple, Any] = {}

    def once(self, measure: Callable[..., Measured], *of: str) -> Measured:
        """What `measure` makes of this object and these names."""
        key = (measure, *of)
        if key not in self._measured:
            self._measured[key] = measure(self, *of)
        return self._measured[key]


class Media(Once):
    """The development media, which may be absent, and what is found in them.

    Args:
        folder: of the media.
        voices: files of further recordings for the rows on speech.
    """

    def __init__(self, folder: Path, voices: Sequence[Path] = ()):
        super().__init__()
        self.folder, self.voices = folder, voices
        self._tracks: dict[str, FaceTrack] = {}

    @property
    def present(self) -> bool:
        return self.folder.is_dir()

    def portraits(self) -> dict[str, Path]:
        """Files by short name: the four of the repository, then those of the development media."""
        folders = (ASSETS / "portraits", self.folder / "portraits")
        files = [file for folder in folders if folder.is_dir() for file in sorted(folder.iterdir())]
        found: dict[str, Path] = {}
        for file in files:
            found.setdefault(file.stem.removeprefix("synthetic_"), file)
        return found

    def track(self, clip: str) -> FaceTrack:
        """The face of a driving clip, followed once."""
        if clip not in self._tracks:
            self._tracks[clip] = track_face(open_clip(self.folder / "driving" / clip).frames(), ModelFolders())
        return self._tracks[clip]


class Subject(Once):
    """One portrait at 512 x 512.

    Args:
        name: what it is called in the table.
        photo: its file, or uint8 [H, W, 3 or 4].
        media: for rows that need driving clips or recordings.
    """

    def __init__(self, name: str, photo: Path | np.ndarray, media: Media):
        super().__init__()
        self.name, self.media = name, media
        self.picture = photo if isinstance(photo, np.ndarray) else load_picture(photo)
        self.looked_at = self.found = 0

    def of_picture(self, picture: np.ndarray) -> Subject:
        """The same person in a changed photo."""
        return Subject(self.name, picture, self.media)

    @property
    def colours(self) -> np.ndarray:
        """uint8 [H, W, 3]: the photo without transparency."""
        return np.ascontiguousarray(opaque(self.picture))

    @cached_property
    def portrait(self) -> Portrait:
        return prepare_portrait(self.picture, ModelFolders())

    @cached_property
    def avatar(self) -> AnalyticAvatar:
        return AnalyticAvatar(ModelFolders())

    @cached_property
    def controls(self) -> FaceControls:
        return FaceControls(self.avatar.lift(self.portrait).landmarks)

    @cached_property
    def photo(self) -> np.ndarray:
        """[512, 512, 3] in 0..1: the photo in the portrait's own crop."""
        return self.portrait.image[0].permute(1, 2, 0).numpy() / 2 + 0.5

    @property
    def frontal(self) -> bool:
        """Whether the face in the photo is turned by less than 20 degrees."""
        return abs(float(self.portrait.euler[0, 1])) < FRONTAL

    @property
    def glasses(self) -> float:
        """0..1: how surely the face wears them."""
        return self.avatar.lift(self.portrait).person[GLASSES]

    def render(self, motion: Motion, background: str | None = None) -> np.ndarray:
        """[T, 512, 512, 3] in 0..1.

        Args:
            background: "green" or "magenta", flat, in place of the photo's own.
        """
        flat = None if background is None else torch.tensor(_FLAT[background]).reshape(1, 3, 1, 1).expand(1, 3, SIDE, SIDE)
        return render_frames(self.avatar, self.portrait, motion, background=flat).frames(0, len(motion)).numpy()

    def person_in(self, motion: Motion) -> np.ndarray:
        """[T, 512, 512] bool: which pixels of the rendered frames the program itself calls person."""
        portrait, avatar = self.portrait, self.avatar
        planes = avatar.adapt(avatar.lift(portrait), motion)
        renders = render_head(planes, avatar.decoder, avatar.cameras(portrait, motion), avatar.march_settings)
        return avatar.person_mask(renders, portrait, motion).frames(0, len(motion)).numpy() > 0.5

    @cached_property
    def still(self) -> np.ndarray:
        """[512, 512, 3]: the frame in which nothing moves."""
        return self.render(Motion.still(BASIS, 1))[0]

    @cached_property
    def on_flat(self) -> tuple[np.ndarray, np.ndarray]:
        """The same frame before flat green and before flat magenta."""
        green, magenta = (self.render(Motion.still(BASIS, 1), colour)[0] for colour in _FLAT)
        return green, magenta

    def turned(self, *degrees: float) -> Motion:
        """One frame for each yaw, the head turned about its neck."""
        euler = torch.zeros(len(degrees), 3)
        euler[:, 1] = torch.tensor(degrees).deg2rad()
        return Motion.still(BASIS, len(degrees)).with_pose(euler, turn_about_neck(euler))

    @cached_property
    def segmented(self) -> np.ndarray:
        """[512, 512] in 0..1: MediaPipe's selfie segmenter on the photo in the portrait's crop, nothing of the program's own added."""
        with segmenter(ModelFolders().find(SELFIE_SEGMENTER)) as opened:
            return opened.confidences(as_bytes(self.photo))[..., 0]

    @cached_property
    def person(self) -> np.ndarray:
        """[512, 512] in 0..1: the portrait's own matte."""
        return self.portrait.person_mask[0, 0].numpy()

    @cached_property
    def rest(self) -> FaceTrack:
        """What is seen in the frame in which nothing moves."""
        return self.look([self.still])

    @cached_property
    def face_in_frame(self) -> float:
        """Height of the face as a part of the frame's."""
        return float(np.linalg.norm(self.portrait.landmarks[10, :2] - self.portrait.landmarks[152, :2]))

    def look(self, frames: Sequence[np.ndarray]) -> FaceTrack:
        """What MediaPipe finds in each frame [512, 512, 3] alone; a frame without a face is counted and repeats its neighbour."""
        finder = FaceLandmarks(ModelFolders())
        faces = [finder.in_picture(as_bytes(frame)) for frame in frames]
        seen = [number for number, found in enumerate(faces) if found]
        self.looked_at += len(faces)
        self.found += len(seen)
        if not seen:
            raise NoFaceSeen(f"no face is found in any of {len(faces)} rendered frames")
        nearest = [seen[int(np.argmin(np.abs(np.array(seen) - number)))] for number in range(len(faces))]
        return track_from_landmarks(np.stack([faces[number][0] for number in nearest]), FPS, canonical_face(ModelFolders()))

    def measure(self, motion: Motion) -> FaceTrack:
        return self.look(list(self.render(motion)))


def some_of(motion: Motion, frames: slice | np.ndarray) -> Motion:
    """The chosen frames of a motion."""
    which = frames if isinstance(frames, slice) else torch.from_numpy(frames)
    return replace(motion, expression=motion.expression[which], euler=motion.euler[which], translation=motion.translation[which])


def as_bytes(picture: np.ndarray) -> np.ndarray:
    """0..1 -> uint8."""
    return np.ascontiguousarray((picture * 255).round().clip(0, 255).astype(np.uint8))


def eroded(mask: np.ndarray, pixels: float) -> np.ndarray:
    """The pixels of a bool mask that lie farther than this from everything outside of it; the picture's border is no outline."""
    return cv2.distanceTransform(np.pad(mask, 1, mode="edge").astype(np.uint8), cv2.DIST_L2, 5)[1:-1, 1:-1] > pixels
