"""Which of the user's files is what, from their names and first bytes alone: nothing is loaded, so a page can ask for it at any time."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import islice
from pathlib import Path

from .weights.torch_files import LEGACY_MAGIC, ZIP_START

NETWORKS, FACE, VOICE, HUBERT = "secc2plane_torso_orig", "bfm", "audio2secc_vae", "hubert"
"""Folders of the release; the first and the third are also the kinds of checkpoint that `kind_of` tells apart."""
OTHER = "other"

_OFFICIAL_NAME = re.compile(r"model_ckpt_steps_(\d+)\.(ckpt|safetensors)")
_MARKS = {b"cano_img2plane_backbone.": NETWORKS, b"mel_encoder.": VOICE}  # tensors' names stand near the start, in every format
_PIECE = 2**20
_FARTHEST = 32  # pieces that are searched for a tensor's name
_DEEPEST, _MOST_FOLDERS = 5, 1000


def folders_below(roots: Iterable[Path]) -> list[Path]:
    """Each root and the folders in it, the shallow ones first: what an archive unpacks to may lie a few folders down."""
    found = []
    for root in map(Path, roots):
        level = [root] if os.path.isdir(root) else []
        for _ in range(_DEEPEST + 1):
            found += level
            level = [Path(entry.path) for folder in level for entry in _entries(folder) if entry.name[:1] != "." and _is_folder(entry)]
            if len(found) + len(level) > _MOST_FOLDERS:
                break
    return found


def is_checkpoint_name(name: str) -> bool:
    """Whether training names its checkpoints so; a converted one keeps the name."""
    return _OFFICIAL_NAME.fullmatch(name) is not None


def has_checkpoint(folder: Path, kind: str) -> bool:
    """Whether a folder holds a checkpoint of this kind."""
    return any(kind_of(path) == kind for path in _checkpoints(folder))


def latest_checkpoint(folder: Path, kind: str) -> Path | None:
    """The file of the most training steps in a folder; a converted file of the same steps is preferred, it loads faster.

    Where none is of this kind, the latest of any: who reads it can say what it is. None: there are none.
    """
    found = _checkpoints(folder)
    return max([path for path in found if kind_of(path) == kind] or found, key=_steps, default=None)


def kind_of(path: Path) -> str:
    """NETWORKS or VOICE, or OTHER for another model's weights; by its folder where the content does not tell."""
    try:
        stat = path.stat()
        kind = _kind_of_content(path, stat.st_size, stat.st_mtime_ns)
    except OSError:
        kind = None
    return kind or _kind_of_folder(path.parent.name.lower())


def is_hubert(folder: Path) -> bool:
    """Whether a folder is HuBERT's as the hub gives it, by its config.json."""
    try:
        with open(folder / "config.json", encoding="utf-8") as file:
            config = json.loads(file.read(_PIECE))
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(config, dict) and config.get("model_type") == "hubert"


def _kind_of_folder(name: str) -> str:
    if "audio2secc" in name:
        return VOICE
    return OTHER if name in (FACE, "pretrained_ckpts") or HUBERT in name else NETWORKS


@lru_cache(1024)
def _kind_of_content(path: Path, size: int, changed: int) -> str | None:
    """None: it does not look like a file of weights at all. `size` and `changed` make a new file a new question."""
    with open(path, "rb") as file:
        start = file.read(_PIECE)
        is_zip, is_safetensors = start.startswith(ZIP_START), start[8:9] == b"{"
        if not (is_zip or is_safetensors or LEGACY_MAGIC in start[:32]):
            return None
        if is_safetensors:  # what follows the header are numbers
            file.seek(0)
            return _marked(file.read(min(8 + int.from_bytes(start[:8], "little"), _FARTHEST * _PIECE))) or OTHER
        tail = b""
        for piece in (start, *islice(iter(lambda: file.read(_PIECE), b""), _FARTHEST - 1)):
            searched = tail + piece
            if kind := _marked(searched):
                return kind
            if is_zip and searched.find(ZIP_START, 1) > 0:  # the pickle with the names is the archive's first record
                break
            tail = piece[-64:]
    return OTHER


def _marked(content: bytes) -> str | None:
    return next((kind for mark, kind in _MARKS.items() if mark in content), None)


def _checkpoints(folder: Path) -> list[Path]:
    return [Path(entry.path) for entry in _entries(folder) if is_checkpoint_name(entry.name) and os.path.isfile(entry)]


def _steps(path: Path) -> tuple[int, str]:
    steps = _OFFICIAL_NAME.fullmatch(path.name)
    return (int(steps[1]), steps[2]) if steps else (-1, "")


def _is_folder(entry: os.DirEntry) -> bool:
    """A link that leads to itself is none."""
    return os.path.isdir(entry) if entry.is_symlink() else entry.is_dir()


def _entries(folder: Path) -> Sequence[os.DirEntry]:
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except OSError:
        return []
