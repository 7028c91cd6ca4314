"""The sides of a head that its photo does not show and a turn uncovers (spec 08 section 2)."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from scipy.ndimage import distance_transform_edt, gaussian_filter
from torch import Tensor

from ..portrait.portrait import Portrait
from ..render.camera import FOCAL, HEAD_CENTRE
from ..render.planes import Planes
from ..render.ray_marching import HeadRender
from .channels import FRONT, SILHOUETTE, STEEPNESS, near_contour

_UNROLLED = 0.6  # of a side's depth is the distance beyond the rim of which it has the colours: right at a turn of about 35 degrees
_FRONT, _SIDE = 0.01, 0.02  # world units behind the front surface: up to the one a ray may have met it, from the other on not
_FARTHEST = 0.03  # world units, the spacing of the march's samples
_SMOOTH = 2.0  # rays
_WIDEST = 0.13  # crop units from the rim within which a ray may have met a side; further in it has met the nose's or an ear's
_JITTER = 1.0  # rays
_TURNS_AWAY = 9.0  # rays from the rim within which a far side turns away


class FarSide:
    """Corrects photo coordinates of a portrait's renders where the photo did not see the surface, or the march met it inexactly.

    What lies behind the rim has the colours that the head's plate has beyond the rim (outskirts.py).

    Args:
        planes: the portrait's head at rest.
        at_rest: its render from the portrait's own camera.

    Attributes:
        photo_axes: [3, 2] the photo's right and down, in the world.
        per_world: crop units per world unit.
        front: of `front_surface`.
        rim: [1, 3, R, R] away from the photo's rim inwards (unit vectors), and crop units inside of it.
    """

    def __init__(self, portrait: Portrait, planes: Planes, at_rest: HeadRender):
        to_world = portrait.camera[0, :16].reshape(4, 4)
        self.photo_axes = to_world[:3, :2]  # right and down
        self.per_world = FOCAL / float(to_world[:3, 3] @ to_world[:3, 2].neg() + HEAD_CENTRE[2] * to_world[2, 2])
        self.front = front_surface(planes)
        self.rim = _from_the_rim((at_rest.opacity[0, 0] > 0.5).numpy())

    def __call__(self, uv: Tensor, behind: Tensor, evened: Tensor, points: Tensor, directions: Tensor) -> tuple[Tensor, Tensor]:
        """What is to be added to photo coordinates [n, 2] of rays, and how much of each ray's end [n] is side, not front.

        Args:
            behind: [n] how far behind the front surface of the moved head the rays were found to end, world units.
            evened: [n] the same as the mean of neighbours: on a side, the march ends as deep as its samples happen to lie.
            points, directions: [n, 3] where that was, and where they go.
        """
        inwards, inside = _at(self.rim, uv * 2 - 1).split([2, 1], dim=1)
        way, outside = self._to_surface(behind, points, directions)
        met = self.per_world * (way[:, None] * (directions @ self.photo_axes) - behind[:, None] * self.photo_axes[2])
        reach = inside.clamp_min(0) + _UNROLLED * self.per_world * (evened[:, None] - _FRONT).clamp_min(0)
        beyond = -inwards * reach
        side = outside * ((evened - _FRONT) / (_SIDE - _FRONT)).clamp(0, 1) * ((_WIDEST - inside[:, 0]) / (0.3 * _WIDEST)).clamp(0, 1)
        return torch.lerp(met, beyond, side[:, None]), side

    def beyond_rim(self, uv: Tensor, away: Tensor, camera: Tensor) -> tuple[Tensor, Tensor]:
        """What is to be added to photo coordinates [1, 2, R, R] of rays `away` [1, 1, R, R] rays beyond the solid head, so that they see
        the photo as far beyond its rim: a far side ends where it turns away, some way before the rim, and rays beside one another at
        different places. Nothing is added far from the rim, in the middle of the face.

        Returns also the sine [1, 1, R, R] of the angle by which the rim turns away from this camera [1, 25], negative on the near side.
        """
        grid = uv.permute(0, 2, 3, 1) * 2 - 1
        inwards, inside = F.grid_sample(self.rim, grid, padding_mode="border", align_corners=False).split([2, 1], dim=1)
        inside = inside * away.shape[-1]
        lacking = (inside + away - _JITTER).clamp_min(0) * ((_TURNS_AWAY - inside) / 2).clamp(0, 1)
        shift = -camera[0, :16].reshape(4, 4)[:3, 2] @ self.photo_axes
        return -inwards * lacking / away.shape[-1], (inwards * shift[:, None, None]).sum(dim=1, keepdim=True)

    def _to_surface(self, behind: Tensor, points: Tensor, directions: Tensor) -> tuple[Tensor, Tensor]:
        """How far [n] the rays must go on (mostly back) to end on the front surface, and 1 where it is not the head's there, but beyond.

        Newton's method, because the march meets the surface only to within the spacing of its samples.
        """
        start = way = torch.zeros_like(behind)
        for step in range(2):
            height, *slope, _ = _at(self.front, 2 * (points + way[:, None] * directions)[:, :2]).unbind(dim=1)
            start = height if step == 0 else start
            left = behind + height - start - way * directions[:, 2]
            steepness = directions[:, 2] - slope[0] * directions[:, 0] - slope[1] * directions[:, 1]
            way = way + left / steepness.clamp_max(-0.3)
        inside = _at(self.front[:, 3:], 2 * (points + way[:, None] * directions)[:, :2])[:, 0]
        beyond = torch.maximum((0.5 - inside).clamp(0, 1), (way.abs() / _FARTHEST - 1).clamp(0, 1))
        return way.clamp(-_FARTHEST, _FARTHEST), beyond


def front_surface(planes: Planes) -> Tensor:
    """[1, 4, 256, 256] over plane 0: z of the front surface, its slopes along x and y, and texels within the silhouette."""
    height = planes.features[:1, :1, FRONT] / (3 * STEEPNESS)
    y, x = torch.gradient(height, spacing=planes.box_side / height.shape[-1], dim=(2, 3))
    return torch.cat([height, x, y, near_contour(planes.features[:1, :1, SILHOUETTE] / 3)], dim=1)


def _at(maps: Tensor, places: Tensor) -> Tensor:
    """Maps [1, C, H, W] at places [n, 2] between -1 and 1 -> [n, C]."""
    return F.grid_sample(maps, places[None, None], padding_mode="border", align_corners=False)[0, :, 0].T


def _from_the_rim(solid: np.ndarray) -> Tensor:
    """[1, 3, R, R] of a head [R, R] bool: unit vectors away from its rim inwards; crop units inside of the rim, negative beyond it."""
    inside = distance_transform_edt(np.pad(solid, 1, mode="edge"))[1:-1, 1:-1]
    distance = gaussian_filter(inside - distance_transform_edt(~solid), _SMOOTH)
    inwards = np.stack(np.gradient(distance)[::-1])
    inwards /= np.maximum(np.linalg.norm(inwards, axis=0), 1e-6)
    return torch.from_numpy(np.concatenate([inwards, distance[None] / len(solid)])).float()[None]
