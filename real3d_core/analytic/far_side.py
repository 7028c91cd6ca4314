"""The sides of a head that its photo does not show and a turn uncovers (spec 08 section 2)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from scipy.ndimage import distance_transform_edt, gaussian_filter
from torch import Tensor

from ..face.measures import face_height_of
from ..portrait.portrait import Portrait
from ..portrait.segmentation import filled_face
from ..render.camera import FOCAL, HEAD_CENTRE
from ..render.planes import Planes
from ..render.ray_marching import HeadRender
from .channels import FRONT, SILHOUETTE, STEEPNESS, near_contour

_MIRRORED = (
    0.6  # of a side's depth is the distance at which the photo is mirrored into it: the texture is right at a turn of about 35 degrees
)
_FRONT, _SIDE = 0.01, 0.02  # world units behind the front surface: up to the one a ray may have met it, from the other on not
_FARTHEST = 0.03  # world units, the spacing of the march's samples
_SMOOTH = 2.0  # rays
_WIDEST = 0.15  # face heights
_HAIR_OFF_SKIN = 0.15  # distance of colours, each 0..1


class FarSide:
    """Corrects photo coordinates of a portrait's renders where the photo did not see the surface, or the march met it inexactly.

    Behind the rim the photo goes on mirrored: a point as far behind the rim takes what lies as far inside of it, to and fro in the band
    between the rim and the face, so hair goes on as hair.

    Args:
        planes: the portrait's head at rest.
        at_rest: its render from the portrait's own camera.
    """

    def __init__(self, portrait: Portrait, planes: Planes, at_rest: HeadRender):
        to_world = portrait.camera[0, :16].reshape(4, 4)
        self._photo_axes = to_world[:3, :2]  # right and down
        self._per_world = FOCAL / float(to_world[:3, 3] @ to_world[:3, 2].neg() + HEAD_CENTRE[2] * to_world[2, 2])
        self._front = front_surface(planes)
        rim = RimTexture.of(portrait, (at_rest.opacity[0, 0] > 0.5).numpy())
        maps = np.concatenate([rim.inwards, np.stack([rim.width, rim.inside]) / len(rim.width)])
        self._rim = torch.from_numpy(maps).float()[None]

    def __call__(self, uv: Tensor, behind: Tensor, evened: Tensor, points: Tensor, directions: Tensor) -> tuple[Tensor, Tensor]:
        """What is to be added to photo coordinates [n, 2] of rays, and how much of each ray's end [n] is side, not front.

        Args:
            behind: [n] how far behind the front surface of the moved head the rays were found to end, world units.
            evened: [n] the same as the mean of neighbours: on a side, the march ends as deep as its samples happen to lie.
            points, directions: [n, 3] where that was, and where they go.
        """
        inwards, width, inside = _at(self._rim, uv * 2 - 1).split([2, 1, 1], dim=1)
        way, outside = self._to_surface(behind, points, directions)
        met = self._per_world * way[:, None] * (directions @ self._photo_axes)
        reach = inside + _MIRRORED * self._per_world * (evened[:, None] - _FRONT).clamp_min(0)
        mirrored = inwards * (_to_and_fro(reach, width) - inside)
        side = outside * ((evened - _FRONT) / (_SIDE - _FRONT)).clamp(0, 1)
        return torch.lerp(met, mirrored, side[:, None]), side

    def _to_surface(self, behind: Tensor, points: Tensor, directions: Tensor) -> tuple[Tensor, Tensor]:
        """How far [n] the rays must go on (mostly back) to end on the front surface, and 1 where it is not the head's there, but beyond.

        Newton's method, because the march meets the surface only to within the spacing of its samples.
        """
        start = way = torch.zeros_like(behind)
        for step in range(2):
            height, *slope, _ = _at(self._front, 2 * (points + way[:, None] * directions)[:, :2]).unbind(dim=1)
            start = height if step == 0 else start
            left = behind + height - start - way * directions[:, 2]
            steepness = directions[:, 2] - slope[0] * directions[:, 0] - slope[1] * directions[:, 1]
            way = way + left / steepness.clamp_max(-0.3)
        inside = _at(self._front[:, 3:], 2 * (points + way[:, None] * directions)[:, :2])[:, 0]
        beyond = torch.maximum((0.5 - inside).clamp(0, 1), (way.abs() / _FARTHEST - 1).clamp(0, 1))
        return way.clamp(-_FARTHEST, _FARTHEST), beyond


def front_surface(planes: Planes) -> Tensor:
    """[1, 4, 256, 256] over plane 0: z of the front surface, its slopes along x and y, texels within the silhouette near its contour."""
    height = planes.features[:1, :1, FRONT] / (3 * STEEPNESS)
    y, x = torch.gradient(height, spacing=planes.box_side / height.shape[-1], dim=(2, 3))
    return torch.cat([height, x, y, near_contour(planes.features[:1, :1, SILHOUETTE] / 3)], dim=1)


def _at(maps: Tensor, places: Tensor) -> Tensor:
    """Maps [1, C, H, W] at places [n, 2] between -1 and 1 -> [n, C]."""
    return F.grid_sample(maps, places[None, None], padding_mode="border", align_corners=False)[0, :, 0].T


@dataclass(frozen=True)
class RimTexture:
    """What the photo shows along the rim of the head, seen by R x R rays.

    inwards: [2, R, R] unit vectors from the rim.
    inside: [R, R] rays from the rim, 0 beyond it.
    width: [R, R] rays inwards from the nearest rim that show the same as the rim does: hair, or skin.
    """

    inwards: np.ndarray
    inside: np.ndarray
    width: np.ndarray

    @classmethod
    def of(cls, portrait: Portrait, solid: np.ndarray) -> RimTexture:
        side = len(solid)
        landmarks = portrait.landmarks.numpy() * side
        face = filled_face(landmarks, solid.shape) > 0
        inside = distance_transform_edt(np.pad(solid, 1, mode="edge"))[1:-1, 1:-1]
        distance = gaussian_filter(inside - distance_transform_edt(~solid), _SMOOTH)
        inwards = np.stack(np.gradient(distance)[::-1])
        inwards /= np.maximum(np.linalg.norm(inwards, axis=0), 1e-6)

        head = F.interpolate(portrait.plates.crop(portrait.plates.head[:, :3]), size=(side, side), mode="area")[0].permute(1, 2, 0).numpy()
        at_rim = solid & (inside < 1.5)
        rows, columns = distance_transform_edt(~at_rim, return_distances=False, return_indices=True)
        rim = gaussian_filter(gaussian_filter(head, (1, 1, 0))[rows, columns], (_SMOOTH, _SMOOTH, 0))
        skin = np.median(head[face & solid], axis=0)
        differs = np.linalg.norm(rim - skin, axis=2)
        skin_there = np.linalg.norm(head - skin, axis=2) < 0.8 * np.linalg.norm(head - rim, axis=2)
        other = (differs > _HAIR_OFF_SKIN) & (face | skin_there) & ~at_rim
        most = _WIDEST * float(face_height_of(landmarks[:, :2]))
        width = gaussian_filter(np.clip(0.75 * (distance_transform_edt(~other) + inside)[rows, columns], 2.5, most), _SMOOTH)
        return cls(inwards, inside, width)


def _to_and_fro(distance: Tensor, width: Tensor) -> Tensor:
    """Forward up to the width, back again, and so on."""
    return width - (distance.remainder(2 * width) - width).abs()
