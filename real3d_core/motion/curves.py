"""A motion as a few short curves for display."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ..media.sound import Sound
from .gaze import GAZE_CONTROLS, gaze_of, has_gaze
from .motion import Motion

MOST_POINTS = 240


def motion_curves(motion: Motion, most: int = MOST_POINTS) -> dict[str, list[float]]:
    """Up to `most` values of each curve, spread evenly over the motion.

    jaw and blink are 0 at rest and 1 at full strength, lips run from -1 (round) to 1 (wide); a basis without controls has
    `expression`, the length of its coefficients, instead. yaw, pitch, roll and the gaze are degrees. Where several frames share a
    point, it shows the one farthest from rest, so that no blink is lost.
    """
    known = motion.basis.controls
    curves: dict[str, Tensor] = {}
    if "jaw_open" in known:
        curves["jaw"] = motion.control("jaw_open")
    if "lips_wide" in known and "lips_round" in known:
        curves["lips"] = motion.control("lips_wide") - motion.control("lips_round")
    if "blink_left" in known and "blink_right" in known:
        curves["blink"] = torch.maximum(motion.control("blink_left"), motion.control("blink_right"))
    if not curves:
        curves["expression"] = motion.expression.norm(dim=1)
    pitch, yaw, roll = torch.rad2deg(motion.euler).unbind(1)
    curves |= {"yaw": yaw, "pitch": pitch, "roll": roll}
    if has_gaze(motion):
        curves |= dict(zip(GAZE_CONTROLS, torch.rad2deg(gaze_of(motion)).unbind(1), strict=True))
    return {name: _rounded(_farthest(curve.detach().cpu().float(), most)) for name, curve in curves.items()}


def sound_envelope(sound: Sound, seconds: float, most: int = MOST_POINTS) -> list[float]:
    """The loudest sample, 0..1, in each of up to `most` parts of the first `seconds`; beyond the sound's end there is silence."""
    samples = sound.samples.detach().float().abs().amax(dim=0)
    length = max(most, round(seconds * sound.rate))
    padded = torch.nn.functional.pad(samples[:length], (0, max(0, length - len(samples))))
    return _rounded(_farthest(padded, most).clamp(0, 1))


def _farthest(values: Tensor, most: int) -> Tensor:
    """[T] -> [min(T, most)], the value farthest from 0 in each part."""
    if len(values) <= most:
        return values
    part = math.ceil(len(values) / most)
    parts = torch.nn.functional.pad(values, (0, -len(values) % part)).unflatten(0, (-1, part))
    return parts.gather(1, parts.abs().argmax(dim=1, keepdim=True))[:, 0]


def _rounded(values: Tensor) -> list[float]:
    return [round(value, 3) for value in values.nan_to_num().tolist()]
