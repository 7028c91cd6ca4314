"""A sung line made by rule: there is no recording of singing among the media that may be passed on."""

from __future__ import annotations

import numpy as np
import torch
from scipy.signal import lfilter

from real3d_core.media.sound import Sound

RATE = 16000
_FORMANTS = {  # hertz of the first three resonances of a woman's vowels
    "a": (850, 1220, 2810),
    "e": (610, 2330, 2990),
    "i": (310, 2790, 3310),
    "o": (590, 920, 2710),
    "u": (370, 950, 2670),
}
_LINE = (("a", 262, 0.5), ("e", 294, 0.5), ("i", 330, 0.7), ("o", 294, 0.5), ("u", 262, 0.5), ("a", 392, 0.9))  # vowel, hertz, seconds
_CLOSING = 0.08  # seconds of an m before each note
_VIBRATO = (5.5, 0.012)  # hertz, and how far the pitch goes


def sung_line() -> Sound:
    """Six held notes, each begun on an m, with vibrato: 4.1 seconds, the same in every run."""
    return Sound(torch.from_numpy(np.concatenate([_note(*note) for note in _LINE]).astype(np.float32))[None], RATE)


def _note(vowel: str, pitch: float, seconds: float) -> np.ndarray:
    time = np.arange(round((seconds + _CLOSING) * RATE)) / RATE
    rate, depth = _VIBRATO
    turns = np.cumsum(pitch * (1 + depth * np.sin(2 * np.pi * rate * time))) / RATE
    pulses = np.diff(np.floor(turns), prepend=0.0)  # one a turn
    source = lfilter([1.0], [1.0, -0.95], pulses)  # a voice's spectrum falls
    sound = source
    for formant in _FORMANTS[vowel]:
        sound = _resonance(sound, formant, 90)
    hum = _resonance(source, 270, 60)
    open_ = np.clip((time - _CLOSING) / 0.05, 0, 1)
    sound = open_ * sound / np.abs(sound).max() + 0.25 * (1 - open_) * hum / np.abs(hum).max()
    fade = np.clip(np.minimum(time, time[-1] - time) / 0.03, 0, 1)
    return 0.4 * fade * sound


def _resonance(sound: np.ndarray, hertz: float, width: float) -> np.ndarray:
    radius = np.exp(-np.pi * width / RATE)
    return lfilter([1.0], [1.0, -2 * radius * np.cos(2 * np.pi * hertz / RATE), radius**2], sound)
