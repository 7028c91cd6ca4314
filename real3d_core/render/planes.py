"""The head as a radiance field on three feature planes (spec 03 section 5), or on three grids with depth (spec 09)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from torch import Tensor

from ..errors import Real3DError

CHANNELS = 32  # features of a point
MOST_LAYERS = 64  # of a trigrid


@dataclass(frozen=True)
class Planes:
    """A head per frame, or one head for all frames.

    features: [N, 3, 32, H, W] float32. Texel columns and rows of plane 0 run along world x and y, of plane 1 along x and z,
        of plane 2 along z and x, each from the lower to the upper face of the cube. A trigrid has D layers along the remaining
        axis and [N, 3, 32 D, H, W], channel c D + d being feature c of layer d.
    box_side: side of the cube, centred on the world's origin, that the planes span.
    bounds: [2, 3] lower and upper corner of a world box; whoever makes the planes guarantees that density is zero outside
        of it, and rays that miss it are not marched. None: no guarantee. Frames of one stream should share their bounds,
        since the depths at which a ray is sampled follow from them.
    landmarks: [478, 3] world, where the face's landmarks are at rest; for avatars that bend planes by landmarks. None: unknown.
    person: what else the avatar that lifted the head knows of whose it is, tensors by name that mean something to it alone.
    """

    features: Tensor
    box_side: float = 1.0
    bounds: Tensor | None = None
    landmarks: Tensor | None = None
    person: Mapping[str, Tensor] | None = None

    def __post_init__(self) -> None:
        if self.features.ndim != 5 or self.features.shape[1] != 3:
            raise ValueError(f"planes must be [N, 3, channels, H, W], got {tuple(self.features.shape)}")
        if self.bounds is not None and (self.bounds.shape != (2, 3) or not (self.bounds[0] < self.bounds[1]).all()):
            raise ValueError(f"bounds must be [2, 3], the lower corner below the upper one, got {self.bounds}")

    def __len__(self) -> int:
        return self.features.shape[0]

    @property
    def depth(self) -> int:
        """Layers of a plane: 1 for a triplane, more for a trigrid."""
        return max(self.features.shape[2] // CHANNELS, 1)

    def require_size(self, height: int, width: int) -> None:
        """Raises Real3DError unless a plane has so many texels: whoever moves planes moves those that it made."""
        if self.features.shape[-2:] != (height, width):
            found = "{} x {}".format(*self.features.shape[-2:])
            raise Real3DError(
                f"The planes are {found}, the avatar moves planes of {height} x {width} only: leave their size as it is before they "
                "are moved, or resize them behind 'Motion adapter'."
            )

    def grids(self) -> Tensor:
        """[N, 3, 32, H, W], or [N, 3, 32, D, H, W] for a trigrid."""
        return self.features if self.depth == 1 else self.features.unflatten(2, (-1, self.depth))

    def frame(self, index: int) -> Planes:
        """The planes of one frame; a single head serves every frame."""
        return self if len(self) == 1 else replace(self, features=self.features[index : index + 1])
