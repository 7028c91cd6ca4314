"""Ray marching through a table of projected planes, compiled by numba (spec 07 section 2). Importing needs numba and compiles nothing.

The steps are those of march.cpp, one ray at a time: inner loops run over hidden units, colours or depths, which LLVM turns into
vectors. Every ray's numbers depend on that ray alone.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from .polynomials import EXP2, LOG2_1P

BLOCK = 16  # neighbouring rays that are marched side by side, so that they find each other's texels in the cache
WALK = 16  # depths between two looks at whether a ray still sees anything
UNSEEN = np.float32(-1e30)  # density of depths behind all that shows
X, Y, Z = 0, 1, 2
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


@njit(forceinline=True, **FUSED)
def intervals(z, density, start, stop, passing, weight):
    """Weights of the intervals that end at depths start..stop - 1; returns how much light still passes."""
    first = max(start, 1)
    nearer, farther, before, after, weight = (
        z[first - 1 : stop - 1],
        z[first:stop],
        density[first - 1 : stop - 1],
        density[first:stop],
        weight[first:stop],
    )
    for k in range(len(weight)):
        opaqueness = softplus_2(((before[k] + after[k]) * HALF - ONE) * LOG2_E)
        weight[k] = ONE - power_of_2(opaqueness * (nearer[k] - farther[k]))
    for k in range(len(weight)):
        alpha = weight[k]
        weight[k] = alpha * passing
        passing *= ONE - alpha + np.float32(1e-10)
    return passing


@njit(forceinline=True, **FUSED)
def spread(z, weight, positions, cumulative, fine_z):
    """Fine depths, where the first pass found weight (spec 03 section 8); returns by the way how many coarse depths precede each.

    weight [coarse]: of the interval before each coarse depth.
    """
    last = len(z) - 3  # number of the last bin in use
    total = ZERO
    cumulative[0] = ZERO
    for j in range(last):
        lower, upper = max(weight[j + 1], weight[j + 2]), max(weight[j + 2], weight[j + 3])
        cumulative[j + 1] = (lower + upper) * HALF + np.float32(0.01) + np.float32(1e-5)
        total += cumulative[j + 1]
    for j in range(last):
        cumulative[j + 1] = cumulative[j] + cumulative[j + 1] / total
    right = 0
    for k in range(len(fine_z)):
        u = positions[k]
        while right <= last and cumulative[right] <= u:
            right += 1
        lo, hi = max(right - 1, 0), min(right, last)
        nearer, farther = (z[lo] + z[lo + 1]) * HALF, (z[hi] + z[hi + 1]) * HALF
        width = cumulative[hi] - cumulative[lo]
        if width < np.float32(1e-5):
            width = ONE
        found = nearer + (u - cumulative[lo]) / width * (farther - nearer)
        fine_z[k] = found if found < farther else farther


@njit(forceinline=True, **FUSED)
def merge(z, fine_z, density, known, merged_z, merged_density, source):
    """Both lists of depths in one; densities that are not known yet are UNSEEN."""
    i, j = 0, 0
    for k in range(len(z) + len(fine_z)):
        if j == len(fine_z) or (i < len(z) and z[i] <= fine_z[j]):
            merged_z[k], source[k] = z[i], i
            merged_density[k] = density[i] if i < known else UNSEEN
            i += 1
        else:
            merged_z[k], source[k], merged_density[k] = fine_z[j], len(z) + j, UNSEEN
            j += 1


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


@njit(forceinline=True, **STRICT)
def depths_between(near, far, strata, jitter, results):
    """As coarse_depths of real3d_core.render, rounding for rounding."""
    span = far - near
    step = span / np.float32(len(strata) - 1)
    for k in range(len(strata)):
        results[k] = strata[k] * span + near + jitter[k] * step


TABLE, ROW, NUMBER, PIXELS = "float32[:,::1]", "float32[::1]", "float32", "int32[::1]"
SIGNATURE, TRIGRID_SIGNATURE = (
    f"""void(
    {TABLE}, {TABLE}, {ROW}, {NUMBER}, float32[:,:,::1], float32[:,:,::1], {TABLE}, {ROW}, {PIXELS},
    int32[:,::1], {TABLE}, {stacks}, {ROW}, {TABLE}, {ROW}, {ROW}, {ROW}, {TABLE}, {TABLE}, {PIXELS}, {NUMBER}, {NUMBER}, int64, int64,
    {TABLE}, {ROW}, {ROW}
)""".replace("\n", "")
    for stacks in (ROW, TABLE)
)


def march(
    early, late, to_density, density_bias, to_colour, late_to_colour, colour_bias, constant, outputs,
    windows, scales, stacks, origin, directions, near, far, strata, jitter, positions, pixels, stop_below, colour_above, first, stop,
    features, depth, opacity,
):  # fmt: skip
    """Draws pixels[first:stop]; what is not named here is as in march.cpp.

    Args:
        to_colour, late_to_colour: [varying / 4, 4, early or late units].
        colour_bias: [2, varying], twice the same.
        windows: [K, 5] axis across, length across, axis down, length down, start.
        scales: [K, 4] scale and shift across, then down.
        stacks: [K, 4] axis, length, scale and shift through the layers of a trigrid; [0] for a triplane, which gets code of its own.
        jitter, positions: [M or 1, Nc or Nf].
        features: [32, M]. depth, opacity: [M].
    """
    coarse, fine = len(strata), positions.shape[1]
    count = coarse + fine
    early_units, late_units, varying = early.shape[1], late.shape[1], colour_bias.shape[1]
    ray = np.empty((BLOCK, 2, 3), np.float32)
    places, beyond, points = (
        np.zeros((BLOCK, 3, WALK), np.int32),
        np.zeros((BLOCK, 3, 3, WALK), np.float32),
        np.zeros((3, WALK), np.float32),
    )
    hidden = np.empty((BLOCK, count, early_units), np.float32)
    late_hidden, unused = np.zeros((BLOCK, 2, late_units), np.float32), np.zeros(late_units, np.float32)
    depths, density = np.empty((BLOCK, coarse), np.float32), np.empty((BLOCK, coarse), np.float32)
    fine_z, cumulative = np.empty(fine, np.float32), np.empty(coarse, np.float32)
    merged_z, merged_density = np.empty((BLOCK, count), np.float32), np.empty((BLOCK, count), np.float32)
    weight = np.zeros((BLOCK, count + 1), np.float32)
    source, shown = np.empty((BLOCK, count), np.int32), np.empty(count + 1, np.int32)
    raw, sums = np.empty((2, varying), np.float32), np.empty(varying, np.float32)
    passing, known, seen = np.empty(BLOCK, np.float32), np.empty(BLOCK, np.int64), np.empty(BLOCK, np.int64)
    pixel, picture = np.empty(BLOCK, np.int32), np.empty((len(constant), BLOCK), np.float32)

    for block in range(first, stop, BLOCK):
        rays = min(BLOCK, stop - block)
        for r in range(rays):
            pixel[r] = at = pixels[block + r]
            for axis in range(3):
                ray[r, 0, axis], ray[r, 1, axis] = origin[axis], directions[axis, at]
            depths_between(near[at], far[at], strata, jitter[at if len(jitter) > 1 else 0], depths[r])

        # First pass. known: how many coarse densities have been worked out.
        weight[:] = ZERO
        passing[:] = ONE
        known[:] = 0
        for start in range(0, coarse, WALK):
            until = min(start + WALK, coarse)
            for r in range(rays):
                if passing[r] >= stop_below:
                    locate(windows, scales, stacks, ray[r], depths[r, start:until], places[r], beyond[r], points)
                    known[r] = until
            for i in range(start, until):
                for r in range(rays):
                    if known[r] == until:
                        product = look_up(early, windows, stacks, places, beyond, r, i - start, hidden, i, to_density)
                        density[r, i] = product + density_bias
            for r in range(rays):
                if known[r] == until:
                    passing[r] = intervals(depths[r], density[r], start, until, passing[r], weight[r])

        for r in range(rays):
            if fine:
                spread(depths[r], weight[r], positions[pixel[r] if len(positions) > 1 else 0], cumulative, fine_z)
            merge(depths[r], fine_z, density[r], known[r], merged_z[r], merged_density[r], source[r])

        # Second pass.
        weight[:] = ZERO
        passing[:] = ONE
        seen[:] = 0
        for start in range(0, count, WALK):
            until = min(start + WALK, count)
            for r in range(rays):
                if passing[r] >= stop_below:
                    locate(windows, scales, stacks, ray[r], merged_z[r, start:until], places[r], beyond[r], points)
                    seen[r] = until
            for k in range(start, until):
                for r in range(rays):
                    sample = source[r, k]
                    if seen[r] == until and sample >= known[r]:
                        product = look_up(early, windows, stacks, places, beyond, r, k - start, hidden, sample, to_density)
                        merged_density[r, k] = product + density_bias
            for r in range(rays):
                if seen[r] == until:
                    passing[r] = intervals(merged_z[r], merged_density[r], start, until, passing[r], weight[r])

        for r in range(rays):
            total, distance = ZERO, ZERO
            for k in range(1, seen[r]):
                total += weight[r, k]
                distance += weight[r, k] * ((merged_z[r, k - 1] + merged_z[r, k]) * HALF)

            # Colours of the samples that show, two at a time. A sample's share of the pixel is the mean of the intervals around it.
            many = 0
            for k in range(seen[r]):
                shown[many] = k
                many += (weight[r, k] + weight[r, k + 1]) * HALF > colour_above
            sums[:] = ZERO
            for one in range(0, many, 2):
                pair = min(2, many - one)
                if late_units:
                    for s in range(pair):
                        k = shown[one + s]
                        locate(windows, scales, stacks, ray[r], merged_z[r, k : k + 1], places[r], beyond[r], points)
                        look_up(late, windows, stacks, places, beyond, r, 0, late_hidden, s, unused)
                a, b = source[r, shown[one]], source[r, shown[one + pair - 1]]
                add_units(hidden, r, a, b, to_colour, colour_bias, raw)
                if late_units:
                    add_units(late_hidden, r, 0, 1, late_to_colour, raw, raw)
                for s in range(pair):
                    k = shown[one + s]
                    add_colours(raw, s, (weight[r, k] + weight[r, k + 1]) * HALF, sums)
            check = total
            for channel in range(len(constant)):
                picture[channel, r] = total * constant[channel]
            if many:
                for o in range(len(outputs)):
                    picture[outputs[o], r] = sums[o]
            for channel in range(len(constant)):
                check += picture[channel, r]
            seen[r] = check - check == ZERO  # what is infinite or not a number leaves its ray empty
            if seen[r]:
                opacity[pixel[r]] = total
                if total > ZERO:
                    depth[pixel[r]] = distance / total
        for channel in range(len(constant)):
            for r in range(rays):
                if seen[r]:
                    features[channel, pixel[r]] = picture[channel, r] * np.float32(2) - ONE
