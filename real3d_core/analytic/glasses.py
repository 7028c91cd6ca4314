"""Whether a photo shows glasses, and what of a face they hold still (spec 08 section 4)."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from ..face.landmark_sets import EYE_CORNERS, LEFT_BROW, LEFT_LOWER_LID, RIGHT_BROW, RIGHT_LOWER_LID
from ..face.measures import face_height_of
from ..smooth_step import smooth_step
from .solid import sample_places

GLASSES = "glasses"  # the name of what `Planes.person` knows of them

# Lengths are in face heights.
_STEP = 0.004
_ACROSS, _DOWN = 0.032, (-0.08, 0.13)  # about the middle between the eyes: where the bridge of glasses crosses the nose
_BAND = 6  # steps: what is lighter or darker than both sides at this distance is a band
_CONTRAST = (0.10, 0.18)  # logarithm of brightness: noses have bands of up to 0.07, bridges of 0.13 and more
_DARK = 0.06  # of brightness 0..1, added before taking the logarithm
_BELOW_EYES = (0.10, 0.17)  # down to where glasses hold all, and where they hold nothing any more
_ABOVE_BROWS = (0.01, 0.07)  # likewise above the brows' upper edge: half a brow that moves is drawn into a point


def glasses_worn(photo: Tensor, landmarks: Tensor) -> float:
    """0..1: how surely a band crosses the bridge of the nose in one line, as that of glasses does and no wrinkle or light.

    Args:
        photo: [1, 3, S, S], a plate with its margins.
        landmarks: [478, 3] in crop units.
    """
    points = landmarks[:, :2]
    inner = points[[EYE_CORNERS[side][1] for side in ("right", "left")]]
    height = float(face_height_of(points.numpy()))
    along = (inner[1] - inner[0]) / (inner[1] - inner[0]).norm()
    down = torch.stack([-along[1], along[0]])
    x, y = torch.arange(-_ACROSS, _ACROSS + _STEP / 2, _STEP), torch.arange(*_DOWN, _STEP)
    finer = torch.tensor([-1.0, 0.0, 1.0]) * _STEP / 3
    across, below = (x[:, None] + finer).flatten(), (y[:, None] + finer).flatten()
    places = inner.mean(0) + height * (across[None, :, None] * along + below[:, None, None] * down)
    colours = sample_places(photo, places.reshape(-1, 2)).reshape(len(y), 3, len(x), 3, 3).mean(dim=(1, 3))
    light = torch.log(colours.clamp_min(0) + _DARK).numpy()
    above, middle, under = light[: -2 * _BAND], light[_BAND:-_BAND], light[2 * _BAND :]
    band = np.where((middle > above) == (middle > under), np.abs(middle - (above + under) / 2), 0).max(axis=2)
    return float(np.clip((_weakest_of_best_line(band) - _CONTRAST[0]) / (_CONTRAST[1] - _CONTRAST[0]), 0, 1))


def _weakest_of_best_line(band: np.ndarray) -> float:
    """Of all lines from the first column of [rows, columns] to the last that step by at most a row: the most their least value is."""
    line = band[:, 0]
    for column in band.T[1:]:
        padded = np.pad(line, 1)
        line = np.minimum(np.maximum(np.maximum(padded[:-2], padded[1:-1]), padded[2:]), column)
    return float(line.max())


def held_by_glasses(rest: np.ndarray) -> np.ndarray:
    """[468] in 0..1: how much each landmark stays where glasses are, from the cheeks up to the brows.

    Args:
        rest: [468, 3] in face heights, y up.
    """
    y = rest[:, 1]
    lids = rest[RIGHT_LOWER_LID + LEFT_LOWER_LID, 1].mean()
    brows = rest[RIGHT_BROW + LEFT_BROW, 1].max()
    on_cheeks = 1 - smooth_step((lids - y - _BELOW_EYES[0]) / (_BELOW_EYES[1] - _BELOW_EYES[0]))
    return on_cheeks * (1 - smooth_step((y - brows - _ABOVE_BROWS[0]) / (_ABOVE_BROWS[1] - _ABOVE_BROWS[0])))
