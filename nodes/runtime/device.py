"""ComfyUI's devices and memory: avatars whose networks it moves, and the back end that marches rays."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import comfy.model_management as model_management
import torch
from comfy.model_patcher import ModelPatcher
from torch import Tensor

from ...real3d_core.stream import FrameStream
from .folders import _model_path, model_folders

if TYPE_CHECKING:
    from ...real3d_core.avatar import Avatar
    from ...real3d_core.motion.motion import Motion
    from ...real3d_core.portrait.portrait import Portrait
    from ...real3d_core.render.head import March
    from ...real3d_core.render.planes import Planes
BACKENDS = ("auto", "cuda-nvrtc", "cuda-nvcc", "cpu-ext", "cpu-numba", "torch", "reference")


class HostedAvatar:
    """An avatar whose networks ComfyUI moves: to the device before a verb needs them, away again when other models need the room.

    All that needs no networks is the avatar's own.
    """

    def __init__(self, avatar: Avatar):
        self.avatar = avatar

    def __getattr__(self, name: str) -> Any:
        if name == "avatar":  # asked for before there is one, as copying does
            raise AttributeError(name)
        return getattr(self.avatar, name)

    def lift(self, portrait: Portrait) -> Planes:
        _bring(self._video_patchers)
        return self.avatar.lift(portrait)

    def adapt(self, planes: Planes, motion: Motion) -> FrameStream[Planes]:
        return self._with_networks(self.avatar.adapt(planes, motion))

    def compose(self, *renders, **options) -> FrameStream[Tensor]:
        return self._with_networks(self.avatar.compose(*renders, **options))

    def person_mask(self, *renders, **options) -> FrameStream[Tensor]:
        return self._with_networks(self.avatar.person_mask(*renders, **options))

    def audio_to_motion(self, *sound, **options) -> Motion:
        _bring(self._audio_patchers)
        return self.avatar.audio_to_motion(*sound, **options)

    @property
    def device(self) -> torch.device:
        """Where its planes are marched."""
        return self.decoder.weight1.device

    @cached_property
    def _video_patchers(self) -> list[ModelPatcher]:
        return _handed_over(self.avatar.video_networks())

    @cached_property
    def _audio_patchers(self) -> list[ModelPatcher]:
        return _handed_over(self.avatar.audio_networks())

    def _with_networks(self, stream: FrameStream[Any]) -> FrameStream[Any]:
        """A stream that sees to it, chunk by chunk, that the networks are there: other nodes may have run since."""
        if not self._video_patchers:
            return stream

        def frames(start: int, stop: int) -> Any:
            _bring(self._video_patchers)
            return stream.frames(start, stop)

        return FrameStream(len(stream), stream.fps, frames, keep=0)


if TYPE_CHECKING:

    def _is_an_avatar(hosted: HostedAvatar) -> Avatar:
        return hosted


def _handed_over(networks: Sequence[torch.nn.Module]) -> list[ModelPatcher]:
    device, rest = model_management.get_torch_device(), model_management.unet_offload_device()
    return [ModelPatcher(network, load_device=device, offload_device=rest) for network in networks]


def _bring(patchers: list[ModelPatcher]) -> None:
    if patchers:
        model_management.load_models_gpu(patchers, force_full_load=True)
    for patcher in patchers:
        parameter = next(patcher.model.parameters(), None)
        if parameter is not None and parameter.device != torch.device(patcher.load_device):  # with --novram they stay behind
            patcher.model.to(patcher.load_device)


def load_avatar(choice: str, half: bool = False, own_expression: bool = False) -> HostedAvatar:
    """The avatar of an entry of `avatar_choices`; networks are left where ComfyUI keeps models that nobody uses.

    Args:
        half, own_expression: see the core's AvatarOptions.

    Raises:
        MissingModelError: there is no such file, or it is not a checkpoint that this pack can use.
    """
    from ...real3d_core.avatar_kinds import AvatarOptions, avatar_kinds

    kinds = avatar_kinds()
    built_in = next((kind for kind in kinds if kind.built_in == choice), None)
    if built_in is not None:
        return HostedAvatar(built_in.load(AvatarOptions(model_folders())))
    checkpoint = _model_path(choice)
    kind = next((kind for kind in kinds if kind.takes(checkpoint)), next(kind for kind in kinds if not kind.built_in))
    device, rest = model_management.get_torch_device(), model_management.unet_offload_device()
    return HostedAvatar(kind.load(AvatarOptions(model_folders(), checkpoint, device, rest, half, own_expression)))


def built_in_avatar(basis: str | None = None) -> HostedAvatar:
    """The built-in avatar whose motions have this basis; the first one where there is none or none is asked for."""
    from ...real3d_core.avatar_kinds import avatar_kinds

    built_in = {kind.basis: kind.built_in for kind in avatar_kinds() if kind.built_in}
    return load_avatar(built_in.get(basis or "") or next(iter(built_in.values())))


def marcher(backend: str) -> March:
    """The function that marches rays: one of `cuda_ops`, "auto" being the fastest that works here; "reference" the readable truth.

    Raises:
        Real3DError: there is no such back end.
    """
    from ...cuda_ops import marcher as march_by
    from ...real3d_core.render.ray_marching import march

    return march if backend == "reference" else march_by(backend)


def backend_in_use(backend: str, device: torch.device) -> str:
    """Says which back end marches planes on a device where `backend` is asked for; builds it if it was never used before.

    Raises:
        Real3DError: there is no such back end.
    """
    from ...cuda_ops import chosen

    if backend == "reference":
        return "Ray marching: reference"
    name = chosen(device, backend).name
    remark = "" if backend in ("auto", name) else f" ({backend} cannot be used here: the log says why)"
    return f"Ray marching: {name}{remark}"
