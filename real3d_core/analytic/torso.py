"""The torso of a frame: its neck is carried along by the head, its shoulders stay."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from scipy.ndimage import distance_transform_edt
from torch import Tensor

from ..portrait.plates import MARGIN
from ..portrait.portrait import Portrait
from ..render.camera import FOCAL, HEAD_CENTRE, camera_rays
from ..smooth_step import eased
from .ray_maps import Enlargement, extent, pixel_centres, stillness
from .solid import NECK_BEHIND, sample_plate

_TORSO_REACH = 0.85  # face heights over which the torso stops following the head


class Torso:
    """A portrait's torso in frames of one size.

    Args:
        plate: [1, 4, S, S] colour and opacity.
        face_height: in crop units.
        size: pixels along a side of the frames.
    """

    def __init__(self, portrait: Portrait, plate: Tensor, face_height: float, size: int):
        self._plate = plate
        self._top = _first_row(plate[:, 3:])
        self._size = size
        self._source_camera = portrait.camera
        self._follow = _torso_follow(portrait, face_height)
        self._from_follow = Enlargement(self._follow.shape[-1], size, "bilinear")
        self._latest: tuple[Tensor, tuple[Tensor, Tensor]] | None = None

    def __call__(self, camera: Tensor) -> tuple[Tensor, Tensor]:
        """[4, S, S], the torso, its neck carried along by the head and its shoulders at rest; and [1, S, S], how much it is in its place.

        Kept while the camera stays.
        """
        if self._latest is None or not torch.equal(self._latest[0], camera):
            shift = (_neck_shift(camera, self._source_camera, self._follow.shape[-1]) * self._follow)[0]
            top = math.floor((self._top + float(shift[1].amin())) * self._size)  # no row above it can show any torso
            rows = (slice(min(max(top, 0), self._size - 1), self._size), slice(0, self._size))
            moved = pixel_centres(self._size)[..., rows[0], rows[1]] - self._from_follow(shift, rows)
            torso = torch.zeros(4, self._size, self._size)
            torso[..., rows[0], rows[1]] = sample_plate(self._plate, moved.permute(0, 2, 3, 1))[0]
            still = self._from_follow(stillness(shift)[None], (slice(0, self._size), slice(0, self._size)))
            self._latest = (camera, (torso, still))
        return self._latest[1]


def _neck_shift(cameras: Tensor, source: Tensor, side: int) -> Tensor:
    """[N, 2, side, side]: how far a point of the neck, seen at each place of the source picture, moves in the picture."""
    origins, directions = camera_rays(source, side)
    centre = source.new_tensor(HEAD_CENTRE)
    towards = source[0, :16].reshape(4, 4)[:3, 2]  # the source camera's viewing direction
    plane = centre @ towards + NECK_BEHIND
    distance = (plane - origins @ towards) / (directions @ towards)
    points = origins + directions * distance[..., None]
    to_world = cameras[:, :16].reshape(-1, 4, 4)
    in_camera = (points - to_world[:, None, :3, 3]) @ to_world[:, :3, :3]
    uv = 0.5 + FOCAL * in_camera[..., :2] / in_camera[..., 2:]
    return uv.transpose(1, 2).unflatten(2, (side, side)) - pixel_centres(side)


def _torso_follow(portrait: Portrait, face_height: float) -> Tensor:
    """[1, 1, 64, 64]: 1 where the torso goes with the head, falling to 0 towards the shoulders."""
    side = 64
    head = F.interpolate(portrait.plates.crop(portrait.plates.head_mask), size=(side, side), mode="area")[0, 0].numpy() > 0.5
    distance = distance_transform_edt(~head) / side / (_TORSO_REACH * face_height)
    t = torch.from_numpy(distance).float().clamp(0, 1)
    return (1 - eased(t))[None, None]


def _first_row(plate: Tensor) -> float:
    """v, in crop units, above which a plate [1, 1, S, S] is empty."""
    rows = extent(plate[0, 0].any(dim=1))
    return (rows.start - 0.5) / plate.shape[-1] * (1 + 2 * MARGIN) - MARGIN
