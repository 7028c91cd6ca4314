"""Which sounds of speech are told apart in training, and what synthesisers call them.

The network is asked for visemes; while it learns it is also asked for the sounds, which are heard more alike from voice to voice than
what they have in common on the lips.
"""

from __future__ import annotations

import unicodedata

import numpy as np

from real3d_core.speech.controls import GLIDE
from real3d_core.speech.visemes import NAMES, VOWELS

# Sounds by viseme, each with the IPA letters that count as it; the first names the sound. By the lips alone: sounds that leave the lips
# to their neighbours (tongue, throat) are one viseme.
_IPA = {
    "rest": "_",
    "closed": "p|b ɓ β|m ɱ ʙ",
    "teeth": "f|v ʋ ⱱ",
    "oo": "u ʉ|ʊ|y ʏ|w ʍ ɥ ɸ",
    "oh": "o ɔ ɒ|ø ɵ œ ɞ ɶ",
    "ah": "a ɑ ä",
    "eh": "e ɛ|æ",
    "ee": "i|ɪ ᵻ|ɨ ɯ ɰ|j ʝ",
    "uh": "ə ʌ ɜ ɘ ɤ ɐ",
    "er": "ɹ ɻ|ɚ ɝ",
    "s": "s ɬ|z ɮ",
    "sh": "ʃ ɕ ʂ ɧ|ʒ ʑ ʐ",
    "tongue": "t ʈ c|d ɖ ɟ ɗ ʄ|n ɳ ɲ ɴ|l ɭ ʎ ɫ ʟ|r ɽ ɾ|θ|ð|k q|g ɡ ɢ ɠ ʛ|ŋ|x χ ç ɣ ʀ ʁ h ɦ ħ ʕ|ʔ",
}
_GROUPS = [(viseme, group.split()) for viseme, groups in _IPA.items() for group in groups.split("|")]
SOUNDS = tuple(letters[0] for _, letters in _GROUPS)
SILENCE = 0  # its place in SOUNDS
VISEME_OF = np.array([NAMES.index(viseme) for viseme, _ in _GROUPS], np.uint8)  # by the place in SOUNDS
_SOUND_OF_IPA = {letter: letters[0] for _, letters in _GROUPS for letter in letters}
_VOWELS = frozenset(letters[0] for viseme, letters in _GROUPS if NAMES.index(viseme) in VOWELS)

# English sounds as ARPAbet, flite and festival name them, in IPA.
_ARPABET = {
    "aa": "ɑ", "ae": "æ", "ah": "ʌ", "ao": "ɔ", "aw": "ɑʊ", "ax": "ə", "axr": "ɚ", "ay": "ɑɪ", "b": "b", "ch": "ʃ", "d": "d", "dh": "ð",
    "dx": "ɾ", "eh": "ɛ", "el": "l", "em": "m", "en": "n", "er": "ɝ", "ey": "ɛɪ", "f": "f", "g": "ɡ", "hh": "h", "hv": "h", "ih": "ɪ",
    "iy": "i", "jh": "ʒ", "k": "k", "l": "l", "m": "m", "n": "n", "ng": "ŋ", "nx": "n", "ow": "ɔʊ", "oy": "ɔɪ", "p": "p", "r": "ɹ",
    "s": "s", "sh": "ʃ", "t": "t", "th": "θ", "uh": "ʊ", "uw": "u", "v": "v", "w": "w", "y": "j", "z": "z", "zh": "ʒ",
}  # fmt: skip

_PAUSES = frozenset(["pau", "SIL", "sil", "#", "#1", "##", "_", "h#", "brth", "ssil", ""])

# What festival writes otherwise than as an IPA letter.
_FESTIVAL = {
    "c~": "tʃ", "s~": "ʃ", "z~": "ʒ", "ch": "x", "dZ": "dʒ", "tS": "tʃ", "SS": "ʃ", "LL": "ʎ", "JJ": "ɲ", "ng": "ŋ", "NG": "ŋ", "ae": "æ",
    "oe": "ø", "@": "ə",
}  # fmt: skip


def parts_of_arpabet(name: str) -> list[tuple[str, float]]:
    """[(one of SOUNDS, share of the duration)] of an English sound, in order; raises KeyError for an unknown one."""
    return [(SOUNDS[SILENCE], 1.0)] if name in _PAUSES else _shared([_SOUND_OF_IPA[letter] for letter in _ARPABET[name.lower()]])


def parts_of_ipa(name: str) -> list[tuple[str, float]]:
    """The same for a sound written in IPA, whose marks of length, stress, nasality and tone do not matter."""
    if name in _PAUSES or name[0] in "_(":  # espeak-ng tells a change of language in brackets
        return [(SOUNDS[SILENCE], 1.0)]
    sounds = [_SOUND_OF_IPA[letter] for letter in unicodedata.normalize("NFD", name) if letter in _SOUND_OF_IPA]
    if not sounds:
        return []
    if not _VOWELS & set(sounds):
        return [(sounds[-1], 1.0)]  # an affricate: lips take the shape of its second half from the start
    return _shared([sound for i, sound in enumerate(sounds) if i == 0 or sound != sounds[i - 1]][:3])


def parts_of_festival(name: str) -> list[tuple[str, float]]:
    """The same for festival's Czech, Finnish and Italian voices, which write most sounds as their IPA letter."""
    letters = name.rstrip("0123456789:*~'")
    parts = parts_of_ipa(_FESTIVAL.get(name) or _FESTIVAL.get(letters) or letters.lower() or "_")
    if not parts:
        raise KeyError(name)
    return parts


def _shared(sounds: list[str]) -> list[tuple[str, float]]:
    if len(sounds) == 2:
        return [(sounds[0], GLIDE), (sounds[1], 1.0 - GLIDE)]
    return [(name, 1.0 / len(sounds)) for name in sounds]
