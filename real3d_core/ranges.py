"""What people choose, by number or by name, and what is said of any other choice. Nodes and command line take both from here."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from numbers import Integral, Real

from .errors import Real3DError


def refuse_unknown(value: object, choices: Iterable[str], what: str) -> None:
    """Raises a Real3DError unless the value is one of the choices."""
    choices = tuple(choices)
    if value not in choices:
        raise Real3DError(f"There is no {what} {str(value)[:40]!a}: choose one of {', '.join(choices)}.")


@dataclass(frozen=True)
class Range:
    """Numbers from `low` to `high`; `whole`: without fractions."""

    name: str
    low: float
    high: float
    whole: bool = False

    def check(self, value: float) -> float:
        """The value itself.

        Raises:
            Real3DError: it is no such number; workflows and command lines can hold anything.
        """
        if isinstance(value, Integral if self.whole else Real) and self.low <= value <= self.high:
            return value
        raise Real3DError(f"{self.name} is {str(value)[:40]}: choose {'a whole number, ' if self.whole else ''}{self}.")

    def __str__(self) -> str:
        return f"{self.low} to {self.high}" if self.whole else f"{self.low:g} to {self.high:g}"


POSES = ("auto", "sway", "static", "driving", "orbit")
BLINKS = ("auto", "natural", "periodic", "none", "driving")
SEED = Range("The seed", 0, 2**63 - 1, whole=True)
SIZE = Range("The size", 64, 2048, whole=True)  # pixels along a side of a finished frame
FRAME_RATE = Range("The number of frames per second", 1, 120)
FACE_INDEX = Range("The number of the face", 0, 63, whole=True)
FACE_AREA = Range("The face area", 0.02, 0.5)  # part of the picture
DEFAULT_FACE_AREA = 0.2
MOUTH = Range("The mouth's amplitude", 0, 3)
ACTING = Range("The acting", 0, 2)
EXPRESSION = Range("The amount of an expression", 0, 1)
_FROM_REST, _BOTH_WAYS, _TURN = (0, 1), (-1, 1), (-45, 45)  # the last: degrees
BY_HAND = {
    name: Range(f"The amount of {name}", *bounds)
    for bounds, names in (
        (_BOTH_WAYS, ("gaze_x", "gaze_y")),
        (_FROM_REST, ("blink_left", "blink_right")),
        (_BOTH_WAYS, ("lids_wide",)),
        (_FROM_REST, ("lids_tight",)),
        (_BOTH_WAYS, ("brow_raise", "brow_inner_raise", "brow_outer_left", "brow_outer_right")),
        (_FROM_REST, ("brow_furrow", "cheek_raise", "jaw_open")),
        (_BOTH_WAYS, ("lips_wide",)),
        (_FROM_REST, ("lips_round", "lips_press", "lip_upper_raise", "lip_lower_drop")),
        (_BOTH_WAYS, ("mouth_smile",)),
        (_FROM_REST, ("frown",)),
        (_TURN, ("head_yaw", "head_pitch", "head_roll")),
    )
    for name in names
}
"""What a hand sets on a face, by the name of its slider; 0 changes nothing (motion/by_hand.py)."""
TEMPERATURE = Range("The temperature", 0, 1)
GAZE = Range("The amount of gaze", 0, 2)
POSE_AMOUNT = Range("The pose amount", -3, 3)
NEUTRAL = Range("The neutral frame", 0, 90000, whole=True)  # of a driving clip of at most an hour at 25 a second
SMOOTHING = Range("The smoothing", 0, 5)
START_FRAME = Range("The start frame", 0, 432000, whole=True)  # of a film of at most an hour at 120 a second
FRAME_COUNT = Range("The frame count", 0, 432000, whole=True)  # 0: all that follow
CLIP_RATE = Range("The clip's number of frames per second", 1, 240)
RESOLUTION = Range("The resolution", 16, 512, whole=True)  # rays along a side
SAMPLES = Range("The number of samples", 8, 192, whole=True)  # along a ray
VIEW_YAW = Range("The view's yaw", -80, 80)  # degrees
VIEW_PITCH = Range("The view's pitch", -60, 60)  # degrees
VIEW_DISTANCE = Range("The view's distance", 0.5, 2)  # 1: the photo's own
