"""A motion changed by hand: single controls of the face, and the turn of the head."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor

from ..errors import Real3DError
from ..ranges import BY_HAND, refuse_unknown
from .motion import Motion
from .pose import turn_about_neck

WAYS = ("add", "replace", "scale")
_HEAD = ("head_pitch", "head_yaw", "head_roll")  # in the order of a pose's angles
_OTHER_NAMES = {"mouth_smile": "smile"}  # the expression of this name is another slider
_LEAST, _MOST = 0.0, 1.0  # of lids: nothing is more open, or more closed


def moved_by_hand(motion: Motion, amounts: Mapping[str, Tensor | float], ways: Mapping[str, str] | None = None) -> Motion:
    """The motion with controls and head moved by hand; where all amounts are 0 and added, it is the motion itself.

    Args:
        amounts: by name in BY_HAND, one number or [T]; those of the head are degrees.
        ways: by the same names what an amount does to the motion's own movement; "add" where none is named. "replace" takes its
            place; "scale" makes it (1 + amount) times as large, an amount of degrees as a part of the most there may be.

    Raises:
        Real3DError: there is no such name or way, a number is out of range, or the avatar of the motion has no such controls.
    """
    ways = ways or {}
    for name in (*amounts, *ways):
        refuse_unknown(name, BY_HAND, "control")
    for way in ways.values():
        refuse_unknown(way, WAYS, "way of moving a control")
    moving = {name: amount for name, amount in amounts.items() if ways.get(name) == "replace" or torch.as_tensor(amount).any()}
    for name, amount in moving.items():
        for extreme in torch.as_tensor(amount, dtype=torch.float64).aminmax():
            BY_HAND[name].check(float(extreme))
    controls = {_OTHER_NAMES.get(name, name): name for name in moving if name not in _HEAD}
    if not set(controls) <= set(motion.basis.controls):
        raise Real3DError("This motion cannot be moved by hand, as its avatar has no such controls: use one of the built-in avatar.")
    curves = {control: _moved(motion.control(control), moving[name], ways.get(name)) for control, name in controls.items()}
    for lid in ("blink_left", "blink_right"):
        if lid in curves:
            curves[lid] = curves[lid].clamp(_LEAST, _MOST)
    changed = motion.with_controls(**curves) if curves else motion
    return _turned(changed, moving, ways) if any(name in moving for name in _HEAD) else changed


def ways_of(text: str) -> dict[str, str]:
    """What a text such as "jaw_open = scale, gaze_x = replace" says.

    Raises:
        Real3DError: it cannot be read, or names what there is not.
    """
    ways = {}
    for part in filter(str.strip, re.split(r"[,;\n]", text)):
        named = re.fullmatch(r"\s*(\w+)\s*[=:]\s*(\w+)\s*", part)
        if not named:
            raise Real3DError(f"'{part.strip()[:60]}' cannot be read: write control = way, such as jaw_open = scale, gaze_x = replace.")
        refuse_unknown(named[1], BY_HAND, "control")
        refuse_unknown(named[2], WAYS, "way of moving a control")
        ways[named[1]] = named[2]
    return ways


def _moved(own: Tensor, amount: Tensor | float, way: str | None) -> Tensor:
    amount = torch.as_tensor(amount, dtype=own.dtype)
    if way == "replace":
        return amount.expand_as(own)
    return own * (1 + amount) if way == "scale" else own + amount


def _turned(motion: Motion, amounts: Mapping[str, Tensor | float], ways: Mapping[str, str]) -> Motion:
    """With another turn of the head, about its neck; the rest of its movement goes on."""
    angles = []
    for own, name in zip(motion.euler.unbind(1), _HEAD, strict=True):
        if name not in amounts:
            angles.append(own)
            continue
        amount = torch.as_tensor(amounts[name], dtype=own.dtype)
        angles.append(_moved(own, amount / BY_HAND[name].high if ways.get(name) == "scale" else amount * (math.pi / 180), ways.get(name)))
    euler = torch.stack(angles, dim=1)
    moved = motion.translation + (turn_about_neck(euler) - turn_about_neck(motion.euler))
    return replace(motion, euler=euler, translation=moved)
