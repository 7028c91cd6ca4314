"""Rows about whether it is still the same person: the distance of dlib's face descriptor from that of the photo.

A face is found by dlib's frontal detector in the picture enlarged once; where that finds none, its place in the photo is taken, moved as
MediaPipe's landmarks are. Five points align it, and the network gives 128 numbers; the distance is Euclidean. Talking people stray by 0.25
(mean) and 0.36 (worst) from their own first frame in real clips, and 0.6 is dlib's limit between two persons. Only photos that look within
20 degrees of the front.

The packages dlib-bin and face_recognition_models are this benchmark's alone.
"""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from real3d_core.media.sound import load_sound
from real3d_core.pipeline import PipelineOptions, make_motion

from .rows import Row, at_most
from .subject import ASSETS, Subject, as_bytes, some_of

_EVERY = 5  # how many frames of speech stand for one that is looked at
_POINTS, _NETWORK = "shape_predictor_5_face_landmarks.dat", "dlib_face_recognition_resnet_model_v1.dat"


def packages_present() -> bool:
    return all(find_spec(package) for package in ("dlib", "face_recognition_models"))


@cache
def _dlib() -> tuple[Any, Any, Any]:
    """Detector, five-point predictor and descriptor."""
    import dlib

    package = find_spec("face_recognition_models")  # not imported: it needs an old setuptools only to say where its files are
    assert package is not None and package.submodule_search_locations
    folder = Path(package.submodule_search_locations[0]) / "models"
    return (
        dlib.get_frontal_face_detector(),
        dlib.shape_predictor(str(folder / _POINTS)),
        dlib.face_recognition_model_v1(str(folder / _NETWORK)),
    )


def distances(subject: Subject, frames: np.ndarray) -> list[float]:
    """Of each frame [n, 512, 512, 3] from the photo; nothing where the face in the photo is not found."""
    detector, points, network = _dlib()
    pictures = [as_bytes(picture) for picture in (subject.photo, *frames)]
    places = [max(detector(picture, 1), key=lambda one: one.area(), default=None) for picture in pictures]
    if places[0] is None:
        return []
    described = []
    for picture, frame, place in zip(pictures, (subject.photo, *frames), places, strict=True):
        place = place or _moved(places[0], subject, frame)
        described.append(np.array(network.compute_face_descriptor(picture, points(picture, place))))
    return [float(np.linalg.norm(one - described[0])) for one in described[1:]]


def _moved(place: Any, subject: Subject, frame: np.ndarray) -> Any:
    """A rectangle of the photo, moved as MediaPipe's landmarks are in a frame."""
    before, after = subject.look([subject.photo]).landmarks[0], subject.look([frame]).landmarks[0]
    x, y = np.round((after - before)[:, :2].mean(axis=0)).astype(int).tolist()
    return type(place)(place.left() + x, place.top() + y, place.right() + x, place.bottom() + y)


def spoken_frames(subject: Subject) -> np.ndarray:
    """[n, 512, 512, 3]: every fifth frame of the film that librivox_0880_en.wav makes with the usual options."""
    motion = make_motion(subject.avatar, PipelineOptions(), load_sound(ASSETS / "speech" / "librivox_0880_en.wav"))
    return subject.render(some_of(motion, slice(None, None, _EVERY)))


def _speaking(subject: Subject) -> list[float]:
    return distances(subject, spoken_frames(subject)) if subject.frontal else []


def _turned(subject: Subject) -> list[float]:
    return distances(subject, subject.render(subject.turned(-30, 30))) if subject.frontal else []


ROWS = (
    Row("identity_speech", "face descriptor against the photo: speech", at_most(0.36, mean=0.20), _speaking),
    Row("identity_turned", "    yaw +-30", at_most(0.40, mean=0.30), _turned),
)
