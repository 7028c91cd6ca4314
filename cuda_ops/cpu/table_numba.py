"""The table of a head: what hidden units receive at every texel of its windows: table.h once more, for numba.

Importing needs numba and compiles nothing.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from .samples_numba import ONE, STRICT, ZERO
from .vectors_numba import NARROW, WIDE, fused, loads, number_at, repeats, store

SIDE = NARROW.lanes  # of the squares of texels that are projected together
NUMBER = 4  # bytes
TABLE, ROW, WHERE = "float32[:,::1]", "float32[::1]", "int64[::1]"
PROJECT = f"void(int64[:,::1], {WHERE}, {WHERE}, {WHERE}, {TABLE}, {ROW}, {TABLE}, {TABLE}, int64, int64, float32[:,:,::1])"

load, all_of = loads(NARROW), repeats(NARROW)


@njit(forceinline=True, **STRICT)
def read_square(sheets, inside, channels, row, column, square, square_at):
    """A square of a window's texels [inputs, SIDE, SIDE], zeros beyond the edges of its sheets. See `project`."""
    first_row, first_column = inside[0] + row, inside[1] + column
    top, left = max(0, -first_row), max(0, -first_column)
    bottom, right = min(SIDE, inside[2] - first_row), min(SIDE, inside[3] - first_column)
    whole = top == 0 and left == 0 and bottom == SIDE and right == SIDE
    square[:] = ZERO
    for s in range(len(sheets)):
        down, across = sheets[s, 2], sheets[s, 3]
        for i in range(len(channels)):
            texels = sheets[s, 0] + channels[i] * sheets[s, 1] + first_row * down + first_column * across
            if whole and across == NUMBER:
                for y in range(SIDE):
                    to = square_at + NUMBER * SIDE * (i * SIDE + y)
                    store(to, fused(all_of(ONE), load(texels + y * down), load(to)))
            else:
                for x in range(left, right):
                    for y in range(top, bottom):
                        square[i, y, x] += number_at(texels + y * down + x * across)


def projections(kind):
    """How texels of a row of a square are projected, four at a time, `kind.lanes` units at a time; their number is a multiple of that."""
    load, all_of, step = loads(kind), repeats(kind), NUMBER * kind.lanes

    @njit(forceinline=True, **STRICT)
    def project_row(square, y, texels, weights, weights_on, bias, units, to):
        for x in range(0, texels, 4):
            for first in range(0, NUMBER * units, step):
                a = b = c = d = load(bias + first)
                for i in range(len(square)):
                    weight = load(weights + i * weights_on + first)
                    a = fused(all_of(square[i, y, x]), weight, a)
                    b = fused(all_of(square[i, y, x + 1]), weight, b)
                    c = fused(all_of(square[i, y, x + 2]), weight, c)
                    d = fused(all_of(square[i, y, x + 3]), weight, d)
                place = to + NUMBER * units * x + first
                store(place, a)
                if x + 1 < texels:
                    store(place + NUMBER * units, b)
                if x + 2 < texels:
                    store(place + 2 * NUMBER * units, c)
                if x + 3 < texels:
                    store(place + 3 * NUMBER * units, d)

    return project_row


project_row_narrow, project_row_wide = projections(NARROW), projections(WIDE)


@njit(forceinline=True, **STRICT)
def project_row(square, y, texels, weights, weights_on, bias, units, to):
    """weights, bias, to: addresses of [inputs][..], [units], [texels][units]; weights_on: bytes from one input's weights to the next's."""
    if units % 64 == 0:
        project_row_wide(square, y, texels, weights, weights_on, bias, units, to)
    else:
        project_row_narrow(square, y, texels, weights, weights_on, bias, units, to)


def project(sheets, inside, size, channels, weight, bias, early, late, first, stop, square):
    """Fills rows `first` to `stop` - 1 of a window, or of one layer of a stack.

    Args:
        sheets: [n, 4] address of the first texel's first channel; how many bytes further the next channel, row, column are.
        inside: [4] which row and column of the sheets is the window's first texel; their height and width. Beyond are zeros.
        size: [2] rows and columns of the window.
        channels: [inputs] those of the planes that are heard.
        weight: [inputs, early + late units]. bias: [early + late units].
        early, late: [texels, units] of the window, the results.
        square: [inputs, SIDE, SIDE] memory that it works in.
    """
    early_units, late_units, across = early.shape[1], late.shape[1], size[1]
    square_at, weight_at, bias_at = np.intp(square.ctypes.data), np.intp(weight.ctypes.data), np.intp(bias.ctypes.data)
    early_at, late_at = np.intp(early.ctypes.data), np.intp(late.ctypes.data)
    on = NUMBER * (early_units + late_units)
    for row in range(first, stop, SIDE):
        for column in range(0, across, SIDE):
            read_square(sheets, inside, channels, row, column, square, square_at)
            texels = min(SIDE, across - column)
            for y in range(min(SIDE, stop - row)):
                place = NUMBER * ((row + y) * across + column)
                project_row(square, y, texels, weight_at, on, bias_at, early_units, early_at + place * early_units)
                late_weight, late_bias = weight_at + NUMBER * early_units, bias_at + NUMBER * early_units
                project_row(square, y, texels, late_weight, on, late_bias, late_units, late_at + place * late_units)
