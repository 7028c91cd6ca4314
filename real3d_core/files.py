"""Files in and out: an unusable input is refused early, an output appears whole or not at all."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from .errors import OutputError, Real3DError, brief


def readable_file(path: str | os.PathLike, what: str, error: type[Real3DError]) -> Path:
    """The absolute path of an input file that exists and is not empty.

    Args:
        path: what the user gave.
        what: the word for it in messages, such as "sound".
        error: the class to raise when the file is missing, a folder, empty or not permitted.
    """
    shown = brief(os.fsdecode(path), 300)
    try:
        found = Path(path).absolute()
        if found.is_dir():
            raise error(f"The {what} '{shown}' is a folder; name a file in it.")
        if found.exists() and not found.is_file():  # opening a pipe would wait for ever
            raise error(f"The {what} '{shown}' is not a file but a pipe or a device; name a file.")
        with open(found, "rb") as file:
            empty = not file.read(1)
    except (FileNotFoundError, NotADirectoryError, ValueError):
        raise error(f"The {what} '{shown}' does not exist; check its name and folder.") from None
    except OSError as failure:
        raise error(f"The {what} '{shown}' cannot be opened ({failure.strerror}); check its permissions.") from None
    if empty:
        raise error(f"The {what} '{shown}' is empty (0 bytes); it may not have been copied completely.")
    return found


@contextmanager
def written_whole(path: str | os.PathLike, suffixes: tuple[str, ...]) -> Iterator[Path]:
    """Gives a temporary name beside `path` to write to; it becomes `path` when the block ends well, and vanishes otherwise.

    The temporary file is made on entry, so a place that cannot be written to is known before any work is done. Who may read the
    result is what the user's umask says, whatever the writer does: safetensors writes files that only their owner may read.

    Args:
        path: the wanted output; an existing file is replaced.
        suffixes: the file name endings that the writer can produce, lower case, the usual one first.

    Raises:
        OutputError: wrong ending, or the place cannot be written to.
    """
    temporary = _new_file_beside(path, suffixes)
    target = Path(path)
    permissions = temporary.stat().st_mode
    try:
        yield temporary
        with suppress(OSError):
            temporary.chmod(permissions)
        try:
            os.replace(temporary, target)
        except OSError as failure:
            raise OutputError(f"The output '{path}' cannot be replaced ({failure.strerror}); close it where it is open.") from None
    except BaseException:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise


def refuse_unwritable(path: str | os.PathLike, suffixes: tuple[str, ...]) -> None:
    """Raises the OutputError that `written_whole` would raise on entry, and leaves nothing behind."""
    _new_file_beside(path, suffixes).unlink()


def refuse_overwriting(output: str | os.PathLike, others: Iterable[str | os.PathLike]) -> None:
    """Raises an OutputError if the output is one of the other files, under whatever name or through whatever link."""
    for other in others:
        with suppress(OSError, ValueError):  # what does not exist yet is no other file
            if os.path.samefile(output, other):
                raise OutputError(f"The output '{output}' is the same file as '{other}' and would overwrite it: choose another name.")


def _new_file_beside(path: str | os.PathLike, suffixes: tuple[str, ...]) -> Path:
    """An empty file in the same folder with an unused name and the same ending."""
    target = Path(path).absolute()  # FFmpeg takes a relative name with a colon for an address
    if target.suffix.lower() not in suffixes:
        raise OutputError(f"The output '{path}' must end in {' or '.join(suffixes)}; choose such a name.")
    temporary = target.with_name(f".{target.stem[:40]}-{secrets.token_hex(4)}{target.suffix}")
    try:
        if target.is_dir():
            raise OutputError(f"The output '{path}' is a folder; name a file in it.")
        open(temporary, "xb").close()
    except FileNotFoundError:
        raise OutputError(f"The folder of the output '{path}' does not exist; create it or choose another.") from None
    except (OSError, ValueError) as failure:
        reason = getattr(failure, "strerror", None) or failure
        raise OutputError(f"The output '{path}' cannot be written ({reason}); choose another folder or name.") from None
    return temporary
