"""The built-in avatar announces itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..avatar_kinds import AvatarKind, AvatarOptions
from ..errors import MissingModelError

if TYPE_CHECKING:
    from ..avatar import Avatar
    from ..motion.motion import Motion


def _renew(motion: Motion) -> Motion:
    from .controls import BASIS

    return motion.rebased(BASIS)


def _load(options: AvatarOptions) -> Avatar:
    if options.checkpoint is not None:
        raise MissingModelError(
            f"The built-in avatar does not use a checkpoint: remove '{options.checkpoint}', or choose the avatar 'real3d'."
        )
    from .avatar import AnalyticAvatar

    return AnalyticAvatar(options.models)


KIND = AvatarKind(
    name="analytic",
    basis="analytic-2",
    load=_load,
    built_in="analytic (built in)",
    trained=False,
    former_bases=("analytic-1",),
    renew=_renew,
    unused={
        "temperature": "the avatar analytic leaves nothing of speech to chance",
        "device": "the avatar analytic has no networks to run there",
        "half": "the avatar analytic has no networks",
        "own_expression": "the avatar analytic always starts from it",
    },
)
