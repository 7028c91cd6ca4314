"""Which avatars there are, and how each is loaded. Cheap to import: a page lists them before anything is installed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from .errors import Real3DError
from .mediapipe_models.model_files import ModelFolders

if TYPE_CHECKING:
    import torch

    from .analytic.painting import Painting
    from .avatar import Avatar
    from .motion.motion import Motion, MotionBasis

AVATARS = ("analytic", "real3d")
"""A further avatar is one folder below this package, with a module `kind` that holds its KIND, and its name here."""


@dataclass(frozen=True)
class AvatarOptions:
    """What an avatar is loaded from, and how.

    models: where the user keeps model files.
    checkpoint: the trained networks, a file or the folder of several; None: what the folders hold.
    device: where networks run, and where the built-in avatar makes its frames.
    offload_device: where networks stay until a host moves them to `device`; None: on `device`.
    half: the networks that run for every frame compute in bfloat16: faster where the processor has it, and less exact.
    own_expression: the motion adapter starts from the portrait's own expression instead of the motion's first one, for avatars
        that were published to start from the latter (spec 06 section 12, item 1).
    painting: the operators that the built-in avatar composes frames by on the processor; None: PyTorch's.

    Raises:
        Real3DError: there is no such device.
    """

    models: ModelFolders
    checkpoint: Path | None = None
    device: torch.device | str = "cpu"
    offload_device: torch.device | str | None = None
    half: bool = False
    own_expression: bool = False
    painting: Painting | None = None

    def __post_init__(self) -> None:
        import torch

        try:
            torch.zeros(1, device=torch.device(self.device)).tolist()
        except (RuntimeError, AssertionError, ImportError):
            raise Real3DError(f"PyTorch has no device '{self.device}' here: choose cpu, or cuda on a machine that has one.") from None


@dataclass(frozen=True)
class AvatarKind:
    """How an avatar announces itself; cheap to import, so that a page can list all kinds.

    name: of the avatar, and of its folder below this package.
    basis: name of the basis of its motions.
    load: makes one; imports what it needs.
    motion_basis: the basis itself; None where no control has joined it since the first release.
    built_in: what it is called in a list of choices; None for a kind that is chosen by its checkpoint.
    trained: whether networks draw its frames.
    takes: whether a file is a checkpoint of this kind, from its name and first bytes.
    unused: option of the command line -> why it changes nothing for this kind.
    """

    name: str
    basis: str
    load: Callable[[AvatarOptions], Avatar]
    built_in: str | None = None
    motion_basis: Callable[[], MotionBasis] | None = None
    trained: bool = True
    takes: Callable[[Path], bool] = lambda path: False
    unused: Mapping[str, str] = field(default_factory=dict)


def avatar_kinds() -> list[AvatarKind]:
    """All kinds of avatar, in the order of AVATARS."""
    return [avatar_kind(name) for name in AVATARS]


def built_in_kinds() -> dict[str, AvatarKind]:
    """The kinds that need no checkpoint, by what they are called in a list of choices."""
    return {kind.built_in: kind for kind in avatar_kinds() if kind.built_in}


def avatar_kind(name: str) -> AvatarKind:
    """The kind of this name.

    Raises:
        Real3DError: there is none.
    """
    if name not in AVATARS:
        raise Real3DError(f"There is no avatar '{str(name)[:40]}': choose one of {', '.join(AVATARS)}.")
    return import_module(f".{name}.kind", __package__).KIND


def load_avatar(name: str, options: AvatarOptions) -> Avatar:
    """The avatar of this name.

    Raises:
        Real3DError: there is none.
        MissingModelError: it needs files that are not there; all of them are named at once.
    """
    return avatar_kind(name).load(options)


def load_motion(path: str | Path) -> Motion:
    """Reads what `save_motion` wrote, in this release or a former one whose avatars knew fewer controls.

    Raises:
        Real3DError: the file is missing, damaged, or holds no motion.
    """
    from .motion import motion_files

    motion = motion_files.load_motion(path)
    kind = next((kind for kind in avatar_kinds() if kind.basis == motion.basis.name), None)
    return motion if kind is None or kind.motion_basis is None else motion.brought_to(kind.motion_basis())
