"""Opening sound and video files with PyAV, and decoding what is readable in them."""

from __future__ import annotations

import os
from collections.abc import Iterator

import av

from .errors import Real3DError
from .files import readable_file


def open_container(path: str | os.PathLike, what: str, error: type[Real3DError]) -> av.container.InputContainer:
    """The opened file; only that file: a playlist that names others, or the network, is not followed.

    Args:
        path: what the user gave.
        what: the word for it in messages, "sound" or "video".
        error: the class to raise when the file is missing, empty or no such medium.
    """
    found = readable_file(path, what, error)
    try:
        return _opened(str(found))
    except (av.FFmpegError, ValueError):
        raise error(f"The {what} '{path}' can not be read: it is damaged, incomplete, or not a {what} at all.") from None


def _opened(path: str) -> av.container.InputContainer:
    only_files = {"protocol_whitelist": "file"}
    try:
        return av.open(path, container_options=only_files, metadata_errors="replace")
    except TypeError:  # PyAV 19 has no such argument any more: there unreadable metadata never stops a file
        return av.open(path, container_options=only_files)


def readable_frames(container: av.container.InputContainer, stream: av.stream.Stream) -> Iterator[av.frame.Frame]:
    """Decoded frames of one track; damaged packets are passed over, and a file that breaks off ends there."""
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets)
        except (StopIteration, av.FFmpegError):
            return
        try:
            frames = packet.decode()
        except av.FFmpegError:
            continue
        yield from frames
