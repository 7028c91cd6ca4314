"""What runs MediaPipe's models: MediaPipe itself where it works, else PyTorch. This is decided only here."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import AbstractContextManager, closing, nullcontext
from functools import lru_cache
from pathlib import Path
from typing import Protocol, TypeVar
from zipfile import BadZipFile

import numpy as np

from ..errors import MissingModelError
from .bundled import MediaPipeLandmarker, MediaPipeSegmenter
from .landmarker import TorchLandmarker, TorchVideoLandmarker
from .networks import SAFETENSORS, face_networks
from .segmenter import TorchSegmenter
from .tflite import UnknownOperatorError, UnreadableNetworkError

_LOG = logging.getLogger("real3d")
_BUNDLE = ".task"

Content = TypeVar("Content")


class Landmarker(Protocol):
    def detect(self, image: np.ndarray) -> list[np.ndarray]:
        """Faces of an RGB uint8 picture [H, W, 3], the surest first: [478, 3] float32, x right, y down, z away, in pixels."""
        ...


class VideoLandmarker(Protocol):
    def detect(self, image: np.ndarray, time_ms: int) -> list[np.ndarray]:
        """The face in the next frame, as above, or nothing; times grow."""
        ...


class Segmenter(Protocol):
    def confidences(self, image: np.ndarray) -> np.ndarray:
        """RGB uint8 [H, W, 3] -> float32 [H, W, classes] in 0..1."""
        ...

    def categories(self, image: np.ndarray) -> np.ndarray:
        """RGB uint8 [H, W, 3] -> the likeliest class of each pixel, uint8 [H, W]."""
        ...


def landmarker(model: Path, faces: int = 1, score: float = 0.5) -> AbstractContextManager[Landmarker]:
    """Finds at most `faces` faces in a picture, those with a detector score of at least `score`.

    Raises:
        MissingModelError: the model file is damaged.
    """
    if mediapipe_runs(model):
        return closing(MediaPipeLandmarker(model, faces, score))
    return nullcontext(TorchLandmarker(read_model(face_networks, model), faces, score))


def video_landmarker(model: Path) -> AbstractContextManager[VideoLandmarker]:
    """Follows one face through a clip.

    Raises:
        MissingModelError: the model file is damaged.
    """
    if mediapipe_runs(model):
        return closing(MediaPipeLandmarker(model, video=True))
    return nullcontext(TorchVideoLandmarker(read_model(face_networks, model)))


def segmenter(model: Path) -> AbstractContextManager[Segmenter]:
    """Segments a picture into classes.

    Raises:
        MissingModelError: the model file is damaged, or only MediaPipe can run it and does not.
    """
    return closing(MediaPipeSegmenter(model)) if mediapipe_runs(model) else nullcontext(read_model(TorchSegmenter, model))


@lru_cache(maxsize=8)
def mediapipe_runs(model: Path) -> bool:
    """Whether MediaPipe loads on this machine and opens the file. The log says so once for each file."""
    if model.suffix == SAFETENSORS:
        _LOG.info("PyTorch runs '%s'.", model.name)
        return False
    opened = MediaPipeLandmarker if model.suffix == _BUNDLE else MediaPipeSegmenter
    try:
        with closing(opened(model)):
            _LOG.info("MediaPipe runs '%s'.", model.name)
    except Exception as failure:  # a missing library, an older protobuf of another pack: each raises another kind
        _LOG.info("PyTorch runs '%s', since MediaPipe does not (%s: %s).", model.name, type(failure).__name__, _first_line(failure))
        return False
    return True


def read_model(reader: Callable[[Path], Content], model: Path) -> Content:
    """What the reader makes of the file.

    Raises:
        MissingModelError: the file is damaged, not what the reader expects, or of a kind that MediaPipe alone can run.
    """
    try:
        return reader(model)
    except UnknownOperatorError as failure:
        raise MissingModelError(
            f"The model file '{model}' needs MediaPipe, which does not work on this machine ({_first_line(failure)} by PyTorch): "
            "repair MediaPipe's installation; the log says why it fails."
        ) from failure
    except (BadZipFile, KeyError, OSError, UnreadableNetworkError) as failure:
        raise MissingModelError(f"The model file '{model}' cannot be used ({_first_line(failure)}): download it again.") from failure


def _first_line(failure: Exception) -> str:
    return str(failure).strip().partition("\n")[0][:200]
