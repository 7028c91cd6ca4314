"""What the lips do for each group of sounds (spec 08 section 7). The numbers are data: visemes.json, which an artist may edit."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

VISEMES_FILE = Path(__file__).with_name("visemes.json")


@dataclass(frozen=True)
class Viseme:
    """Where one group of sounds wants the lips, and how strongly. All values 0..1 of the control of the same meaning.

    opening: jaw and lip opening; 0 is lips that touch.
    width: corners out.
    rounding: corners in, lips protruded.
    teeth: lower lip to the upper teeth.
    upper: upper lip raised.
    press: lips closed whatever the jaw does.
    grip: how strongly the opening is held against the neighbours' (dominance); a weak sound takes theirs. Any positive number.
    hold: the same for width, rounding and upper lip.
    """

    opening: float
    width: float
    rounding: float
    teeth: float
    upper: float
    press: float
    grip: float
    hold: float


def _table() -> tuple[dict[str, Viseme], dict[str, tuple[str, ...]]]:
    content = json.loads(VISEMES_FILE.read_text(encoding="utf-8"))
    visemes: dict[str, Viseme] = {}
    of_sound: dict[str, tuple[str, ...]] = {}
    for name, row in content["visemes"].items():
        of_sound.update({sound: (name,) for sound in row.pop("sounds").split()})
        visemes[name] = Viseme(**row)
    of_sound.update({sound: tuple(both.split()) for sound, both in content["diphthongs"].items()})
    return visemes, of_sound


# Viseme by name, in the order of the network's outputs; and the names of an English sound (ARPAbet), two for a diphthong.
VISEMES, VISEME_OF_SOUND = _table()
NAMES = tuple(VISEMES)
REST, CLOSED, TEETH = (NAMES.index(name) for name in ("rest", "closed", "teeth"))
VOWELS = tuple(NAMES.index(name) for name in ("oo", "oh", "ah", "eh", "ee", "uh", "er"))
