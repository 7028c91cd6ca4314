"""What ray marching returned about the photo, per ray, and its enlargement to the pixels of a frame."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, lru_cache

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from scipy.ndimage import distance_transform_edt
from torch import Tensor

from ..portrait.boxes import Box
from ..portrait.plates import MARGIN
from ..render.camera import lines_of_sight
from ..render.ray_marching import HeadRender
from ..smooth_step import smooth_step
from .channels import FACE_UV, JAW_UV, SKULL_UV, behind_front, photo_coordinates
from .far_side import FarSide

FACE_SHEET, JAW_SHEET, SKULL_SHEET = (slice(s.start - FACE_UV.start, s.stop - FACE_UV.start) for s in (FACE_UV, JAW_UV, SKULL_UV))

PLACES_PER_CROP = 2 / (1 + 2 * MARGIN)

_STEP = 4.0  # rays; a larger jump between the photo coordinates of neighbouring rays is a depth edge
_STEP_BLUR = 1.2  # rays
_GROW = 12  # rays by which coordinates are continued beyond the head
_SKIN_GROW = 4
_SIDE_GROW = 2.5
_FAR_GROW = 0.4  # of an outline that turns away, times the sine of the angle by which it does: the side beyond it is hidden
_AWAY_BLUR = 2.0  # rays
_SHARPEST = 0.7  # rays over which strands end at least
_HANGS_FROM = 0.6  # face heights above the torso, so far above the seam that its outline steps out nowhere
_STRANDS = 0.35  # of _GROW is as far as hair that hangs down goes on beyond an outline that turns away
_MOVED = 1 / 200  # crop units
_WHOLE = 0.95  # opacity of a ray whose coordinates are the surface's; at the rim they are mixed
_RIM = 10.0  # rays
_SHARE = 6.0  # an edge that is a sixth hair goes on as one that is all hair: ears are there or not, never half there
_ROUNDS = 4
_ROUNDING = 1.5  # rays; what lacks more is no rounding: its surface carries other coordinates than those it is seen at
_TAPS = 2  # rays to each side that have a part in an enlarged pixel


@dataclass(frozen=True)
class FrameRays:
    """What the rays of one frame returned.

    render: of this frame.
    """

    render: HeadRender

    @classmethod
    def of(cls, render: HeadRender) -> list[FrameRays]:
        """Those of each frame."""
        parts = zip(*(part.split(1) for part in (render.features, render.depth, render.opacity, render.cameras)), strict=True)
        return [cls(HeadRender(*frame)) for frame in parts]

    @cached_property
    def offset(self) -> Tensor:
        """[1, 6, R, R] how far each ray's photo coordinates (three sheets) are from the ray's own place in the picture."""
        return offsets(self.render)

    @cached_property
    def behind(self) -> Tensor:
        """[1, 1, R, R] how far behind the front surface they end."""
        return behind_front(self.render)

    @property
    def opacity(self) -> Tensor:
        """[1, 1, R, R] as rendered."""
        return self.render.opacity

    @property
    def depth(self) -> Tensor:
        """[1, 1, R, R] as rendered."""
        return self.render.depth

    @property
    def camera(self) -> Tensor:
        """[1, 25]."""
        return self.render.cameras


@dataclass(frozen=True)
class RayPlaces:
    """Where in the photo the rays of one frame arrive.

    uv: [6, R, R] photo coordinates of the three sheets, continued beyond the head.
    near: [1, R, R] how far the photo's matte draws the outline: 1 at the rim of the solid head and close to it, 0 away from it.
    reached: [1, R, R] 1 on the solid head and close to it, 0 away from it, whether or not what is there has moved.
    still: [1, R, R] 1 where the frame shows what the photo shows there, in its place.
    """

    uv: Tensor
    near: Tensor
    reached: Tensor
    still: Tensor


FindPlaces = Callable[[FrameRays], RayPlaces]
"""The signature of RayCoordinates."""


class RayCoordinates:
    """Photo coordinates of the rays of one portrait's renders.

    Args:
        at_rest: the render of the unmoved head from the portrait's own camera; it tells how far rendered coordinates are off.
        hair: [1, 1, R, R], where the photo's outline is hair, not skin.
        hanging: [1, 1, R, R], how near to hair that hangs down on the torso: so near, hair goes on beyond any outline.
        far_side: corrects coordinates where the photo does not show the head.

    Attributes:
        residual: [1, 2, R, R] what rendered coordinates lack, at the coordinates.
        rim: [1, 3, R, R] where the photo shows the rim of the solid, where hair, and how far hair that hangs down goes on.
        in_place, reached: [6, R, R] and [1, R, R] `uv` and `reached` of the unmoved head.
    """

    def __init__(self, at_rest: HeadRender, hair: Tensor, hanging: Tensor, far_side: FarSide):
        self.far_side = far_side
        (rays,) = FrameRays.of(at_rest)
        self.residual = _residual(self._corrected(rays)[0], rays.opacity)
        self.rim = torch.cat([_rim(at_rest), (_SHARE * hair).clamp(0, 1), _STRANDS * hanging], dim=1)
        self.in_place = _three_times(pixel_centres(hair.shape[-1]))[0]
        self.reached = torch.zeros(1, *hair.shape[-2:])
        unmoved = self(rays)
        self.in_place, self.reached = unmoved.uv, unmoved.reached

    def __call__(self, rays: FrameRays) -> RayPlaces:
        """Of the rays of one frame.

        Hair is carried on as far as strands reach. Skin is carried on over the blur of the solid's edge while it has not moved: then
        its outline is the photo's; a moved one has the solid's, which is smoother than coordinates beyond it.
        """
        solid = rays.opacity > _WHOLE
        offset, front = self._corrected(rays)
        grid = (offset[:, FACE_SHEET] + pixel_centres(offset.shape[-1])).permute(0, 2, 3, 1) * 2 - 1
        rim = F.grid_sample(self.rim, grid, padding_mode="border", align_corners=False)
        grown, away = continued(torch.cat([offset, rim, front], dim=1), solid)
        offset, rim, hair, hanging, front = grown.split([6, 1, 1, 1, 1], dim=1)
        rim = rim.clamp(0, 1) * front
        centres = pixel_centres(offset.shape[-1])
        beyond, turned = self.far_side.beyond_rim(offset[:, FACE_SHEET] + centres, away, rays.camera)
        beyond = beyond * (~solid)
        pairs = without_steps(offset + _three_times(beyond))[0].unflatten(0, (3, 2)) + centres
        error = F.grid_sample(
            self.residual.expand(3, -1, -1, -1), pairs.permute(0, 2, 3, 1) * 2 - 1, padding_mode="border", align_corners=False
        )
        uv = (pairs + error).flatten(0, 1)
        still = stillness((uv - self.in_place).unflatten(0, (3, 2))).amin(dim=0)
        reach = torch.lerp((_FAR_GROW / turned.clamp_min(1e-3)).clamp_max(_GROW), turned.new_tensor(_GROW), hanging)
        strands = ((reach - blur(away, _AWAY_BLUR)) / (reach / 3).clamp_min(_SHARPEST)).clamp(0, 1)
        skin = ((_SKIN_GROW - away) / 2).clamp(0, 1)
        reached = torch.where(solid, 1.0, torch.lerp(skin * rim, (_GROW - away).clamp(0, 1), hair))[0]
        beside = ((_SIDE_GROW - away) / 2).clamp(0, 1) * (1 - front) * hair  # the solid ends within the hair
        beside = blur(beside, _STEP_BLUR)  # else the rays' grid would show along it
        near = torch.maximum((skin * still + (strands - skin * still) * hair) * rim, beside)[0]
        return RayPlaces(uv, near, reached, 1 - torch.maximum(reached * (1 - still), self.reached - reached))

    def _corrected(self, rays: FrameRays) -> tuple[Tensor, Tensor]:
        """The offsets of a frame, set right on the solid head, and [1, 1, R, R]: 1 on its front, 0 on its sides."""
        side, known = rays.offset.shape[-1], rays.opacity > 0.5
        solid = listed(known)
        behind, evened, depth = (one.flatten().index_select(0, solid) for one in (rays.behind, _evened(rays.behind, known), rays.depth))
        centres = pixel_centres(side).flatten(2)[0].index_select(1, solid)
        position, towards = (one[0] for one in lines_of_sight(rays.camera, *centres.split(1)))
        directions = (towards * towards.square().sum(dim=0).rsqrt()).T
        points = position.T + directions * depth[:, None]
        uv = (rays.offset[0, FACE_SHEET].flatten(1).index_select(1, solid) + centres).T
        shift, on_side = self.far_side(uv, behind, evened, points, directions)
        corrected = rays.offset.flatten(2).index_add(2, solid, shift.T.repeat(3, 1)[None])
        front = torch.ones_like(rays.opacity)
        front.view(-1)[solid] = 1 - on_side
        return corrected.view_as(rays.offset), front


class Enlargement:
    """Maps of `rays` x `rays` values, enlarged to some of `size` x `size` pixels.

    Args:
        rays: along a side.
        mode: "bicubic" or "bilinear".
    """

    def __init__(self, rays: int, size: int, mode: str):
        self.rays, self._size = rays, size
        self._mode = {"bicubic": cv2.INTER_CUBIC, "bilinear": cv2.INTER_LINEAR}[mode]
        weights = F.interpolate(torch.eye(rays)[None, None], size=(size, rays), mode=mode, align_corners=False)[0, 0]
        self._pixels = [extent(heard) for heard in (weights != 0).T]  # those in which each ray has a part

    def __call__(self, maps: Tensor, box: Box) -> Tensor:
        """[C, rays, rays] -> [C, h, w] at the pixels of the box."""
        (down, height, rows), (across, width, columns) = (self._source(pixels) for pixels in box)
        enlarged = np.empty((len(maps), height, width), np.float32)
        for source, target in zip(maps[:, down, across].numpy(), enlarged, strict=True):
            cv2.resize(source, (width, height), dst=target, interpolation=self._mode)
        return torch.from_numpy(enlarged)[channels((rows, columns))]

    def _source(self, pixels: slice) -> tuple[slice, int, slice]:
        """The rays from which some pixels are enlarged, how many pixels these make, and which of them are wanted."""
        each, rest = divmod(self._size, self.rays)
        if rest:
            return slice(0, self.rays), self._size, pixels
        rays = slice(max(pixels.start // each - _TAPS, 0), min(-(-pixels.stop // each) + _TAPS, self.rays))
        first = rays.start * each
        return rays, (rays.stop - rays.start) * each, slice(pixels.start - first, pixels.stop - first)

    def places(self, places: Tensor, box: Box) -> Tensor:
        """Places in plates [2 n, rays, rays] (see `plate_places`), in turn x and y, at the pixels of the box; exact up to the border."""
        offsets = places.unflatten(0, (-1, 2)) - own_places(self.rays)
        enlarged = self(offsets.flatten(0, 1), box)
        enlarged.unflatten(0, (-1, 2)).add_(own_places(self._size)[channels(box)])
        return enlarged

    def reached(self, rays: Tensor) -> Box:
        """The box of the pixels that some rays [rays, rays] bool have a part in; the first pixel where there are none."""
        return self.reached_from(*(extent(rays.any(dim=1 - axis)) for axis in (0, 1)))

    def reached_from(self, down: slice, across: slice) -> Box:
        """The box of the pixels that a box of rays has a part in."""
        rows, columns = (slice(self._pixels[rays.start].start, self._pixels[rays.stop - 1].stop) for rays in (down, across))
        return rows, columns


@lru_cache(maxsize=8)
def enlargement(rays: int, size: int, mode: str) -> Enlargement:
    """The same one again."""
    return Enlargement(rays, size, mode)


def relative(part: Box, box: Box) -> Box:
    """A part of a box, counted from the box's corner."""
    down, across = (slice(p.start - b.start, p.stop - b.start) for p, b in zip(part, box, strict=True))
    return down, across


def extent(chosen: Tensor) -> slice:
    """From the first to the last place that is set; the first place where none is."""
    places = np.flatnonzero(chosen.numpy())
    return slice(int(places[0]), int(places[-1]) + 1) if len(places) else slice(0, 1)


def channels(box: Box) -> tuple[slice, slice, slice]:
    """The box in maps [C, size, size]."""
    return slice(None), *box


def listed(chosen: Tensor) -> Tensor:
    """[h, w] bool -> [K] the numbers of the places that are set, in reading order."""
    return torch.from_numpy(np.flatnonzero(chosen.numpy()))


def common(a: Box, b: Box) -> Box | None:
    """What two boxes share, None if that is nothing."""
    down, across = (slice(max(p.start, q.start), min(p.stop, q.stop)) for p, q in zip(a, b, strict=True))
    return (down, across) if down.start < down.stop and across.start < across.stop else None


def offsets(render: HeadRender) -> Tensor:
    """[N, 6, R, R]: how far each ray's photo coordinates are from the ray's own place in the picture."""
    uv = photo_coordinates(render)
    return (uv.unflatten(1, (3, 2)) - pixel_centres(uv.shape[-1])).flatten(1, 2)


def _evened(values: Tensor, known: Tensor) -> Tensor:
    """Means of the known values [1, 1, R, R] around each ray."""
    counts = _with_neighbours(known.float()).clamp_min_(1)
    for _ in range(2):
        values = _with_neighbours(values * known) / counts
    return values


def stillness(shift: Tensor) -> Tensor:
    """[..., 2, H, W] shifts in crop units -> [..., H, W]: 1 where something is in its place of the photo, 0 where it has moved."""
    across, down = shift.unbind(-3)
    return (1 - (across * across + down * down).sqrt() / _MOVED).clamp(0, 1)


def _residual(offset: Tensor, opacity: Tensor) -> Tensor:
    """[1, 2, R, R]: what rendered coordinates lack at the source pose, where every ray should find its own place.

    It is looked up at the coordinates themselves, so it stands where they lie, not where the ray does: found by fixed-point rounds.
    """
    lacking = -offset[:, FACE_SHEET]
    rounding = lacking.abs().amax(dim=1, keepdim=True) * lacking.shape[-1] < _ROUNDING
    lacking = continued(lacking, (opacity > 0.9) & rounding)[0]
    at_coordinates = lacking
    for _ in range(_ROUNDS):
        rays = pixel_centres(lacking.shape[-1]) + at_coordinates
        at_coordinates = F.grid_sample(lacking, rays.permute(0, 2, 3, 1) * 2 - 1, padding_mode="border", align_corners=False)
    return at_coordinates


def _rim(at_rest: HeadRender) -> Tensor:
    """[1, 1, R, R]: 1 where the photo shows the rim of the solid head, 0 well inside.

    Hair continues the head beyond its rim. The outline of a turned head may run through the middle of the face: nothing goes on there.
    """
    depth = torch.from_numpy(distance_transform_edt(at_rest.opacity[0, 0].numpy() > 0.5)).float()
    return ((_RIM - depth) / 5).clamp(0, 1)[None, None]


def near_hanging_hair(hair: Tensor, torso: Tensor, face_height: float) -> Tensor:
    """[1, 1, R, R]: 1 where hair hangs down on the torso, falling to 0 farther above it than the seam between head and torso reaches.

    Args:
        hair, torso: [1, 1, R, R] in 0..1.
        face_height: in crop units.
    """
    away = distance_transform_edt((hair[0, 0] * torso[0, 0]).numpy() < 0.5) / hair.shape[-1]
    return torch.from_numpy(1 - smooth_step(away / (_HANGS_FROM * face_height))).float()[None, None]


def _three_times(pair: Tensor) -> Tensor:
    return pair.repeat(1, 3, 1, 1)


def continued(values: Tensor, known: Tensor) -> tuple[Tensor, Tensor]:
    """Grows known values [1, C, R, R] outwards ring by ring, each new one the mean of its known neighbours.

    Args:
        known: [1, 1, R, R] bool.

    Returns the values and [1, 1, R, R]: the number of the ring that each was grown in, 0 where it was known.
    """
    unknown = cv2.copyMakeBorder((~known[0, 0]).numpy().view(np.uint8), 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=1)
    away = cv2.distanceTransform(unknown, cv2.DIST_C, 3).clip(0, _GROW + 1).astype(np.uint8)
    rings = cv2.copyMakeBorder(away[1:-1, 1:-1], 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0).ravel()  # the border is never known
    places = np.flatnonzero((rings > 0) & (rings <= _GROW))
    places = places[rings[places].argsort(kind="stable")]
    ends = np.searchsorted(rings[places], np.arange(1, _GROW + 2)).tolist()
    width = known.shape[-1] + 2
    steps = [down * width + across for down in (-1, 0, 1) for across in (-1, 0, 1) if down or across]
    ordered = torch.from_numpy(places)
    around = ordered[:, None] + torch.tensor(steps)

    framed = values.new_zeros(width, width, values.shape[1] + 1)  # the last channel counts
    framed[1:-1, 1:-1, :-1] = (values * known)[0].permute(1, 2, 0)
    framed[1:-1, 1:-1, -1] = known[0, 0]
    grown = framed.flatten(0, 1)
    for start, stop in itertools.pairwise(ends):
        if start < stop:
            total = F.embedding_bag(around[start:stop], grown, mode="sum")
            grown.index_copy_(0, ordered[start:stop], total / total[:, -1:])
    values = framed[1:-1, 1:-1, :-1].permute(2, 0, 1).contiguous()[None]
    grown_in = np.maximum(away[1:-1, 1:-1], 1).astype(np.float32) - 1
    return values, torch.from_numpy(grown_in)[None, None]


def without_steps(offset: Tensor) -> Tensor:
    """Where a near part of the head hides a far one, offsets of rays [1, 6, R, R] jump from ray to ray; there they are softened.

    Enlarged as it is, a jump would show the grid of the rays as a comb along the hiding part.
    """
    face = offset[:, FACE_SHEET]
    padded = F.pad(face, (1, 1, 1, 1), mode="replicate")
    across = (padded[..., 1:-1, 2:] - padded[..., 1:-1, :-2]).abs()
    down = (padded[..., 2:, 1:-1] - padded[..., :-2, 1:-1]).abs()
    step = torch.maximum(*torch.maximum(across, down).split(1, dim=1)) * offset.shape[-1] > _STEP
    if not step.any():
        return offset
    near = blur(F.max_pool2d(step.float(), 3, stride=1, padding=1), _STEP_BLUR)
    return torch.lerp(offset, blur(offset, _STEP_BLUR), near)


def _with_neighbours(maps: Tensor) -> Tensor:
    """The sums of 3 x 3 values of a map [1, 1, R, R], zeros beyond the border."""
    return torch.from_numpy(cv2.boxFilter(maps[0, 0].numpy(), -1, (3, 3), normalize=False, borderType=cv2.BORDER_CONSTANT))[None, None]


def blur(maps: Tensor, sigma: float) -> Tensor:
    """Maps [..., R, R], blurred over seven rays."""
    blurred = torch.empty_like(maps, memory_format=torch.contiguous_format)
    for source, target in zip(maps.flatten(0, -3).numpy(), blurred.flatten(0, -3).numpy(), strict=True):
        cv2.GaussianBlur(source, (7, 7), sigma, dst=target, borderType=cv2.BORDER_REPLICATE)
    return blurred


@lru_cache(maxsize=8)
def pixel_centres(side: int) -> Tensor:
    """[1, 2, side, side]: u and v of the pixels of the crop."""
    axis = (torch.arange(side) + 0.5) / side
    v, u = torch.meshgrid(axis, axis, indexing="ij")
    return torch.stack([u, v])[None]


def plate_places(uv: Tensor) -> Tensor:
    """Crop coordinates to places in a plate, -1..1 from border to border."""
    return (uv - 0.5) * PLACES_PER_CROP


@lru_cache(maxsize=8)
def own_places(side: int) -> Tensor:
    """[2, side, side]: places in a plate of the pixels of the crop."""
    return plate_places(pixel_centres(side)[0])
