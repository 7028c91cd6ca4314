"""Where in the photo the rays of frames arrive: `RayCoordinates` for many frames at once, on any device."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from ...render.camera import lines_of_sight
from ...render.ray_marching import HeadRender
from ..channels import behind_front, photo_coordinates
from ..ray_maps import (
    _AWAY_BLUR,
    _FAR_GROW,
    _GROW,
    _SHARPEST,
    _SIDE_GROW,
    _SKIN_GROW,
    _STEP,
    _STEP_BLUR,
    _WHOLE,
    FACE_SHEET,
    RayCoordinates,
    RayPlaces,
    pixel_centres,
    stillness,
)
from .maps import blur, continued, sampled, stretched, with_neighbours
from .moved import moved


class PlacesOnDevice:
    """`RayCoordinates` of one portrait.

    Args:
        readable: the same on the processor.
        at_rest: the render of the unmoved head on the device: what it shows is in its place.
    """

    def __init__(self, readable: RayCoordinates, at_rest: HeadRender):
        device = at_rest.opacity.device
        self._far_side, self._residual, self._rim = moved((readable.far_side, readable.residual, readable.rim), device)
        self._centres = pixel_centres(at_rest.opacity.shape[-1]).to(device)
        self._in_place, self._reached = self._centres.repeat(1, 3, 1, 1), at_rest.opacity.new_zeros(())
        unmoved = self(at_rest)
        self._in_place, self._reached = unmoved.uv, unmoved.reached

    def __call__(self, render: HeadRender) -> RayPlaces:
        """RayPlaces whose maps have the frames as first axis."""
        solid = render.opacity > _WHOLE
        offset, front = self._corrected(render)
        rim = sampled(self._rim, (offset[:, FACE_SHEET] + self._centres) * 2 - 1)
        grown, away = continued(torch.cat([offset, rim, front], dim=1), solid, _GROW)
        offset, rim, hair, hanging, front = grown.split([6, 1, 1, 1, 1], dim=1)
        rim = rim.clamp(0, 1) * front
        beyond, turned = self._beyond_rim(offset, away, render.cameras)
        offset = _without_steps(offset + (beyond * ~solid).repeat(1, 3, 1, 1))
        pairs = (offset.unflatten(1, (3, 2)) + self._centres).flatten(0, 1)
        error = sampled(self._residual, pairs * 2 - 1)
        uv = (pairs + error).unflatten(0, (-1, 3)).flatten(1, 2)
        still = stillness((uv - self._in_place).unflatten(1, (3, 2))).amin(dim=1, keepdim=True)
        reach = (_FAR_GROW / turned.clamp_min(1e-3)).clamp_max(_GROW)
        reach = reach + (_GROW - reach) * hanging
        strands = ((reach - blur(away, _AWAY_BLUR)) / (reach / 3).clamp_min(_SHARPEST)).clamp(0, 1)
        skin = ((_SKIN_GROW - away) / 2).clamp(0, 1)
        reached = torch.where(solid, 1.0, torch.lerp(skin * rim, (_GROW - away).clamp(0, 1), hair))
        beside = blur(((_SIDE_GROW - away) / 2).clamp(0, 1) * (1 - front) * hair, _STEP_BLUR)
        near = torch.maximum((skin * still + (strands - skin * still) * hair) * rim, beside)
        return RayPlaces(uv, near, reached, 1 - torch.maximum(reached * (1 - still), self._reached - reached))

    def _corrected(self, render: HeadRender) -> tuple[Tensor, Tensor]:
        """The offsets of frames [n, 6, R, R], set right on the solid head, and [n, 1, R, R]: 1 on its front, 0 on its sides."""
        offset = (photo_coordinates(render).unflatten(1, (3, 2)) - self._centres).flatten(1, 2)
        known, behind = render.opacity > 0.5, behind_front(render)
        position, towards = lines_of_sight(render.cameras, *self._centres[0].flatten(1).split(1))
        directions = F.normalize(towards, dim=1)
        points = position + directions * render.depth.flatten(2)
        uv = offset[:, FACE_SHEET] + self._centres
        far_side = self._far_side(*(_as_list(one) for one in (uv, behind, _evened(behind, known), points, directions)))
        shift, on_side = (one.view(len(known), *known.shape[2:], -1).permute(0, 3, 1, 2) for one in far_side)
        return offset + (shift * known).repeat(1, 3, 1, 1), torch.where(known, 1 - on_side, 1.0)

    def _beyond_rim(self, offset: Tensor, away: Tensor, cameras: Tensor) -> tuple[Tensor, Tensor]:
        uv = offset[:, FACE_SHEET] + self._centres
        frames = zip(uv.split(1), away.split(1), cameras.split(1), strict=True)
        beyond, turned = zip(*(self._far_side.beyond_rim(*frame) for frame in frames), strict=True)
        return torch.cat(beyond), torch.cat(turned)


def _as_list(maps: Tensor) -> Tensor:
    """[n, C, ...] -> [K, C] of all rays of all frames, [K] where C is 1."""
    return maps.flatten(2).transpose(1, 2).flatten(0, 1).squeeze(1)


def _evened(values: Tensor, known: Tensor) -> Tensor:
    """`ray_maps._evened`: means of the known values around each ray."""
    counts = with_neighbours(known.float()).clamp_min(1)
    for _ in range(2):
        values = with_neighbours(values * known) / counts
    return values


def _without_steps(offset: Tensor) -> Tensor:
    """`ray_maps.without_steps` of [n, 6, R, R]."""
    face = F.pad(offset[:, FACE_SHEET], (1, 1, 1, 1), mode="replicate")
    across = (face[..., 1:-1, 2:] - face[..., 1:-1, :-2]).abs()
    down = (face[..., 2:, 1:-1] - face[..., :-2, 1:-1]).abs()
    step = torch.maximum(across, down).amax(dim=1, keepdim=True) * offset.shape[-1] > _STEP
    return torch.lerp(offset, blur(offset, _STEP_BLUR), blur(stretched(step), _STEP_BLUR))
