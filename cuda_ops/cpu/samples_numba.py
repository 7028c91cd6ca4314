"""Samples of rays: their texels in the table, their hidden units, and what these add to the colours: samples.h once more, for numba.

Hidden units and colours are worked out in vectors.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from .vectors_numba import BROAD, NARROW, WIDE, fused, loads, mixed_colour, repeats, softplus_2, store, sum_of

load, all_of = loads(NARROW), repeats(NARROW)

ONE, HALF, ZERO = np.float32(1), np.float32(0.5), np.float32(0)
STRICT: dict[str, Any] = {"error_model": "numpy", "fastmath": set(), "_nrt": False}
"""Nothing is raised; fastmath is not what the caller has; parts of arrays are not counted, which would take as long as all the rest."""
FUSED: dict[str, Any] = {**STRICT, "fastmath": {"contract", "nsz"}}  # products may be fused with sums


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


def look_ups(kind):
    """How the hidden units of a sample are worked out, `kind.lanes` at a time; their number is a multiple of that."""
    load, all_of, step = loads(kind), repeats(kind), 4 * kind.lanes

    @njit(forceinline=True, **STRICT)
    def add_corners(texel, beside, under, shares, total):
        """Adds four texels, at an address, beside and under it, with their shares."""
        a, b, c, d = shares
        total = fused(all_of(a), load(texel), total)
        total = fused(all_of(b), load(texel + beside), total)
        total = fused(all_of(c), load(texel + under), total)
        return fused(all_of(d), load(texel + under + beside), total)

    @njit(forceinline=True, **FUSED)
    def look_up(table, units, windows, stacks, places, beyond, r, k, hidden, weights):
        beside = 4 * units
        product = all_of(ZERO)
        for first in range(0, beside, step):
            total = all_of(ZERO)
            for w in range(len(windows)):
                shares = corner_shares(beyond[r, w, 0, k], beyond[r, w, 1, k])
                texel, under = table + first + np.intp(places[r, w, k]) * beside, np.intp(windows[w, 1]) * beside
                if stacks.ndim == 2:  # decided when it is compiled
                    a, b, c, d = shares
                    behind = beyond[r, w, 2, k]
                    before = ONE - behind
                    total = add_corners(texel, beside, under, (a * before, b * before, c * before, d * before), total)
                    texel += under * np.intp(windows[w, 3])
                    shares = a * behind, b * behind, c * behind, d * behind
                total = add_corners(texel, beside, under, shares, total)
            total = softplus_2(total)
            store(hidden + first, total)
            product = fused(total, load(weights + first), product)
        return sum_of(product)

    return look_up


look_up_narrow, look_up_wide = look_ups(NARROW), look_ups(WIDE)


@njit(forceinline=True, **STRICT)
def look_up(table, units, windows, stacks, places, beyond, r, k, hidden, weights):
    """Works out the hidden units of a sample; returns their product with weights. table, hidden, weights: addresses of [.., units]."""
    if units % 64 == 0:
        return look_up_wide(table, units, windows, stacks, places, beyond, r, k, hidden, weights)
    return look_up_narrow(table, units, windows, stacks, places, beyond, r, k, hidden, weights)


def colours_of(kind):
    """How the colours of four samples are added to those of their ray, `kind.lanes` outputs at a time."""
    load, all_of, step = loads(kind), repeats(kind), 4 * kind.lanes

    @njit(forceinline=True, **STRICT)
    def add_units(hidden, units, weights, varying, raw):
        """Adds what hidden units, four rows, add to outputs; weights: address of [units][varying]."""
        a, b, c, d = raw
        one, two, three, four = hidden
        for u in range(units):
            weight = load(weights + 4 * varying * u)
            a = fused(all_of(one[u]), weight, a)
            b = fused(all_of(two[u]), weight, b)
            c = fused(all_of(three[u]), weight, c)
            d = fused(all_of(four[u]), weight, d)
        return a, b, c, d

    @njit(forceinline=True, **STRICT)
    def add_colours(early, early_units, late, late_units, weights, varying, bias, shares, sums):
        for first in range(0, 4 * varying, step):
            start = load(bias + first)
            raw = add_units(early, early_units, weights + first, varying, (start, start, start, start))
            a, b, c, d = add_units(late, late_units, weights + first + 4 * varying * early_units, varying, raw)
            parts = all_of(shares[0]), all_of(shares[1]), all_of(shares[2]), all_of(shares[3])
            store(sums + first, fused(all_of(ONE), mixed_colour((a, b, c, d), parts), load(sums + first)))

    return add_colours


add_colours_narrow, add_colours_wide = colours_of(NARROW), colours_of(BROAD)


@njit(forceinline=True, **STRICT)
def add_colours(early, early_units, late, late_units, weights, varying, bias, shares, sums):
    """Adds the colours of four samples, each with its share, to `sums`.

    early, late: their hidden units, four rows each. weights, bias, sums: addresses of [units][varying], [varying], [varying].
    """
    if varying % 32 == 0:
        add_colours_wide(early, early_units, late, late_units, weights, varying, bias, shares, sums)
    else:
        add_colours_narrow(early, early_units, late, late_units, weights, varying, bias, shares, sums)
