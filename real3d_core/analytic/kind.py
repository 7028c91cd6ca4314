"""The built-in avatar announces itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..avatar_kinds import AvatarKind, AvatarOptions
from ..errors import MissingModelError

if TYPE_CHECKING:
    from ..avatar import Avatar
    from ..motion.motion import MotionBasis


def _load(options: AvatarOptions) -> Avatar:
    if options.checkpoint is not None:
        raise MissingModelError(
            f"The built-in avatar does not use a checkpoint: remove '{options.checkpoint}', or choose the avatar 'real3d'."
        )
    import torch

    from .avatar import AnalyticAvatar
    from .painting import IN_TORCH

    device = torch.device(options.device)
    there = None if device.type == "cpu" else device
    return AnalyticAvatar(options.models, painting=options.painting or IN_TORCH, device=there)


def _motion_basis() -> MotionBasis:
    from .controls import BASIS

    return BASIS


KIND = AvatarKind(
    name="analytic",
    basis="analytic-1",
    load=_load,
    built_in="analytic (built in)",
    motion_basis=_motion_basis,
    trained=False,
    unused={
        "temperature": "the avatar analytic leaves nothing of speech to chance",
        "half": "the avatar analytic has no networks",
        "own_expression": "the avatar analytic always starts from it",
    },
)
