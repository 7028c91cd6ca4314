"""ComfyUI's own FACE_LANDMARKS to what the core takes: the faces that its 'Detect Face Landmarks (MediaPipe)' found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from torch import Tensor

from ..real3d_core.errors import ClipError, PictureError, Real3DError
from ..real3d_core.ranges import CLIP_RATE
from .conversions import LONGEST
from .incoming_video import nearest_frames
from .runtime.api import io

FaceLandmarksSocket = io.Custom("FACE_LANDMARKS")

_POINTS = 478
_SAME_SHAPE = 0.01  # of the ratio of width and height
_ESTIMATED = 0.01  # by which a video's number of frames may be off: the host reckons it from the length of many a file

Faces = list[np.ndarray]


def faces_in_photos(landmarks, photos: Sequence[np.ndarray]) -> list[Faces] | list[None]:
    """The faces of each photo [H, W, C], [478, 3] in its pixels: x right, y down, z away; None for each where nothing is connected.

    Raises:
        PictureError: they are of other photos. Real3DError: they are no such landmarks.
    """
    if landmarks is None:
        return [None] * len(photos)
    found = _found(landmarks)
    if len(found) != len(photos):
        raise PictureError(f"{len(found)} pictures of face landmarks meet {len(photos)} photos: connect the same images to both nodes.")
    return [[face * _scale(landmarks, photo) for face in faces] for faces, photo in zip(found, photos, strict=True)]


def faces_at_25(landmarks, video, images: Tensor | None, fps: float) -> list[Faces]:
    """The faces of a driving clip in the frame nearest in time to each twenty-fifth of a second, [478, 3] in pixels each.

    Args:
        video, images: the VIDEO or the IMAGE batch that they were found in, or neither.
        fps: frames per second where there is no video.

    Raises:
        ClipError: they are of another clip. Real3DError: they are no such landmarks.
    """
    if video is not None and images is not None:
        raise ClipError("What drives is not clear: connect a video or a batch of images, and not both.")
    found = _found(landmarks)
    rate = CLIP_RATE.check(fps if video is None else float(video.get_frame_rate()))
    _require_same_length(len(found), video, images)
    if len(found) / rate > LONGEST:
        raise ClipError(f"The driving clip lasts {len(found) / rate / 60:.0f} minutes: cut it into parts of at most {LONGEST / 60:.0f}.")
    return [found[number] for number in nearest_frames(len(found), rate, 25.0)]


def _require_same_length(found: int, video, images: Tensor | None) -> None:
    if video is not None:
        frames = video.get_frame_count()
        same = abs(frames - found) <= max(2, _ESTIMATED * frames)
    else:
        frames = found if images is None else len(images)
        same = frames == found
    if not same:
        raise ClipError(f"{found} frames of face landmarks meet {frames} of the clip: connect the same frames to both nodes.")


def _found(landmarks) -> list[Faces]:
    try:
        if not isinstance(landmarks, Mapping):
            raise TypeError(f"a {type(landmarks).__name__}")
        found = [[_in_pixels(face) for face in faces] for faces in landmarks["frames"]]
    except (KeyError, TypeError, ValueError, IndexError) as failure:
        raise Real3DError(
            f"The face landmarks are none of {_POINTS} points ({type(failure).__name__}: {failure}): "
            "connect what 'Detect Face Landmarks (MediaPipe)' gives."
        ) from failure
    if not found:
        raise ClipError("The face landmarks are those of no picture at all: connect one that shows a face to their node.")
    return found


def _in_pixels(face: Mapping) -> np.ndarray:
    """The host gives x and y in pixels of the picture, and all three once more in pixels of the turned crop that its network saw."""
    flat, seen = np.asarray(face["landmarks_xy"], np.float64), np.asarray(face["landmarks_3d"], np.float64)
    if flat.shape != (_POINTS, 2) or seen.shape != (_POINTS, 3) or not (np.isfinite(flat).all() and np.isfinite(seen).all()):
        raise ValueError(f"shapes {flat.shape} and {seen.shape}")
    beside = np.concatenate([seen[:, :2], np.ones((_POINTS, 1))], axis=1)
    across = np.linalg.lstsq(beside, flat, rcond=None)[0][0]  # where a pixel to the right in the crop leads to
    return np.concatenate([flat, seen[:, 2:] * np.linalg.norm(across)], axis=1).astype(np.float32)


def _scale(landmarks: Mapping, photo: np.ndarray) -> np.float32:
    """Of a photo against the picture that the landmarks were found in."""
    height, width = landmarks.get("image_size") or photo.shape[:2]
    scale = np.float32(photo.shape[1] / width)
    if abs(photo.shape[0] / height / scale - 1) > _SAME_SHAPE:
        raise PictureError(
            f"The face landmarks are of a picture of {width} x {height} pixels, the photo has {photo.shape[1]} x {photo.shape[0]}: "
            "connect the same image to both nodes."
        )
    return scale
