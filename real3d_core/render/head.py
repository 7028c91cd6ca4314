"""The head of every frame of a stream, marched when it is asked for."""

from __future__ import annotations

from collections.abc import Callable

import torch

from ..stream import FrameStream
from .camera import CameraPath
from .decoder import PlaneDecoder
from .dense_marching import march_torch
from .planes import Planes
from .ray_marching import OFFICIAL, HeadRender, MarchSettings

March = Callable[..., HeadRender]
"""A marcher: the signature of ray_marching.march."""


def render_head(
    planes: FrameStream[Planes],
    decoder: PlaneDecoder,
    cameras: CameraPath,
    settings: MarchSettings = OFFICIAL,
    march: March = march_torch,
) -> FrameStream[HeadRender]:
    """Marches each frame's planes from its camera; nothing is computed yet.

    Frames are marched one by one, as the paper does: so a frame is the same in every chunk.

    Raises:
        ValueError: the planes and the cameras differ in number.
    """
    if len(planes) != len(cameras):
        raise ValueError(f"{len(planes)} frames of planes cannot be seen by {len(cameras)} cameras")

    def march_chunk(chunk: Planes, start: int, stop: int) -> HeadRender:
        seen_from = cameras.cameras[start:stop]
        return _join([march(chunk.frame(i), decoder, seen_from[i : i + 1], settings, first_frame=start + i) for i in range(stop - start)])

    return planes.map(march_chunk)


def _join(renders: list[HeadRender]) -> HeadRender:
    return HeadRender(*(torch.cat([getattr(render, part) for render in renders]) for part in ("features", "depth", "opacity", "cameras")))
