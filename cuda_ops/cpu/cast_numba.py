"""Rays of a camera, and between which depths they are marched: cast.h once more, for numba. Importing needs numba and compiles nothing.

Numbers are rounded after every operation, as PyTorch does.
"""

from __future__ import annotations

import numpy as np

TILE = 4  # side of the squares of pixels that are marched one after the other: their lookups are close together
TINY, SHORTEST, HALF = np.float32(1.17549435e-38), np.float32(1e-12), np.float32(0.5)
ROW, TABLE = "float32[::1]", "float32[:,::1]"
CAST = f"boolean({ROW}, int64, {TABLE}, {TABLE}, {ROW}, {ROW}, {ROW})"
CHOOSE = f"int64({ROW}, int64, {TABLE}, {ROW}, {ROW}, {ROW}, {TABLE}, {ROW}, int32[::1], {TABLE}, {ROW})"


def cast(camera, side, box, directions, near, far, span):
    """Fills directions [3, M], near and far [M], extends span [2]; returns whether the camera sees anything. See `cast` of cast.h."""
    fx, skew, cx, fy, cy = camera[16], camera[17], camera[18], camera[20], camera[21]
    width, slant = np.float32(side), cy * skew / fy
    sound = True
    for axis in range(3):
        sound = sound and np.isfinite(camera[4 * axis + 3])
    for row in range(side):
        v = (np.float32(row) + HALF) / width
        y, slanted = (v - cy) / fy, skew * v / fy
        for column in range(side):
            pixel = row * side + column
            x = ((np.float32(column) + HALF) / width - cx + slant - slanted) / fx
            a = camera[0] * x + camera[1] * y + camera[2]
            b = camera[4] * x + camera[5] * y + camera[6]
            c = camera[8] * x + camera[9] * y + camera[10]
            length = max(np.sqrt(a * a + b * b + c * c), SHORTEST)
            a, b, c = a / length, b / length, c / length
            directions[0, pixel], directions[1, pixel], directions[2, pixel] = a, b, c
            sound = sound and a * a + b * b + c * c > HALF
    for pixel in range(side * side):
        for axis in range(3):
            direction = directions[axis, pixel]
            inverse = np.float32(1) / (direction if direction != 0 else TINY)
            origin = camera[4 * axis + 3]
            to_lower, to_upper = (box[0, axis] - origin) * inverse, (box[1, axis] - origin) * inverse
            enters, leaves = (to_upper, to_lower) if inverse < 0 else (to_lower, to_upper)
            near[pixel] = enters if axis == 0 else max(near[pixel], enters)
            far[pixel] = leaves if axis == 0 else min(far[pixel], leaves)
        if far[pixel] > near[pixel]:
            span[0], span[1] = min(span[0], near[pixel]), max(span[1], near[pixel])
    return sound


def choose(origin, side, directions, near, far, strata, jitter, span, pixels, reach, ends):
    """Fills pixels [M] and reach [2, 3], extends ends [2]; returns how many. See `choose` of cast.h; an empty span stands for none."""
    steps, count = len(strata) - 1, 0
    reach[0], reach[1] = np.inf, -np.inf
    for left in range(0, side, TILE):  # downwards: see cast.h
        for top in range(0, side, TILE):
            for row in range(top, min(top + TILE, side)):
                for column in range(left, min(left + TILE, side)):
                    pixel = row * side + column
                    if not far[pixel] > near[pixel]:
                        if not len(span):
                            continue
                        near[pixel], far[pixel] = span
                    pixels[count] = pixel
                    count += 1
                    shifts = jitter[pixel if len(jitter) > 1 else 0]
                    length = far[pixel] - near[pixel]
                    step = length / np.float32(steps)
                    first = strata[0] * length + near[pixel] + shifts[0] * step
                    last = strata[steps] * length + near[pixel] + shifts[steps] * step
                    ends[0], ends[1] = min(ends[0], first), max(ends[1], last)
                    for axis in range(3):
                        one, other = origin[axis] + first * directions[axis, pixel], origin[axis] + last * directions[axis, pixel]
                        reach[0, axis] = min(reach[0, axis], one, other)
                        reach[1, axis] = max(reach[1, axis], one, other)
    return count
