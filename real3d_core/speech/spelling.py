"""From a written transcript to words in plain English letters, and from letters to sounds where no dictionary knows the word."""

from __future__ import annotations

import re
import unicodedata

from ..errors import SoundError

# Longest first wherever one spelling begins another: the first that fits is taken.
_SOUNDS = {
    "tion": "SH AH N", "sion": "ZH AH N", "igh": "AY", "tch": "CH", "dge": "JH", "sch": "SH", "ough": "OW", "eau": "OW",
    "ch": "CH", "sh": "SH", "th": "TH", "ph": "F", "gh": "G", "wh": "W", "ck": "K", "ng": "NG", "qu": "K W", "kn": "N", "wr": "R",
    "zh": "ZH", "ts": "T S", "ee": "IY", "ea": "IY", "ie": "IY", "ei": "EY", "ai": "EY", "ay": "EY", "ey": "EY", "oo": "UW",
    "ou": "UW", "ow": "OW", "oa": "OW", "au": "AO", "aw": "AO", "oi": "OY", "oy": "OY", "ue": "UW", "ew": "Y UW",
    "er": "ER", "ir": "ER", "ur": "ER", "ar": "AA R", "or": "AO R",
    "ce": "S EH", "ci": "S IH", "cy": "S IY", "ge": "JH EH", "gi": "JH IH",
    "a": "AE", "b": "B", "c": "K", "d": "D", "e": "EH", "f": "F", "g": "G", "h": "HH", "i": "IH", "j": "JH", "k": "K", "l": "L", "m": "M",
    "n": "N", "o": "OW", "p": "P", "q": "K", "r": "R", "s": "S", "t": "T", "u": "AH", "v": "V", "w": "W", "x": "K S", "y": "IY", "z": "Z",
}  # fmt: skip
_SPELLINGS = sorted(_SOUNDS, key=len, reverse=True)

_LETTER_NAMES = dict(
    a="EY", b="B IY", c="S IY", d="D IY", e="IY", f="EH F", g="JH IY", h="EY CH", i="AY", j="JH EY", k="K EY", l="EH L", m="EH M",
    n="EH N", o="OW", p="P IY", q="K Y UW", r="AA R", s="EH S", t="T IY", u="Y UW", v="V IY", w="D AH B AH L Y UW", x="EH K S", y="W AY",
    z="Z IY",
)  # fmt: skip

_SMALL = [
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve", "thirteen",
    "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
]  # fmt: skip
_TENS = ["zero", "ten", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]


def words_of(transcript: str) -> list[str]:
    """The words of a transcript in lower-case a-z and apostrophes; accents are dropped, numbers are spoken.

    Raises:
        SoundError: no words, or a word in an alphabet that cannot be read.
    """
    words = _words(transcript)
    if not words:
        raise SoundError("The transcript holds no words: write what is said in the sound, or leave the transcript empty.")
    return words


def questions_of(transcript: str) -> list[int]:
    """The numbers of the words, counted from 0 as `words_of` lists them, that end a question.

    Raises:
        SoundError: a word in an alphabet that cannot be read.
    """
    ends: list[int] = []
    counted = 0
    for sentence in re.split(r"[?\uff1f]", transcript)[:-1]:
        counted += len(_words(sentence))
        if counted and counted - 1 not in ends:
            ends.append(counted - 1)
    return ends


def _words(transcript: str) -> list[str]:
    text = re.sub(r"(?<=\d),(?=\d{3})", "", unicodedata.normalize("NFC", transcript.lower().replace("’", "'")))
    words: list[str] = []
    for token in re.findall(r"[^\W\d_]+(?:'[^\W\d_]+)*|[0-9]+", text):
        word = "".join(letter for letter in unicodedata.normalize("NFKD", token) if not unicodedata.combining(letter))
        if not word.isascii():
            raise SoundError(
                f"The word '{token}' of the transcript is not written in Latin letters: leave the transcript empty for this language."
            )
        words += _spoken(word) if word.isdigit() else [word]
    return words


def pronounce(word: str) -> str:
    """ARPAbet sounds of a word as its letters suggest, separated by blanks, for names no dictionary knows.

    Args:
        word: letters a-z and apostrophes. Without a vowel it is an abbreviation, spoken letter by letter.
    """
    letters = word.replace("'", "")
    if not re.search("[aeiouy]", letters):
        return " ".join(_LETTER_NAMES[letter] for letter in letters)
    letters = re.sub(r"([^aeiou])\1", r"\1", letters)
    if re.search(r"[aeiouy].*[^aeiouy]e$", letters):
        letters = letters[:-1]
    sounds: list[str] = []
    while letters:
        spelling = next(spelling for spelling in _SPELLINGS if letters.startswith(spelling))
        sounds.append("Y" if spelling == "y" and not sounds else _SOUNDS[spelling])
        letters = letters[len(spelling) :]
    return " ".join(sounds)


def _spoken(digits: str) -> list[str]:
    """A number in words; beyond a million, or with a leading zero, digit by digit."""
    number = int(digits)
    if number >= 1_000_000 or (len(digits) > 1 and digits[0] == "0"):
        return [_SMALL[int(digit)] for digit in digits]
    if number < 20:
        return [_SMALL[number]]
    for size, name in ((1000, "thousand"), (100, "hundred")):
        if number >= size:
            rest = number % size
            return [*_spoken(str(number // size)), name, *(_spoken(str(rest)) if rest else [])]
    ten, one = divmod(number, 10)
    return [_TENS[ten], *([_SMALL[one]] if one else [])]
