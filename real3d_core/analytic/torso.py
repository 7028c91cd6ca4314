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
from .painting import CELL
from .ray_maps import extent, pixel_centres, plate_places, stillness
from .solid import NECK_BEHIND

_TORSO_REACH = 0.85  # face heights over which the torso stops following the head
_EDGE = 0.12  # crop units from the photo's sides within which it stays, as nothing is known beyond them
_ROUNDS = 3  # of the fixed point; each leaves about a third of the error


class Torso:
    """A portrait's torso in frames of one size.

    Args:
        plate: [1, 4, S, S] colour and opacity.
        face_height: in crop units.
        size: pixels along a side of the frames.

    Attributes:
        plate, cells: `torso` and `torso_cells` of FrameLayers.
        neck: [3, r * r] world, where the neck is that is seen at each place of the source picture.
        follow: [r, r] 1 where the torso goes with the head, falling to 0 towards the shoulders.
    """

    def __init__(self, portrait: Portrait, plate: Tensor, face_height: float, size: int):
        self.plate = plate.contiguous(memory_format=torch.channels_last)
        self.cells = _cells(plate[:, 3:])
        self._top = _first_row(plate[:, 3:])
        self._size = size
        self.follow = _torso_follow(portrait, face_height)[0, 0]
        self.neck = _neck_points(portrait.camera, self.follow.shape[-1])

    def carried(self, camera: Tensor) -> tuple[int, Tensor]:
        """What a head that is seen by a camera [1, 25] does to the torso: `first_row` and `carried` of FrameLayers."""
        (shift,) = torso_shifts(self.neck, self.follow, pixel_centres(self.follow.shape[-1]), camera)
        top = math.floor((self._top + float(shift[1].amin())) * self._size)
        return min(max(top, 0), self._size - 1), torch.cat([plate_places(0.5 + shift), stillness(shift)[None]])


def _neck_points(source: Tensor, side: int) -> Tensor:
    """[3, side * side] world: where the neck is that is seen at each place of the source picture."""
    origins, directions = camera_rays(source, side)
    centre = source.new_tensor(HEAD_CENTRE)
    towards = source[0, :16].reshape(4, 4)[:3, 2]  # the source camera's viewing direction
    plane = centre @ towards + NECK_BEHIND
    distance = (plane - origins @ towards) / (directions @ towards)
    return (origins + directions * distance[..., None])[0].T.contiguous()


def torso_shifts(neck: Tensor, follow: Tensor, centres: Tensor, cameras: Tensor) -> Tensor:
    """[n, 2, r, r] crop units by which heads that are seen by cameras [n, 25] carry the torso.

    Args:
        neck, follow: of `Torso`; centres: [1, 2, r, r] `pixel_centres` of the latter.
    """
    to_world = cameras[:, :16].unflatten(1, (4, 4))
    in_camera = to_world[:, :3, :3].mT @ (neck - to_world[:, :3, 3:])
    seen = 0.5 + FOCAL * in_camera[:, :2] / in_camera[:, 2:]
    shifts = moved = (seen.view(-1, *centres.shape[1:]) - centres) * follow
    for _ in range(_ROUNDS):  # the torso seen at a place is what has been carried there
        places = (centres - shifts).permute(0, 2, 3, 1) * 2 - 1
        shifts = F.grid_sample(moved, places, padding_mode="border", align_corners=False)
    return shifts


def _torso_follow(portrait: Portrait, face_height: float) -> Tensor:
    """[1, 1, 64, 64]: 1 where the torso goes with the head, falling to 0 towards the shoulders."""
    side = 64
    head = F.interpolate(portrait.plates.crop(portrait.plates.head_mask), size=(side, side), mode="area")[0, 0].numpy() > 0.5
    distance = distance_transform_edt(~head) / side / (_TORSO_REACH * face_height)
    t = torch.from_numpy(distance).float().clamp(0, 1)
    across = pixel_centres(side)[0, 0]
    window = portrait.window
    beside = torch.minimum(across + window.left / window.side, (portrait.photo_size[0] - window.left) / window.side - across)
    return ((1 - eased(t)) * eased((beside / _EDGE).clamp(0, 1)))[None, None]


def _cells(plate: Tensor) -> Tensor:
    """`torso_cells` of FrameLayers, of a plate [1, 1, S, S]."""
    count = -(-plate.shape[-1] // CELL)
    beyond = CELL * count + 1 - plate.shape[-1]
    return F.max_pool2d(F.pad(plate, (0, beyond, 0, beyond)), CELL + 1, CELL)[0, 0] > 0


def _first_row(plate: Tensor) -> float:
    """v, in crop units, above which a plate [1, 1, S, S] is empty."""
    rows = extent(plate[0, 0].any(dim=1))
    return (rows.start - 0.5) / plate.shape[-1] * (1 + 2 * MARGIN) - MARGIN
