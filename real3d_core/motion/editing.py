"""Editing a motion: stronger or weaker, softer, faster, shorter, longer, joined to or mixed with another one."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import replace

import torch
from scipy.ndimage import gaussian_filter1d
from torch import Tensor

from ..errors import Real3DError
from ..smooth_step import eased
from ..stream import mirror_index
from .motion import Motion

LOOPS = ("once", "again", "to and fro")


def scaled(motion: Motion, expression: float = 1.0, pose: float = 1.0, controls: Mapping[str, float] | None = None) -> Motion:
    """Every coefficient times `expression`, named controls times their own factor on top, the head's pose times `pose`.

    Raises:
        Real3DError: the motion has no control of a given name.
    """
    gains = torch.full((motion.basis.size,), float(expression))
    for name, gain in (controls or {}).items():
        if name not in motion.basis.controls:
            known = ", ".join(motion.basis.controls) or "none"
            raise Real3DError(f"This motion has no control '{name}': name one of its own ({known}).")
        gains[motion.basis.index(name)] *= gain
    return replace(motion, expression=motion.expression * gains, euler=motion.euler * pose, translation=motion.translation * pose)


def parse_gains(text: str) -> dict[str, float]:
    """'jaw_open = 1.2, smile = 0' -> {"jaw_open": 1.2, "smile": 0.0}; commas, semicolons and new lines separate.

    Raises:
        Real3DError: a part is not of the form name = number, or the number is beyond -10..10.
    """
    gains = {}
    for part in filter(None, (part.strip() for part in re.split(r"[,;\n]", text))):
        found = re.fullmatch(r"(\w+)\s*[=:]\s*([+-]?(?:\d+\.?\d*|\.\d+))", part)
        if not found or abs(float(found[2])) > 10:
            raise Real3DError(
                f"'{part[:60]}' is not a gain: write a control's name, an equals sign and a number from -10 to 10, such as jaw_open = 1.2."
            )
        gains[found[1]] = float(found[2])
    return gains


def smoothed(motion: Motion, seconds: float) -> Motion:
    """A Gaussian over time whose standard deviation is `seconds`; 0 changes nothing."""
    sigma = seconds * motion.fps

    def soft(track: Tensor) -> Tensor:
        return torch.from_numpy(gaussian_filter1d(track.numpy(), sigma, axis=0, mode="nearest"))

    return motion.mapped(soft) if sigma > 0 else motion


def eased_in(motion: Motion, seconds: float) -> Motion:
    """Begun from rest: all of it grows from nothing in the first frame to its own strength `seconds` later."""
    share = eased((torch.arange(len(motion)) / (seconds * motion.fps)).clamp(max=1))[:, None]
    return motion.mapped(lambda track: track * share)


def retimed(motion: Motion, speed: float) -> Motion:
    """Played `speed` times as fast at the same frame rate; ceil(T / speed) frames."""
    if speed == 1:
        return motion
    frames = max(1, math.ceil(len(motion) / speed - 1e-6))
    return replace(motion.resampled(motion.fps / speed, frames), fps=motion.fps)


def at_rate(motion: Motion, fps: float) -> Motion:
    """The same movement, as long as before, at another number of frames per second."""
    return motion if motion.fps == fps else motion.resampled(fps, max(1, math.ceil(len(motion) * fps / motion.fps - 1e-6)))


def trimmed(motion: Motion, start: float = 0.0, end: float | None = None) -> Motion:
    """The part from `start` to `end` seconds; None is the motion's end.

    Raises:
        Real3DError: nothing is left.
    """
    first = round(start * motion.fps)
    last = len(motion) if end is None else min(round(end * motion.fps), len(motion))
    if not 0 <= first < last:
        raise Real3DError(
            f"Nothing is left between {start:g} s and {last / motion.fps:g} s of a motion of {len(motion) / motion.fps:g} s: trim less."
        )
    return motion.part(first, last)


def looped(motion: Motion, seconds: float, how: str) -> Motion:
    """Repeated until it lasts `seconds` (or cut to it): "again" from its start or "to and fro"; "once" changes nothing.

    Raises:
        Real3DError: there is no such way.
    """
    if how not in LOOPS:
        raise Real3DError(f"There is no loop '{how}': choose one of {', '.join(LOOPS)}.")
    if how == "once" or seconds <= 0:
        return motion
    frames = torch.arange(max(1, round(seconds * motion.fps)))
    number = frames % len(motion) if how == "again" else mirror_index(frames, len(motion))
    return motion.mapped(lambda track: track[number])


def joined(first: Motion, second: Motion, overlap: float = 0.0) -> Motion:
    """One after the other, at the first one's rate; for `overlap` seconds the first passes softly into the second.

    Raises:
        MotionMismatchError: they belong to different avatars.
    """
    second.require_basis(first.basis)
    second = at_rate(second, first.fps)
    shared = min(round(overlap * first.fps), len(first), len(second))
    share = _soft_step(shared)

    def join(a: Tensor, b: Tensor) -> Tensor:
        passing = torch.lerp(a[len(a) - shared :], b[:shared], share.to(a.dtype))
        return torch.cat([a[: len(a) - shared], passing, b[shared:]])

    return _both(first, second, join)


def mixed(first: Motion, second: Motion, share: float) -> Motion:
    """`share` of the second and the rest of the first, which says how long and how fast; a shorter second is played to and fro.

    Raises:
        MotionMismatchError: they belong to different avatars.
    """
    second.require_basis(first.basis)
    fitted = at_rate(second, first.fps).fitted(len(first))
    return _both(first, fitted, lambda a, b: torch.lerp(a, b, share))


def _soft_step(frames: int) -> Tensor:
    """[frames, 1] rising from 0 to 1."""
    t = (torch.arange(frames) + 0.5)[:, None] / max(frames, 1)
    return eased(t)


def _both(first: Motion, second: Motion, change) -> Motion:
    parts = ("expression", "euler", "translation")
    return replace(first, **{part: change(getattr(first, part), getattr(second, part)) for part in parts})
