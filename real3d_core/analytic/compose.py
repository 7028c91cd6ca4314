"""Rendered photo coordinates become the finished picture (DESIGN section 3, spec 08 section 5).

The photo is sampled at full resolution through the coordinates that ray marching returned, so skin stays as sharp as the photo. The
sheets of lips and lids are put in front of one another per pixel of the output, not per ray.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from scipy.ndimage import distance_transform_edt, find_objects, label, maximum_filter
from torch import Tensor

from ..portrait.framing import Backdrop, behind
from ..portrait.plates import MARGIN
from ..portrait.portrait import Portrait
from ..render.camera import FOCAL, HEAD_CENTRE, camera_rays
from ..render.ray_marching import HeadRender
from .channels import FACE_UV, JAW_UV, SKULL_UV, carried_values
from .face_map import FaceMap, face_map
from .lids import lash_band, lid_plate
from .mouth import mouth_interior
from .solid import NECK_BEHIND, sample_plate

_CONTOUR_BLUR = 0.9  # rays
_CONTOUR_CONTRAST = 2.2
_STEP = 4.0  # rays; a larger jump between the photo coordinates of neighbouring rays is a depth edge
_STEP_BLUR = 1.2  # rays
_GROW = 12  # rays by which coordinates are continued beyond the head
_RIM = 5.0  # rays
_TORSO_REACH = 0.85  # face heights over which the torso stops following the head
_LASH_LINE = 0.6  # how much darker the edge of a closed lid is, where lashes lie on lashes
_LID_DRAWN = 0.035  # face heights a lid travels until its skin is smooth
_LID_SMOOTH = 0.9
_LID_REACH = 0.06  # face heights beyond a drawn lid within which its skin is smooth too
_TOGETHER = 1e-5  # crop units; sheets closer than this are one, the difference is rounding
_LIP_SHADOW = 0.012  # face heights; what the photo shows this close to the lower lip is the lip's shadow and moves with it


_Box = tuple[slice, slice]  # rows and columns of a frame's pixels


@dataclass(frozen=True)
class _Layers:
    """What one frame is composed of.

    box: the pixels in which the head may show; head, opacity and near are about them.
    head: [5, h, w] colour (3), how firmly it covers, and the photo's hair.
    opacity: [1, h, w] the solid head's.
    near: [1, h, w] 1 on the solid head and close to it, 0 away from it.
    torso: [4, size, size] colour (3) and opacity.
    """

    box: _Box
    head: Tensor
    opacity: Tensor
    near: Tensor
    torso: Tensor


class Composer:
    """Everything about a portrait that composing its frames at one size needs.

    Frames are composed one by one, each only where it has something to show: so a frame is the same in every chunk.

    Args:
        portrait: whose layers are composed.
        at_rest: the render of the unmoved head from the portrait's own camera; it tells how far rendered coordinates are off.
        size: pixels along a side of the finished frame.
    """

    def __init__(self, portrait: Portrait, at_rest: HeadRender, size: int):
        plates = portrait.plates.resized(min(portrait.plates.crop_side, size))  # at the source pose every pixel is then sampled in place
        self._size = size
        self._head = torch.cat([plates.head, plates.hair], dim=1)  # colours, firmness, strands of hair
        self._torso = plates.torso
        self._torso_top = _first_row(plates.torso[:, 3:])
        self._photo = plates.photo
        self._background = _fit(plates.crop(plates.background), size)
        self._latest: tuple[HeadRender, list[_Layers]] | None = None
        self._latest_torso: tuple[Tensor, Tensor] | None = None
        self._face = face_map(portrait.landmarks)
        self._lids = lid_plate(plates.head, portrait.landmarks)
        self._lashes = lash_band(portrait.landmarks[:, :2].numpy()) / self._face.face_height
        self._source_camera = portrait.camera
        self._light = _brightness(portrait)
        self._follow = _torso_follow(portrait, self._face.face_height)
        self._residual = _residual(at_rest)
        self._rim = _rim(at_rest)
        self._from_rays = _Enlargement(at_rest.opacity.shape[-1], size, "bicubic")
        self._from_follow = _Enlargement(self._follow.shape[-1], size, "bilinear")

    def __call__(self, render: HeadRender, background: Backdrop | None, first: int, head_threshold: float) -> Tensor:
        """[N] renders -> [N, size, size, 3] frames in 0..1.

        Args:
            background: in place of the photo's own, which None keeps.
            first: number of the first frame.
            head_threshold: where the head is more opaque than this nothing is seen through it.
        """
        backdrops = behind(self._background if background is None else background, first, first + len(render.cameras))
        change = None if render.colour_change is None else _enlarge(render.colour_change, self._size)
        frames = torch.empty(len(render.cameras), self._size, self._size, 3)
        for number, layers in enumerate(self._layers(render)):
            colour, rows_columns = layers.head[:3], (slice(None), *layers.box)
            if change is not None:
                colour = colour + change[number][rows_columns]
            picture = torch.lerp(backdrops[number], layers.torso[:3], layers.torso[3:])
            picture[rows_columns].lerp_(colour, _covers(layers, head_threshold))
            frames[number] = picture.clamp_(0, 1).permute(1, 2, 0)
        return frames

    def person(self, render: HeadRender, head_threshold: float) -> Tensor:
        """[N] renders -> [N, size, size] in 0..1: head and torso together against the background."""
        return torch.stack([_person(layers, head_threshold) for layers in self._layers(render)])

    def _layers(self, render: HeadRender) -> list[_Layers]:
        """Kept for the latest render, because frames and masks are asked for in turn."""
        if self._latest is None or self._latest[0] is not render:
            offsets = _offsets(render)
            frames = zip(offsets.split(1), render.opacity.split(1), render.cameras.split(1), strict=True)
            self._latest = (render, [self._layers_of(*frame) for frame in frames])
        return self._latest[1]

    def _layers_of(self, offset: Tensor, opacity: Tensor, camera: Tensor) -> _Layers:
        """The layers of one frame, whose rays have these offsets [1, 6, R, R] and this opacity [1, 1, R, R]."""
        uv, near = self._coordinates(offset, opacity)
        solid = _blur(opacity, _CONTOUR_BLUR)[0]
        box = self._from_rays.reached((solid[0] > 0) | (near[0] > 0))
        face, solid, near = self._from_rays(torch.cat([uv[FACE_SHEET], solid, near]), box).split([2, 1, 1])
        return _Layers(box, self._head_colour(uv, face, box), solid, near.clamp(0, 1), self._torso_colour(camera))

    def _coordinates(self, offset: Tensor, opacity: Tensor) -> tuple[Tensor, Tensor]:
        """Photo coordinates [6, R, R] of the three sheets, continued beyond the head, and how near the head is [1, R, R]."""
        solid = opacity > 0.5
        place = (offset[:, FACE_SHEET] + _pixel_centres(offset.shape[-1])).permute(0, 2, 3, 1) * 2 - 1
        rim = F.grid_sample(self._rim, place, padding_mode="border", align_corners=False)
        grown, near = _continue(torch.cat([offset, rim], dim=1), solid.float())
        offset, near = without_steps(grown[:, :-1]), torch.where(solid, 1.0, near * grown[:, -1:].clamp(0, 1))
        pairs = (offset + _three_times(_pixel_centres(offset.shape[-1])))[0].unflatten(0, (3, 2))
        error = F.grid_sample(
            self._residual.expand(3, -1, -1, -1), pairs.permute(0, 2, 3, 1) * 2 - 1, padding_mode="border", align_corners=False
        )
        return (pairs + error).flatten(0, 1), near[0]

    def _head_colour(self, uv: Tensor, face: Tensor, box: _Box) -> Tensor:
        """The sheets in front of one another [5, h, w]: colour, how firmly it covers, and the photo's hair.

        Args:
            uv: [6, R, R] photo coordinates of the rays.
            face: [2, h, w] those of the face sheet at the pixels of the box.
        """
        colour = self._head_at(face[None].permute(0, 2, 3, 1))
        for part in self._parted(uv):
            part = _common(part, box)
            if part is not None:
                inner = (..., *(slice(p.start - b.start, p.stop - b.start) for p, b in zip(part, box, strict=True)))
                colour[inner] = self._layered(self._from_rays(uv, part)[None], colour[inner])
        return colour[0]

    def _parted(self, uv: Tensor) -> list[_Box]:
        """Where the face sheet alone is not the whole picture: where jaw or lids are elsewhere, and where the photo's mouth is open."""
        parted = (uv[JAW_SHEET] - uv[FACE_SHEET]).abs().amax(dim=0) > _TOGETHER
        if self._face.open_at_rest:
            ray = 1 / (uv.shape[-1] * self._face.face_height)
            jaw, upper = (self._look_up(uv[None, sheet].permute(0, 2, 3, 1))[0] for sheet in (JAW_SHEET, FACE_SHEET))
            between = (jaw[FaceMap.BELOW_LOWER] < ray) & (upper[FaceMap.ABOVE_UPPER] < ray)
            parted |= between & (upper[FaceMap.ACROSS].abs() < self._face.half_width + ray)
        around = math.ceil(_LID_REACH * self._face.face_height * uv.shape[-1])
        labels, _ = label(maximum_filter(parted.numpy(), 2 * around + 1), structure=np.ones((3, 3)))
        return [self._from_rays.reached_from(*rays) for rays in find_objects(labels)]

    def _layered(self, uv: Tensor, colour_face: Tensor) -> Tensor:
        """Jaw, lids and the inside of the mouth over the face sheet's colours [1, 5, h, w], at photo coordinates [1, 6, h, w]."""
        face, jaw, skull = (uv[:, sheet].permute(0, 2, 3, 1) for sheet in (FACE_SHEET, JAW_SHEET, SKULL_SHEET))
        pixel = 1 / (self._size * self._face.face_height)
        maps_jaw, maps_face = self._look_up(jaw), self._look_up(face)
        below_lower = _edge(maps_jaw[:, FaceMap.BELOW_LOWER], pixel)
        above_upper = _edge(maps_face[:, FaceMap.ABOVE_UPPER] + pixel, pixel)  # one pixel over the edge, so that closed lips show no inside
        lid = _edge(maps_jaw[:, FaceMap.ABOVE_LID], pixel)
        colour_jaw = self._head_at(jaw)
        colour = colour_face + (self._drawn_lid(colour_jaw, jaw, maps_jaw, maps_face) - colour_face) * lid[:, None]
        open_at = ((1 - below_lower) * (1 - above_upper))[0].nonzero(as_tuple=True)
        if len(open_at[0]):
            seen = (slice(None), slice(None), *open_at)
            inside = self._inside(skull[(slice(None), *open_at)][:, None], maps_jaw[seen][:, :, None])[:, :, 0]
            colour[seen] = inside + (colour[seen] - inside) * above_upper[(slice(None), *open_at)][:, None]
        return colour_jaw * below_lower[:, None] + colour * (1 - below_lower[:, None])

    def _head_at(self, uv: Tensor) -> Tensor:
        return sample_plate(self._head, uv, "bicubic")

    def _drawn_lid(self, colour: Tensor, lid: Tensor, maps_lid: Tensor, maps_face: Tensor) -> Tensor:
        """The further a lid is drawn down, the smoother its skin; its lashes stay."""
        above = maps_lid[:, FaceMap.ABOVE_LID]
        drawn = (above - maps_face[:, FaceMap.ABOVE_LID]) * (above > 0)
        drawn = drawn * (drawn > 1e-3)  # otherwise rounding would draw lids in frames that share a chunk with a blink
        if not drawn.any():
            return colour
        share = (drawn / _LID_DRAWN).clamp(0, 1)
        right = maps_lid[:, FaceMap.ACROSS] < 0
        eyes = [(share * side).amax((1, 2), keepdim=True) for side in (right, ~right)]  # the crease is gone from corner to corner
        skin = torch.cat([sample_plate(self._lids, lid), colour[:, 3:]], dim=1)
        lashes = torch.minimum(colour, skin)  # what is lighter than skin is the rim of the open eye, which a closed one does not show
        drawn_down = lashes + (skin - lashes) * _edge(above - self._lashes, 0.4 * self._lashes)[:, None]
        soft = colour + (drawn_down - colour) * (_LID_SMOOTH * torch.where(right, *eyes) * (above > 0))[:, None]
        line = 1 - _LASH_LINE * share * torch.exp(-((above / (0.6 * self._lashes)) ** 2))
        return torch.cat([soft[:, :3] * line[:, None], soft[:, 3:]], dim=1)

    def _inside(self, skull: Tensor, maps_jaw: Tensor) -> Tensor:
        """[N, 5, S, S] of what is seen between the lips, where it is seen; zeros far from the mouth."""
        face = self._face
        maps = self._look_up(skull)
        painted = mouth_interior(
            maps[:, FaceMap.ACROSS], -maps[:, FaceMap.ABOVE_UPPER], -maps_jaw[:, FaceMap.BELOW_LOWER], face.half_width, self._light
        ).permute(0, 3, 1, 2)
        if face.open_at_rest:
            pixel = 1 / (self._size * face.face_height)
            dropped = (maps[:, FaceMap.BELOW_LOWER] - maps_jaw[:, FaceMap.BELOW_LOWER]).clamp(0, _LIP_SHADOW)
            own = _edge(-maps[:, FaceMap.BELOW_LOWER] - dropped + pixel, pixel)[:, None]
            painted = painted + (sample_plate(self._photo, skull) - painted) * own
        return torch.cat([painted, torch.ones_like(painted[:, :2])], dim=1)

    def _look_up(self, uv: Tensor) -> Tensor:
        maps = self._face.maps.expand(len(uv), -1, -1, -1)
        return F.grid_sample(maps, uv * 2 - 1, padding_mode="border", align_corners=False)

    def _torso_colour(self, camera: Tensor) -> Tensor:
        """[4, S, S]: the torso, its neck carried along by the head and its shoulders at rest; kept while the camera stays."""
        if self._latest_torso is None or not torch.equal(self._latest_torso[0], camera):
            shift = (_neck_shift(camera, self._source_camera, self._follow.shape[-1]) * self._follow)[0]
            top = math.floor((self._torso_top + float(shift[1].amin())) * self._size)  # no row above it can show any torso
            rows = (slice(min(max(top, 0), self._size - 1), self._size), slice(0, self._size))
            moved = _pixel_centres(self._size)[(..., *rows)] - self._from_follow(shift, rows)
            torso = torch.zeros(4, self._size, self._size)
            torso[(..., *rows)] = sample_plate(self._torso, moved.permute(0, 2, 3, 1))[0]
            self._latest_torso = (camera, torso)
        return self._latest_torso[1]


class _Enlargement:
    """Maps of `rays` x `rays` values, enlarged to some of `size` x `size` pixels.

    Enlarging is linear and the same along rows and columns: two products with one matrix, of which a part does for a part of the frame.
    """

    def __init__(self, rays: int, size: int, mode: str):
        weights = F.interpolate(torch.eye(rays)[None, None], size=(size, rays), mode=mode, align_corners=False)[0, 0]
        self._weights = weights  # [size, rays]
        self._heard = weights != 0

    def __call__(self, maps: Tensor, box: _Box) -> Tensor:
        """[C, rays, rays] -> [C, h, w] at the pixels of the box."""
        down, across = (_extent(self._heard[pixels].any(dim=0)) for pixels in box)
        return self._weights[box[0], down] @ maps[:, down, across] @ self._weights[box[1], across].T

    def reached(self, rays: Tensor) -> _Box:
        """The box of the pixels that some rays [rays, rays] bool have a part in; the first pixel where there are none."""
        return self.reached_from(*(_extent(rays.any(dim=1 - axis)) for axis in (0, 1)))

    def reached_from(self, down: slice, across: slice) -> _Box:
        """The box of the pixels that a box of rays has a part in."""
        return tuple(_extent(self._heard[:, rays].any(dim=1)) for rays in (down, across))


def _extent(chosen: Tensor) -> slice:
    """From the first to the last place that is set; the first place where none is."""
    places = chosen.nonzero()
    return slice(int(places[0]), int(places[-1]) + 1) if len(places) else slice(0, 1)


def _common(a: _Box, b: _Box) -> _Box | None:
    """What two boxes share, None if that is nothing."""
    both = tuple(slice(max(p.start, q.start), min(p.stop, q.stop)) for p, q in zip(a, b, strict=True))
    return both if all(side.start < side.stop for side in both) else None


def _covers(layers: _Layers, threshold: float) -> Tensor:
    """[1, h, w]: how much the head hides what is behind it, in the head's box."""
    firmness, hair = layers.head[3:].clamp(0, 1).split(1)  # enlarging overshoots
    solid = ((layers.opacity - 0.5) * _CONTOUR_CONTRAST + 0.5).clamp(0, 1)
    solid = torch.where(layers.opacity > threshold, 1.0, solid)
    strands = hair * layers.near  # beyond the solid, where the photo has them
    fade = (1 - firmness) * layers.torso[(slice(3, 4), *layers.box)]  # the seam fades into the torso, never into the background
    return torch.maximum(solid, strands) * (1 - fade)


def _person(layers: _Layers, threshold: float) -> Tensor:
    person = layers.torso[3].clone()
    person[layers.box] += (1 - person[layers.box]) * _covers(layers, threshold)[0]
    return person


FACE_SHEET, JAW_SHEET, SKULL_SHEET = (slice(s.start - FACE_UV.start, s.stop - FACE_UV.start) for s in (FACE_UV, JAW_UV, SKULL_UV))


def _offsets(render: HeadRender) -> Tensor:
    """[N, 6, R, R]: how far each ray's photo coordinates are from the ray's own place in the picture."""
    _, uv = carried_values(render)
    return uv - _three_times(_pixel_centres(uv.shape[-1]))


def _residual(at_rest: HeadRender) -> Tensor:
    """[1, 2, R, R]: what rendered coordinates lack at the source pose, where every ray should find its own place."""
    return _continue(-_offsets(at_rest)[:, FACE_SHEET], (at_rest.opacity > 0.9).float())[0]


def _rim(at_rest: HeadRender) -> Tensor:
    """[1, 1, R, R]: 1 where the photo shows the rim of the solid head, 0 well inside.

    Hair continues the head beyond its rim. The outline of a turned head may run through the middle of the face: nothing goes on there.
    """
    depth = torch.from_numpy(distance_transform_edt(at_rest.opacity[0, 0].numpy() > 0.5)).float()
    return ((_RIM - depth) / 2).clamp(0, 1)[None, None]


def _three_times(pair: Tensor) -> Tensor:
    return pair.repeat(1, 3, 1, 1)


def _neck_shift(cameras: Tensor, source: Tensor, side: int) -> Tensor:
    """[N, 2, side, side]: how far a point of the neck, seen at each place of the source picture, moves in the picture."""
    origins, directions = camera_rays(source, side)
    centre = source.new_tensor(HEAD_CENTRE)
    towards = source[0, :16].reshape(4, 4)[:3, 2]  # the source camera's viewing direction
    plane = centre @ towards + NECK_BEHIND
    distance = (plane - origins @ towards) / (directions @ towards)
    points = origins + directions * distance[..., None]
    to_world = cameras[:, :16].reshape(-1, 4, 4)
    seen = (points - to_world[:, None, :3, 3]) @ to_world[:, :3, :3]
    uv = 0.5 + FOCAL * seen[..., :2] / seen[..., 2:]
    return uv.transpose(1, 2).unflatten(2, (side, side)) - _pixel_centres(side)


def _torso_follow(portrait: Portrait, face_height: float) -> Tensor:
    """[1, 1, 64, 64]: 1 where the torso goes with the head, falling to 0 towards the shoulders."""
    side = 64
    head = F.interpolate(portrait.plates.crop(portrait.plates.head_mask), size=(side, side), mode="area")[0, 0].numpy() > 0.5
    distance = distance_transform_edt(~head) / side / (_TORSO_REACH * face_height)
    t = torch.from_numpy(distance).float().clamp(0, 1)
    return (1 - t * t * (3 - 2 * t))[None, None]


def _first_row(plate: Tensor) -> float:
    """v, in crop units, above which a plate [1, 1, S, S] is empty."""
    rows = _extent(plate[0, 0].any(dim=1))
    return (rows.start - 0.5) / plate.shape[-1] * (1 + 2 * MARGIN) - MARGIN


def _brightness(portrait: Portrait) -> float:
    """How brightly teeth are lit, 0.75..1.05, from the bright parts of the face."""
    image = portrait.image[0] / 2 + 0.5
    low, high = (portrait.landmarks[:, :2].amin(0) * 512).long(), (portrait.landmarks[:, :2].amax(0) * 512).long()
    face = image[:, max(0, low[1]) : high[1], max(0, low[0]) : high[0]].mean(0)
    return float((face.quantile(0.9) * 1.4).clamp(0.75, 1.05))


def _continue(values: Tensor, known: Tensor) -> tuple[Tensor, Tensor]:
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
    near = _blur(F.max_pool2d(step.float(), 3, stride=1, padding=1).transpose(0, 1), _STEP_BLUR)
    soft = _blur(offset.transpose(0, 1), _STEP_BLUR).transpose(0, 1)
    return offset + (soft - offset) * near.transpose(0, 1)


def _with_neighbours(maps: Tensor) -> Tensor:
    """The sums of 3 x 3 values, zeros beyond the border."""
    padded = F.pad(maps, (1, 1, 1, 1))
    rows = padded[..., :-2, :] + padded[..., 1:-1, :] + padded[..., 2:, :]
    return rows[..., :-2] + rows[..., 1:-1] + rows[..., 2:]


def _enlarge(maps: Tensor, size: int) -> Tensor:
    """Bicubic."""
    return F.interpolate(maps, size=(size, size), mode="bicubic", align_corners=False)


def _blur(maps: Tensor, sigma: float) -> Tensor:
    reach = 3
    taps = torch.exp(-((torch.arange(-reach, reach + 1, dtype=maps.dtype) / sigma) ** 2) / 2)
    taps = (taps / taps.sum()).to(maps.device)
    padded = F.pad(maps, (reach,) * 4, mode="replicate")
    return F.conv2d(F.conv2d(padded, taps.view(1, 1, 1, -1)), taps.view(1, 1, -1, 1))


def _edge(distance: Tensor, softness: float) -> Tensor:
    return (distance / softness + 0.5).clamp(0, 1)


def _pixel_centres(side: int) -> Tensor:
    """[1, 2, side, side]: u and v of the pixels of the crop."""
    axis = (torch.arange(side) + 0.5) / side
    v, u = torch.meshgrid(axis, axis, indexing="ij")
    return torch.stack([u, v])[None]


def _fit(picture: Tensor, size: int) -> Tensor:
    return F.interpolate(picture, size=(size, size), mode="bilinear", align_corners=False, antialias=True)
