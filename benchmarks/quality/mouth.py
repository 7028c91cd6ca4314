"""Rows about what is seen in an open mouth.

The mouth is the inner lips' polygon as MediaPipe finds it in the rendered frame. Brightness is luminance. The teeth's is the 90th
percentile within the mouth, the cheek's the mean of a square of a tenth of the face's height about landmark 50 or 280, the brighter one,
since the other may lie in the shade or behind hair.

The laughing driver is a clip of 24 frames rendered from the portrait p009_selfie: its own smile grows to `smile` 1.2 and `jaw_open` 1 and
falls back. It is followed like any clip, and measured where its lips are farthest apart.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import torch

from real3d_core.analytic.controls import BASIS
from real3d_core.face.landmark_sets import INNER_LIP
from real3d_core.face.measures import face_height_of
from real3d_core.face.track import FaceTrack, track_face
from real3d_core.mediapipe_models.model_files import ModelFolders
from real3d_core.motion.motion import Motion

from .rows import Row, at_most, within
from .speech import shows_teeth
from .subject import SIDE, Media, Subject, as_bytes, some_of

_DRIVER, _FRAMES = "p009_selfie", 24
_CHEEKS = (50, 280)
_CORNERS = 0.25  # of the mouth's width, at each end
_BLACK = 0.25  # of the cheek's brightness: what is darker is black
_DIM = 0.25  # what a dim photo's values are multiplied by
_MOUTHS = {"jaw_open": torch.tensor([0.6, 1.0, 0.8]), "smile": torch.tensor([0.0, 0.0, 1.0])}  # of the grey and of the dim photo


@dataclass(frozen=True)
class Mouth:
    """teeth: their brightness over the cheek's. black: share of the corners that is black. colour: 0..255, the 99th percentile in the
    mouth of the distance between a pixel's largest and smallest channel."""

    teeth: float
    black: float
    colour: float


def mouth_in(frame: np.ndarray, landmarks: np.ndarray) -> Mouth:
    """What is seen in the mouth of a frame [H, W, 3] in 0..1, whose landmarks [478, >= 2] are in pixels."""
    points = landmarks[:, :2]
    inside = np.zeros(frame.shape[:2], np.uint8)
    cv2.fillPoly(inside, [np.round(points[INNER_LIP] * 16).astype(np.int32)], 1, shift=4)
    rows, columns = np.nonzero(inside)
    luminance = cv2.cvtColor(frame.astype(np.float32), cv2.COLOR_RGB2GRAY)
    reach = max(1, round(0.05 * float(face_height_of(points))))
    cheek = max(luminance[y - reach : y + reach + 1, x - reach : x + reach + 1].mean() for x, y in points[list(_CHEEKS)].astype(int))
    across = points[INNER_LIP[10]] - points[INNER_LIP[0]]
    along = (np.stack([columns, rows], axis=1) - points[INNER_LIP[0]]) @ across / (across @ across)
    seen = luminance[rows, columns]
    corner = seen[np.abs(along - 0.5) > 0.5 - _CORNERS]
    return Mouth(
        teeth=float(np.percentile(seen, 90) / cheek),
        black=float((corner < _BLACK * cheek).mean()) if len(corner) else 0.0,
        colour=float(np.percentile(np.ptp(frame[rows, columns], axis=1), 99) * 255),
    )


@dataclass(frozen=True)
class Laugh:
    """The laughing driver: its face, the frame with the widest mouth, and what is seen in it."""

    track: FaceTrack
    widest: int
    mouth: Mouth


def laughing_driver(media: Media) -> Laugh:
    driver = Subject(_DRIVER, media.portraits()[_DRIVER], media)
    strength = torch.sin(torch.linspace(0, torch.pi, _FRAMES)) ** 2
    frames = driver.render(Motion.still(BASIS, _FRAMES).with_controls(smile=1.2 * strength, jaw_open=strength))
    track = track_face((as_bytes(frame) for frame in frames), ModelFolders())
    widest = int(track.lip_gap.argmax())
    return Laugh(track, widest, mouth_in(frames[widest], track.landmarks[widest]))


def driven_laugh(subject: Subject) -> np.ndarray:
    """[512, 512, 3]: the portrait driven by the laughing driver, where that one's mouth is widest."""
    laugh = subject.media.once(laughing_driver)
    motion = subject.avatar.video_to_motion(laugh.track)
    return subject.render(some_of(motion, slice(laugh.widest, laugh.widest + 1)))[0]


def _laughing_mouth(subject: Subject) -> Mouth:
    frame = subject.once(driven_laugh)
    return mouth_in(frame, subject.look([frame]).landmarks[0])


def _laughing_teeth(subject: Subject) -> list[float]:
    """Over the driver's own."""
    return [subject.once(_laughing_mouth).teeth / subject.media.once(laughing_driver).mouth.teeth]


def _black_corners(subject: Subject) -> list[float]:
    return [subject.once(_laughing_mouth).black]


def _mouths(subject: Subject, changed: np.ndarray, brighten: float) -> list[Mouth]:
    """Of three open mouths of a changed photo, uint8 [H, W, 3]; landmarks are looked for in brightened frames."""
    other = subject.of_picture(changed)
    frames = other.render(Motion.still(BASIS, 3).with_controls(**_MOUTHS))
    track = subject.look(list(np.clip(frames * brighten, 0, 1)))
    return [mouth_in(frame, points) for frame, points in zip(frames, track.landmarks, strict=True)]


def _grey(subject: Subject) -> list[float]:
    """The same photo without its colour: the largest of three open mouths (`jaw_open` 0.6, 1, and 0.8 with a smile)."""
    grey = cv2.cvtColor(subject.colours, cv2.COLOR_RGB2GRAY)[..., None].repeat(3, axis=2)
    return [max(mouth.colour for mouth in _mouths(subject, grey, 1))]


def _dim(subject: Subject) -> list[float]:
    """The same photo with its values at a quarter of what they are: the largest of the three mouths.

    Where the photo itself shows teeth that are brighter than the cheek, over what it shows: it may go on showing them.
    """
    dim = (subject.colours * _DIM).round().astype(np.uint8)
    own = mouth_in(subject.photo, subject.portrait.landmarks.numpy() * SIDE).teeth if shows_teeth(subject) else 1.0
    return [max(mouth.teeth for mouth in _mouths(subject, dim, 1 / _DIM)) / max(1.0, own)]


ROWS = (
    Row("laugh_teeth", "laughing driver: teeth over cheek, over its own", within(0.85, 1.15), _laughing_teeth, 2),
    Row("laugh_corners", "    share of black at the corners", at_most(0.08), _black_corners, 2),
    Row("grey_mouth", "grey photo: colour in the mouth, of 255", at_most(3), _grey, 0),
    Row("dim_teeth", "dim photo: teeth over cheek", at_most(1.2), _dim, 2),
)
