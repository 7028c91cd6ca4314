"""Rendered photo coordinates become the finished picture (DESIGN section 3, spec 08 section 5).

The photo is sampled at full resolution through the coordinates that ray marching returned, so skin stays as sharp as the photo. The
sheets of lips and lids are put in front of one another per pixel of the output, not per ray.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from scipy.ndimage import distance_transform_edt
from torch import Tensor

from ..portrait.portrait import Portrait
from ..render.camera import FOCAL, HEAD_CENTRE, camera_rays
from ..render.ray_marching import HeadRender
from .channels import FACE_UV, JAW_UV, SKULL_UV, carried_values
from .face_map import FaceMap, face_map
from .lids import lash_band, lid_plate
from .mouth import mouth_interior
from .solid import sample_plate

_CONTOUR_BLUR = 0.9  # rays
_CONTOUR_CONTRAST = 2.2
_GROW = 12  # rays by which coordinates are continued beyond the head
_RIM = 5.0  # rays
_NECK_BEHIND = 0.12  # how far behind the face's centre the neck is, world units
_TORSO_REACH = 0.85  # face heights over which the torso stops following the head
_LASH_LINE = 0.6  # how much darker the edge of a closed lid is, where lashes lie on lashes
_LID_DRAWN = 0.035  # face heights a lid travels until its skin is smooth
_LID_SMOOTH = 0.9
_LIP_SHADOW = 0.012  # what the photo shows this close to the lower lip belongs to the lip's shadow and leaves with it, face heights


@dataclass(frozen=True)
class _Layers:
    """What a frame is composed of, all [N, C, size, size].

    head: colour (3), how firmly it covers, and the photo's hair. torso: colour (3) and opacity. opacity: the solid head's.
    near: 1 on the solid head and close to it, 0 away from it.
    """

    head: Tensor
    torso: Tensor
    opacity: Tensor
    near: Tensor


class Composer:
    """Everything about a portrait that composing its frames at one size needs.

    Args:
        portrait: whose layers are composed.
        at_rest: the render of the unmoved head from the portrait's own camera; it tells how far rendered coordinates are off.
        size: pixels along a side of the finished frame.
    """

    def __init__(self, portrait: Portrait, at_rest: HeadRender, size: int):
        plates = portrait.plates.resized(min(portrait.plates.crop_side, size))  # at the source pose every pixel then finds itself
        self._size = size
        self._head = torch.cat([plates.head, plates.hair], dim=1)  # colours, firmness, strands of hair
        self._torso = plates.torso
        self._photo = plates.photo
        self._background = _fit(plates.crop(plates.background), size)
        self._latest: tuple[HeadRender, _Layers] | None = None
        self._face = face_map(portrait.landmarks)
        self._lids = lid_plate(plates.head, portrait.landmarks)
        self._lashes = lash_band(portrait.landmarks[:, :2].numpy()) / self._face.face_height
        self._source_camera = portrait.camera
        self._light = _brightness(portrait)
        self._follow = _torso_follow(portrait, self._face.face_height)
        self._residual = _residual(at_rest)
        self._rim = _rim(at_rest)

    def __call__(self, render: HeadRender, background: Tensor | None = None, first: int = 0, head_threshold: float = 1.0) -> Tensor:
        """[N] renders -> [N, size, size, 3] frames in 0..1.

        Args:
            background: [B, 3, size, size] in 0..1 in place of the photo's own, number (first + n) % B behind frame n; None keeps that.
            first: number of the first frame.
            head_threshold: where the head is more opaque than this nothing is seen through it.
        """
        covers = self._covers(render, head_threshold)
        layers = self._layers(render)
        colour, torso = layers.head[:, :3], layers.torso
        if render.colour_change is not None:
            colour = colour + _enlarge(render.colour_change, self._size)
        backdrop = self._background if background is None else background[(first + torch.arange(len(colour))) % len(background)]
        behind = torso[:, :3] * torso[:, 3:] + backdrop * (1 - torso[:, 3:])
        return (colour * covers + behind * (1 - covers)).clamp(0, 1).permute(0, 2, 3, 1).contiguous()

    def person(self, render: HeadRender, head_threshold: float = 1.0) -> Tensor:
        """[N] renders -> [N, size, size] in 0..1: head and torso together against the background."""
        covers = self._covers(render, head_threshold)
        return (covers + self._layers(render).torso[:, 3:] * (1 - covers))[:, 0]

    def _covers(self, render: HeadRender, threshold: float) -> Tensor:
        """[N, 1, size, size]: how much the head hides what is behind it."""
        layers = self._layers(render)
        firmness, hair = layers.head[:, 3:4], layers.head[:, 4:]
        solid = ((layers.opacity - 0.5) * _CONTOUR_CONTRAST + 0.5).clamp(0, 1)
        solid = torch.where(layers.opacity > threshold, 1.0, solid)
        strands = hair * layers.near  # beyond the solid, where the photo has them
        fade = (1 - firmness) * layers.torso[:, 3:]  # the seam fades into the torso, never into the background
        return torch.maximum(solid, strands) * (1 - fade)

    def _layers(self, render: HeadRender) -> _Layers:
        """Kept for the latest render, because frames and masks are asked for in turn."""
        if self._latest is None or self._latest[0] is not render:
            coordinates, near = self._coordinates(render)
            layers = _Layers(
                head=self._head_colour(_enlarge(coordinates, self._size)),
                torso=self._torso_colour(render.cameras),
                opacity=_enlarge(_blur(render.opacity, _CONTOUR_BLUR), self._size),
                near=_enlarge(near, self._size).clamp(0, 1),
            )
            self._latest = (render, layers)
        return self._latest[1]

    def _coordinates(self, render: HeadRender) -> tuple[Tensor, Tensor]:
        """Photo coordinates [N, 6, R, R] of the three sheets, continued beyond the head, and how near the head is [N, 1, R, R]."""
        offset = _offsets(render)
        place = (offset[:, FACE_SHEET] + _pixel_centres(offset.shape[-1])).permute(0, 2, 3, 1) * 2 - 1
        rim = F.grid_sample(self._rim.expand(len(place), -1, -1, -1), place, padding_mode="border", align_corners=False)
        grown, near = _continue(torch.cat([offset, rim], dim=1), (render.opacity > 0.5).float())
        offset, near = grown[:, :-1], torch.where(render.opacity > 0.5, 1.0, near * grown[:, -1:].clamp(0, 1))
        pairs = (offset + _three_times(_pixel_centres(offset.shape[-1]))).unflatten(1, (3, 2)).flatten(0, 1)
        error = F.grid_sample(
            self._residual.expand(len(pairs), -1, -1, -1), pairs.permute(0, 2, 3, 1) * 2 - 1, padding_mode="border", align_corners=False
        )
        return (pairs + error).unflatten(0, (-1, 3)).flatten(1, 2), near

    def _head_colour(self, uv: Tensor) -> Tensor:
        """The sheets in front of one another [N, 5, S, S]: colour, how firmly it covers, and the photo's hair."""
        face, jaw, skull = (uv[:, sheet].permute(0, 2, 3, 1) for sheet in (FACE_SHEET, JAW_SHEET, SKULL_SHEET))
        pixel = 1 / (self._size * self._face.face_height)
        maps_jaw, maps_face = self._look_up(jaw), self._look_up(face)
        below_lower = _edge(maps_jaw[:, FaceMap.BELOW_LOWER], pixel)
        above_upper = _edge(maps_face[:, FaceMap.ABOVE_UPPER] + pixel, pixel)  # one pixel over the edge, so that closed lips show no inside
        lid = _edge(maps_jaw[:, FaceMap.ABOVE_LID], pixel)
        colour_face, colour_jaw = self._head_at(face), self._head_at(jaw)
        upper_face = colour_face + (self._drawn_lid(colour_jaw, jaw, maps_jaw, maps_face) - colour_face) * lid[:, None]
        inside = self._inside(skull, maps_jaw)
        behind_lower = upper_face * above_upper[:, None] + inside * (1 - above_upper[:, None])
        return colour_jaw * below_lower[:, None] + behind_lower * (1 - below_lower[:, None])

    def _head_at(self, uv: Tensor) -> Tensor:
        return sample_plate(self._head, uv, "bicubic")

    def _drawn_lid(self, colour: Tensor, lid: Tensor, maps_lid: Tensor, maps_face: Tensor) -> Tensor:
        """The further a lid is drawn down, the smoother its skin; its lashes stay."""
        above = maps_lid[:, FaceMap.ABOVE_LID]
        drawn = (above - maps_face[:, FaceMap.ABOVE_LID]) * (above > 0)
        drawn = drawn * (drawn > 1e-3)  # or rounding would draw lids in frames that share a chunk with a blink
        if not drawn.any():
            return colour
        share = (drawn / _LID_DRAWN).clamp(0, 1)
        right = maps_lid[:, FaceMap.ACROSS] < 0
        eyes = [(share * side).amax((1, 2), keepdim=True) for side in (right, ~right)]  # the crease is gone from corner to corner
        smooth = torch.where(right, *eyes) * _edge(above - self._lashes, 0.4 * self._lashes)
        skin = torch.cat([sample_plate(self._lids, lid), colour[:, 3:]], dim=1)
        soft = colour + (skin - colour) * (_LID_SMOOTH * smooth)[:, None]
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

    def _torso_colour(self, cameras: Tensor) -> Tensor:
        """[N, 4, S, S]: the torso, its neck carried along by the head and its shoulders at rest."""
        shift = _neck_shift(cameras, self._source_camera, self._follow.shape[-1]) * self._follow
        centres = _pixel_centres(self._size)
        moved = centres - F.interpolate(shift, size=(self._size, self._size), mode="bilinear", align_corners=False)
        return sample_plate(self._torso, moved.permute(0, 2, 3, 1))


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
    plane = centre @ towards + _NECK_BEHIND
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
        weight = F.avg_pool2d(known, 3, 1, 1)
        grown = F.avg_pool2d(values, 3, 1, 1) / weight.clamp_min(1e-6)
        values = torch.where(known > 0, values, grown)
        reached = (weight > 0).float()
        near = torch.maximum(near, (reached - known) * min(1.0, (_GROW - ring) / 4))
        known = reached
    return torch.where(known > 0, values, 0.0), near


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
