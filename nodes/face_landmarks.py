"""Converts ComfyUI's FACE_LANDMARKS, from its node 'Detect Face Landmarks (MediaPipe)', to the landmarks of the core."""

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
_SAME_SHAPE = 0.01  # relative tolerance of the aspect ratio
_ESTIMATED = 0.01  # relative tolerance of a video's frame count, which the host estimates from the duration of some files

Faces = list[np.ndarray]


def faces_in_photos(landmarks, photos: Sequence[np.ndarray]) -> list[Faces] | list[None]:
    """The faces of each photo [H, W, C], [478, 3] in its pixels: x right, y down, z away; None for each if nothing is connected.

    Raises:
        PictureError: they belong to other photos. Real3DError: they are not such landmarks.
    """
    if landmarks is None:
        return [None] * len(photos)
    found = _found(landmarks)
    if len(found) != len(photos):
        raise PictureError(
            f"The face landmarks are of {len(found)} images, but there are {len(photos)} photos: connect the same images to both nodes."
        )
    return [[face * _scale(landmarks, photo) for face in faces] for faces, photo in zip(found, photos, strict=True)]


def faces_at_25(landmarks, video, images: Tensor | None, fps: float) -> list[Faces]:
    """The faces of a driving clip resampled to 25 fps (nearest frame), [478, 3] in pixels each.

    Args:
        video, images: the VIDEO or the IMAGE batch that they were detected in, or neither.
        fps: frame rate if there is no video.

    Raises:
        ClipError: they belong to another clip. Real3DError: they are not such landmarks.
    """
    if video is not None and images is not None:
        raise ClipError("The driving clip is ambiguous: connect a video or a batch of images, not both.")
    found = _found(landmarks)
    rate = CLIP_RATE.check(fps if video is None else float(video.get_frame_rate()))
    _require_same_length(len(found), video, images)
    if len(found) / rate > LONGEST:
        raise ClipError(
            f"The driving clip lasts {len(found) / rate / 60:.0f} minutes: split it into parts of at most {LONGEST / 60:.0f} minutes."
        )
    return [found[number] for number in nearest_frames(len(found), rate, 25.0)]


def _require_same_length(found: int, video, images: Tensor | None) -> None:
    if video is not None:
        frames = video.get_frame_count()
        same = abs(frames - found) <= max(2, _ESTIMATED * frames)
    else:
        frames = found if images is None else len(images)
        same = frames == found
    if not same:
        raise ClipError(f"The face landmarks have {found} frames, the clip {frames}: connect the same frames to both nodes.")


def _found(landmarks) -> list[Faces]:
    try:
        if not isinstance(landmarks, Mapping):
            raise TypeError(f"a {type(landmarks).__name__}")
        found = [[_in_pixels(face) for face in faces] for faces in landmarks["frames"]]
    except (KeyError, TypeError, ValueError, IndexError) as failure:
        raise Real3DError(
            f"The value is not face landmarks of {_POINTS} points ({type(failure).__name__}: {failure}): "
            "connect the output of 'Detect Face Landmarks (MediaPipe)'."
        ) from failure
    if not found:
        raise ClipError("The face landmarks have no frames: connect an image or clip that shows a face to the node that detects them.")
    return found


def _in_pixels(face: Mapping) -> np.ndarray:
    """The host gives x and y in pixels of the image, and x, y, z in pixels of the rotated crop that its network was given."""
    in_image, in_crop = np.asarray(face["landmarks_xy"], np.float64), np.asarray(face["landmarks_3d"], np.float64)
    if in_image.shape != (_POINTS, 2) or in_crop.shape != (_POINTS, 3) or not (np.isfinite(in_image).all() and np.isfinite(in_crop).all()):
        raise ValueError(f"shapes {in_image.shape} and {in_crop.shape}")
    homogeneous = np.concatenate([in_crop[:, :2], np.ones((_POINTS, 1))], axis=1)
    x_axis = np.linalg.lstsq(homogeneous, in_image, rcond=None)[0][0]  # one pixel along the crop's x axis, in the image
    return np.concatenate([in_image, in_crop[:, 2:] * np.linalg.norm(x_axis)], axis=1).astype(np.float32)


def _scale(landmarks: Mapping, photo: np.ndarray) -> np.float32:
    """Size of a photo relative to the image that the landmarks were detected in."""
    height, width = landmarks.get("image_size") or photo.shape[:2]
    scale = np.float32(photo.shape[1] / width)
    if abs(photo.shape[0] / height / scale - 1) > _SAME_SHAPE:
        raise PictureError(
            f"The face landmarks belong to an image of {width} x {height} pixels, but the photo has {photo.shape[1]} x {photo.shape[0]}: "
            "connect the same image to both nodes."
        )
    return scale
