"""Motion: what a face does over time (DESIGN section 2)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ..errors import MotionMismatchError
from ..stream import FPS, mirror_index


@dataclass(frozen=True)
class MotionBasis:
    """What the expression coefficients of a Motion mean.

    name: identifies the basis; motions are exchanged only between equal names.
    controls: names of the first coefficients, those a person may steer ("jaw_open", ...); may be empty.
    size: number of coefficients K, at least len(controls).
    """

    name: str
    controls: tuple[str, ...]
    size: int

    def index(self, control: str) -> int:
        """Column of a named control."""
        return self.controls.index(control)


@dataclass(frozen=True)
class Motion:
    """Expression and head pose per frame, independent of the portrait that they are applied to.

    basis: what the coefficients belong to.
    expression: [T, K] float32; zeros are the portrait's own expression.
    euler: [T, 3] float32, radians, rotation about x, y, z (spec 06 section 6) added to the portrait's own.
    translation: [T, 3] float32, decimetres in the face model's axes (x to image right, y up, z to the camera),
        added to the portrait's own.
    fps: frames per second of the T frames.
    """

    basis: MotionBasis
    expression: Tensor
    euler: Tensor
    translation: Tensor
    fps: float = FPS

    def __post_init__(self) -> None:
        frames = self.expression.shape[0]
        if self.expression.shape != (frames, self.basis.size):
            raise ValueError(f"expression is {tuple(self.expression.shape)}, the basis wants [T, {self.basis.size}]")
        if self.euler.shape != (frames, 3) or self.translation.shape != (frames, 3):
            raise ValueError(f"euler {tuple(self.euler.shape)} and translation {tuple(self.translation.shape)} must be [{frames}, 3]")

    def __len__(self) -> int:
        return self.expression.shape[0]

    @classmethod
    def still(cls, basis: MotionBasis, frames: int, fps: float = FPS) -> Motion:
        """A motion in which nothing moves."""
        return cls(basis, torch.zeros(frames, basis.size), torch.zeros(frames, 3), torch.zeros(frames, 3), fps)

    def control(self, name: str) -> Tensor:
        """[T] values of a named control."""
        return self.expression[:, self.basis.index(name)]

    def with_controls(self, **curves: Tensor) -> Motion:
        """The same motion with the named controls replaced, each by [T] values or a scalar tensor."""
        expression = self.expression.clone()
        for name, curve in curves.items():
            expression[:, self.basis.index(name)] = torch.as_tensor(curve, dtype=expression.dtype)
        return replace(self, expression=expression)

    def with_pose(self, euler: Tensor, translation: Tensor) -> Motion:
        """The same expressions on another head pose, both [T, 3]."""
        return replace(self, euler=euler, translation=translation)

    def mapped(self, change: Callable[[Tensor], Tensor]) -> Motion:
        """The same change of expression, euler and translation, each [T, ...]."""
        return replace(self, expression=change(self.expression), euler=change(self.euler), translation=change(self.translation))

    def part(self, start: int, stop: int) -> Motion:
        """The frames start..stop-1."""
        return self.mapped(lambda track: track[start:stop])

    def resampled(self, fps: float, frames: int) -> Motion:
        """The same movement as `frames` frames at another rate: linear between frames, the last one held."""
        times = (torch.arange(frames) + 0.5) * (self.fps / fps) - 0.5
        times = times.clamp(0, len(self) - 1)
        before = times.floor().long()
        after = (before + 1).clamp(max=len(self) - 1)
        share = (times - before)[:, None]

        def between(track: Tensor) -> Tensor:
            return torch.lerp(track[before], track[after], share.to(track.dtype))

        return replace(self.mapped(between), fps=fps)

    def fitted(self, frames: int) -> Motion:
        """The first `frames` frames; a shorter motion is played to and fro (spec 06 section 8)."""
        number = mirror_index(torch.arange(frames), len(self))
        return self.mapped(lambda track: track[number])

    def brought_to(self, basis: MotionBasis) -> Motion:
        """The same movement by controls of the same names; those that it does not know are at rest."""
        old, new = len(self.basis.controls), len(basis.controls)
        shared = [name for name in basis.controls if name in self.basis.controls]
        expression = torch.cat([self.expression.new_zeros(len(self), new), self.expression[:, old:]], dim=1)
        expression[:, list(map(basis.index, shared))] = self.expression[:, list(map(self.basis.index, shared))]
        return replace(self, basis=basis, expression=expression)

    def require_basis(self, basis: MotionBasis) -> None:
        """Raises MotionMismatchError unless the motion belongs to `basis`."""
        if self.basis.name != basis.name:
            raise MotionMismatchError(
                f"This motion was made for the avatar '{self.basis.name}', but the avatar in use is '{basis.name}': "
                "make the motion with the same avatar that shows it."
            )
