"""Ray marching through a table of projected planes, compiled by numba (spec 07 section 2). Importing needs numba and compiles nothing.

The steps are those of march.cpp, one ray at a time: inner loops run over hidden units, colours or depths, which LLVM turns into
vectors. Every ray's numbers depend on that ray alone.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from .samples_numba import (
    FUSED,
    HALF,
    ONE,
    STRICT,
    ZERO,
    add_colours,
    all_of,
    load,
    locate,
    look_up,
)
from .vectors_numba import store, taken

BLOCK = 16  # neighbouring rays that are marched side by side, so that they find each other's texels in the cache
WALK = 16  # depths between two looks at whether a ray still sees anything: a vector of them
ROOM = 32  # behind the depths of a ray, for whole vectors
TOGETHER = 4  # samples whose colours are worked out together
UNSEEN = np.float32(-1e30)  # density of depths behind all that shows


@njit(forceinline=True, **STRICT)
def address(array):
    return np.intp(array.ctypes.data)


@njit(forceinline=True, **FUSED)
def intervals(z, density, start, stop, passing, weight):
    """Weights of the intervals that end at depths start..stop - 1, at most 16; returns how much light still passes.

    Rows have ROOM behind their depths.
    """
    first = max(start, 1)
    z_at, density_at = address(z) + 4 * first, address(density) + 4 * first
    store(address(weight) + 4 * first, taken((load(z_at - 4), load(z_at)), (load(density_at - 4), load(density_at))))
    store(address(weight) + 4 * stop, all_of(ZERO))
    for k in range(first, stop):
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


@njit(forceinline=True, **STRICT)
def depths_between(near, far, strata, jitter, results):
    """As coarse_depths of real3d_core.render, rounding for rounding."""
    span = far - near
    step = span / np.float32(len(strata) - 1)
    for k in range(len(strata)):
        results[k] = strata[k] * span + near + jitter[k] * step


def workspace(coarse: int, fine: int, early_units: int, late_units: int, varying: int, channels: int) -> tuple[np.ndarray, ...]:
    """The memory that `march` works in, for a thread; made by Python, since numba would compile all twice around a function that makes it.

    Args:
        coarse, fine: depths of a ray.
        varying, channels: colours that are worked out, and all.
    """
    count = coarse + fine
    return (
        np.empty((BLOCK, 2, 3), np.float32),
        np.zeros((BLOCK, 3, WALK), np.int32),
        np.zeros((BLOCK, 3, 3, WALK), np.float32),
        np.zeros((3, WALK), np.float32),
        np.empty((BLOCK, count, early_units), np.float32),
        np.zeros((TOGETHER, late_units), np.float32),
        np.zeros(late_units, np.float32),
        np.empty((BLOCK, coarse + ROOM), np.float32),
        np.empty((BLOCK, coarse + ROOM), np.float32),
        np.empty(fine, np.float32),
        np.empty(coarse, np.float32),
        np.empty((BLOCK, count + ROOM), np.float32),
        np.empty((BLOCK, count + ROOM), np.float32),
        np.zeros((BLOCK, count + ROOM), np.float32),
        np.empty((BLOCK, count), np.int32),
        np.empty(count + 1, np.int32),
        np.empty(TOGETHER, np.float32),
        np.empty(TOGETHER, np.int64),
        np.empty(varying, np.float32),
        np.empty(BLOCK, np.float32),
        np.empty(BLOCK, np.int64),
        np.empty(BLOCK, np.int64),
        np.empty(BLOCK, np.int32),
        np.empty((channels, BLOCK), np.float32),
    )


TABLE, ROW, NUMBER, PIXELS = "float32[:,::1]", "float32[::1]", "float32", "int32[::1]"
WORKSPACE = ", ".join(f"{array.dtype}[{':,' * (array.ndim - 1)}::1]" for array in workspace(1, 1, 1, 1, 1, 1))
SIGNATURE, TRIGRID_SIGNATURE = (
    f"""void(
    {TABLE}, {TABLE}, {ROW}, {NUMBER}, {TABLE}, {ROW}, {ROW}, {PIXELS},
    int32[:,::1], {TABLE}, {stacks}, {ROW}, {TABLE}, {ROW}, {ROW}, {ROW}, {TABLE}, {TABLE}, {PIXELS}, {NUMBER}, {NUMBER}, int64, int64,
    {TABLE}, {ROW}, {ROW}, Tuple(({WORKSPACE}))
)""".replace("\n", "")
    for stacks in (ROW, TABLE)
)


def march(
    early, late, to_density, density_bias, to_colour, colour_bias, constant, outputs,
    windows, scales, stacks, origin, directions, near, far, strata, jitter, positions, pixels, stop_below, colour_above, first, stop,
    features, depth, opacity, space,
):  # fmt: skip
    """Draws pixels[first:stop]; what is not named here is as in march.cpp.

    Args:
        windows: [K, 5] axis across, length across, axis down, length down, start.
        scales: [K, 4] scale and shift across, then down.
        stacks: [K, 4] axis, length, scale and shift through the layers of a trigrid; [0] for a triplane, which gets code of its own.
        jitter, positions: [M or 1, Nc or Nf].
        features: [32, M]. depth, opacity: [M].
        space: what `workspace` makes.
    """
    (
        ray, places, beyond, points, hidden, late_hidden, unused, depths, density, fine_z, cumulative, merged_z, merged_density, weight,
        source, shown, share, sample, sums, passing, known, seen, pixel, picture,
    ) = space  # fmt: skip
    coarse, fine = len(strata), positions.shape[1]
    count = coarse + fine
    early_units, late_units, varying = early.shape[1], late.shape[1], len(colour_bias)
    early_at, late_at, hidden_at, late_hidden_at = address(early), address(late), address(hidden), address(late_hidden)
    density_at, colour_at, bias_at, sums_at = address(to_density), address(to_colour), address(colour_bias), address(sums)

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
                        kept = hidden_at + 4 * early_units * (r * count + i)
                        product = look_up(early_at, early_units, windows, stacks, places, beyond, r, i - start, kept, density_at)
                        density[r, i] = product + density_bias
            for r in range(rays):
                if known[r] == until:
                    passing[r] = intervals(depths[r], density[r], start, until, passing[r], weight[r])

        for r in range(rays):
            if fine:
                spread(depths[r, :coarse], weight[r], positions[pixel[r] if len(positions) > 1 else 0], cumulative, fine_z)
            merge(depths[r, :coarse], fine_z, density[r], known[r], merged_z[r], merged_density[r], source[r])

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
                    number = source[r, k]
                    if seen[r] == until and number >= known[r]:
                        kept = hidden_at + 4 * early_units * (r * count + number)
                        product = look_up(early_at, early_units, windows, stacks, places, beyond, r, k - start, kept, density_at)
                        merged_density[r, k] = product + density_bias
            for r in range(rays):
                if seen[r] == until:
                    passing[r] = intervals(merged_z[r], merged_density[r], start, until, passing[r], weight[r])

        for r in range(rays):
            total, distance = ZERO, ZERO
            for k in range(1, seen[r]):
                total += weight[r, k]
                distance += weight[r, k] * ((merged_z[r, k - 1] + merged_z[r, k]) * HALF)

            # Colours of the samples that show, four at a time. A sample's share of the pixel is the mean of the intervals around it.
            many = 0
            for k in range(seen[r]):
                shown[many] = k
                many += (weight[r, k] + weight[r, k + 1]) * HALF > colour_above
            sums[:] = ZERO
            for one in range(0, many, TOGETHER):
                for s in range(TOGETHER):
                    k = shown[min(one + s, many - 1)]
                    share[s] = (weight[r, k] + weight[r, k + 1]) * HALF if one + s < many else ZERO
                    sample[s] = source[r, k]
                    if late_units:
                        locate(windows, scales, stacks, ray[r], merged_z[r, k : k + 1], places[r], beyond[r], points)
                        kept = late_hidden_at + 4 * late_units * s
                        look_up(late_at, late_units, windows, stacks, places, beyond, r, 0, kept, address(unused))
                units = hidden[r, sample[0]], hidden[r, sample[1]], hidden[r, sample[2]], hidden[r, sample[3]]
                late_ones = late_hidden[0], late_hidden[1], late_hidden[2], late_hidden[3]
                add_colours(units, early_units, late_ones, late_units, colour_at, varying, bias_at, share, sums_at)
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
