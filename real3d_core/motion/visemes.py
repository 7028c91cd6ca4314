"""What the lips do for each phoneme (spec 08 section 7)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Viseme:
    """Where one sound wants the lips, and how strongly. All values 0..1 of the control of the same meaning.

    opening: jaw and lip opening; 0 is the portrait's own rest.
    width: corners out.
    rounding: corners in, lips protruded.
    tuck: lower lip to the upper teeth.
    upper: upper lip raised.
    press: lips closed whatever the jaw does.
    grip: how strongly the opening is held against the neighbours' (dominance); a weak sound takes theirs.
    hold: the same for width, rounding and upper lip.
    """

    opening: float
    width: float = 0.0
    rounding: float = 0.0
    tuck: float = 0.0
    upper: float = 0.0
    press: float = 0.0
    grip: float = 1.0
    hold: float = 1.0


REST = Viseme(0.0, grip=0.5, hold=0.5)
BREATH = "BREATH"  # a short pause between words: people breathe in with their lips a little apart
PAUSES = frozenset(["SIL", BREATH])

# Openings follow spec 08 section 7. Sounds made with the tongue alone (h, k, t, n, ...) leave the lips to their neighbours,
# so their grip is weak; sounds made with the lips or with the teeth set (f, w, s, sh) insist.
VISEMES: dict[str, Viseme] = {
    "SIL": REST,
    BREATH: Viseme(0.1, grip=0.4, hold=0.4),
    "AA": Viseme(1.0, upper=0.15),
    "AE": Viseme(0.9, width=0.35, upper=0.3),
    "AH": Viseme(0.7, width=0.05, grip=0.8, hold=0.6),
    "AO": Viseme(0.8, rounding=0.4),
    "EH": Viseme(0.7, width=0.35, upper=0.2),
    "ER": Viseme(0.5, rounding=0.3, upper=0.1),
    "IH": Viseme(0.45, width=0.35, upper=0.15, grip=0.8, hold=0.8),
    "IY": Viseme(0.35, width=0.75, upper=0.2),
    "UH": Viseme(0.4, rounding=0.5),
    "UW": Viseme(0.25, rounding=0.9, grip=1.2, hold=1.4),
    "HH": Viseme(0.5, grip=0.1, hold=0.1),
    "K": Viseme(0.4, grip=0.3, hold=0.2),
    "G": Viseme(0.4, grip=0.3, hold=0.2),
    "NG": Viseme(0.4, grip=0.4, hold=0.2),
    "T": Viseme(0.35, width=0.15, grip=0.4, hold=0.3),
    "D": Viseme(0.35, width=0.15, grip=0.4, hold=0.3),
    "N": Viseme(0.35, width=0.15, grip=0.4, hold=0.3),
    "L": Viseme(0.45, width=0.1, grip=0.4, hold=0.3),
    "DH": Viseme(0.35, width=0.1, grip=0.5, hold=0.3),
    "TH": Viseme(0.3, width=0.1, grip=0.6, hold=0.4),
    "S": Viseme(0.25, width=0.45, upper=0.15, grip=0.7, hold=0.7),
    "Z": Viseme(0.25, width=0.4, upper=0.15, grip=0.7, hold=0.7),
    "SH": Viseme(0.3, rounding=0.65, upper=0.25, grip=0.9, hold=1.2),
    "ZH": Viseme(0.3, rounding=0.65, upper=0.25, grip=0.9, hold=1.2),
    "CH": Viseme(0.3, rounding=0.6, upper=0.25, grip=0.9, hold=1.2),
    "JH": Viseme(0.3, rounding=0.6, upper=0.25, grip=0.9, hold=1.2),
    "R": Viseme(0.35, rounding=0.45, grip=0.6, hold=0.8),
    "Y": Viseme(0.35, width=0.6, grip=0.6, hold=0.7),
    "W": Viseme(0.2, rounding=1.0, grip=1.5, hold=1.8),
    "F": Viseme(0.1, tuck=1.0, upper=0.15, grip=1.8, hold=0.6),
    "V": Viseme(0.1, tuck=0.9, upper=0.1, grip=1.8, hold=0.6),
    "B": Viseme(0.1, press=1.0, grip=1.0, hold=0.4),
    "P": Viseme(0.1, press=1.0, grip=1.0, hold=0.4),
    "M": Viseme(0.1, press=1.0, grip=1.0, hold=0.4),
}

# Diphthongs travel: the lips begin at the first viseme and end at the second.
GLIDES: dict[str, tuple[Viseme, Viseme]] = {
    "AY": (Viseme(0.9, width=0.1, upper=0.15), Viseme(0.45, width=0.5, upper=0.15, grip=0.6)),
    "AW": (Viseme(0.9, width=0.1, upper=0.15), Viseme(0.4, rounding=0.6, grip=0.6)),
    "OY": (Viseme(0.7, rounding=0.6), Viseme(0.4, width=0.5, grip=0.6)),
    "OW": (Viseme(0.6, rounding=0.5), Viseme(0.35, rounding=0.8, grip=0.8)),
    "EY": (Viseme(0.6, width=0.45, upper=0.2), Viseme(0.4, width=0.65, upper=0.2, grip=0.8)),
}

VOWELS = frozenset(["AA", "AE", "AH", "AO", "AW", "AY", "EH", "ER", "EY", "IH", "IY", "OW", "OY", "UH", "UW"])
CLOSURES = frozenset(["B", "P", "M"])


def visemes_of(symbol: str) -> tuple[Viseme, ...]:
    """The lip targets of a phoneme in order: one, or two for a diphthong."""
    return GLIDES[symbol] if symbol in GLIDES else (VISEMES[symbol],)
