"""Six expressions by hand, mixed over time: they set the controls of a face while its lips go on speaking.

The numbers follow the Facial Action Coding System's prototypes (Ekman and Friesen 1978); edit them freely.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from ..errors import Real3DError
from ..keyframes import between_keyframes, keyframes
from ..ranges import BY_HAND, EXPRESSION, refuse_unknown
from .motion import Motion

EXPRESSIONS: dict[str, dict[str, float]] = {
    "neutral": {"speaking": 1.0},
    "smile": {
        **{"cheek_raise": 0.9, "lids_tight": 0.35},
        **{"smile": 1.35, "lips_wide": 0.35, "lip_upper_raise": 0.1, "speaking": 0.6},
    },
    "sad": {
        **{"brow_inner_raise": 0.8, "brow_furrow": 0.25, "lids_wide": -0.35},
        **{"frown": 1.0, "lips_round": 0.2, "lip_upper_raise": 0.2, "lip_lower_drop": -0.25, "speaking": 1.0},
    },
    "surprised": {
        **{"brow_raise": 0.85, "brow_outer_left": 0.15, "brow_outer_right": 0.15, "lids_wide": 0.8},
        **{"jaw_open": 0.45, "lips_round": 0.4, "speaking": 1.0},
    },
    "angry": {
        **{"brow_furrow": 1.1, "brow_inner_raise": -0.3, "lids_tight": 0.6, "lids_wide": 0.25},
        **{"frown": 0.85, "lips_round": 0.2, "lip_lower_drop": -0.28, "speaking": 1.0},
    },
    "focused": {
        **{"brow_furrow": 0.5, "lids_tight": 0.55},
        **{"frown": 0.4, "lips_round": 0.1, "lip_upper_raise": -0.15, "lip_lower_drop": -0.18, "speaking": 1.0},
    },
}
"""By name the controls that make it and how far, at full amount; all others that any of them has are at rest."""

_KEYED = (*EXPRESSIONS, *BY_HAND)
DIRECTED = tuple(dict.fromkeys(name for controls in EXPRESSIONS.values() for name in controls))
_SPOKEN = ("jaw_open", "lips_wide", "lips_round", "lip_upper_raise", "lip_lower_drop", "speaking")  # speech comes first
_UNDERLINING = ("brow_raise", "brow_inner_raise", "brow_outer_left", "brow_outer_right", "brow_furrow", "lids_wide", "lids_tight")
_UNDERLINED = 0.5  # part of a speaker's own brow and lid movement that goes on under an expression; a neutral face has none


def directed(motion: Motion, amounts: Mapping[str, Tensor | float]) -> Motion:
    """The motion with another expression: its lips, lids and head go on as they do.

    Args:
        amounts: by name of an expression how much of it, 0..1, one number or [T]; where they add up to more than 1 they share it.

    Raises:
        Real3DError: there is no such expression, or the avatar of the motion has no controls for them.
    """
    if not set(DIRECTED) <= set(motion.basis.controls):
        raise Real3DError(
            "This motion cannot be directed, as its avatar has no controls of brows and lids: use one of the built-in avatar."
        )
    for name in amounts:
        refuse_unknown(name, EXPRESSIONS, "expression")
    weights = {name: torch.as_tensor(amount, dtype=torch.float32).clamp(0, 1).expand(len(motion)) for name, amount in amounts.items()}
    total = sum(weights.values(), start=torch.zeros(len(motion)))
    weights = {name: weight / total.clamp_min(1) for name, weight in weights.items()}
    share, calm = total.clamp_max(1), weights.get("neutral", torch.zeros(len(motion)))
    curves = {}
    for control in DIRECTED:
        own = motion.control(control)
        wanted = sum((weight * EXPRESSIONS[name].get(control, 0.0) for name, weight in weights.items()), start=torch.zeros(len(motion)))
        if control in _SPOKEN:
            curves[control] = own + wanted * (1 - own.clamp(0, 1))
        else:
            kept = 1 - share + (_UNDERLINED * (share - calm) if control in _UNDERLINING else 0)
            curves[control] = own * kept + wanted
    return motion.with_controls(**curves)


def face_keyframes(text: str, frames: int, fps: float) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """All expressions, and what is set by hand, each [frames]: through keyframes, one per line.

    A line has seconds, how the face goes on to the next (an easing, "smooth" where none is named), then the whole face.

    What no line names is left out of the second; what some lines do not name is 0 there.

    Example:
        >>> expressions, by_hand = face_keyframes("0: neutral\\n1: smile = 0.8, gaze_x = -0.3", 26, 25.0)
        >>> expressions["smile"][-1], by_hand["gaze_x"][-1]
        (tensor(0.8000), tensor(-0.3000))

    Raises:
        Real3DError: a line cannot be read, times repeat, or there is none.
    """
    example = "'0: neutral' or '1.5: smile = 0.8, gaze_x = -0.3' (seconds: expression or control = amount)"
    times, values, easings = keyframes(text, _keyframe, "face", example)
    named = dict(zip(_KEYED, ~np.isnan(values).all(axis=0), strict=True))
    between = torch.from_numpy(between_keyframes(times, np.nan_to_num(values), easings, frames, fps)).float()
    curves = dict(zip(_KEYED, between.unbind(1), strict=True))
    return {name: curves[name] for name in EXPRESSIONS}, {name: curves[name] for name in BY_HAND if named[name]}


def _keyframe(line: str) -> tuple[float, ...]:
    """Seconds, and the amount of everything in `_KEYED`; NaN for controls that it does not name."""
    unsigned = r"(?:\d+\.?\d*|\.\d+)"
    number = rf"[+-]?{unsigned}"
    found = re.fullmatch(rf"({unsigned})\s*:\s*(.*)", line.strip())
    amounts = dict.fromkeys(EXPRESSIONS, 0.0) | dict.fromkeys(BY_HAND, math.nan)
    for part in filter(None, re.split(r"[,;]\s*", found[2])) if found else [line]:
        named = re.fullmatch(rf"(\w+)(?:\s*[=:]\s*({number}))?", part.strip())
        if not found or not named:
            raise Real3DError(
                f"The keyframe '{line.strip()[:60]}' cannot be read: write seconds: name = amount, name = amount, such as "
                "1.5: smile = 0.8, gaze_x = -0.3."
            )
        name, amount = named[1], float(named[2] or 1)
        refuse_unknown(name, _KEYED, "expression or control")
        try:
            amounts[name] = BY_HAND.get(name, EXPRESSION).check(amount)
        except Real3DError as refusal:
            raise Real3DError(f"The keyframe '{line.strip()[:60]}' cannot be used. {refusal}") from None
    return (float(found[1]) if found else math.nan, *amounts.values())
