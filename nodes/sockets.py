"""The custom socket types and the values that travel between the nodes.

All values are frozen, shared by every node that they are connected to, and cached by ComfyUI between runs. Whatever grows with the length
of the video is a FrameStream, computed lazily when an output node needs it. A batch of photos stays a batch: one entry per portrait.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from torch import Tensor

from ..real3d_core.errors import Real3DError
from ..real3d_core.stream import FrameStream
from .runtime.api import io

if TYPE_CHECKING:
    from ..real3d_core.avatar import Avatar
    from ..real3d_core.portrait.portrait import Portrait
    from ..real3d_core.render.camera import CameraPath
    from ..real3d_core.render.planes import Planes
    from ..real3d_core.render.ray_marching import HeadRender
    from .runtime.device import HostedAvatar

AvatarSocket = io.Custom("REAL3D_AVATAR")  # a runtime.HostedAvatar
PortraitSocket = io.Custom("REAL3D_PORTRAIT")  # Portraits
PlanesSocket = io.Custom("REAL3D_PLANES")  # Heads
MotionSocket = io.Custom("REAL3D_MOTION")  # a real3d_core.motion.motion.Motion
CameraSocket = io.Custom("REAL3D_CAMERA")  # Cameras
RenderSocket = io.Custom("REAL3D_RENDER")  # Renders
TensorSocket = io.Custom("REAL3D_TENSOR")  # TensorFrames
FileSocket = io.Custom("COMBO")  # a file name that can be wired into the combo of a loader

Item = TypeVar("Item")


@dataclass(frozen=True, eq=False)
class Portraits:
    """One prepared portrait per photo of a batch."""

    items: tuple[Portrait, ...]


@dataclass(frozen=True, eq=False)
class Heads:
    """Planes [n, 3, 32, 256, 256] float32 per frame, one stream per portrait.

    avatar: name of the avatar that lifted them and whose decoder reads them.
    moving: False for heads at rest, whose streams have one frame.
    rest: the same heads at rest, for the preview on the page; empty if they are not known.
    """

    avatar: str
    streams: tuple[FrameStream[Planes], ...]
    moving: bool
    rest: tuple[Planes, ...] = ()

    @classmethod
    def at_rest(cls, avatar: str, planes: list[Planes]) -> Heads:
        """Heads that are not animated."""
        return cls(avatar, tuple(map(_still, planes)), moving=False, rest=tuple(planes))

    def still(self, what: str) -> list[Planes]:
        """The planes of heads at rest.

        Raises:
            Real3DError: they are animated; the message says that `what` needs them at rest.
        """
        if self.moving:
            raise Real3DError(f"{what} needs planes at rest: connect those of 'Image to plane', not those of 'Motion adapter'.")
        return [stream.frames(0, 1) for stream in self.streams]


@dataclass(frozen=True, eq=False)
class Cameras:
    """Camera paths, one per portrait or one for all. They depend on the avatar, since each avatar has its own camera model.

    views: avatar -> the path.
    poses: for each path, the head pose (euler, translation, [1, 3] each) in its own camera, for the preview on the page.
    """

    views: tuple[Callable[[Avatar], CameraPath], ...]
    poses: tuple[tuple[Tensor, Tensor], ...] = ()

    def seen_by(self, avatar: HostedAvatar) -> tuple[CameraPath, ...]:
        """The paths [T, 25] float32."""
        return tuple(view(avatar) for view in self.views)


@dataclass(frozen=True, eq=False)
class Renders:
    """Renders of the head (features [n, 32, R, R], depth and opacity [n, 1, R, R], cameras [n, 25]), one stream per portrait."""

    streams: tuple[FrameStream[HeadRender], ...]


@dataclass(frozen=True, eq=False)
class TensorFrames:
    """Plain tensors for custom nodes, one stream per portrait.

    layout: the meaning of a chunk's axes, such as "frame, feature, row, column".
    avatar: name of the avatar that the values belong to.
    """

    streams: tuple[FrameStream[Tensor], ...]
    layout: str
    avatar: str


def one_for_each(values: tuple[Item, ...], count: int, what: str) -> tuple[Item, ...]:
    """`count` values: the values themselves, or a single one repeated.

    Raises:
        Real3DError: there is neither one value nor `count` of them.
    """
    if len(values) == 1:
        return values * count
    if len(values) != count:
        raise Real3DError(
            f"{what} are batches of {len(values)} and {count} portraits: "
            "connect batches of the same size, or a single portrait to one input."
        )
    return values


def require_same_avatar(heads: Heads, avatar: HostedAvatar) -> None:
    """Raises Real3DError unless the planes were made by this avatar."""
    if heads.avatar != avatar.name:
        raise Real3DError(
            f"These planes belong to the avatar '{heads.avatar}', but '{avatar.name}' is connected: lift the portrait with the same avatar."
        )


def _still(head: Planes) -> FrameStream[Planes]:
    return FrameStream(1, 25.0, lambda start, stop: head, keep=0)
