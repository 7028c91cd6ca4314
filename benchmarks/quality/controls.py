"""Rows about single controls of a face: does a look at the picture find the movement that a control names, and how much of others.

Each control that a hand can set is swept from one end of its range to the other, and MediaPipe's 52 ARKit blendshapes are read from every
frame, each in 0..1. Those that the control names are averaged, with their signs: rows are their correlation with the control (from rest up
where they only rise), how far they change, and how far any other one rises above what is read at rest, elsewhere in the face and in the
same part of it. What falls was read in the photo's own face, and is taken away rather than given: lips that are pressed show no teeth.
Faces turned less than 20 degrees only; of brows and cheeks that glasses hold, nothing can be seen.

The network's last step squashes each blendshape into 0..1: what it reads of a smile that goes on growing stays at 0.98. The correlation
is therefore that of log-odds, which undo it; all else is counted in the blendshapes' own unit.

The detector mixes blendshapes itself: what it reads in addition while real people blink, open the jaw or lift their brows (may_5s.mp4,
carphone.mp4) is counted off. It never reads cheekSquint, not of those people either: of raised cheeks it sees narrower eyes.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, partial
from importlib.util import find_spec
from typing import Any

import numpy as np
import torch

from real3d_core.analytic.controls import BASIS
from real3d_core.mediapipe_models.model_files import FACE_LANDMARKER, ModelFolders
from real3d_core.motion.by_hand import moved_by_hand
from real3d_core.motion.motion import Motion
from real3d_core.ranges import BY_HAND

from .rows import Row, at_least, at_most
from .subject import NoFaceSeen, Subject, as_bytes

_STEPS = 5  # from rest to the end of a range
_SIDES = ("Left", "Right")
_PARTS = {("eye",): "eyes", ("brow",): "brows", ("cheek", "nose"): "cheeks", ("mouth", "jaw", "tongue"): "mouth"}


def _both(*names: str) -> tuple[str, ...]:
    return tuple(name + side for name in names for side in _SIDES)


NAMED: dict[str, tuple[str, ...]] = {
    "gaze_x": ("eyeLookOutLeft", "eyeLookInRight", "-eyeLookInLeft", "-eyeLookOutRight"),
    "gaze_y": _both("eyeLookUp", "-eyeLookDown"),
    "blink_left": ("eyeBlinkLeft",),
    "blink_right": ("eyeBlinkRight",),
    "lids_wide": _both("eyeWide", "-eyeSquint"),
    "lids_tight": _both("eyeSquint"),
    "brow_raise": ("browInnerUp", *_both("browOuterUp", "-browDown")),
    "brow_inner_raise": ("browInnerUp",),
    "brow_outer_left": ("browOuterUpLeft", "-browDownLeft"),
    "brow_outer_right": ("browOuterUpRight", "-browDownRight"),
    "brow_furrow": _both("browDown"),
    "cheek_raise": _both("eyeSquint"),
    "jaw_open": ("jawOpen",),
    "lips_wide": (*_both("mouthStretch", "mouthSmile"), "-mouthPucker"),
    "lips_round": ("mouthPucker", *_both("-mouthSmile", "-mouthStretch")),
    "lips_press": ("mouthRollUpper", "mouthRollLower", *_both("mouthPress", "-mouthUpperUp")),
    "lip_upper_raise": _both("mouthUpperUp"),
    "lip_lower_drop": _both("mouthLowerDown"),
    "mouth_smile": (*_both("mouthSmile", "-mouthFrown"), "-mouthPucker", "-mouthShrugLower"),
    "frown": (*_both("mouthFrown", "-mouthSmile"), "mouthShrugLower"),
}
"""By control the blendshapes that it names; those with a minus, its opposites, fall while it rises."""

_HELD_BY_GLASSES = tuple(name for name in NAMED if name.startswith(("brow_", "cheek_")))
_LEAST = 1e-6  # nearer to 0 or 1 a reading is rounding

_READ_IN_ADDITION: dict[str, dict[str, float]] = {
    "eyeBlink": {"eyeLookDown": 0.7, "eyeSquint": 0.6},
    "jawOpen": {"mouthLowerDown": 1.6},
    "browInnerUp": {"eyeLookDown": 0.4},
}
"""By blendshape what the detector reads more of others in real clips, for each 1 of it."""


def packages_present() -> bool:
    return find_spec("mediapipe") is not None


@cache
def _detector() -> Any:
    from mediapipe.tasks.python import vision
    from mediapipe.tasks.python.core.base_options import BaseOptions

    model = BaseOptions(model_asset_buffer=ModelFolders().find(FACE_LANDMARKER).read_bytes())
    return vision.FaceLandmarker.create_from_options(vision.FaceLandmarkerOptions(base_options=model, output_face_blendshapes=True))


def blendshapes(frame: np.ndarray) -> dict[str, float]:
    """By name what MediaPipe reads from a frame [H, W, 3] in 0..1."""
    import mediapipe

    found = _detector().detect(mediapipe.Image(image_format=mediapipe.ImageFormat.SRGB, data=as_bytes(frame))).face_blendshapes
    if not found:
        raise NoFaceSeen("no face is found in a frame whose control is swept")
    return {shape.category_name: shape.score for shape in found[0] if shape.category_name != "_neutral"}


@dataclass(frozen=True)
class Seen:
    """What is seen of one control.

    correlation: of its amount with the average of what it names, in log-odds.
    change: of that average.
    elsewhere, beside: the largest rise of any other blendshape, in other parts of the face and in the same one.
    """

    correlation: float
    change: float
    elsewhere: float
    beside: float


def followed(amounts: np.ndarray, seen: list[dict[str, float]], named: tuple[str, ...]) -> Seen:
    """Of a control [T], from the blendshapes at each amount."""
    signs = {name.removeprefix("-"): -1.0 if name.startswith("-") else 1.0 for name in named}
    read = np.array([[shapes[name] for name in signs] for shapes in seen])
    own, linear = (values @ list(signs.values()) / len(signs) for values in (read, _log_odds(read)))
    rest = seen[int(np.abs(amounts).argmin())]
    part = {_part_of(name) for name in signs}
    others = {name: max(_given(shapes, rest, name) for shapes in seen) for name in rest if name not in signs}
    beside, elsewhere = ([rise for name, rise in others.items() if (_part_of(name) in part) == near] for near in (True, False))
    shown = slice(None) if min(signs.values()) < 0 else amounts >= 0
    correlation = float(np.corrcoef(amounts[shown], linear[shown])[0, 1]) if np.ptp(own[shown]) > 1e-6 else 0.0
    return Seen(correlation, float(np.ptp(own)), max(elsewhere, default=0.0), max(beside, default=0.0))


def _log_odds(scores: np.ndarray) -> np.ndarray:
    scores = scores.clip(_LEAST, 1 - _LEAST)
    return np.log(scores / (1 - scores))


def _given(shapes: dict[str, float], rest: dict[str, float], other: str) -> float:
    """How far a blendshape rises above what is read at rest, without what the detector adds to those that rise as well."""
    rise = shapes[other] - rest[other]
    for name, along in _READ_IN_ADDITION.items():
        source = max((shapes[one] - rest[one] for one in shapes if one.startswith(name)), default=0.0)
        rise -= max(source, 0.0) * next((share for start, share in along.items() if other.startswith(start)), 0.0)
    return max(rise, 0.0)


def _part_of(name: str) -> str:
    return next(part for starts, part in _PARTS.items() if name.startswith(starts))


def _swept(subject: Subject, control: str) -> Seen:
    span = BY_HAND[control]
    amounts = np.linspace(span.low, span.high, _STEPS if span.low == 0 else 2 * _STEPS - 1)
    frames = subject.render(moved_by_hand(Motion.still(BASIS, len(amounts)), {control: torch.from_numpy(amounts).float()}))
    return followed(amounts, [blendshapes(frame) for frame in frames], NAMED[control])


def _measured(what: str, control: str, subject: Subject) -> list[float]:
    held = control in _HELD_BY_GLASSES and subject.glasses > 0.5
    return [getattr(subject.once(_swept, control), what)] if subject.frontal and not held else []


ROWS = tuple(
    Row(f"{control}_{what}", title.format(control), bar, partial(_measured, what, control), 2)
    for control in NAMED
    for what, title, bar in (
        ("correlation", "{} swept: correlation", at_least(0.95)),
        ("change", "    change of what it names", at_least(0.1)),
        ("elsewhere", "    largest other change, elsewhere", at_most(0.15)),
        ("beside", "    in the same part of the face", at_most(0.15)),
    )
)
