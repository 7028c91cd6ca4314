"""The paper's avatar announces itself."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ..avatar_kinds import AvatarKind, AvatarOptions

if TYPE_CHECKING:
    from ..avatar import Avatar


def _load(options: AvatarOptions) -> Avatar:
    from .official_files import load_real3d_avatar

    return load_real3d_avatar(options)


def _takes(path: Path) -> bool:
    from .model_folders import NETWORKS, kind_of

    return kind_of(path) == NETWORKS


KIND = AvatarKind(
    name="real3d",
    basis="real3d",
    load=_load,
    takes=_takes,
    unused={
        "transcript": "the avatar real3d times lips without one",
        "gaze": "the avatar real3d has no control of where eyes look",
        "acting": "the avatar real3d takes face and head as its networks move them",
        "smoothing": "the avatar real3d smooths every clip as it has to",
    },
)
