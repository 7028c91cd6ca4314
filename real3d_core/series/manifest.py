"""The manifest: what has been done in a folder of films, line by line, and who may write there."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from ..errors import OutputError, Real3DError

NAME = "manifest.jsonl"


@contextmanager
def sole_user(folder: Path, hidden: Path) -> Iterator[None]:
    """Nobody else runs a series in the folder meanwhile; the system lets go of the lock when this process ends, however it ends.

    Raises:
        Real3DError: somebody does. OutputError: the folder cannot be written to.
    """
    try:
        hidden.mkdir(parents=True, exist_ok=True)
        lock = FileLock(hidden / "lock")
        lock.acquire(timeout=0)
    except Timeout:
        raise Real3DError(f"Another run is at work in the folder '{folder}': wait for it, or choose another folder.") from None
    except NotImplementedError:  # filelock's word for a disk without locks
        raise OutputError(f"The folder of films '{folder}' is on a disk without file locks: choose one on another disk.") from None
    except OSError as failure:
        raise OutputError(f"The folder of films '{folder}' cannot be written to ({failure.strerror}); choose another.") from None
    try:
        yield
    finally:
        lock.release()


class Manifest:
    """A file that only grows, one JSON object a line. A last line that was cut short by a crash is passed over.

    Args:
        path: of the file, which is made where it is missing.

    Raises:
        OutputError: it cannot be written to.
    """

    def __init__(self, path: Path):
        self._path = path
        self._finished = {entry["film"]: entry for entry in _entries(path) if entry["step"] != "part" and entry["state"] == "done"}
        try:
            self._file = open(path, "ab")  # noqa: SIM115
            if self._file.tell() and not _ends_a_line(path):
                self._file.write(b"\n")
        except OSError as failure:
            raise self._unwritable(failure) from None

    def finished(self, film: str, key: str) -> dict[str, Any] | None:
        """The entry of a film that was done last for a job with this key; None if it was never made, or for another one since."""
        entry = self._finished.get(film)
        return entry if entry and entry["key"] == key else None

    def note(self, **entry: object) -> None:
        """Adds a line, which is on the disk when this returns.

        Raises:
            OutputError: it cannot be written.
        """
        now = datetime.now(timezone.utc).isoformat(timespec="milliseconds")
        line = json.dumps({"at": now, **{name: value for name, value in entry.items() if value is not None}}, ensure_ascii=False)
        try:
            self._file.write(line.encode() + b"\n")
            self._file.flush()
            os.fsync(self._file.fileno())
        except OSError as failure:
            raise self._unwritable(failure) from None

    def close(self) -> None:
        """No line comes any more."""
        try:
            self._file.close()
        except OSError as failure:  # what could not be written before
            raise self._unwritable(failure) from None

    def _unwritable(self, failure: OSError) -> OutputError:
        return OutputError(f"The manifest '{self._path}' cannot be written ({failure.strerror}); is the disk full?")


def _entries(path: Path) -> Iterator[dict[str, Any]]:
    if not path.is_file():
        return
    with open(path, encoding="utf-8", errors="replace") as file:
        for line in file:
            try:
                entry = json.loads(line)
            except ValueError:
                continue
            if isinstance(entry, dict) and {"film", "key", "step", "state"} <= entry.keys():
                yield entry


def _ends_a_line(path: Path) -> bool:
    with open(path, "rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1) == b"\n"
