"""Rows about single controls of a face: does a look at the picture find the movement that a control names, and how much of others.

Each control that a hand can set is swept from one end of its range to the other, and MediaPipe's 52 ARKit blendshapes are read from every
frame. Those that the control names are averaged, with their signs: their correlation with the control is the first row; the second is the
largest change of any other one, over the change of the average. Faces turned less than 20 degrees only.

The detector mixes them itself. While real people blink (may_5s.mp4, carphone.mp4), for each 1 of eyeBlink it reads 0.7 of eyeLookDown and
0.5 to 0.8 of eyeSquint more. It hardly ever reads cheekSquint or mouthFrown.
"""

from __future__ import annotations

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
    "cheek_raise": _both("cheekSquint"),
    "jaw_open": ("jawOpen",),
    "lips_wide": _both("mouthStretch", "mouthSmile"),
    "lips_round": ("mouthPucker",),
    "lips_press": _both("mouthPress"),
    "lip_upper_raise": _both("mouthUpperUp"),
    "lip_lower_drop": _both("mouthLowerDown"),
    "mouth_smile": _both("mouthSmile"),
    "frown": _both("mouthFrown"),
}
"""By control the blendshapes that it names; those with a minus fall while it rises."""


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


def followed(amounts: np.ndarray, seen: list[dict[str, float]], named: tuple[str, ...]) -> tuple[float, float]:
    """Correlation of a control [T] with the average of what it names, and the largest other change over that average's.

    Args:
        seen: the blendshapes at each amount.
    """
    signs = {name.removeprefix("-"): -1.0 if name.startswith("-") else 1.0 for name in named}
    own = np.array([np.mean([sign * shapes[name] for name, sign in signs.items()]) for shapes in seen])
    others = [np.ptp([shapes[name] for shapes in seen]) for name in seen[0] if name not in signs]
    if np.ptp(own) < 1e-6:
        return 0.0, np.inf
    return float(np.corrcoef(amounts, own)[0, 1]), float(max(others) / np.ptp(own))


def _swept(subject: Subject, control: str) -> tuple[float, float]:
    span = BY_HAND[control]
    amounts = np.linspace(span.low, span.high, _STEPS if span.low == 0 else 2 * _STEPS - 1)
    frames = subject.render(moved_by_hand(Motion.still(BASIS, len(amounts)), {control: torch.from_numpy(amounts).float()}))
    return followed(amounts, [blendshapes(frame) for frame in frames], NAMED[control])


def _measured(which: int, control: str, subject: Subject) -> list[float]:
    return [subject.once(_swept, control)[which]] if subject.frontal else []


ROWS = tuple(
    row
    for control in NAMED
    for row in (
        Row(f"{control}_seen", f"{control} swept: correlation", at_least(0.95), partial(_measured, 0, control), 2),
        Row(f"{control}_alone", "    largest other change", at_most(0.15), partial(_measured, 1, control), 2),
    )
)
