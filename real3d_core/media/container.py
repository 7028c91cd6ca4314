"""Opening sound and video files with PyAV, their tracks and common clock, and decoding what is readable in them."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import suppress
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import IO, Any, overload

import av

from ..errors import ClipError, Real3DError
from ..files import foreign_kind, readable_file

_COVER = av.stream.Disposition.attached_pic
_SAME_CLOCK = 3600.0  # seconds; tracks that start further apart have clocks of their own
_PRIMING = 0.05  # seconds; a sound coder may start earlier than its sound by so much
_WORTH_SEEKING = 2.0  # seconds
_LEAD_IN = 0.5  # seconds decoded before the wanted time, in which a sound coder settles


def open_container(path: str | os.PathLike, what: str, error: type[Real3DError]) -> av.container.InputContainer:
    """The opened file; only that file: a playlist that names others, or the network, is not followed.

    Args:
        path: what the user gave.
        what: the word for it in messages, "sound" or "video".
        error: the class to raise when the file is missing, empty or no such medium.
    """
    found = readable_file(path, what, error)
    kind = foreign_kind(found)  # FFmpeg goes by a name's ending where the content is unknown to it
    try:
        if kind is None:
            return opened(str(found))
    except (av.FFmpegError, ValueError):
        kind = f"damaged, incomplete, or not a {what} at all"
    raise error(f"The {what} '{path}' cannot be read: it is {kind}.")


def opened(source: str | IO[bytes]) -> av.container.InputContainer:
    """As `open_container`, of a path or a file in memory, with PyAV's own errors."""
    only_files = {"protocol_whitelist": "file"}
    try:
        return av.open(source, mode="r", container_options=only_files, metadata_errors="replace")
    except TypeError:  # PyAV 19 has no such argument any more: there unreadable metadata never stops a file
        return av.open(source, mode="r", container_options=only_files)


def picture_track(container: av.container.InputContainer) -> av.VideoStream | None:
    """The first video track that can be decoded and is not the cover picture of a sound file."""
    return next((track for track in container.streams.video if track.codec_context and not track.disposition & _COVER), None)


def known_picture_track(container: av.container.InputContainer) -> av.VideoStream:
    """`picture_track` of a file that had one before.

    Raises:
        ClipError: it has none any more.
    """
    track = picture_track(container)
    if track is None:
        raise ClipError(f"The video '{container.name}' has been changed since it was opened first: load it again.")
    return track


def sound_track(container: av.container.InputContainer) -> av.AudioStream | None:
    """The first sound track that can be decoded; some phones add one of spatial sound that cannot."""
    return next((track for track in container.streams.audio if track.codec_context), None)


def why_no_track(path: str | os.PathLike, container: av.container.InputContainer, kind: str) -> str | None:
    """Why the tracks of a kind, "video" or "audio", cannot be used although there are some; None where there are none, or they can."""
    if kind in protected_kinds(path):
        return "is protected against copying (encrypted): use an unprotected file"
    tracks = [track for track in getattr(container.streams, kind) if not track.disposition & _COVER]
    if tracks and not any(track.codec_context for track in tracks):
        what = {"video": "pictures", "audio": "sound"}[kind]
        return f"has {what} in a format that FFmpeg cannot decode here: convert it to H.264 and AAC in an MP4"
    return None


def protected_kinds(path: str | os.PathLike) -> set[str]:
    """Which of "video" and "audio" in a file of the MP4 family is encrypted, as its sample descriptions say (ISO/IEC 14496-12, 8.12)."""
    kinds = {b"encv": "video", b"drmi": "video", b"enca": "audio", b"drms": "audio"}
    found = set()
    with open(path, "rb") as file:
        while len(head := file.read(16)) >= 8:
            size, name = int.from_bytes(head[:4], "big"), head[4:8]
            start, size = file.tell() - len(head), int.from_bytes(head[8:], "big") if size == 1 else size
            if not name.isalnum() or (size and size < 8):
                break
            if name == b"moov":
                file.seek(start)
                content = file.read(size or -1)
                places = (place.end() for place in re.finditer(b"stsd", content))
                found |= {kinds[format] for place in places if (format := content[place + 12 : place + 16]) in kinds}
            if not size:
                break
            file.seek(start + size)
    return found


def tick(timed: av.stream.Stream | av.frame.Frame) -> float:
    """Seconds of the unit in which a track or frame states times; FFmpeg's own where it names none."""
    return float(timed.time_base or Fraction(1, av.time_base))


def track_start(track: av.stream.Stream | None) -> float | None:
    """Seconds on the file's clock at which a track starts, None where the file does not say."""
    return None if track is None or track.start_time is None else track.start_time * tick(track)


def time_zero(container: av.container.InputContainer, track: av.stream.Stream) -> float | None:
    """Seconds on the file's clock that are time zero of this track, None where the file does not say.

    Pictures and sound share it, so that the later of the two keeps its distance: it is where the earlier one starts, or where the
    pictures start if the sound is earlier by no more than the priming of a sound coder.
    """
    picture, sound = track_start(picture_track(container)), track_start(sound_track(container))
    if picture is None or sound is None or abs(picture - sound) > _SAME_CLOCK:
        return track_start(track)
    return picture if sound < picture <= sound + _PRIMING else min(picture, sound)


@overload
def frames_from(container: av.container.InputContainer, stream: av.VideoStream, time: float) -> Iterator[av.VideoFrame]: ...
@overload
def frames_from(container: av.container.InputContainer, stream: av.AudioStream, time: float) -> Iterator[av.AudioFrame]: ...
def frames_from(container: av.container.InputContainer, stream: av.VideoStream | av.AudioStream, time: float) -> Iterator[Any]:
    """`readable_frames` of a container that was just opened, the first of them at or before a time.

    Where the file does not say when the track starts, has no index, or one that leads elsewhere, they start with the track.

    Args:
        time: seconds on the file's clock.
    """
    begin = track_start(stream)
    if begin is None or time - begin < _WORTH_SEEKING:
        return readable_frames(container, stream)
    for target in (time - _LEAD_IN, begin):
        with suppress(av.FFmpegError):
            container.seek(int(target / tick(stream)), stream=stream)
        frames = readable_frames(container, stream)
        first = next(frames, None)
        if first is not None and first.time is not None and first.time <= time:
            break
    return frames if first is None else chain([first], frames)


def ogg_links(path: str | os.PathLike) -> list[bytes]:
    """The files that were put one after the other to make a chained Ogg file (RFC 3533, 4): one for any other Ogg file.

    FFmpeg follows a chain by itself only where channels and rate stay.
    """
    content = Path(path).read_bytes()
    starts, position, in_headers = [], content.find(b"OggS"), False
    while 0 <= position <= len(content) - 27:
        begins = bool(content[position + 5] & 2)
        if begins and not in_headers:
            starts.append(position)
        in_headers = begins
        segments = content[position + 26]
        position = content.find(b"OggS", position + 27 + segments + sum(content[position + 27 : position + 27 + segments]))
    return [content[start:stop] for start, stop in zip(starts, [*starts[1:], len(content)], strict=True)]


@overload
def readable_frames(container: av.container.InputContainer, stream: av.VideoStream) -> Iterator[av.VideoFrame]: ...
@overload
def readable_frames(container: av.container.InputContainer, stream: av.AudioStream) -> Iterator[av.AudioFrame]: ...
def readable_frames(container: av.container.InputContainer, stream: av.VideoStream | av.AudioStream) -> Iterator[Any]:
    """Decoded frames of one track; damaged packets are passed over, and a file that breaks off ends there."""
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets)
        except (StopIteration, av.FFmpegError, IndexError):  # PyAV's IndexError: damage that looked like a further track
            return
        try:
            frames = packet.decode()
        except av.FFmpegError:
            continue
        yield from frames
