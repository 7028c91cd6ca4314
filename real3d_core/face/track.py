"""A driving clip as landmarks, head-fixed shapes and head poses per frame."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy.spatial.transform import Rotation

from ..errors import NoFaceError
from ..mediapipe_models.model_files import ModelFolders
from ..motion.bridging import Bridges, gaps_of, plan_bridges
from ..one_thread import blas_on_one_thread
from ..stream import FPS
from .canonical_face import CanonicalFace, canonical_face, head_pose, upright
from .following import Sighting
from .landmark_sets import MOUTH_CORNERS, NOSE_BASE
from .landmarks import FaceLandmarks, follow_face
from .measures import EYEBALL, closed_lids, eye_opening, face_height_of, iris_places, lip_gap
from .plausibility import plausibility

_TRUSTED = 0.5  # confidence from which a frame is used
_FEW = 9  # only every ninth point of the mesh is used to measure how far a head has moved
_DECIMETRES_OF_A_FACE = 1.8
_MOST_GAPS = 5  # listed one by one
_SEEN_EYE = 0.5  # of how open eyes mostly are: what is less open shows too little of its iris


@dataclass(frozen=True)
class FaceTrack:
    """A face over time, the head's movement taken apart from the face's.

    landmarks: [T, 478, 3] as found: pixels, x right, y down, z away.
    shapes: [T, 468, 3] in the head's own frame (x right, y up, z to the viewer), in units of the face's height.
    rotations: [T, 3, 3], the head's rotation against the canonical face, acting on columns.
    positions: [T, 3] of the head in decimetres of a real head: x right, y up, z to the viewer (from the change of size).
    lip_gap: [T] in face heights. eye_opening: [T, 2] right and left eye, height over width.
    fps: frames per second.
    confidence: [T] in 0..1, that this is the face of the person followed and what the landmarks say is what it does.
    shots: [T] numbers of the shots: from cut to cut, or from one person to the next.
    doubts: [T] in two or three words why a frame is not trusted, else empty.
    frame_size: (width, height) of the frames in pixels, if they are known.

    Frames that are not trusted hold the face of the frame before.
    """

    landmarks: np.ndarray
    shapes: np.ndarray
    rotations: np.ndarray
    positions: np.ndarray
    lip_gap: np.ndarray
    eye_opening: np.ndarray
    fps: float = FPS
    confidence: np.ndarray = field(kw_only=True)
    shots: np.ndarray = field(kw_only=True)
    doubts: tuple[str, ...] = ()
    frame_size: tuple[int, int] | None = None

    def __len__(self) -> int:
        return len(self.shapes)

    @property
    def trusted(self) -> np.ndarray:
        """[T] bool: the frames whose face is followed; the others are bridged."""
        return self.confidence >= _TRUSTED

    def closed_eyes(self) -> np.ndarray:
        """[T] in 0..1: how far both eyes are closed, against how open they mostly are; open where nothing is trusted."""
        opening, closed = self.eye_opening.mean(axis=1), np.zeros(len(self))
        for frames in self._trusted_shots():
            closed[frames] = closed_lids(opening[frames] / max(np.percentile(opening[frames], 80), 1e-3))
        return closed

    def gaze(self) -> np.ndarray:
        """[T, 2] radians that the eyes are turned in the head, to its x and y; across blinks from the last sight to the next.

        Relative to what they mostly do in their shot, so that no error of a single frame stays.
        """
        places = iris_places(upright(self.landmarks), self.rotations).mean(axis=1)
        turned, opening, gaze = np.arcsin((places / EYEBALL).clip(-1, 1)), self.eye_opening.mean(axis=1), np.zeros((len(self), 2))
        for frames in self._trusted_shots():
            open_eyes = opening[frames] > _SEEN_EYE * np.percentile(opening[frames], 80)
            sure = frames[open_eyes & (np.abs(places[frames]).max(axis=1) < EYEBALL)]
            if len(sure):
                seen = turned[sure] - np.median(turned[sure], axis=0)
                gaze[frames] = np.stack([np.interp(frames, sure, axis) for axis in seen.T], axis=1)
        return gaze

    def neutral_frames(self, chosen: int | None = None) -> np.ndarray:
        """[T]: for each frame the neutral one of its shot, the frame whose face is most at rest; `chosen` beats it in its own shot."""
        return self._one_of_each_shot(lambda frames: frames[self._most_at_rest(frames)], chosen)

    def first_frames(self, chosen: int | None = None) -> np.ndarray:
        """[T]: for each frame the first trusted one of its shot; `chosen` beats it in its own shot."""
        return self._one_of_each_shot(lambda frames: frames[0], chosen)

    def bridges(self, neutral: np.ndarray) -> Bridges:
        """How the frames that are not trusted are bridged and cuts are eased, to and from the neutral frames [T]."""
        faces = self.shapes[:, ::_FEW]
        turned = self.rotations @ self.rotations[neutral].transpose(0, 2, 1)
        moved = (self.positions - self.positions[neutral]) / _DECIMETRES_OF_A_FACE
        points = np.einsum("tij,tpj->tpi", turned, faces) - faces[neutral] + moved[:, None]
        return plan_bridges(self.trusted, self.shots, neutral, points)

    def runs(self) -> list[slice]:
        """The stretches of trusted frames within a shot."""
        edges = np.flatnonzero(np.diff(np.where(self.trusted, self.shots, -1), prepend=-2, append=-2))
        return [slice(first, stop) for first, stop in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True) if self.trusted[first]]

    def gaps(self) -> str:
        """What is bridged, in words such as "frames 151 to 168: no face", counted from 0; empty where every frame is trusted."""
        gaps = gaps_of(self.trusted)
        words = [f"{_frames(first, stop - 1)}: {self._doubt(first, stop)}" for first, stop in gaps[:_MOST_GAPS]]
        return "; ".join(words + [f"and {len(gaps) - _MOST_GAPS} more gaps"] * (len(gaps) > _MOST_GAPS))

    def _doubt(self, first: int, stop: int) -> str:
        """The commonest reason."""
        doubts = [doubt for doubt in self.doubts[first:stop] if doubt]
        return max(doubts, key=doubts.count, default="no face")

    def _one_of_each_shot(self, choose: Callable[[np.ndarray], int], chosen: int | None) -> np.ndarray:
        shots = self._trusted_shots()
        found = np.full(len(self), choose(shots[0]))  # also where nothing of a shot is seen
        for frames in shots:
            found[self.shots == self.shots[frames[0]]] = choose(frames)
        if chosen is not None:
            found[self.shots == self.shots[chosen]] = chosen
        return found

    def _trusted_shots(self) -> list[np.ndarray]:
        """The numbers of each shot's trusted frames."""
        shots = [np.flatnonzero(self.trusted & (self.shots == shot)) for shot in np.unique(self.shots)]
        return [frames for frames in shots if len(frames)]

    def _most_at_rest(self, frames: np.ndarray) -> int:
        """Mouth least open and not smiling, eyes open, shape near the median of these frames, head near its mean pose and
        towards the camera.

        People smile more than they frown: the corners of a mouth at rest are low among those of a clip.
        """
        shapes, eyes = self.shapes[frames], self.eye_opening[frames].mean(axis=1)
        typical = np.abs(shapes - np.median(shapes, axis=0)).mean(axis=(1, 2))
        opened = eyes / max(np.percentile(eyes, 80), 1e-3)
        turned = Rotation.from_matrix(self.rotations[frames])
        away = (turned * turned.mean().inv()).magnitude() + np.arccos(self.rotations[frames, 2, 2].clip(-1, 1))
        corners = shapes[:, MOUTH_CORNERS, 1].mean(axis=1) - shapes[:, NOSE_BASE, 1]
        lifted = np.abs(corners - np.percentile(corners[self._closed(frames)], 20))
        return int(np.argmin(self.lip_gap[frames] + 2 * typical + 0.15 * np.clip(0.95 - opened, 0, 1) + 0.05 * away + lifted))

    def _closed(self, frames: np.ndarray) -> np.ndarray:
        """The frames whose mouth is least open: an opened one has low corners, smiling or not."""
        gap = self.lip_gap[frames]
        return gap <= np.percentile(gap, 10) + 0.01


def track_face(
    frames: Iterable[np.ndarray],
    models: ModelFolders | None = None,
    fps: float = FPS,
    progress: Callable[[int], None] | None = None,
) -> FaceTrack:
    """Follows one person's face through RGB uint8 frames.

    Args:
        models: where the user keeps the landmark model; None: only what installed packages carry.

    Raises:
        NoFaceError: no frame at all, or none with a face that can be trusted.
    """
    sizes: set[tuple[int, int]] = set()

    def measured() -> Iterator[np.ndarray]:
        for number, frame in enumerate(frames, start=1):
            sizes.add((frame.shape[1], frame.shape[0]))
            yield frame
            if progress:
                progress(number)

    models = models or ModelFolders()
    sightings = list(FaceLandmarks(models).in_frames(measured()))
    return _track(sightings, models, fps, sizes.pop() if len(sizes) == 1 else None)


def track_found_faces(frames: Iterable[Sequence[np.ndarray]], models: ModelFolders, fps: float = FPS) -> FaceTrack:
    """Follows one person's face through faces [478, 3] that were found by others, any number of them in a frame.

    Raises:
        NoFaceError: no frame at all, or none with a face that can be trusted.
    """
    return _track(list(follow_face(frames)), models, fps, None)


def _frames(first: int, last: int) -> str:
    return f"frame {first}" if first == last else f"frames {first} to {last}"


def _track(sightings: Sequence[Sighting], models: ModelFolders, fps: float, size: tuple[int, int] | None) -> FaceTrack:
    if not sightings:
        raise NoFaceError("The driving clip has no frames: use a clip that shows a face.")
    faces = np.stack([sighting.face for sighting in sightings])
    confidence, shots = (np.array([getattr(sighting, name) for sighting in sightings]) for name in ("confidence", "shot"))
    doubts = tuple(sighting.doubt for sighting in sightings)
    track = track_from_landmarks(faces, fps, canonical_face(models), confidence, shots, doubts, size)
    if not track.trusted.any():
        raise NoFaceError(
            "The face in the driving clip is turned away or unclear throughout: use a clip in which it looks towards the camera."
        )
    return track


@blas_on_one_thread()
def track_from_landmarks(
    landmarks: np.ndarray,
    fps: float,
    face: CanonicalFace,
    confidence: np.ndarray | None = None,
    shots: np.ndarray | None = None,
    doubts: Sequence[str] = (),
    frame_size: tuple[int, int] | None = None,
) -> FaceTrack:
    """landmarks [T, 478, 3] in pixels (x right, y down, z away) -> FaceTrack; the other arguments are those of `FaceTrack`.

    Confidence is lowered where no head can be turned, move or change like that.
    """
    frames = len(landmarks)
    confidence = np.ones(frames) if confidence is None else confidence
    shots = np.zeros(frames, int) if shots is None else shots
    doubts = list(doubts) or [""] * frames
    poses = [head_pose(points, face) for points in landmarks]
    mesh = len(face.points)
    shapes = np.stack([(upright(points[:mesh]) - pose.shift) @ pose.rotation for points, pose in zip(landmarks, poses, strict=True)])
    rotations, scales = np.stack([pose.rotation for pose in poses]), np.array([pose.scale for pose in poses])
    shifts = np.stack([pose.shift for pose in poses])
    heights = face_height_of(shapes) / scales
    positions = np.zeros((frames, 3))
    for shot in np.unique(shots):
        within = shots == shot
        typical = np.median(scales[within & (confidence >= _TRUSTED)] if (within & (confidence >= _TRUSTED)).any() else scales[within])
        # centimetres of the canonical face to decimetres; the depth as a camera ten decimetres away would see it
        positions[within, :2] = shifts[within, :2] / (10 * typical)
        positions[within, 2] = 10 * (1 - typical / scales[within])
        # A yawning face is longer but not nearer: its height must not shrink the rest of it, so the shot's median height is the unit.
        shapes[within] /= (np.median(heights[within]) * scales[within])[:, None, None]
    plausible, reasons = plausibility(rotations, positions, shapes, shots, confidence >= _TRUSTED)
    return FaceTrack(
        landmarks=landmarks,
        shapes=shapes,
        rotations=rotations,
        positions=positions,
        lip_gap=lip_gap(shapes),
        eye_opening=np.stack([eye_opening(shapes, "right"), eye_opening(shapes, "left")], axis=1),
        fps=fps,
        confidence=confidence * plausible,
        shots=shots,
        doubts=tuple(doubt or reason for doubt, reason in zip(doubts, reasons, strict=True)),
        frame_size=frame_size,
    )
