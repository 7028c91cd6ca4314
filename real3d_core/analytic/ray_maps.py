"""What ray marching returned about the photo, per ray, and its enlargement to the pixels of a frame."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
import math

import torch
import torch.nn.functional as F
from scipy.ndimage import distance_transform_edt
from torch import Tensor

from ..render.camera import camera_rays
from ..render.ray_marching import HeadRender
from .channels import FACE_UV, JAW_UV, SKULL_UV, behind_front, carried_values

Box = tuple[slice, slice]  # rows and columns of a frame's pixels
FarSide = Callable[[Tensor, Tensor, Tensor, Tensor, Tensor], Tensor]  # see far_side.py
FACE_SHEET, JAW_SHEET, SKULL_SHEET = (slice(s.start - FACE_UV.start, s.stop - FACE_UV.start) for s in (FACE_UV, JAW_UV, SKULL_UV))

_STEP = 4.0  # rays; a larger jump between the photo coordinates of neighbouring rays is a depth edge
_STEP_BLUR = 1.2  # rays
_GROW = 12  # rays by which coordinates are continued beyond the head
_RIM = 5.0  # rays
_STRANDS = (4.0, 14.0)  # degrees of turning over which the photo's strands of hair leave the outline


@dataclass(frozen=True)
class FrameRays:
    """What the rays of one frame returned.

    offset: [1, 6, R, R] how far each ray's photo coordinates (three sheets) are from the ray's own place in the picture.
    opacity, depth: [1, 1, R, R] as rendered.
    behind: [1, 1, R, R] how far behind the front surface they end.
    camera: [1, 25].
    """

    offset: Tensor
    opacity: Tensor
    depth: Tensor
    behind: Tensor
    camera: Tensor

    @classmethod
    def of(cls, render: HeadRender) -> list[FrameRays]:
        """Those of each frame."""
        values = (offsets(render), render.opacity, render.depth, behind_front(render), render.cameras)
        return [cls(*frame) for frame in zip(*(value.split(1) for value in values), strict=True)]


class RayCoordinates:
    """Photo coordinates of the rays of one portrait's renders.

    Args:
        at_rest: the render of the unmoved head from the portrait's own camera; it tells how far rendered coordinates are off.
        far_side: corrects them where the photo does not show the head.
    """

    def __init__(self, at_rest: HeadRender, far_side: FarSide):
        self._far_side = far_side
        self._residual = continued(-self._corrected(*FrameRays.of(at_rest))[:, FACE_SHEET], (at_rest.opacity > 0.9).float())[0]
        self._rim = _rim(at_rest)
        self._source = at_rest.cameras

    def __call__(self, rays: FrameRays) -> tuple[Tensor, Tensor]:
        """Photo coordinates [6, R, R] of the three sheets, continued beyond the head, and how near the head is [1, R, R]."""
        solid = rays.opacity > 0.5
        offset = self._corrected(rays)
        grid = (offset[:, FACE_SHEET] + pixel_centres(offset.shape[-1])).permute(0, 2, 3, 1) * 2 - 1
        rim = F.grid_sample(self._rim, grid, padding_mode="border", align_corners=False) * (1 - _turned(rays.camera, self._source))
        grown, near = continued(torch.cat([offset, rim], dim=1), solid.float())
        offset, near = without_steps(grown[:, :-1]), torch.where(solid, 1.0, near * grown[:, -1:].clamp(0, 1))
        pairs = (offset + _three_times(pixel_centres(offset.shape[-1])))[0].unflatten(0, (3, 2))
        error = F.grid_sample(
            self._residual.expand(3, -1, -1, -1), pairs.permute(0, 2, 3, 1) * 2 - 1, padding_mode="border", align_corners=False
        )
        return (pairs + error).flatten(0, 1), near[0]

    def _corrected(self, rays: FrameRays) -> Tensor:
        """The offsets of a frame, set right on the solid head."""
        side = rays.offset.shape[-1]
        solid = (rays.opacity > 0.5).flatten().nonzero()[:, 0]
        behind = torch.stack([rays.behind.flatten()[solid], _evened(rays.behind, rays.opacity > 0.5).flatten()[solid]])
        origins, directions = (towards[0].index_select(0, solid) for towards in camera_rays(rays.camera, side))
        points = origins + directions * rays.depth.flatten()[solid, None]
        uv = (rays.offset[:, FACE_SHEET] + pixel_centres(side)).flatten(2)[0].T.index_select(0, solid)
        corrected = rays.offset.flatten(2).clone()
        corrected[0][:, solid] += self._far_side(uv, *behind, points, directions).T.repeat(3, 1)
        return corrected.view_as(rays.offset)


class Enlargement:
    """Maps of `rays` x `rays` values, enlarged to some of `size` x `size` pixels.

    Enlarging is linear and the same along rows and columns: two products with one matrix, of which a part does for a part of the frame.
    """

    def __init__(self, rays: int, size: int, mode: str):
        weights = F.interpolate(torch.eye(rays)[None, None], size=(size, rays), mode=mode, align_corners=False)[0, 0]
        self._weights = weights  # [size, rays]
        self._heard = weights != 0

    def __call__(self, maps: Tensor, box: Box) -> Tensor:
        """[C, rays, rays] -> [C, h, w] at the pixels of the box."""
        down, across = (extent(self._heard[pixels].any(dim=0)) for pixels in box)
        return self._weights[box[0], down] @ maps[:, down, across] @ self._weights[box[1], across].T

    def reached(self, rays: Tensor) -> Box:
        """The box of the pixels that some rays [rays, rays] bool have a part in; the first pixel where there are none."""
        return self.reached_from(*(extent(rays.any(dim=1 - axis)) for axis in (0, 1)))

    def reached_from(self, down: slice, across: slice) -> Box:
        """The box of the pixels that a box of rays has a part in."""
        return extent(self._heard[:, down].any(dim=1)), extent(self._heard[:, across].any(dim=1))


def extent(chosen: Tensor) -> slice:
    """From the first to the last place that is set; the first place where none is."""
    places = chosen.nonzero()
    return slice(int(places[0]), int(places[-1]) + 1) if len(places) else slice(0, 1)


def common(a: Box, b: Box) -> Box | None:
    """What two boxes share, None if that is nothing."""
    down, across = (slice(max(p.start, q.start), min(p.stop, q.stop)) for p, q in zip(a, b, strict=True))
    return (down, across) if down.start < down.stop and across.start < across.stop else None


def offsets(render: HeadRender) -> Tensor:
    """[N, 6, R, R]: how far each ray's photo coordinates are from the ray's own place in the picture."""
    _, uv = carried_values(render)
    return uv - _three_times(pixel_centres(uv.shape[-1]))


def _evened(values: Tensor, known: Tensor) -> Tensor:
    """Means of the known values around each ray."""
    for _ in range(2):
        total, count = _with_neighbours(torch.cat([values * known, known.float()])).split(1)
        values = total / count.clamp_min(1)
    return values


def _turned(camera: Tensor, source: Tensor) -> float:
    """0 from near the source camera's direction, 1 from where strands seen by it do not belong at the outline any more."""
    axes = torch.stack([one[0, :16].view(4, 4)[:3, 2] for one in (camera, source)])
    angle = math.degrees(math.acos(min(1.0, float(axes.prod(dim=0).sum()))))
    return min(1.0, max(0.0, (angle - _STRANDS[0]) / (_STRANDS[1] - _STRANDS[0])))


def _rim(at_rest: HeadRender) -> Tensor:
    """[1, 1, R, R]: 1 where the photo shows the rim of the solid head, 0 well inside.

    Hair continues the head beyond its rim. The outline of a turned head may run through the middle of the face: nothing goes on there.
    """
    depth = torch.from_numpy(distance_transform_edt(at_rest.opacity[0, 0].numpy() > 0.5)).float()
    return ((_RIM - depth) / 2).clamp(0, 1)[None, None]


def _three_times(pair: Tensor) -> Tensor:
    return pair.repeat(1, 3, 1, 1)


def continued(values: Tensor, known: Tensor) -> tuple[Tensor, Tensor]:
    """Grows known values outwards ring by ring, each new one the mean of its known neighbours.

    Returns the values and [N, 1, R, R]: 1 where they are known or were grown to, falling to 0 over the last rings.
    """
    values, near = values * known, known
    for ring in range(_GROW):
        total, count = _with_neighbours(torch.cat([values, known], dim=1)).split([values.shape[1], 1], dim=1)
        values = torch.where(known > 0, values, total / count.clamp_min(1))
        reached = (count > 0).float()
        near = torch.maximum(near, (reached - known) * min(1.0, (_GROW - ring) / 4))
        known = reached
    return values, near


def without_steps(offset: Tensor) -> Tensor:
    """Where a near part of the head hides a far one, offsets of rays [1, 6, R, R] jump from ray to ray; there they are softened.

    Enlarged as it is, a jump would show the grid of the rays as a comb along the hiding part.
    """
    face = offset[:, FACE_SHEET]
    padded = F.pad(face, (1, 1, 1, 1), mode="replicate")
    across = (padded[..., 1:-1, 2:] - padded[..., 1:-1, :-2]).abs()
    down = (padded[..., 2:, 1:-1] - padded[..., :-2, 1:-1]).abs()
    step = torch.maximum(across, down).amax(dim=1, keepdim=True) * offset.shape[-1] > _STEP
    if not step.any():
        return offset
    near = blur(F.max_pool2d(step.float(), 3, stride=1, padding=1).transpose(0, 1), _STEP_BLUR)
    soft = blur(offset.transpose(0, 1), _STEP_BLUR).transpose(0, 1)
    return offset + (soft - offset) * near.transpose(0, 1)


def _with_neighbours(maps: Tensor) -> Tensor:
    """The sums of 3 x 3 values, zeros beyond the border."""
    padded = F.pad(maps, (1, 1, 1, 1))
    rows = padded[..., :-2, :] + padded[..., 1:-1, :] + padded[..., 2:, :]
    return rows[..., :-2] + rows[..., 1:-1] + rows[..., 2:]


def blur(maps: Tensor, sigma: float) -> Tensor:
    reach = 3
    taps = torch.exp(-((torch.arange(-reach, reach + 1, dtype=maps.dtype) / sigma) ** 2) / 2)
    taps = (taps / taps.sum()).to(maps.device)
    padded = F.pad(maps, (reach,) * 4, mode="replicate")
    return F.conv2d(F.conv2d(padded, taps.view(1, 1, 1, -1)), taps.view(1, 1, -1, 1))


def pixel_centres(side: int) -> Tensor:
    """[1, 2, side, side]: u and v of the pixels of the crop."""
    axis = (torch.arange(side) + 0.5) / side
    v, u = torch.meshgrid(axis, axis, indexing="ij")
    return torch.stack([u, v])[None]
