"""The half of a face that a photo taken from the side hides: the other half, mirrored (spec 08 section 2)."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from scipy.interpolate import LinearNDInterpolator
from scipy.ndimage import gaussian_filter1d, minimum_filter1d

from ..portrait.inpaint import extend_outwards
from ..smooth_step import smooth_step

_FROM, _WHOLLY = np.radians((20.0, 32.0))  # yaw of the photo's head from which on, and at which, the halves are made alike
_SEEN = 0.004  # crop units by which coordinates may run back in a row and still be seen
_UNROLLED = 0.7  # crop units beyond the outline for each crop unit of a row that the outline hides
_SOFT = 4.0  # texels
_LIGHT_REACHES = 6.0
_SEAM = 3.0  # of what is light: over so much of its own rim the photo passes into what is taken
_UNLIKE = (0.1, 0.25)  # distance of colours, each 0..1, up to which an outline's are the skin's, and from which on they are not
_OTHER = (0.25, 0.5)  # the same, up to which it may be the light that differs, and from which on it is hair beside skin
_MIDDLE = 3.0  # texels
_RIDGE = 8.0  # texels from the middle within which the photo's outline is taken to lie


@dataclass(frozen=True)
class HiddenHalf:
    """Which half of a head its photo hides.

    amount: 0..1, how much that half is to be the mirror image of the other.
    right: whether it is the one at greater x.
    middle: x of the plane between the halves, in texels from the left.
    """

    amount: float
    right: bool
    middle: float

    @classmethod
    def of(cls, yaw: float, middle: float, texels: int) -> HiddenHalf:
        """Of a head turned by this yaw (radians) in its photo; x of its middle in world units."""
        return cls(float(smooth_step((abs(yaw) - _FROM) / (_WHOLLY - _FROM))), yaw > 0, (middle + 0.5) * texels - 0.5)

    def mirrored(self, maps: np.ndarray) -> np.ndarray:
        """Maps [..., H, W] whose hidden half is, as far as `amount` says, the other one mirrored."""
        if not self.amount:
            return maps
        return maps + (self.across(maps) - maps) * self.weight(maps.shape[-1])

    def weight(self, columns: int) -> np.ndarray:
        """[columns]: how much each is to be the mirror image of its opposite."""
        beyond = (np.arange(columns) - self.middle) * (1 if self.right else -1)
        return self.amount * smooth_step(beyond / _MIDDLE)

    def across(self, maps: np.ndarray) -> np.ndarray:
        """Each place's value at its mirror image."""
        places = np.clip(2 * self.middle - np.arange(maps.shape[-1]), 0, maps.shape[-1] - 1)
        low = np.minimum(places.astype(int), maps.shape[-1] - 2)
        return maps[..., low] + (maps[..., low + 1] - maps[..., low]) * (places - low)

    def unrolled(self, uv: np.ndarray, shows_head: np.ndarray) -> np.ndarray:
        """Photo coordinates [2, H, W] of a surface, running on beyond the photo's outline where the photo hides the surface.

        Args:
            shows_head: bool [H, W], whether the photo shows the head at each of the coordinates.
        """
        if not self.amount:
            return uv
        along = uv[0] if self.right else -uv[0][:, ::-1]
        shown = along - np.maximum.accumulate(along, axis=1) > -_SEEN
        middle = round(self.middle if self.right else len(along) - 1 - self.middle)
        shown &= shows_head if self.right else shows_head[:, ::-1]
        shown[:, : middle - round(_RIDGE)] = True
        ends = np.where(shown.all(axis=1), shown.shape[1], np.argmin(shown, axis=1)).astype(float)
        ends = np.minimum(gaussian_filter1d(minimum_filter1d(ends, round(3 * _SOFT)), _SOFT) - 1, middle + _RIDGE)
        columns = np.arange(along.shape[1])
        hidden = columns > ends[:, None]
        last = np.clip(np.floor(ends).astype(int), 0, along.shape[1] - 1)[:, None]
        texel = np.median(np.abs(np.diff(uv[1], axis=0)))
        onwards = np.take_along_axis(along, last, axis=1) + _UNROLLED * texel * (columns - ends[:, None])
        along = np.where(hidden, np.maximum(onwards, np.take_along_axis(along, last, axis=1)), along)
        result = uv.copy()
        result[0] = along if self.right else -along[:, ::-1]
        return result


def painted(head: np.ndarray, surely: np.ndarray, places: np.ndarray, sources: np.ndarray, soft: float) -> np.ndarray:
    """Colours of a head [H, W, 3], some taken from elsewhere in it, as far as triangles between the places reach.

    What is taken has the light of the place where it is taken to: at its edge it is as bright and coloured as what it adjoins.

    Args:
        surely: bool [H, W], which pixels stay as they are.
        places, sources: [n, 2] pixels (x, y).
        soft: pixels, the size of what is light, not detail.
    """
    (left, top), (right, bottom) = np.floor(places.min(axis=0)).astype(int).clip(0), np.ceil(places.max(axis=0)).astype(int) + 1
    box = np.s_[top : min(bottom, len(head)), left : min(right, head.shape[1])]
    y, x = np.mgrid[box]
    found = LinearNDInterpolator(places, sources)(x, y).astype(np.float32)
    known = ~np.isnan(found[..., 0])
    adjoining = extend_outwards(_mean_around(head[box], surely[box], soft), surely[box], blur=soft)
    outside, within, covered, beside = (_distance(one) for one in (~surely[box], surely[box], known, ~known))
    rim = ~surely[box][..., None] * np.clip(2 - beside / (_SEAM * soft), 0, 1)
    result = head.copy()
    result[box] += (adjoining - result[box]) * rim * _unlike(adjoining, result[box], _UNLIKE)
    taken = cv2.remap(result, np.nan_to_num(found), None, cv2.INTER_LINEAR)
    there = _mean_around(taken, known, soft)
    lit = taken + (adjoining - there) * np.exp(-outside / (_LIGHT_REACHES * soft)) * (1 - _unlike(adjoining, there, _OTHER))
    share = (1 - smooth_step(within / (_SEAM * soft))) * smooth_step(covered / soft)
    result[box] += (lit.clip(0, 1) - result[box]) * share
    return result


def _unlike(colours: np.ndarray, others: np.ndarray, between: tuple[float, float]) -> np.ndarray:
    """[H, W, 1] of pictures [H, W, 3]: 0 up to the one distance of colours, 1 from the other on."""
    low, high = between
    return smooth_step((np.linalg.norm(colours - others, axis=2, keepdims=True) - low) / (high - low))


def _distance(region: np.ndarray) -> np.ndarray:
    """[H, W, 1]: how far pixels of a bool region [H, W] are from what is not."""
    return cv2.distanceTransform(region.astype(np.uint8), cv2.DIST_L2, 5)[..., None]


def _mean_around(colours: np.ndarray, known: np.ndarray, sigma: float) -> np.ndarray:
    weight = cv2.GaussianBlur(known.astype(np.float32), (0, 0), sigma)[..., None]
    return cv2.GaussianBlur(colours * known[..., None], (0, 0), sigma) / np.maximum(weight, 1e-3)
