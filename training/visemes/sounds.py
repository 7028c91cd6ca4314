"""Which viseme a sound of speech belongs to: the names synthesisers use for sounds, mapped to the classes of visemes.json."""

from __future__ import annotations

import unicodedata

from real3d_core.motion.speech import GLIDE
from real3d_core.motion.visemes import NAMES, VISEME_OF_SOUND, VOWELS

# By the lips alone. Sounds that leave the lips to their neighbours (tongue, throat) are one class.
_IPA = {
    "closed": "p b m ɓ β ɱ ʙ",
    "teeth": "f v ʋ ⱱ",
    "oo": "u ʊ y ʏ ʉ w ʍ ɥ ɸ",
    "oh": "o ɔ ɒ ø œ ɵ ɞ ɶ",
    "ah": "a ɑ ä",
    "eh": "e ɛ æ",
    "ee": "i ɪ ᵻ j ɨ ɯ ɰ ʝ",
    "uh": "ə ʌ ɜ ɘ ɤ ɐ",
    "er": "ɹ ɚ ɝ ɻ",
    "s": "s z ɬ ɮ",
    "sh": "ʃ ʒ ɕ ʑ ʂ ʐ ɧ",
    "tongue": "t d n l r θ ð ʈ ɖ ɳ ɭ ɽ ɾ ɲ ʎ c ɟ k ɡ g ŋ q ɢ ɴ ʀ ʁ x χ ɣ ç h ɦ ħ ʕ ʔ ɗ ɠ ʄ ʛ ɫ ʟ",
}
_CLASS_OF_IPA = {symbol: name for name, symbols in _IPA.items() for symbol in symbols.split()}
_VOWELS = frozenset(NAMES[i] for i in VOWELS)

# Festival's and flite's names where they are neither ARPAbet nor IPA letters.
_PAUSES = frozenset(["pau", "SIL", "sil", "#", "#1", "##", "_", "h#", "brth", "ssil", ""])
_ARPABET_MORE = {"ax": "uh", "axr": "er", "dx": "tongue", "el": "tongue", "em": "closed", "en": "tongue", "hv": "tongue", "nx": "tongue"}

_FESTIVAL = {
    "c~": "tʃ", "s~": "ʃ", "z~": "ʒ", "ch": "x", "dZ": "dʒ", "tS": "tʃ", "SS": "ʃ", "LL": "ʎ", "JJ": "ɲ", "ng": "ŋ", "NG": "ŋ", "ae": "æ",
    "oe": "ø", "@": "ə",
}  # fmt: skip


def parts_of_arpabet(name: str) -> list[tuple[str, float]]:
    """[(viseme class, share of the duration)] of an English sound, in order; raises KeyError for an unknown one."""
    if name in _PAUSES:
        return [("rest", 1.0)]
    if name in _ARPABET_MORE:
        return [(_ARPABET_MORE[name], 1.0)]
    classes = VISEME_OF_SOUND[name.upper()]
    return _shared(list(classes))


def parts_of_ipa(name: str) -> list[tuple[str, float]]:
    """The same for a sound written in IPA, whose marks of length, stress, nasality and tone do not matter."""
    if name in _PAUSES or name[0] in "_(":  # espeak-ng tells a change of language in brackets
        return [("rest", 1.0)]
    letters = [letter for letter in unicodedata.normalize("NFD", name) if letter in _CLASS_OF_IPA]
    classes = [_CLASS_OF_IPA[letter] for letter in letters]
    if not classes:
        return []
    if not _VOWELS & set(classes):
        return [(classes[-1], 1.0)]  # an affricate: lips take the shape of its second half from the start
    return _shared([name for i, name in enumerate(classes) if i == 0 or name != classes[i - 1]][:3])


def parts_of_festival(name: str) -> list[tuple[str, float]]:
    """The same for festival's Czech, Finnish and Italian voices, which write most sounds as their IPA letter."""
    letters = name.rstrip("0123456789:*~'")
    parts = parts_of_ipa(_FESTIVAL.get(name) or _FESTIVAL.get(letters) or letters.lower() or "_")
    if not parts:
        raise KeyError(name)
    return parts


def _shared(classes: list[str]) -> list[tuple[str, float]]:
    if len(classes) == 2:
        return [(classes[0], GLIDE), (classes[1], 1.0 - GLIDE)]
    return [(name, 1.0 / len(classes)) for name in classes]
