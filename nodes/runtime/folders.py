"""ComfyUI's folders: models, input, output and temporary files."""

from __future__ import annotations

import json
import os
import secrets
from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import folder_paths

from ...real3d_core.errors import MissingModelError, Real3DError
from .api import check_interrupted

if TYPE_CHECKING:
    from ...real3d_core.media.recording import Shelf
    from ...real3d_core.mediapipe_models.model_files import ModelFolders
_MODELS = "real3d"
_DETECTION = "detection"
_CHECKPOINTS = (".safetensors", ".ckpt")
_KEPT = (".safetensors",)
_LONGEST_HEADER = 2**20  # bytes; what this pack saves has less
NOTHING_KEPT = "nothing saved yet"


for _kind in (_MODELS, _DETECTION):  # the second is known from 0.24 on
    folder_paths.add_model_folder_path(_kind, os.path.join(folder_paths.models_dir, _kind))


def model_folders() -> ModelFolders:
    """Where model files may be: the pack's own folders, the first one first, then those of ComfyUI's own face landmarker."""
    from ...real3d_core.mediapipe_models.model_files import ModelFolders

    return ModelFolders(tuple(_folders(_MODELS) + _folders(_DETECTION)))


def detection_folder() -> Path:
    """Where ComfyUI keeps the models that find faces."""
    return _folders(_DETECTION)[0]


def _folders(kind: str) -> list[Path]:
    return [Path(folder) for folder in folder_paths.get_folder_paths(kind)]


def avatar_choices() -> list[str]:
    """The built-in avatars, then the checkpoints in the model folders; weights of other models are left out wherever they lie."""
    from ...real3d_core.avatar_kinds import avatar_kinds

    kinds = avatar_kinds()
    return [kind.built_in for kind in kinds if kind.built_in] + [
        name
        for name in folder_paths.get_filename_list(_MODELS)
        if name.lower().endswith(_CHECKPOINTS)
        and any(path.is_file() and kind.takes(path) for kind in kinds for path in (folder / name for folder in _folders(_MODELS)))
    ]


def avatar_fingerprint(choice: str) -> tuple:
    """Changes when the file behind a choice does."""
    from ...real3d_core.avatar_kinds import avatar_kinds

    return () if choice in (kind.built_in for kind in avatar_kinds()) else _stamp(_model_path(choice))


@cache
def films() -> Shelf:
    """Where rendered films are kept until ComfyUI ends, in its temporary folder."""
    from ...real3d_core.media.recording import Shelf

    return Shelf(_temporary_folder() / "films")


def new_temporary(suffix: str) -> Path:
    """The path of a new file in ComfyUI's temporary folder, which ComfyUI empties when it starts."""
    folder = _temporary_folder()
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f"{secrets.token_hex(8)}{suffix}"


def _temporary_folder() -> Path:
    return Path(folder_paths.get_temp_directory()) / _MODELS


def new_output(prefix: str) -> tuple[Path, str]:
    """An unused .safetensors file in the output folder, and the name by which `kept_file` finds it again.

    Raises:
        Real3DError: the prefix leads out of the output folder.
    """
    refuse_hostile(prefix, "file name")
    try:
        folder, name, counter, subfolder, _ = folder_paths.get_save_image_path(prefix, folder_paths.get_output_directory())
    except Exception as failure:
        check_interrupted()
        raise Real3DError(f"The file name '{prefix[:60]}' leads out of the output folder: choose another one.") from failure
    file = f"{name}_{counter:05}_.safetensors"
    return Path(folder) / file, f"{(Path(subfolder) / file).as_posix()} [output]"


def input_folder() -> Path:
    """Where ComfyUI's load nodes find their files."""
    return Path(folder_paths.get_input_directory())


def kept_choices(kind: str) -> list[str]:
    """The files of a kind, "motion" or "planes", in the output and the input folder, as ComfyUI annotates them."""
    found = []
    for root, mark in ((folder_paths.get_output_directory(), " [output]"), (folder_paths.get_input_directory(), "")):
        paths = sorted(Path(root).rglob("*")) if Path(root).is_dir() else []
        files = [path for path in paths if path.suffix.lower() in _KEPT and path.is_file() and _kept_kind(path, *_stamp(path)[1:]) == kind]
        found += [path.relative_to(root).as_posix() + mark for path in files]
    return found or [NOTHING_KEPT]


@lru_cache(4096)
def _kept_kind(path: Path, changed: int, size: int) -> str:
    """What this pack says in the header of a file that it wrote, "motion" or "planes"; empty for all other files."""
    try:
        with open(path, "rb") as file:
            length = int.from_bytes(file.read(8), "little")
            header = json.loads(file.read(length)) if length <= _LONGEST_HEADER else {}
        return json.loads(header["__metadata__"]["real3d"])["kind"].split("-")[1]
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return ""


def kept_file(choice: str) -> Path:
    """The file of an entry of `kept_choices`.

    Raises:
        Real3DError: it is not there, or the name leads out of ComfyUI's folders.
    """
    if choice == NOTHING_KEPT:
        raise Real3DError("Nothing has been saved yet: save a file first, or put one into ComfyUI's input folder.")
    refuse_hostile(choice, "file")
    name, root = folder_paths.annotated_filepath(choice)
    root = Path(root or folder_paths.get_input_directory()).resolve()
    path = (root / name.strip()).resolve()
    if not path.is_relative_to(root) or path.suffix.lower() not in _KEPT or not path.is_file():
        raise Real3DError(f"There is no saved file '{choice[:80]}': refresh the page and choose one from the list.")
    return path


def kept_fingerprint(choice: str) -> tuple:
    """Changes when the file behind a choice does."""
    return _stamp(kept_file(choice))


def _model_path(choice: str) -> Path:
    refuse_hostile(choice, "checkpoint")
    if not choice.lower().endswith(_CHECKPOINTS):
        raise MissingModelError(f"'{choice[:80]}' is no checkpoint: choose a file that ends in {' or '.join(_CHECKPOINTS)}.")
    for folder in _folders(_MODELS):
        path = folder / choice
        if path.is_file():
            return path
    raise MissingModelError(
        f"There is no checkpoint '{choice[:80]}' in the folder '{_folders(_MODELS)[0]}': put it there, or choose another avatar."
    )


def refuse_hostile(name: str, what: str) -> None:
    """Raises Real3DError for a name that could lead out of a folder."""
    parts = Path(name.replace("\\", "/")).parts if isinstance(name, str) else ("..",)
    if ".." in parts or "\0" in name or os.path.isabs(name) or name[:1] in "/\\" or name[1:2] == ":" or not name.strip():
        raise Real3DError(f"The {what} {str(name)[:80]!a} cannot be used: choose a name inside ComfyUI's own folders.")


def _stamp(path: Path) -> tuple:
    state = path.stat()
    return (path.name, state.st_mtime_ns, state.st_size)
