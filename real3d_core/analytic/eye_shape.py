"""An eye in its own coordinates: along the line of its corners and below it, in widths of the eye (spec 08 section 4)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np

from ..face.measures import EYEBALL
from .face_map import ascending, line

_FOLLOWS, _LOWER_FOLLOWS = (0.57, 0.75), (0.25, 0.1)  # the upper and the lower lid's part of the way of an iris that goes down, and up
_FOLLOWS_MOST, _LOWER_FOLLOWS_MOST = (0.43, 0.5), (0.2, 0.1)  # of the opening


@dataclass(frozen=True)
class EyeShape:
    """What of an eye is where, for each pixel of a small picture about it.

    x, y: [h, w] pixels of the picture.
    along, down: [h, w] the eye's own coordinates; its corners are at along -1/2 and 1/2.
    top, bottom: [h, w] where upper and lower lid meet the eyeball in the pixel's column.
    to_brow: [h, w] from there up to the brow.
    outward: [h, w] along, growing towards the temple.
    width: from corner to corner, pixels.
    below: unit vector of the eye's own down, in the picture.
    """

    x: np.ndarray
    y: np.ndarray
    along: np.ndarray
    down: np.ndarray
    top: np.ndarray
    bottom: np.ndarray
    to_brow: np.ndarray
    outward: np.ndarray
    width: float
    below: np.ndarray

    @cached_property
    def opening(self) -> np.ndarray:
        """[h, w] between the lids."""
        return self.bottom - self.top

    @cached_property
    def arch(self) -> np.ndarray:
        """[h, w]: 1 midway between the corners, 0 at them and beyond."""
        return np.clip(1 - (2 * self.along) ** 2, 0, 1)

    def pulled(self, picture: np.ndarray, down: np.ndarray) -> np.ndarray:
        """[h, w, C] whose every pixel is taken from so much [h, w] further down."""
        way, (right, lower) = down * self.width, map(float, self.below)
        x, y = (self.x + way * right).astype(np.float32), (self.y + way * lower).astype(np.float32)
        return cv2.remap(picture, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def coloured(grey: np.ndarray) -> np.ndarray:
    """[h, w] float32 -> [h, w, 3], the same in each channel; NumPy takes ten times as long to work with [h, w, 1] and [h, w, 3]."""
    return cv2.merge((grey, grey, grey))


def eye_shape(upper: np.ndarray, lower: np.ndarray, brow: np.ndarray, size: tuple[int, int], temple: int) -> EyeShape:
    """The shape of an eye.

    Args:
        upper, lower: [9, 2] the lids' edges from the picture's left to its right, in pixels.
        brow: [5, 2] its lower edge.
        size: rows and columns of the picture.
        temple: 1 where the temple is at the eye's right in the picture, else -1.
    """
    width = float(np.linalg.norm(upper[-1] - upper[0]))
    along = (upper[-1] - upper[0]) / width
    below = np.array([-along[1], along[0]])
    middle = (upper[0] + upper[-1]) / 2
    y, x = np.mgrid[: size[0], : size[1]].astype(np.float64)

    def own(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return (points - middle) @ along / width, (points - middle) @ below / width

    columns, down = own(np.stack([x, y], axis=-1))
    top, bottom = (line(ascending(x_of), y_of, columns) for x_of, y_of in map(own, (upper, lower)))
    brow_along, brow_down = own(brow[np.argsort(own(brow)[0])])
    maps = {"x": x, "y": y, "along": columns, "down": down, "top": top, "bottom": np.maximum(top, bottom), "outward": temple * columns}
    maps["to_brow"] = top - np.interp(columns, brow_along, brow_down)
    return EyeShape(width=width, below=below, **{name: values.astype(np.float32) for name, values in maps.items()})


def lids_follow(up: np.ndarray | float, opening: float) -> tuple[np.ndarray, np.ndarray]:
    """How far the upper and the lower lid come down, of the opening (in widths of the eye), when the eye is turned up by `up` radians;
    below 0: up."""
    down = -EYEBALL * np.sin(up) / max(opening, 1e-3)
    upper, lower = (
        (down * np.where(down > 0, *part)).clip(-most[1], most[0])
        for part, most in ((_FOLLOWS, _FOLLOWS_MOST), (_LOWER_FOLLOWS, _LOWER_FOLLOWS_MOST))
    )
    return upper, lower


def folded(lid: np.ndarray) -> bool:
    """Whether the edge of a lid [9, 2] runs back on itself, as on the side of a head that its picture does not show."""
    steps = np.diff(lid, axis=0) @ (lid[-1] - lid[0])
    return bool((steps <= 0).any())
