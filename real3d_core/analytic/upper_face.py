"""How brows, lids and cheeks move, each part by itself: what lends a spoken word its emphasis, and a face its expression.

The comments name the action units of the Facial Action Coding System (Ekman and Friesen 1978).
"""

from __future__ import annotations

import numpy as np

from ..face.landmark_sets import LEFT_BROW, LEFT_LOWER_LID, LEFT_UPPER_LID, MESH_POINTS, RIGHT_BROW, RIGHT_LOWER_LID, RIGHT_UPPER_LID
from ..smooth_step import smooth_step

UPPER_FACE = ("brow_inner_raise", "brow_outer_left", "brow_outer_right", "lids_wide", "lids_tight", "cheek_raise")
_NOSE_BRIDGE = 168
_BELOW_BROWS, _ABOVE_BROWS = RIGHT_BROW[:5] + LEFT_BROW[:5], RIGHT_BROW[5:] + LEFT_BROW[5:]
_BROW_ENDS, _TEMPLES = [46, 276], [127, 356]
_EYES = ((RIGHT_UPPER_LID, RIGHT_LOWER_LID), (LEFT_UPPER_LID, LEFT_LOWER_LID))


def upper_face_directions(rest: np.ndarray) -> dict[str, np.ndarray]:
    """How each control of UPPER_FACE at 1 moves each landmark: [468, 3] in face heights.

    Args:
        rest: [468, 3] in face heights, x right, y up, z to the viewer.
    """
    directions = {name: np.zeros((MESH_POINTS, 3)) for name in UPPER_FACE}
    from_middle = rest[:, 0] - rest[_NOSE_BRIDGE, 0]
    brow = brow_weight(rest)
    directions["brow_inner_raise"][:, 1] = 0.058 * np.exp(-((from_middle / 0.14) ** 2)) * brow  # AU 1
    for name, side in (("brow_outer_left", 1), ("brow_outer_right", -1)):  # AU 2
        directions[name][:, 1] = 0.035 * smooth_step((side * from_middle - 0.10) / 0.14) * brow
    for upper, lower in _EYES:
        lens, above, below = _eye_places(rest, upper, lower)
        directions["lids_wide"][:, 1] += lens * (0.016 * above - 0.003 * below)  # AU 5
        directions["lids_tight"][:, 1] += lens * (0.022 * below - 0.008 * above)  # AU 7
        x, y = rest[upper + lower, :2].mean(0)
        apple = np.exp(-(((rest[:, 0] - x) / 0.14) ** 2) - ((rest[:, 1] - y + 0.11) / 0.07) ** 2)
        directions["cheek_raise"][:, 1:] += apple[:, None] * (0.030, 0.015)  # AU 6
    return directions


def brow_weight(rest: np.ndarray) -> np.ndarray:
    """[468] how much each landmark goes along with the brows: 1 on them, so that they keep their thickness, less over the forehead and
    towards the lids and the temples, which stay: hair and ears begin there."""
    x, y = rest[:, 0] - rest[_NOSE_BRIDGE, 0], rest[:, 1]
    brow_end, temple = (float(np.abs(x[ends]).mean()) for ends in (_BROW_ENDS, _TEMPLES))
    beside = smooth_step((np.abs(x) - brow_end) / max(temple - brow_end, 1e-3))
    lid, lower, upper = (_line(rest, points) for points in (RIGHT_UPPER_LID + LEFT_UPPER_LID, _BELOW_BROWS, _ABOVE_BROWS))
    way = np.maximum(lower - lid, 1e-3)
    return smooth_step((y - lid - 0.3 * way) / (0.45 * way)) * np.exp(-(((y - upper).clip(0) / 0.10) ** 2)) * (1 - beside)


def _line(rest: np.ndarray, points: list[int]) -> np.ndarray:
    """[468] the height of the line through some landmarks, from image left to right, above or below each landmark."""
    return np.interp(rest[:, 0], np.maximum.accumulate(rest[points, 0]), rest[points, 1])


def _eye_places(rest: np.ndarray, upper: list[int], lower: list[int]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """[468] each: 1 midway between an eye's corners, 0 beyond them; 1 on the upper lid's edge, less above it; the lower lid's, below it."""
    x, y = rest[:, 0], rest[:, 1]
    inner, outer = rest[upper[0], 0], rest[upper[-1], 0]
    lens = np.clip(1 - ((2 * x - inner - outer) / (outer - inner)) ** 2, 0, 1)
    over, under = y - _line(rest, upper), _line(rest, lower) - y
    near_upper, near_lower = np.exp(-((over.clip(0) / 0.045) ** 2)), np.exp(-((under.clip(0) / 0.06) ** 2))
    return lens, near_upper * (over > -0.004), near_lower * (under > -0.004)
