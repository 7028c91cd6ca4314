"""Consoles as they come: they lack letters, are closed or go away; and signals that end the program while it works."""

from __future__ import annotations

import io
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_STATUS = Path("/proc/self/status")
_ENDING = (
    "SIGINT",
    "SIGTERM",
    "SIGHUP",
    "SIGQUIT",
    "SIGBREAK",
    "SIGXCPU",
    "SIGALRM",
    "SIGVTALRM",
    "SIGPROF",
    "SIGUSR1",
    "SIGUSR2",
    "SIGPWR",
)


class Ended(KeyboardInterrupt):
    """A signal asked the program to end.

    status: the program's exit status, by the convention of shells: 128 and the signal's number.
    """

    def __init__(self, number: int):
        super().__init__(signal.Signals(number).name)
        self.status = 128 + number


@contextmanager
def ended_in_order() -> Iterator[None]:
    """Raises `Ended` in the block at the first signal that asks the program to end; further ones do nothing, so that it can clear up.

    Signals that are ignored or handled already, as SIGHUP by nohup, stay so, and so do those that a library ignores without Python's
    knowledge: MediaPipe sends itself SIGPROF, which would end the program. Without effect outside the main thread.
    """
    before = {}
    if threading.current_thread() is threading.main_thread():
        ignored = _ignored()
        for name in _ENDING:
            number = getattr(signal, name, None)
            if number is None or number in ignored:
                continue
            if signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler):
                before[number] = signal.getsignal(number)

    ending = False

    def end(number: int, frame: object) -> None:
        nonlocal ending
        if not ending:
            ending = True
            raise Ended(number)

    try:
        for number in before:
            signal.signal(number, end)
        yield
    finally:
        for number in before.keys() - _ignored():
            signal.signal(number, before[number])


def _ignored() -> set[int]:
    """The signals that are dropped, as the system itself says (Linux); Python knows only of what was set through Python."""
    with suppress(OSError):
        for line in _STATUS.read_text().splitlines():
            if line.startswith("SigIgn:"):
                mask = int(line.split()[1], 16)
                return {number for number in range(1, mask.bit_length() + 1) if mask >> (number - 1) & 1}
    return set()


def make_console_safe() -> None:
    """From now on whatever is printed neither fails nor ends the program.

    Letters that a console lacks are written as escapes. What is printed to one that is closed, goes away or is full is lost; its
    number stays taken, so that no other file gets it and native libraries write into that.
    """
    for number, name in ((0, "stdin"), (1, "stdout"), (2, "stderr")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free
        if number and getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
            setattr(sys, name, _Unbreakable(stream))


def silence_native_libraries() -> None:
    """MediaPipe's C++ parts write notes straight to file 2; Python's own stderr goes on elsewhere. Call `make_console_safe` first."""
    sys.stderr.flush()
    own = os.fdopen(os.dup(2), "w", buffering=1, encoding=sys.stderr.encoding, errors="backslashreplace")
    _lead_nowhere(2)
    sys.stderr = _Unbreakable(own)


def _lead_nowhere(number: int) -> None:
    """What is written to this file descriptor from now on is dropped."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, number)
    os.close(nowhere)


class _Unbreakable:
    """A text stream whose reader may go away."""

    def __init__(self, stream: io.TextIOWrapper):
        self._stream = stream

    def write(self, text: str) -> int:
        try:
            return self._stream.write(text)
        except (OSError, ValueError):
            self._give_up()
            return len(text)

    def flush(self) -> None:
        try:
            self._stream.flush()
        except (OSError, ValueError):
            self._give_up()

    def _give_up(self) -> None:
        with suppress(OSError, ValueError):
            _lead_nowhere(self._stream.fileno())

    def __getattr__(self, name: str) -> object:
        return getattr(self._stream, name)
