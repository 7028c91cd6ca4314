"""478 face landmarks by MediaPipe's models, in pictures and in clips (spec 06 section 3)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from ..errors import NoFaceError
from .landmark_sets import EYE, MOUTH
from .model_files import DEFAULT_FOLDER, FACE_LANDMARKER, find_model
from .model_runner import Landmarker, landmarker, video_landmarker

MOST_FACES = 8
TILE_SCORE = 0.75  # a tile shows less context than a picture, so a face in it must be surer
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

    def in_frames(self, frames: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        """One [478, 3] per RGB uint8 frame; a frame without a face repeats the one before it.

        The points of eyes and mouth come from MediaPipe's picture mode, the others from its smoother video mode.

        Raises:
            NoFaceError: the first frame shows no face.
        """
        latest: np.ndarray | None = None
        with landmarker(self._model) as still, video_landmarker(self._model) as moving:
            for number, frame in enumerate(frames):
                smooth = moving.detect(frame, number * VIDEO_STEP_MS)
                sharp = still.detect(frame)
                if smooth:
                    latest = smooth[0].copy()
                    if sharp:
                        latest[MOUTH + EYE] = sharp[0][MOUTH + EYE]
                elif sharp:
                    latest = sharp[0]
                yield _present(latest)


def follow_face(frames: Iterable[Sequence[np.ndarray]]) -> Iterator[np.ndarray]:
    """One [478, 3] per frame, of the faces that somebody else found in it: of the largest at first, then of the nearest.

    A frame without a face repeats the one before it.

    Raises:
        NoFaceError: the first frame shows no face.
    """
    latest: np.ndarray | None = None
    for faces in frames:
        if latest is None:
            latest = next(iter(largest_first(faces)), None)
        elif len(faces):
            latest = min(faces, key=lambda face, before=latest: np.linalg.norm(_centre(face) - _centre(before)))
        yield _present(latest)


def largest_first(faces: Iterable[np.ndarray]) -> list[np.ndarray]:
    """Faces [478, 3], sorted by the area they cover."""
    return sorted(faces, key=_area, reverse=True)


def _present(face: np.ndarray | None) -> np.ndarray:
    if face is None:
        raise NoFaceError("No face was found in the first frame of the driving clip: cut the clip so that it begins with a visible face.")
    return face


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
        if all(np.linalg.norm(_centre(face) - _centre(other)) > 0.5 * np.sqrt(_area(other)) for other in kept):
            kept.append(face)
    return kept


def _centre(face: np.ndarray) -> np.ndarray:
    return face[:, :2].mean(0)


def _area(face: np.ndarray) -> float:
    return float(np.prod(face[:, :2].max(0) - face[:, :2].min(0)))
