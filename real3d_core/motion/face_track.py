"""A driving clip as landmarks, head-fixed shapes and head poses per frame."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from ..errors import NoFaceError
from ..portrait.canonical_face import CanonicalFace, canonical_face, head_pose, upright
from ..portrait.landmark_sets import CHIN, EYE_CORNERS, EYE_PAIRS, FOREHEAD, GAP_PAIRS
from ..portrait.landmarks import FaceLandmarks, follow_face
from ..portrait.model_files import DEFAULT_FOLDER
from .motion import FPS


@dataclass(frozen=True)
class FaceTrack:
    """A face over time, the head's movement taken apart from the face's.

    landmarks: [T, 478, 3] as found: pixels, x right, y down, z away.
    shapes: [T, 468, 3] in the head's own frame (x right, y up, z to the viewer), in units of the face's height.
    rotations: [T, 3, 3], the head's rotation against the canonical face, acting on columns.
    positions: [T, 3] of the head in decimetres of a real head: x right, y up, z to the viewer (from the change of size).
    lip_gap: [T] in face heights. eye_opening: [T, 2] right and left eye, height over width.
    fps: frames per second.
    """

    landmarks: np.ndarray
    shapes: np.ndarray
    rotations: np.ndarray
    positions: np.ndarray
    lip_gap: np.ndarray
    eye_opening: np.ndarray
    fps: float = FPS

    def __len__(self) -> int:
        return len(self.shapes)

    def closed_eyes(self) -> np.ndarray:
        """[T] in 0..1: how far both eyes are closed, against how open they mostly are."""
        opening = self.eye_opening.mean(axis=1)
        return np.clip((0.85 - opening / max(np.percentile(opening, 80), 1e-3)) / 0.55, 0, 1)

    def neutral_frame(self) -> int:
        """The frame whose face is most at rest: mouth least open, eyes open, shape near the clip's median, head near its mean pose."""
        typical = np.abs(self.shapes - np.median(self.shapes, axis=0)).mean(axis=(1, 2))
        eyes = self.eye_opening.mean(axis=1) / np.percentile(self.eye_opening.mean(axis=1), 80)
        turned = Rotation.from_matrix(self.rotations)
        away = (turned * turned.mean().inv()).magnitude()
        return int(np.argmin(self.lip_gap + 4 * typical + 0.15 * np.clip(0.95 - eyes, 0, 1) + 0.05 * away))


def track_face(
    frames: Iterable[np.ndarray],
    fps: float = FPS,
    folders: Sequence[Path] = (DEFAULT_FOLDER,),
    progress: Callable[[int], None] | None = None,
) -> FaceTrack:
    """Follows the face through RGB uint8 frames.

    Raises:
        NoFaceError: no frame at all, or no face in the first one.
    """
    return _track(FaceLandmarks(folders).in_frames(frames), fps, folders, progress)


def track_found_faces(frames: Iterable[Sequence[np.ndarray]], fps: float = FPS, folders: Sequence[Path] = (DEFAULT_FOLDER,)) -> FaceTrack:
    """Follows the face that is largest at first through faces [478, 3] that were found by others, any number of them in a frame.

    Raises:
        NoFaceError: no frame at all, or no face in the first one.
    """
    return _track(follow_face(frames), fps, folders, None)


def _track(landmarks: Iterable[np.ndarray], fps: float, folders: Sequence[Path], progress: Callable[[int], None] | None) -> FaceTrack:
    found = []
    for points in landmarks:
        found.append(points)
        if progress:
            progress(len(found))
    if not found:
        raise NoFaceError("The driving clip has no frames: use a clip that shows a face.")
    return track_from_landmarks(np.stack(found), fps, canonical_face(folders))


def track_from_landmarks(landmarks: np.ndarray, fps: float, face: CanonicalFace) -> FaceTrack:
    """landmarks [T, 478, 3] in pixels (x right, y down, z away) -> FaceTrack."""
    poses = [head_pose(points, face) for points in landmarks]
    mesh = len(face.points)
    shapes = np.stack([(upright(points[:mesh]) - pose.shift) @ pose.rotation for points, pose in zip(landmarks, poses, strict=True)])
    heights = np.linalg.norm(shapes[:, FOREHEAD] - shapes[:, CHIN], axis=-1)
    scales = np.array([pose.scale for pose in poses])
    typical_scale = np.median(scales)
    centres = np.stack([pose.shift for pose in poses]) / (10 * typical_scale)  # centimetres of the canonical face to decimetres
    depth = 10 * (1 - typical_scale / scales)  # as a camera ten decimetres away would see it
    # A yawning face is longer but not nearer: its height must not shrink the rest of it, so the clip's median height is the unit.
    shapes = shapes / (np.median(heights / scales) * scales)[:, None, None]
    return FaceTrack(
        landmarks=landmarks,
        shapes=shapes,
        rotations=np.stack([pose.rotation for pose in poses]),
        positions=np.concatenate([centres[:, :2], depth[:, None]], axis=1),
        lip_gap=lip_gap(shapes),
        eye_opening=np.stack([eye_opening(shapes, "right"), eye_opening(shapes, "left")], axis=1),
        fps=fps,
    )


def lip_gap(points: np.ndarray) -> np.ndarray:
    """[..., P, D] -> [...]: the mean gap between the inner lips, in the unit of the points."""
    return np.mean([np.linalg.norm(points[..., a, :] - points[..., b, :], axis=-1) for a, b in GAP_PAIRS], axis=0)


def eye_opening(points: np.ndarray, side: str) -> np.ndarray:
    """[..., P, D] -> [...]: height of an eye ("left" or "right") over its width."""
    height = np.mean([np.linalg.norm(points[..., a, :] - points[..., b, :], axis=-1) for a, b in EYE_PAIRS[side]], axis=0)
    outer, inner = EYE_CORNERS[side]
    return height / np.linalg.norm(points[..., outer, :] - points[..., inner, :], axis=-1)
