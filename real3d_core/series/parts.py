"""A long film is cut by frame range, and its parts are joined without being encoded again."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from pathlib import Path

import av

from ..errors import OutputError
from ..files import written_whole
from ..media.encoding import CONTAINERS, Encoding
from ..media.film import sound_packets
from ..media.sound import Sound

_MUCH_LONGER = 1.5  # times a part; below that two parts would be short


def cut(frames: int, fps: Fraction, seconds: float, multiple: int) -> tuple[tuple[int, int], ...]:
    """(first frame, frame after the last) of parts of a film that are about `seconds` long; one where that is not worth it.

    All but the last begin and end at multiples of `multiple`, so that networks which compute so many frames at once compute the same
    ones together as for the whole film: sums round differently in other company.
    """
    if frames <= _MUCH_LONGER * seconds * fps:
        return ((0, frames),)
    count = math.ceil(frames / (seconds * fps))
    length = max(1, math.ceil(frames / count / multiple)) * multiple
    return tuple((start, min(start + length, frames)) for start in range(0, frames, length))


def joined(
    path: str | os.PathLike,
    parts: Sequence[tuple[int, Path]],
    rate: Fraction,
    sound: Sound | None,
    metadata: Mapping[str, str] | None = None,
) -> None:
    """A film of parts, whose pictures are copied as they are encoded; its sound is encoded in one piece.

    Args:
        path: ends in .mp4; appears when it is complete.
        parts: number of the first frame, and the film of the frames from there on; each was written by `write_video` and so begins with a
            picture that needs no other.
        rate: frames per second.

    Raises:
        OutputError: the parts do not fit together, or the place cannot be written to.
    """
    encoding = Encoding.chosen(path)
    with written_whole(path, (encoding.suffix,)) as temporary:
        try:
            kind, options = CONTAINERS[encoding.container], encoding.container_options
            with av.open(str(temporary), "w", format=kind, options=options) as film, av.open(str(parts[0][1])) as first:
                film.metadata.update(metadata or {})
                pictures = film.add_stream_from_template(first.streams.video[0])
                pictures.time_base = 1 / rate
                heard = iter(()) if sound is None else sound_packets(film, sound, encoding.audio_codec)
                _mux(film, pictures, parts, rate, heard)
        except av.FFmpegError as failure:
            raise OutputError(f"The output '{path}' cannot be written ({failure.strerror}); is the disk full?") from failure


def _mux(
    film: av.container.OutputContainer,
    pictures: av.VideoStream,
    parts: Sequence[tuple[int, Path]],
    rate: Fraction,
    heard: Iterator[tuple[float, list[av.Packet]]],
) -> None:
    """Pictures and sound in turns, so that players need not look far ahead."""
    sound_end = 0.0
    for start, part in parts:
        with av.open(str(part)) as source:
            stream = source.streams.video[0]
            if stream.codec_context.extradata != pictures.codec_context.extradata:
                raise OutputError("The parts of a film were encoded in different ways: install the same release of PyAV on all computers.")
            for packet in source.demux(stream):
                if packet.pts is None or packet.dts is None:  # the empty one at the end
                    continue
                tick = packet.time_base * rate  # in frames
                packet.pts, packet.dts = start + round(packet.pts * tick), start + round(packet.dts * tick)
                packet.duration, packet.time_base = 1, 1 / rate
                packet.stream = pictures
                while sound_end < packet.pts / rate:
                    sound_end, packets = next(heard, (math.inf, []))
                    film.mux(packets)
                film.mux(packet)
    for _, packets in heard:
        film.mux(packets)
