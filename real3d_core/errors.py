"""Failures that a user can cause and fix. `str(error)` is always one sentence: what was wrong with which input, and what to do."""

from unicodedata import category

_UNSEEN = ("Cc", "Cs", "Zl", "Zp")  # controls, surrogates, separators of lines and of paragraphs
_TURNS = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"  # make a name read as another


def brief(text: str, limit: int = 80) -> str:
    """Text from outside, such as a name in a file or a library's message, made fit for a sentence: one printable line, `limit` long."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text[: 2 * limit]).split())
    return line if len(line) <= limit and len(text) <= 2 * limit else f"{line[: limit - 3]}..."


def one_line(text: str) -> str:
    """The text with line breaks, control characters and the halves of broken letters, as file names may hold them, written as escapes."""
    return "".join(c.encode("unicode_escape").decode() if category(c) in _UNSEEN or c in _TURNS else c for c in text)


class Real3DError(Exception):
    """Base of every error that is shown to the user as it is, without a traceback."""

    def __str__(self) -> str:
        return one_line(super().__str__())


class NoFaceError(Real3DError):
    """No usable face was found in a picture or a clip."""


class PictureError(Real3DError):
    """A picture is missing, empty, corrupt or too small."""


class SoundError(Real3DError):
    """A sound is missing, empty, corrupt or too short."""


class ClipError(Real3DError):
    """A video is missing, corrupt or has no frames."""


class MissingModelError(Real3DError):
    """A model file is absent or is not the file it should be."""


class MotionMismatchError(Real3DError):
    """A motion was made for another avatar."""


class OutputError(Real3DError):
    """The result cannot be written where it was asked for."""
