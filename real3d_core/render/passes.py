"""A render taken apart into pictures that other tools understand, and its colour put back after they have changed it."""

from __future__ import annotations

from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor

from .camera import camera_rays
from .ray_marching import HeadRender

_SHOWN = 0.5  # opacity from which a pixel has a depth of its own


def raw_colour(render: HeadRender) -> Tensor:
    """[N, R, R, 3] in 0..1, black where nothing is: the first three features."""
    return (render.features[:, :3] / 2 + 0.5).clamp(0, 1).permute(0, 2, 3, 1)


def depth_picture(render: HeadRender) -> Tensor:
    """[N, R, R, 3] grey in 0..1: near is bright, from one head's depth (0.5 world units about its nearest point) on black."""
    nearest = render.depth.masked_fill(render.opacity < _SHOWN, torch.inf).amin(dim=(1, 2, 3), keepdim=True)
    near = (1 - (render.depth - nearest) / 0.5).clamp(0, 1).nan_to_num(0, 0, 0) * render.opacity
    return near.permute(0, 2, 3, 1).expand(-1, -1, -1, 3).contiguous()


def normal_picture(render: HeadRender) -> Tensor:
    """[N, R, R, 3] in 0..1: the surface's direction towards the camera's right, up and the camera itself as red, green and blue.

    0.5, 0.5, 1 faces the camera, and is also what empty pixels show.
    """
    side = render.depth.shape[-1]
    origins, directions = camera_rays(render.cameras, side)
    points = origins + directions * render.depth.flatten(1)[..., None]
    to_world = render.cameras[:, :16].reshape(-1, 4, 4)
    seen = ((points - to_world[:, None, :3, 3]) @ to_world[:, :3, :3]).transpose(1, 2).unflatten(2, (side, side))
    padded = F.pad(seen, (1, 1, 1, 1), mode="replicate")
    across, down = padded[..., 1:-1, 2:] - padded[..., 1:-1, :-2], padded[..., 2:, 1:-1] - padded[..., :-2, 1:-1]
    normal = F.normalize(torch.linalg.cross(down, across, dim=1), dim=1)
    shown = normal * normal.new_tensor([1.0, -1.0, -1.0])[:, None, None]
    facing = normal.new_tensor([0.0, 0.0, 1.0])[:, None, None]
    return (torch.where(render.opacity >= _SHOWN, shown, facing) / 2 + 0.5).clamp(0, 1).permute(0, 2, 3, 1).contiguous()


def replace_colour(render: HeadRender, pictures: Tensor) -> HeadRender:
    """The same render with other raw colours.

    What the pictures add to the raw colour is kept separately, so that an avatar which takes its pixels from the photo can lay the
    change over them: detail, lids and the inside of the mouth then stay, and pictures equal to `raw_colour` change nothing.

    Args:
        pictures: [N, H, W, 3] in 0..1, seen from the render's cameras, of any size; stretched where they are not square.
    """
    pictures = pictures.permute(0, 3, 1, 2).to(render.features)
    side, own = max(pictures.shape[2:]), render.features.shape[-1]
    square = pictures if pictures.shape[2] == pictures.shape[3] else _resized(pictures, side)
    before = raw_colour(render).permute(0, 3, 1, 2)
    fitted = _resized(square, own)
    features = torch.cat([fitted * 2 - 1, render.features[:, 3:]], dim=1)
    return replace(render, features=features, colour_change=square - _resized(before, side))


def _resized(pictures: Tensor, side: int) -> Tensor:
    if pictures.shape[2:] == (side, side):
        return pictures
    return F.interpolate(pictures, size=(side, side), mode="bilinear", align_corners=False, antialias=True)
