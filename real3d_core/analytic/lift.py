"""Image to plane: the head of a photo as a solid on planes, its surface carrying photo coordinates (DESIGN section 3)."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from ..one_thread import blas_on_one_thread
from ..portrait.portrait import Portrait
from ..render.planes import Planes
from .channels import (
    BACK,
    CARRIED,
    COLOUR,
    FACE_UV,
    FRONT,
    JAW_UV,
    SILHOUETTE,
    SKULL_UV,
    STEEPNESS,
    depth_ramps,
    encode_colour,
    encode_silhouette,
    encode_uv,
)
from .controls import HIDDEN, hidden_side
from .glasses import GLASSES, glasses_worn
from .solid import TEXELS, head_solid, sample_plate, texel_centres


@blas_on_one_thread()
def lift(portrait: Portrait) -> Planes:
    """The head at rest as planes [1, 3, 32, 256, 256]."""
    solid = head_solid(portrait)
    colour = sample_plate(portrait.plates.head[:, :3], solid.photo_uv.permute(1, 2, 0)[None])[0]
    features = torch.from_numpy(np.zeros((1, 3, 32, TEXELS, TEXELS), np.float32))  # NumPy leaves zeros that nobody touches to the system
    plane = features[0, 0]
    plane[FRONT] = STEEPNESS * solid.front
    plane[BACK] = -STEEPNESS * solid.back
    plane[SILHOUETTE] = encode_silhouette(solid.inside)
    carried = plane[CARRIED]
    carried[COLOUR] = encode_colour(colour)
    for sheet in (FACE_UV, JAW_UV, SKULL_UV):
        carried[sheet] = encode_uv(solid.photo_uv)
    plane[: CARRIED.stop] *= 3
    features[0, 1, [FRONT, BACK]] = depth_ramps()
    glasses = torch.tensor(glasses_worn(portrait.plates.photo, portrait.landmarks))
    hidden = torch.tensor(hidden_side(float(portrait.euler[0, 1])))
    return Planes(features, bounds=_bounds(solid), landmarks=solid.landmarks, person={GLASSES: glasses, HIDDEN: hidden})


def _bounds(solid) -> Tensor:
    """A box about the head, with room for a dropped jaw."""
    x, y = (torch.from_numpy(axis).float() for axis in texel_centres())
    head = solid.inside > 0
    room = 0.02
    chin = 0.14 * solid.face_height
    return torch.tensor(
        [
            [x[head].min() - room, y[head].min() - room - chin, solid.back[head].min() - room],
            [x[head].max() + room, y[head].max() + room, solid.front[head].max() + room],
        ]
    ).clamp(-0.5, 0.5)
