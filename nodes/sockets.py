"""What travels between the nodes: the custom socket types and the values on them.

All values are frozen, shared by every node they are connected to, and kept by ComfyUI between runs. Whatever grows with time is a
FrameStream: it is computed when a node at the end asks for it. A batch of photos stays a batch: one entry per portrait.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from ..real3d_core.errors import Real3DError
from .runtime.api import io

if TYPE_CHECKING:
    from torch import Tensor

    from ..real3d_core.avatar import Avatar
    from ..real3d_core.portrait.portrait import Portrait
    from ..real3d_core.render.camera import CameraPath
    from ..real3d_core.render.planes import Planes
    from ..real3d_core.render.ray_marching import HeadRender
    from ..real3d_core.stream import FrameStream
    from .runtime.device import HostedAvatar

AvatarSocket = io.Custom("REAL3D_AVATAR")  # a runtime.HostedAvatar
PortraitSocket = io.Custom("REAL3D_PORTRAIT")  # Portraits
PlanesSocket = io.Custom("REAL3D_PLANES")  # Heads
MotionSocket = io.Custom("REAL3D_MOTION")  # a real3d_core.motion.motion.Motion
CameraSocket = io.Custom("REAL3D_CAMERA")  # Cameras
RenderSocket = io.Custom("REAL3D_RENDER")  # Renders
TensorSocket = io.Custom("REAL3D_TENSOR")  # TensorFrames

Item = TypeVar("Item")


@dataclass(frozen=True, eq=False)
class Portraits:
    """One prepared portrait per photo of a batch."""

    items: tuple[Portrait, ...]


@dataclass(frozen=True, eq=False)
class Heads:
    """Planes [n, 3, 32, 256, 256] float32 per frame, one stream per portrait.

    avatar: name of the avatar whose decoder reads them.
    moving: False for heads at rest, whose streams have one frame.
    rest: the heads before they moved, for the page to look at; none where nobody knows them.
    """

    avatar: str
    streams: tuple[FrameStream[Planes], ...]
    moving: bool
    rest: tuple[Planes, ...] = ()

    @classmethod
    def at_rest(cls, avatar: str, planes: list[Planes]) -> Heads:
        """Heads that do not move."""
        return cls(avatar, tuple(map(_still, planes)), moving=False, rest=tuple(planes))

    def still(self, what: str) -> list[Planes]:
        """The planes of heads at rest.

        Raises:
            Real3DError: they move; the sentence says that `what` needs them at rest.
        """
        if self.moving:
            raise Real3DError(f"{what} needs planes at rest: connect 'Image to plane' before, not after, the motion adapter.")
        return [stream.frames(0, 1) for stream in self.streams]


@dataclass(frozen=True, eq=False)
class Cameras:
    """Camera paths, one per portrait or one for all, known as soon as the avatar is: each sees a portrait in its own way.

    views: avatar -> the path.
    poses: per path the head's pose (euler, translation, [1, 3] each) that its own camera sees, for the page to look at.
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
    """Bare tensors for other people's nodes, one stream per portrait.

    layout: what the axes of a chunk mean, such as "frame, feature, row, column".
    avatar: whose numbers they are.
    """

    streams: tuple[FrameStream[Tensor], ...]
    layout: str
    avatar: str


def one_for_each(values: tuple[Item, ...], count: int, what: str) -> tuple[Item, ...]:
    """`count` values: as many are there already, or one serves all.

    Raises:
        Real3DError: neither.
    """
    if len(values) == 1:
        return values * count
    if len(values) != count:
        raise Real3DError(f"{what}: {len(values)} portraits meet {count}; connect the same batch, or a single one, to both inputs.")
    return values


def require_same_avatar(heads: Heads, avatar: HostedAvatar) -> None:
    """Raises Real3DError unless the planes were made by this avatar."""
    if heads.avatar != avatar.name:
        raise Real3DError(
            f"These planes belong to the avatar '{heads.avatar}', but '{avatar.name}' is connected: lift the portrait with the same avatar."
        )


def _still(head: Planes) -> FrameStream[Planes]:
    from ..real3d_core.stream import FrameStream

    return FrameStream(1, 25.0, lambda start, stop: head, keep=0)
