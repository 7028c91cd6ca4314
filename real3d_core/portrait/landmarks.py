"""478 face landmarks by MediaPipe's models, in pictures and in clips (spec 06 section 3)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from ..errors import NoFaceError
from .face_following import FaceFollower, Sighting, alone, centre, face_height, largest_first
from .landmark_sets import EYE, MOUTH
from .model_files import DEFAULT_FOLDER, FACE_LANDMARKER, find_model
from .model_runner import Landmarker, VideoLandmarker, landmarker, video_landmarker

MOST_FACES = 8
TILE_SCORE = 0.75  # a tile shows less context than a picture, so a face in it must be surer
MOST_IN_FRAME = 4  # faces of a clip's frame among which the one followed is looked for
_AGREED = 0.1  # face heights between the points of the two modes at most, on average; half a hundredth is usual
_UNCONFIRMED = 0.6  # confidence in a face that is followed though the detector misses it
VIDEO_STEP_MS = 800  # spread on purpose, to weaken the smoothing of MediaPipe's video mode (spec 06 section 3)


class FaceLandmarks:
    """Finds landmarks. Coordinates are pixels of the given picture: x right, y down, z in the unit of x, smaller is nearer.

    Args:
        folders: where the user may keep `face_landmarker.task`.

    Raises:
        MissingModelError: the model file is nowhere.
    """

    def __init__(self, folders: Sequence[Path] = (DEFAULT_FOLDER,)):
        self._model = find_model(FACE_LANDMARKER, folders)

    def in_picture(self, image: np.ndarray) -> list[np.ndarray]:
        """All faces of an RGB uint8 picture [H, W, 3], the largest first, each [478, 3] float32; empty if there is none.

        A face too small for the detector is looked for once more on overlapping tiles.
        """
        with landmarker(self._model, MOST_FACES) as finder:
            faces = finder.detect(image)
        if not faces:
            with landmarker(self._model, MOST_FACES, TILE_SCORE) as finder:
                faces = _detect_on_tiles(finder, image)
        return largest_first(faces)

    def in_frames(self, frames: Iterable[np.ndarray]) -> Iterator[Sighting]:
        """One person's face in each RGB uint8 frame, see `FaceFollower`; a frame without it repeats the face before.

        The points of eyes and mouth come from MediaPipe's picture mode, the others from its smoother video mode.

        Raises:
            NoFaceError: no frame shows a face.
        """
        with landmarker(self._model, MOST_IN_FRAME) as still, video_landmarker(self._model) as moving:
            yield from _sightings(_seen(still, moving, frames))


Seen = tuple[np.ndarray | None, float, int, str]
"""The face of a frame, the confidence in it, the number of the shot, and what the doubt is."""


def follow_face(frames: Iterable[Sequence[np.ndarray]]) -> Iterator[Sighting]:
    """One person's face in each frame, of the faces [478, 3] that somebody else found in it.

    Raises:
        NoFaceError: no frame shows a face.
    """

    def seen() -> Iterator[Seen]:
        follower = FaceFollower()
        for faces in frames:
            face = follower.choose(faces)
            yield face, float(face is not None), follower.shot, follower.doubt

    yield from _sightings(seen())


def _seen(still: Landmarker, moving: VideoLandmarker, frames: Iterable[np.ndarray]) -> Iterator[Seen]:
    follower = FaceFollower()
    for number, frame in enumerate(frames):
        faces = still.detect(frame)
        sharp = follower.choose(faces, frame)
        if faces and sharp is None:
            yield None, 0.0, follower.shot, follower.doubt
            continue
        shown = frame if len(faces) < 2 else alone(frame, sharp)
        smooth = next(iter(moving.detect(shown, number * VIDEO_STEP_MS)), None)
        if sharp is None:
            kept = smooth is not None and follower.keep(smooth)
            yield smooth if kept else None, _UNCONFIRMED * kept, follower.shot, follower.doubt
            continue
        yield _together(smooth, sharp), 1.0, follower.shot, ""


def _together(smooth: np.ndarray | None, sharp: np.ndarray) -> np.ndarray:
    """The points of both modes; the picture mode's alone where the other one looks elsewhere."""
    if smooth is None or np.linalg.norm(smooth[:, :2] - sharp[:, :2], axis=1).mean() > _AGREED * face_height(sharp):
        return sharp
    face = smooth.copy()
    face[MOUTH + EYE] = sharp[MOUTH + EYE]
    return face


def _sightings(seen: Iterable[Seen]) -> Iterator[Sighting]:
    """Fills frames without a face with the one before, those at the start with the first one."""
    latest: np.ndarray | None = None
    waiting: list[Seen] = []
    for face, confidence, shot, doubt in seen:
        latest = latest if face is None else face
        if latest is None:
            waiting.append((face, confidence, shot, doubt))
            continue
        yield from (Sighting(latest, 0.0, shot, late) for _, _, _, late in waiting)
        waiting.clear()
        yield Sighting(latest, confidence, shot, doubt)
    if waiting:
        raise NoFaceError("No face was found in the driving clip: use a clip that shows a face, not too small and not covered.")


def _detect_on_tiles(finder: Landmarker, image: np.ndarray) -> list[np.ndarray]:
    """Faces on overlapping square tiles of a half, a third and a fifth of the picture; stops at the first size that finds any."""
    height, width = image.shape[:2]
    for parts in (2, 3, 5):
        side = max(min(height, width) // parts, 64)
        faces: list[np.ndarray] = []
        for top in _starts(height, side):
            for left in _starts(width, side):
                tile = image[top : top + side, left : left + side]
                faces += [face + np.array([left, top, 0], np.float32) for face in finder.detect(tile)]
        faces = _without_repeats(faces)
        if faces:
            return faces
    return []


def _starts(length: int, side: int) -> list[int]:
    steps = max(1, int(np.ceil((length - side) / (side / 2)))) if length > side else 0
    return [0] if steps == 0 else [round(k * (length - side) / steps) for k in range(steps + 1)]


def _without_repeats(faces: list[np.ndarray]) -> list[np.ndarray]:
    kept: list[np.ndarray] = []
    for face in largest_first(faces):
        if all(np.linalg.norm(centre(face) - centre(other)) > 0.5 * np.sqrt(_area(other)) for other in kept):
            kept.append(face)
    return kept


def _area(face: np.ndarray) -> float:
    return float(np.prod(face[:, :2].max(0) - face[:, :2].min(0)))
