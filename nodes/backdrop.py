"""The background behind the person: an image, a batch of images, or a video that is decoded while the frames are rendered."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from ..real3d_core.errors import Real3DError
from ..real3d_core.stream import FrameStream, forward_only
from .conversions import colours
from .incoming_video import IncomingVideo
from .runtime.api import io

if TYPE_CHECKING:
    from ..real3d_core.portrait.crop import Backdrop


def backdrop(background: Tensor | None, video: io.Video.Type | None, size: int, fps: float) -> Backdrop | None:
    """The background of the inputs 'background' and 'background_video' for frames of `size` pixels at `fps`; None if neither is connected.

    Raises:
        Real3DError: both are connected, or the images or the clip cannot be used.
    """
    from ..real3d_core.portrait.crop import square_backdrop

    if background is not None and video is not None:
        raise Real3DError("Two backgrounds are connected: keep 'background' or 'background_video', not both.")
    if video is not None:
        return _played(video, size, fps)
    return None if background is None else square_backdrop(colours(background), size)


def _played(video: io.Video.Type, size: int, fps: float) -> FrameStream[Tensor]:
    from ..real3d_core.portrait.crop import square_backdrop

    clip = IncomingVideo(video)
    pictures = forward_only(max(1, round(clip.duration * fps)), fps, lambda first: clip.frames(fps, first))

    def squares(chunk: list[np.ndarray], start: int, stop: int) -> Tensor:
        return torch.cat([square_backdrop(torch.from_numpy(picture)[None].float() / 255, size) for picture in chunk])

    return pictures.map(squares)
