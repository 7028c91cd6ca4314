"""Rendered photo coordinates become the finished picture (DESIGN section 3, spec 08 section 5).

The photo is sampled at full resolution through the coordinates that ray marching returned, so skin stays as sharp as the photo. The
sheets of lips and lids are put in front of one another per pixel of the output, not per ray.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from ..portrait.portrait import Portrait
from ..render.camera import FOCAL, HEAD_CENTRE, camera_rays
from ..render.ray_marching import HeadRender
from .channels import FACE_UV, JAW_UV, SKULL_UV, carried_values
from .face_map import FaceMap, face_map
from .mouth import mouth_interior
from .solid import sample_plate

_CONTOUR_BLUR = 0.9  # rays
_CONTOUR_CONTRAST = 2.2
_GROW = 4  # rays by which coordinates are continued beyond the head
_NECK_BEHIND = 0.16  # how far behind the face's centre the neck is, world units
_TORSO_REACH = 0.85  # face heights over which the torso stops following the head
_LIP_SHADOW = 0.012  # what the photo shows this close to the lower lip belongs to the lip's shadow and leaves with it, face heights
_DETAIL = 1.5  # pixels of the plates per pixel of the output, at most


class Composer:
    """Everything about a portrait that composing its frames at one size needs.

    Args:
        portrait: whose layers are composed.
        at_rest: the render of the unmoved head from the portrait's own camera; it tells how far rendered coordinates are off.
        size: pixels along a side of the finished frame.
        background: [1, 3, size, size] in 0..1 in place of the photo's own; None keeps that.
    """

    def __init__(self, portrait: Portrait, at_rest: HeadRender, size: int, background: Tensor | None = None):
        plates = portrait.plates.resized(min(portrait.plates.crop_side, round(_DETAIL * size)))
        self._size = size
        self._head = plates.head
        self._torso = plates.torso
        self._photo = plates.photo
        self._background = _fit(plates.crop(plates.background), size) if background is None else background
        self._face = face_map(portrait.landmarks)
        self._source_camera = portrait.camera
        self._light = _brightness(portrait)
        self._follow = _torso_follow(portrait, self._face.face_height)
        self._residual = torch.zeros(1, 2, 1, 1)
        rest_uv = self._coordinates(at_rest)[0][:, FACE_SHEET]
        self._residual = _pixel_centres(at_rest.features.shape[-1]) - rest_uv

    def __call__(self, render: HeadRender) -> Tensor:
        """[N] renders -> [N, size, size, 3] frames in 0..1."""
        coordinates, opacity = self._coordinates(render)
        uv = _enlarge(coordinates, self._size)
        head, firmness = self._head_colour(uv)
        contour = _enlarge(_blur(opacity, _CONTOUR_BLUR), self._size)
        covers = ((contour - 0.5) * _CONTOUR_CONTRAST + 0.5).clamp(0, 1) * firmness
        torso = self._torso_colour(render.cameras)
        behind = torso[:, :3] * torso[:, 3:] + self._background * (1 - torso[:, 3:])
        return (head * covers + behind * (1 - covers)).clamp(0, 1).permute(0, 2, 3, 1).contiguous()

    def _coordinates(self, render: HeadRender) -> tuple[Tensor, Tensor]:
        """Photo coordinates [N, 6, R, R] of the three sheets, continued beyond the head, and opacity."""
        _, uv = carried_values(render)
        uv = _continue(uv, (render.opacity > 0.5).float())
        return self._corrected(uv), render.opacity

    def _corrected(self, uv: Tensor) -> Tensor:
        """Takes away the systematic error that rendering showed at the source pose."""
        if self._residual.shape[-1] == 1:
            return uv
        pairs = uv.unflatten(1, (3, 2)).flatten(0, 1)
        error = F.grid_sample(
            self._residual.expand(len(pairs), -1, -1, -1), pairs.permute(0, 2, 3, 1) * 2 - 1, padding_mode="border", align_corners=False
        )
        return (pairs + error).unflatten(0, (len(uv), 3)).flatten(1, 2)

    def _head_colour(self, uv: Tensor) -> tuple[Tensor, Tensor]:
        """The sheets in front of one another: colours [N, 3, S, S] and how firmly they cover [N, 1, S, S]."""
        face, jaw, skull = (uv[:, sheet].permute(0, 2, 3, 1) for sheet in (FACE_SHEET, JAW_SHEET, SKULL_SHEET))
        pixel = 1 / (self._size * self._face.face_height)
        maps_jaw, maps_face = self._look_up(jaw), self._look_up(face)
        below_lower = _edge(maps_jaw[:, FaceMap.BELOW_LOWER], pixel)
        above_upper = _edge(maps_face[:, FaceMap.ABOVE_UPPER] + pixel, pixel)  # one pixel over the edge, so that closed lips show no inside
        lid = _edge(maps_jaw[:, FaceMap.ABOVE_LID], pixel)
        colour_face, colour_jaw = sample_plate(self._head, face), sample_plate(self._head, jaw)
        upper_face = colour_face + (colour_jaw - colour_face) * lid[:, None]
        inside = self._inside(skull, maps_jaw)
        behind_lower = upper_face * above_upper[:, None] + inside * (1 - above_upper[:, None])
        colour = colour_jaw * below_lower[:, None] + behind_lower * (1 - below_lower[:, None])
        return colour[:, :3], colour[:, 3:]

    def _inside(self, skull: Tensor, maps_jaw: Tensor) -> Tensor:
        """[N, 4, S, S] of what is seen between the lips, where it is seen; zeros far from the mouth."""
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
        return torch.cat([painted, torch.ones_like(painted[:, :1])], dim=1)

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
    from scipy.ndimage import distance_transform_edt

    side = 64
    head = F.interpolate(portrait.plates.crop(portrait.plates.head_mask), size=(side, side), mode="area")[0, 0].numpy() > 0.5
    distance = distance_transform_edt(~head) / side / (_TORSO_REACH * face_height)
    t = torch.from_numpy(distance).float().clamp(0, 1)
    return (1 - t * t * (3 - 2 * t))[None, None]


def _brightness(portrait: Portrait) -> float:
    """How brightly the face is lit: the upper quartile of its luminance, against that of a well-lit one."""
    image = portrait.image[0] / 2 + 0.5
    low, high = (portrait.landmarks[:, :2].amin(0) * 512).long(), (portrait.landmarks[:, :2].amax(0) * 512).long()
    face = image[:, max(0, low[1]) : high[1], max(0, low[0]) : high[0]].mean(0)
    return float((face.quantile(0.9) * 1.4).clamp(0.75, 1.05))


def _continue(values: Tensor, known: Tensor) -> Tensor:
    """Grows known values outwards ring by ring, each new one the mean of its known neighbours."""
    values = values * known
    for _ in range(_GROW):
        weight = F.avg_pool2d(known, 3, 1, 1)
        grown = F.avg_pool2d(values, 3, 1, 1) / weight.clamp_min(1e-6)
        values = torch.where(known > 0, values, grown)
        known = (weight > 0).float()
    return torch.where(known > 0, values, 0.5)


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
