"""ComfyUI's model, input, output and temporary folders."""

from __future__ import annotations

import json
import os
import secrets
from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import folder_paths

from ...real3d_core.avatar_kinds import avatar_kinds, built_in_kinds
from ...real3d_core.errors import MissingModelError, Real3DError
from ...real3d_core.mediapipe_models.model_files import ModelFolders
from .api import check_interrupted

if TYPE_CHECKING:
    from ...real3d_core.media.recording import Shelf
_MODELS = "real3d"
_DETECTION = "detection"
_CHECKPOINTS = (".safetensors", ".ckpt")
_KEPT = (".safetensors",)
_LONGEST_HEADER = 2**20  # bytes; more than any file of this pack has
NOTHING_KEPT = "nothing saved yet"


for _kind in (_MODELS, _DETECTION):  # ComfyUI knows the second from 0.24 on
    folder_paths.add_model_folder_path(_kind, os.path.join(folder_paths.models_dir, _kind))


def model_folders() -> ModelFolders:
    """The folders searched for model files: the pack's own, then those of ComfyUI's face landmark models."""
    return ModelFolders(tuple(_folders(_MODELS) + _folders(_DETECTION)))


def detection_folder() -> Path:
    """The folder of ComfyUI's face detection models."""
    return _folders(_DETECTION)[0]


def _folders(kind: str) -> list[Path]:
    return [Path(folder) for folder in folder_paths.get_folder_paths(kind)]


def avatar_choices() -> list[str]:
    """The built-in avatars, then the checkpoints in the model folders; weights of other models are left out."""
    kinds = avatar_kinds()
    checkpoints = [
        name
        for name in folder_paths.get_filename_list(_MODELS)
        if name.lower().endswith(_CHECKPOINTS)
        and any(path.is_file() and kind.takes(path) for kind in kinds for path in (folder / name for folder in _folders(_MODELS)))
    ]
    return [*built_in_kinds(), *checkpoints]


def avatar_fingerprint(choice: str) -> tuple:
    """Changes when the file behind a choice does."""
    return () if choice in built_in_kinds() else stamp(_model_path(choice))


@cache
def films() -> Shelf:
    """The cache of rendered films in ComfyUI's temporary folder; it lasts until ComfyUI exits."""
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
        Real3DError: the prefix points outside the output folder.
    """
    refuse_hostile(prefix, "file name")
    try:
        folder, name, counter, subfolder, _ = folder_paths.get_save_image_path(prefix, folder_paths.get_output_directory())
    except Exception as failure:
        check_interrupted()
        raise Real3DError(f"The file name '{prefix[:60]}' points outside the output folder: choose another one.") from failure
    file = f"{name}_{counter:05}_.safetensors"
    return Path(folder) / file, f"{(Path(subfolder) / file).as_posix()} [output]"


def input_folder() -> Path:
    """The folder of ComfyUI's load nodes."""
    return Path(folder_paths.get_input_directory())


def kept_choices(kind: str) -> list[str]:
    """The saved files of a kind, "portrait", "planes" or "motion", in the output and input folders, with ComfyUI's annotation."""
    found = []
    for root, mark in ((folder_paths.get_output_directory(), " [output]"), (folder_paths.get_input_directory(), "")):
        paths = sorted(Path(root).rglob("*")) if Path(root).is_dir() else []
        files = [path for path in paths if path.suffix.lower() in _KEPT and path.is_file() and _kept_kind(path, *stamp(path)[1:]) == kind]
        found += [path.relative_to(root).as_posix() + mark for path in files]
    return found or [NOTHING_KEPT]


@lru_cache(4096)
def _kept_kind(path: Path, changed: int, size: int) -> str:
    """The kind in the header of a file that this pack saved; empty for all other files."""
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
        Real3DError: it does not exist, or the name points outside ComfyUI's folders.
    """
    if choice == NOTHING_KEPT:
        raise Real3DError("There are no saved files yet: save one first, or put one into ComfyUI's input folder.")
    refuse_hostile(choice, "file")
    name, root = folder_paths.annotated_filepath(choice)
    root = Path(root or folder_paths.get_input_directory()).resolve()
    path = (root / name.strip()).resolve()
    if not path.is_relative_to(root) or path.suffix.lower() not in _KEPT or not path.is_file():
        raise Real3DError(f"There is no saved file '{choice[:80]}': refresh the page and choose one from the list.")
    return path


def photo_file(choice: str) -> Path:
    """The file of a choice of ComfyUI's 'Load Image', which may name the output or temporary folder: "photo.png [output]".

    Raises:
        Real3DError: it does not exist, or the name points outside ComfyUI's folders.
    """
    refuse_hostile(choice, "photo")
    name, root = folder_paths.annotated_filepath(choice)
    folder = os.path.abspath(root or folder_paths.get_input_directory())
    path = os.path.abspath(folder_paths.get_annotated_filepath(choice))
    refuse_hostile(name, "photo")
    if os.path.commonpath((folder, path)) != folder or not os.path.isfile(path):
        raise Real3DError(f"There is no photo '{choice[:80]}' in ComfyUI's folders: choose another one.")
    return Path(path)


def _model_path(choice: str) -> Path:
    refuse_hostile(choice, "checkpoint")
    if not choice.lower().endswith(_CHECKPOINTS):
        raise MissingModelError(f"'{choice[:80]}' is not a checkpoint: choose a file that ends in {' or '.join(_CHECKPOINTS)}.")
    for folder in _folders(_MODELS):
        path = folder / choice
        if path.is_file():
            return path
    raise MissingModelError(
        f"There is no checkpoint '{choice[:80]}' in the folder '{_folders(_MODELS)[0]}': put it there, or choose another avatar."
    )


def refuse_hostile(name: str, what: str) -> None:
    """Raises Real3DError for a name that could point outside a folder."""
    parts = Path(name.replace("\\", "/")).parts if isinstance(name, str) else ("..",)
    if ".." in parts or "\0" in name or os.path.isabs(name) or name[:1] in "/\\" or name[1:2] == ":" or not name.strip():
        raise Real3DError(f"The {what} {str(name)[:80]!a} cannot be used: choose a name inside ComfyUI's own folders.")


def stamp(path: Path) -> tuple:
    """Changes when the file does."""
    state = path.stat()
    return (path.name, state.st_mtime_ns, state.st_size)
