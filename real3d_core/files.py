"""Files in and out: an unusable input is refused early, an output appears whole or not at all."""

from __future__ import annotations

import atexit
import errno
import os
import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from safetensors import SafetensorError

from .errors import OutputError, Real3DError, brief

_WINDOWS = os.name == "nt"
_DEVICES = {"CON", "PRN", "AUX", "NUL", *(f"{port}{number}" for port in ("COM", "LPT") for number in range(1, 10))}
_UNFINISHED: set[Path] = set()
_DISK_ERRORS = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS}


def readable_file(path: str | os.PathLike, what: str, error: type[Real3DError]) -> Path:
    """The absolute path of an input file that exists and is not empty.

    Args:
        path: what the user gave.
        what: the word for it in messages, such as "sound".
        error: the class to raise when the file is missing, a folder, empty or not permitted.
    """
    if not os.fspath(path):
        raise error(f"The name of the {what} is empty: name a file.")
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
        hint = "permissions" if isinstance(failure, PermissionError) else "name and folder"
        raise error(f"The {what} '{shown}' cannot be opened ({failure.strerror}); check its {hint}.") from None
    if empty:
        raise error(f"The {what} '{shown}' is empty (0 bytes); it may not have been copied completely.")
    return found


def foreign_kind(path: Path) -> str | None:
    """What a file is that is no photo, sound or video at all, and what to do; None if nobody knows."""
    with open(path, "rb") as file:
        head = file.read(1024)
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if start.startswith(b"version https://git-lfs"):
        return "a pointer of Git LFS, not the file itself; fetch that with 'git lfs pull'"
    if start.startswith((b"<!doctype html", b"<html")):
        return "a web page, as a failed download leaves it; download the file again"
    if start.startswith(b"%pdf"):
        return "a PDF document; save what is in it as a file of its own"
    if head.startswith((b"PK\3\4", b"7z\xbc\xaf", b"Rar!", b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"\x28\xb5\x2f\xfd")):
        return "an archive; unpack it first"
    if head and all(byte >= 32 or byte in b"\t\r\n\f" for byte in head):
        return "a text"
    return None


@contextmanager
def written_whole(path: str | os.PathLike, suffixes: tuple[str, ...]) -> Iterator[Path]:
    """Gives a temporary name beside `path` to write to; it becomes `path` when the block ends well, and vanishes otherwise.

    The temporary file is made on entry, so a place that cannot be written to is known before any work is done. Who may read the
    result is what the user's umask says, whatever the writer does: safetensors writes files that only their owner may read.

    Args:
        path: the wanted output; an existing file is replaced.
        suffixes: the file name endings that the writer can produce, lower case, the usual one first.

    Raises:
        OutputError: wrong ending, the place cannot be written to, or the disk becomes full.
    """
    temporary = _new_file_beside(path, suffixes)
    try:
        permissions = temporary.stat().st_mode
        yield temporary
        with suppress(OSError):
            temporary.chmod(permissions)
        try:
            os.replace(temporary, path)
        except OSError as failure:
            raise OutputError(f"The output '{path}' cannot be replaced ({failure.strerror}); close it where it is open.") from None
    except BaseException as failure:
        if reason := _of_the_disk(failure):
            raise OutputError(f"The output '{path}' cannot be written ({reason}); is the disk full?") from failure
        raise
    finally:
        _forget(temporary)


def _of_the_disk(failure: BaseException) -> str | None:
    """What a failed write says if the disk was the reason."""
    if isinstance(failure, SafetensorError) and "I/O error" in str(failure):
        return brief(str(failure).partition("I/O error: ")[2])
    return failure.strerror if isinstance(failure, OSError) and failure.errno in _DISK_ERRORS else None


def refuse_unwritable(path: str | os.PathLike, suffixes: tuple[str, ...]) -> None:
    """Raises the OutputError that `written_whole` would raise on entry, and leaves nothing behind."""
    _forget(_new_file_beside(path, suffixes))


def refuse_overwriting(output: str | os.PathLike, others: Iterable[str | os.PathLike]) -> None:
    """Raises an OutputError if the output is one of the other files, under whatever name or through whatever link."""
    for other in others:
        with suppress(OSError, ValueError):  # what does not exist yet is no other file
            if os.path.samefile(output, other):
                raise OutputError(f"The output '{output}' is the same file as '{other}' and would overwrite it: choose another name.")


@atexit.register
def _forget(*files: Path) -> None:
    """Removes temporary files; at the end of the program those that a signal between two steps has left."""
    for file in files or tuple(_UNFINISHED):
        with suppress(OSError):
            file.unlink(missing_ok=True)
        _UNFINISHED.discard(file)


def _new_file_beside(path: str | os.PathLike, suffixes: tuple[str, ...]) -> Path:
    """An empty file in the same folder with an unused name and the same ending."""
    target = Path(path).absolute()  # FFmpeg takes a relative name with a colon for an address
    if target.suffix.lower() not in suffixes:
        raise OutputError(f"The output '{path}' must end in {' or '.join(suffixes)}; choose such a name.")
    if _WINDOWS and target.stem.partition(".")[0].rstrip().upper() in _DEVICES:
        raise OutputError(f"The output '{path}' has a name that Windows keeps for a device; choose another name.")
    temporary = target.with_name(f".{target.stem[:40]}-{secrets.token_hex(4)}{target.suffix}")
    try:
        if target.is_dir():
            raise OutputError(f"The output '{path}' is a folder; name a file in it.")
        _UNFINISHED.add(temporary)
        open(temporary, "xb").close()
    except FileNotFoundError:
        raise OutputError(f"The folder of the output '{path}' does not exist; create it or choose another.") from None
    except (OSError, ValueError) as failure:
        reason = getattr(failure, "strerror", None) or failure
        raise OutputError(f"The output '{path}' cannot be written ({reason}); choose another folder or name.") from None
    return temporary
