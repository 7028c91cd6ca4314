"""Devices and memory: avatars under ComfyUI's model management, and the choice of the ray marching back end."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property, lru_cache, partial
from typing import TYPE_CHECKING, Any

import comfy.model_management as model_management
import torch
from comfy.model_patcher import ModelPatcher
from torch import Tensor

from ... import cuda_ops
from ...real3d_core.avatar_kinds import AvatarOptions, avatar_kinds, built_in_kinds
from ...real3d_core.mediapipe_models.model_files import ModelFolders
from ...real3d_core.stream import FrameStream
from .folders import _model_path, model_folders

if TYPE_CHECKING:
    from ...real3d_core.avatar import Avatar
    from ...real3d_core.motion.motion import Motion
    from ...real3d_core.portrait.portrait import Portrait
    from ...real3d_core.render.head import March
    from ...real3d_core.render.planes import Planes


class HostedAvatar:
    """An avatar under ComfyUI's model management: its networks are moved to the device before they are used, and are
    offloaded when other models need the memory. Everything that needs no networks is passed to the avatar itself.
    """

    def __init__(self, avatar: Avatar):
        self.avatar = avatar

    def __getattr__(self, name: str) -> Any:
        if name == "avatar":  # looked up before __init__, as copy does
            raise AttributeError(name)
        return getattr(self.avatar, name)

    def lift(self, portrait: Portrait) -> Planes:
        _load_to_device(self._video_patchers)
        return self.avatar.lift(portrait)

    def adapt(self, planes: Planes, motion: Motion) -> FrameStream[Planes]:
        return self._with_networks(self.avatar.adapt(planes, motion))

    def compose(self, *renders, **options) -> FrameStream[Tensor]:
        return self._with_networks(self.avatar.compose(*renders, **options))

    def person_mask(self, *renders, **options) -> FrameStream[Tensor]:
        return self._with_networks(self.avatar.person_mask(*renders, **options))

    def audio_to_motion(self, *sound, **options) -> Motion:
        _load_to_device(self._audio_patchers)
        return self.avatar.audio_to_motion(*sound, **options)

    @property
    def device(self) -> torch.device:
        """The device on which its planes are rendered."""
        return self.decoder.weight1.device

    @cached_property
    def _video_patchers(self) -> list[ModelPatcher]:
        return _patchers_of(self.avatar.video_networks())

    @cached_property
    def _audio_patchers(self) -> list[ModelPatcher]:
        return _patchers_of(self.avatar.audio_networks())

    def _with_networks(self, stream: FrameStream[Any]) -> FrameStream[Any]:
        """A stream that loads the networks before each chunk, since other nodes may have offloaded them in between."""
        if not self._video_patchers:
            return stream

        def frames(start: int, stop: int) -> Any:
            _load_to_device(self._video_patchers)
            return stream.frames(start, stop)

        return FrameStream(len(stream), stream.fps, frames, keep=0)


if TYPE_CHECKING:

    def _is_an_avatar(hosted: HostedAvatar) -> Avatar:
        return hosted


def _patchers_of(networks: Sequence[torch.nn.Module]) -> list[ModelPatcher]:
    device, rest = model_management.get_torch_device(), model_management.unet_offload_device()
    return [ModelPatcher(network, load_device=device, offload_device=rest) for network in networks]


def _load_to_device(patchers: list[ModelPatcher]) -> None:
    if patchers:
        model_management.load_models_gpu(patchers, force_full_load=True)
    for patcher in patchers:
        parameter = next(patcher.model.parameters(), None)
        if parameter is not None and parameter.device != torch.device(patcher.load_device):  # not moved by ComfyUI with --novram
            patcher.model.to(patcher.load_device)


def load_avatar(choice: str, half: bool = False, own_expression: bool = False) -> HostedAvatar:
    """The avatar of an entry of `avatar_choices`; its networks are loaded to ComfyUI's offload device.

    Args:
        half, own_expression: see the core's AvatarOptions.

    Raises:
        MissingModelError: there is no such file, or it is not a checkpoint that this pack can use.
    """
    if choice in built_in_kinds():
        return _built_in(choice, model_folders())
    checkpoint, kinds = _model_path(choice), avatar_kinds()
    kind = next((kind for kind in kinds if kind.takes(checkpoint)), next(kind for kind in kinds if not kind.built_in))
    device, rest = model_management.get_torch_device(), model_management.unet_offload_device()
    return HostedAvatar(kind.load(AvatarOptions(model_folders(), checkpoint, device, rest, half, own_expression)))


def built_in_avatar(basis: str | None = None) -> HostedAvatar:
    """The built-in avatar with this motion basis; the first built-in one if there is none, or for None."""
    choices = built_in_kinds()
    return load_avatar(next((choice for choice, kind in choices.items() if kind.basis == basis), next(iter(choices))))


def new_built_in_avatar(choice: str | None = None, models: ModelFolders | None = None, on: torch.device | str = "cpu") -> Avatar:
    """A built-in avatar, the first one for None, with a memory of its own for what it makes of a portrait.

    Args:
        on: the device that makes its frames; the processor makes single small ones as fast, and leaves the device to others.
    """
    kinds = built_in_kinds()
    return kinds[choice or next(iter(kinds))].load(AvatarOptions(models or model_folders(), device=on, painting=cuda_ops.painting()))


@lru_cache(1)
def _built_in(choice: str, folders: ModelFolders) -> HostedAvatar:
    """The latest one is kept, with what it has made of its latest portrait."""
    return HostedAvatar(new_built_in_avatar(choice, folders, model_management.get_torch_device()))


def backend_choices() -> list[str]:
    """The back ends of `cuda_ops`, "auto" (the fastest that works here) and "reference" (the readable reference)."""
    return ["auto", *cuda_ops.NAMES, "reference"]


def marcher(backend: str) -> March:
    """The ray marching function of one of `backend_choices`."""
    from ...real3d_core.render.ray_marching import march

    return march if backend == "reference" else partial(cuda_ops.march, backend=backend)


def backend_in_use(backend: str, device: torch.device) -> str:
    """A line naming the back end that is used on a device if `backend` is requested; builds it on first use.

    Raises:
        Real3DError: there is no such back end.
    """
    if backend == "reference":
        return "Ray marching: reference"
    name = cuda_ops.chosen(device, backend).name
    remark = "" if backend in ("auto", name) else f" ({backend} cannot be used here: see the log)"
    return f"Ray marching: {name}{remark}"
