"""Samples of rays: their texels in the table, their hidden units, and what these add to the colours: samples.h once more, for numba.

Inner loops run over hidden units or colours, which LLVM turns into vectors.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from .polynomials import EXP2, LOG2_1P

ONE, HALF, ZERO = np.float32(1), np.float32(0.5), np.float32(0)
LOG2_E = np.float32(1.44269504)
SHIFT = np.float32(12582912)  # adding it rounds to a whole number, which then stands in the lowest bits
LOWEST, HIGHEST = np.float32(-126), np.float32(120)
P0, P1, P2, P3, P4, P5 = map(np.float32, EXP2)
L0, L1, L2, L3, L4, L5, L6, L7 = map(np.float32, LOG2_1P)
STRICT: dict[str, Any] = {"error_model": "numpy", "fastmath": set()}  # nothing is raised; left out, fastmath would be what the caller has
FUSED: dict[str, Any] = {**STRICT, "fastmath": {"contract", "nsz"}}  # products may be fused with sums
SUMMED: dict[str, Any] = {**STRICT, "fastmath": {"contract", "nsz", "reassoc"}}  # sums may be taken in any order: in vectors


@njit(forceinline=True, **FUSED)
def power_of_2(x):
    """2^x; x must not pass 127; what is below -126 becomes 2^-126."""
    power = max(x, LOWEST)
    shifted = power + SHIFT
    f = power - (shifted - SHIFT)
    value = ((((P5 * f + P4) * f + P3) * f + P2) * f + P1) * f + P0
    return np.int32(np.float32(value).view(np.int32) + (np.float32(shifted).view(np.int32) << 23)).view(np.float32)


@njit(forceinline=True, **FUSED)
def softplus_2(x):
    """log2(1 + 2^x)"""
    e = power_of_2(-abs(x))
    series = ((((((L7 * e + L6) * e + L5) * e + L4) * e + L3) * e + L2) * e + L1) * e + L0
    return max(x, ZERO) + e * series


@njit(forceinline=True, **STRICT)
def positions_along(origin, direction, depths, results):
    """Rounded twice, as PyTorch does: rough planes enlarge the difference."""
    for k in range(len(depths)):
        results[k] = origin + depths[k] * direction


@njit(forceinline=True, **FUSED)
def texels_along(points, scale, shift, count, results):
    """Where points lie among `count` texels of a side; what is not a number lies at the first."""
    last = np.float32(count - 1)
    for k in range(len(results)):
        position = points[k] * scale + shift
        results[k] = min(position if position > ZERO else ZERO, last)


@njit(forceinline=True, **STRICT)
def texel_before(position, count):
    return np.int32(min(np.int32(position), np.int32(count - 2)))


@njit(forceinline=True, **FUSED)
def beyond_texel(positions, count):
    """How far positions lie beyond the texel before them, in place."""
    for k in range(len(positions)):
        positions[k] -= np.float32(texel_before(positions[k], count))


@njit(forceinline=True, **FUSED)
def locate(windows, scales, stacks, ray, depths, places, beyond, points):
    """Where samples of a ray lie in the table: per window the first texel [K, n], and how far beyond it, across, down, through [K, 3, n].

    One array is written at a time: that LLVM can turn into vectors.
    """
    count = len(depths)
    for axis in range(3):
        positions_along(ray[0, axis], ray[1, axis], depths, points[axis])
    for w in range(len(windows)):
        across, columns, down, rows, start = windows[w]
        right, below, place = beyond[w, 0, :count], beyond[w, 1, :count], places[w, :count]
        texels_along(points[across], scales[w, 0], scales[w, 1], columns, right)
        texels_along(points[down], scales[w, 2], scales[w, 3], rows, below)
        for k in range(count):
            place[k] = start + texel_before(below[k], rows) * columns + texel_before(right[k], columns)
        beyond_texel(right, columns)
        beyond_texel(below, rows)
        if stacks.ndim == 2:  # decided when it is compiled
            layers, behind = np.int32(stacks[w, 1]), beyond[w, 2, :count]
            texels_along(points[np.int32(stacks[w, 0])], stacks[w, 2], stacks[w, 3], layers, behind)
            for k in range(count):
                place[k] += texel_before(behind[k], layers) * (columns * rows)
            beyond_texel(behind, layers)


@njit(forceinline=True, **STRICT)
def corner_shares(right, below):
    left, above = ONE - right, ONE - below
    return left * above, right * above, left * below, right * below


@njit(forceinline=True, **SUMMED)
def look_up_two(table, windows, places, beyond, r, k, hidden, sample, weights):
    p, q = places[r, 0, k], places[r, 1, k]
    p_below, q_below = p + windows[0, 1], q + windows[1, 1]
    a, b, c, d = corner_shares(beyond[r, 0, 0, k], beyond[r, 0, 1, k])
    e, f, g, h = corner_shares(beyond[r, 1, 0, k], beyond[r, 1, 1, k])
    product = ZERO
    for u in range(len(weights)):
        first = a * table[p, u] + b * table[p + 1, u] + c * table[p_below, u] + d * table[p_below + 1, u]
        second = e * table[q, u] + f * table[q + 1, u] + g * table[q_below, u] + h * table[q_below + 1, u]
        unit = softplus_2(first + second)
        hidden[r, sample, u] = unit
        product += unit * weights[u]
    return product


@njit(forceinline=True, **SUMMED)
def activate(hidden, r, sample, weights):
    """Turns the sums of a sample into its hidden units; returns their product with weights."""
    product = ZERO
    for u in range(len(weights)):
        unit = softplus_2(hidden[r, sample, u])
        hidden[r, sample, u] = unit
        product += unit * weights[u]
    return product


@njit(forceinline=True, **SUMMED)
def look_up_any(table, windows, places, beyond, r, k, hidden, sample, weights):
    for u in range(len(weights)):
        hidden[r, sample, u] = ZERO
    for w in range(len(windows)):
        p = places[r, w, k]
        below = p + windows[w, 1]
        a, b, c, d = corner_shares(beyond[r, w, 0, k], beyond[r, w, 1, k])
        for u in range(len(weights)):
            hidden[r, sample, u] += a * table[p, u] + b * table[p + 1, u] + c * table[below, u] + d * table[below + 1, u]
    return activate(hidden, r, sample, weights)


@njit(forceinline=True, **SUMMED)
def look_up_stacks(table, windows, places, beyond, r, k, hidden, sample, weights):
    for u in range(len(weights)):
        hidden[r, sample, u] = ZERO
    for w in range(len(windows)):
        behind = beyond[r, w, 2, k]
        before = ONE - behind
        p = places[r, w, k]
        below = p + windows[w, 1]
        p_behind = p + windows[w, 1] * windows[w, 3]
        below_behind = p_behind + windows[w, 1]
        a, b, c, d = corner_shares(beyond[r, w, 0, k], beyond[r, w, 1, k])
        for u in range(len(weights)):
            near = a * table[p, u] + b * table[p + 1, u] + c * table[below, u] + d * table[below + 1, u]
            far = a * table[p_behind, u] + b * table[p_behind + 1, u] + c * table[below_behind, u] + d * table[below_behind + 1, u]
            hidden[r, sample, u] += before * near + behind * far
    return activate(hidden, r, sample, weights)


@njit(forceinline=True, **SUMMED)
def look_up(table, windows, stacks, places, beyond, r, k, hidden, sample, weights):
    """Hidden units of depth k of a ray, kept as those of a sample, and their product with weights."""
    if stacks.ndim == 2:
        product = look_up_stacks(table, windows, places, beyond, r, k, hidden, sample, weights)
    elif len(windows) == 2:
        product = look_up_two(table, windows, places, beyond, r, k, hidden, sample, weights)
    else:
        product = look_up_any(table, windows, places, beyond, r, k, hidden, sample, weights)
    return product


@njit(forceinline=True, **SUMMED)
def add_units(hidden, r, one, two, weights, before, raw):
    """Adds what the hidden units of two samples say to the outputs, four of which are summed at once.

    weights [varying / 4, 4, units]; before, raw [2, varying].
    """
    for group in range(len(weights)):
        a0, a1, a2, a3, b0, b1, b2, b3 = ZERO, ZERO, ZERO, ZERO, ZERO, ZERO, ZERO, ZERO
        for u in range(weights.shape[2]):
            a, b = hidden[r, one, u], hidden[r, two, u]
            w0, w1, w2, w3 = weights[group, 0, u], weights[group, 1, u], weights[group, 2, u], weights[group, 3, u]
            a0 += a * w0
            a1 += a * w1
            a2 += a * w2
            a3 += a * w3
            b0 += b * w0
            b1 += b * w1
            b2 += b * w2
            b3 += b * w3
        o = 4 * group
        raw[0, o], raw[0, o + 1] = before[0, o] + a0, before[0, o + 1] + a1
        raw[0, o + 2], raw[0, o + 3] = before[0, o + 2] + a2, before[0, o + 3] + a3
        raw[1, o], raw[1, o + 1] = before[1, o] + b0, before[1, o + 1] + b1
        raw[1, o + 2], raw[1, o + 3] = before[1, o + 2] + b2, before[1, o + 3] + b3


@njit(forceinline=True, **FUSED)
def add_colours(raw, s, share, sums):
    for o in range(len(sums)):
        sums[o] += share * (np.float32(1.002) / (ONE + power_of_2(min(raw[s, o] * -LOG2_E, HIGHEST))) - np.float32(0.001))
