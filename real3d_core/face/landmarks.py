"""478 face landmarks by MediaPipe's models, in pictures and in clips (spec 06 section 3)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import cv2
import numpy as np

from ..errors import NoFaceError
from ..mediapipe_models.model_files import FACE_LANDMARKER, ModelFolders
from ..mediapipe_models.runner import Landmarker, VideoLandmarker, landmarker, video_landmarker
from .following import FaceFollower, Sighting, alone, centre, face_height, largest_first
from .landmark_sets import EYE, MOUTH

MOST_FACES = 16
TILE_SCORE = 0.75  # a tile has less context than a picture, so its faces need a higher score
_SMALLEST_TILE = 240  # pixels, where larger ones show somebody
_LEAST_TILE = 64
_ENOUGH = 2048  # pixels along a picture's long side: the networks look at 128 for faces and at 256 about a face
_LARGE = 0.15  # of a picture's long side: from this height on a face's landmarks gain nothing from a crop
_CROP = 2.6  # face heights along a side, in which a face is looked for once more
_FIRST, _NOW_AND_THEN = 4, 12  # frames of a clip without a face that are searched on tiles: these, then one in so many
MOST_IN_FRAME = 4  # faces of a clip's frame among which the one followed is looked for
_AGREED = 0.1  # face heights between the points of the two modes at most, on average; half a hundredth is usual
_COVERED = 0.3  # confidence in a face that somebody may be in front of
_UNCONFIRMED = 0.6  # confidence in a face that is followed though the detector misses it
VIDEO_STEP_MS = 800  # spread on purpose, to weaken the smoothing of MediaPipe's video mode (spec 06 section 3)


class FaceLandmarks:
    """Finds landmarks. Coordinates are pixels of the given picture: x right, y down, z in the unit of x, smaller is nearer.

    Args:
        models: where the user may keep `face_landmarker.task`.

    Raises:
        MissingModelError: the model file is nowhere.
    """

    def __init__(self, models: ModelFolders):
        self._model = models.find(FACE_LANDMARKER)

    def in_picture(self, image: np.ndarray) -> list[np.ndarray]:
        """All faces of an RGB uint8 picture [H, W, 3], the largest first, each [478, 3] float32; empty if there is none.

        The detector looks at the whole picture and at overlapping tiles of it, and each face must be found once more in a crop
        about it: what is none is not found there, and the landmarks of small ones are better.
        """
        with landmarker(self._model, MOST_FACES) as finder, landmarker(self._model, MOST_FACES, TILE_SCORE) as surer:
            found = largest_first(_detect(finder, image))
            return _found_closer(finder, surer, image, found, _LEAST_TILE) or found

    def once_more(self, crop: np.ndarray, rough: np.ndarray) -> np.ndarray | None:
        """The landmarks [478, 3] of a face about where `rough` has them, in an RGB uint8 crop [H, W, 3] in which it is large; or None."""
        with landmarker(self._model, MOST_FACES) as finder:
            return next((face for face in largest_first(finder.detect(crop)) if _same(face, rough)), None)

    def in_frames(self, frames: Iterable[np.ndarray]) -> Iterator[Sighting]:
        """One person's face in each RGB uint8 frame, see `FaceFollower`; a frame without it repeats the face before.

        The points of eyes and mouth come from MediaPipe's picture mode, the others from its smoother video mode. A face too small for
        the whole frame is looked for on tiles as in a picture, until there is one, and then about its place.

        Raises:
            NoFaceError: no frame shows a face.
        """
        with (
            landmarker(self._model, MOST_IN_FRAME) as still,
            landmarker(self._model, MOST_IN_FRAME, TILE_SCORE) as surer,
            video_landmarker(self._model) as moving,
        ):
            yield from _sightings(_detections(still, _SmallFace(still, surer), moving, frames))


Detection = tuple[np.ndarray | None, float, int, str]
"""The face of a frame, the confidence in it, the number of the shot, and what the doubt is."""


def follow_face(frames: Iterable[Sequence[np.ndarray]]) -> Iterator[Sighting]:
    """One person's face in each frame, of the faces [478, 3] that somebody else found in it.

    Raises:
        NoFaceError: no frame shows a face.
    """

    def detections() -> Iterator[Detection]:
        follower = FaceFollower()
        for faces in frames:
            face = follower.choose(faces)
            yield face, float(face is not None), follower.shot, follower.doubt

    yield from _sightings(detections())


def _detections(still: Landmarker, small: _SmallFace, moving: VideoLandmarker, frames: Iterable[np.ndarray]) -> Iterator[Detection]:
    follower = FaceFollower()
    for number, frame in enumerate(frames):
        large = still.detect(frame)
        faces = large or small.faces(frame, number)
        sharp = follower.choose(faces, frame)
        if sharp is not None:
            small.latest = sharp
        if faces and sharp is None:
            yield None, 0.0, follower.shot, follower.doubt
            continue
        if faces and not large:
            yield sharp, 1.0, follower.shot, ""
            continue
        shown = frame if sharp is None or len(faces) < 2 else alone(frame, sharp)
        smooth = next(iter(moving.detect(shown, number * VIDEO_STEP_MS)), None)
        if sharp is None:
            kept = smooth is not None and follower.keep(smooth)
            yield smooth if kept else None, _UNCONFIRMED * kept, follower.shot, follower.doubt
            continue
        covered = follower.covered(sharp)
        yield _together(smooth, sharp), _COVERED if covered else 1.0, follower.shot, "another person" if covered else ""


class _SmallFace:
    """Looks closer where the whole frame shows nobody: everywhere until there is a face, then about its latest place.

    latest: the face that is followed.
    """

    def __init__(self, finder: Landmarker, surer: Landmarker):
        self.latest: np.ndarray | None = None
        self._finder, self._surer = finder, surer

    def faces(self, frame: np.ndarray, number: int) -> list[np.ndarray]:
        """The faces of frame `number`; none where it is not looked at."""
        if self.latest is None:
            looked_at = number < _FIRST or number % _NOW_AND_THEN == 0
            return _found_closer(self._finder, self._surer, frame, [], _SMALLEST_TILE) if looked_at else []
        if face_height(self.latest) > _LARGE * max(frame.shape[:2]):
            return []
        crop, corner = _about(frame, self.latest)
        return [face + corner for face in self._finder.detect(crop)] if crop.size else []


def _together(smooth: np.ndarray | None, sharp: np.ndarray) -> np.ndarray:
    """The points of both modes; the picture mode's alone where the other one looks elsewhere."""
    if smooth is None or np.linalg.norm(smooth[:, :2] - sharp[:, :2], axis=1).mean() > _AGREED * face_height(sharp):
        return sharp
    face = smooth.copy()
    face[MOUTH + EYE] = sharp[MOUTH + EYE]
    return face


def _sightings(detections: Iterable[Detection]) -> Iterator[Sighting]:
    """Fills frames without a face with the one before, those at the start with the first one."""
    latest: np.ndarray | None = None
    waiting: list[Detection] = []
    for face, confidence, shot, doubt in detections:
        latest = latest if face is None else face
        if latest is None:
            waiting.append((face, confidence, shot, doubt))
            continue
        yield from (Sighting(latest, 0.0, shot, late) for _, _, _, late in waiting)
        waiting.clear()
        yield Sighting(latest, confidence, shot, doubt)
    if waiting:
        raise NoFaceError("No face was found in the driving clip: use a clip that shows a face, not too small and not covered.")


def _found_closer(finder: Landmarker, surer: Landmarker, image: np.ndarray, found: Sequence[np.ndarray], least: int) -> list[np.ndarray]:
    """The faces of a picture, those `found` in the whole of it and those on its tiles, as far as they are found in a crop too.

    Args:
        least: pixels along a side of the smallest tiles.
    """
    shown = list(found)
    for side in _tile_sides(min(image.shape[:2]), max(map(face_height, found), default=0.0), least):
        if side >= _SMALLEST_TILE or not shown:
            shown += largest_first(_detect_on_tiles(surer, image, side))
    return _verified(finder, image, _distinct(shown))


def _detect(finder: Landmarker, image: np.ndarray) -> list[np.ndarray]:
    """What a finder sees in a picture, which is shown to it a whole number of times smaller where it is larger than that needs."""
    times = -(-max(image.shape[:2]) // _ENOUGH)
    if times == 1:
        return finder.detect(image)
    width, height = (side // times for side in image.shape[1::-1])
    small = cv2.resize(image[: height * times, : width * times], (width, height), interpolation=cv2.INTER_AREA)
    return [times * face for face in finder.detect(small)]


def _tile_sides(short: int, tall: float, least: int) -> list[int]:
    """A picture's short side and its halves, as long as a tile holds the largest face seen in the whole picture."""
    return [side for side in (short, short // 2, short // 4, short // 8) if side >= max(least, tall)]


def _detect_on_tiles(finder: Landmarker, image: np.ndarray, side: int) -> list[np.ndarray]:
    """Faces on overlapping square tiles, but for those that a tile's edge cuts: a neighbour shows them better."""
    height, width = image.shape[:2]
    faces: list[np.ndarray] = []
    for top in _starts(height, side):
        for left in _starts(width, side):
            tile = image[top : top + side, left : left + side]
            faces += [face + np.array([left, top, 0], np.float32) for face in _detect(finder, tile)]
    return faces


def _verified(finder: Landmarker, image: np.ndarray, faces: Iterable[np.ndarray]) -> list[np.ndarray]:
    """The faces that are found once more where they were, the largest first; small ones with the landmarks that were found there."""
    kept = []
    for face in faces:
        crop, corner = _about(image, face)
        again = next((other + corner for other in _detect(finder, crop) if _same(other + corner, face)), None)
        if again is not None:
            kept.append(face if face_height(face) > _LARGE * max(image.shape[:2]) else again)
    return largest_first(_distinct(kept))


def _about(image: np.ndarray, face: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A square crop, and its corner's place."""
    reach = face_height(face) * _CROP / 2
    x, y = centre(face)
    left, top = max(int(x - reach), 0), max(int(y - reach), 0)
    crop = image[top : int(y + reach) + 1, left : int(x + reach) + 1]
    return np.ascontiguousarray(crop), np.array([left, top, 0], np.float32)


def _same(face: np.ndarray, other: np.ndarray) -> bool:
    apart = np.linalg.norm(centre(face) - centre(other)) / face_height(other)
    return apart < 0.3 and abs(np.log2(face_height(face) / face_height(other))) < 0.7


def _starts(length: int, side: int) -> list[int]:
    steps = max(1, int(np.ceil((length - side) / (side / 2)))) if length > side else 0
    return [0] if steps == 0 else [round(k * (length - side) / steps) for k in range(steps + 1)]


def _distinct(faces: Iterable[np.ndarray]) -> list[np.ndarray]:
    """The first of those that lie at one place."""
    kept: list[np.ndarray] = []
    for face in faces:
        if all(np.linalg.norm(centre(face) - centre(other)) > 0.5 * max(face_height(face), face_height(other)) for other in kept):
            kept.append(face)
    return kept
