"""A long film is cut by frame range, and its parts are joined without being encoded again."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import torch

from ..errors import OutputError, SoundError
from ..files import written_whole
from ..media.container import picture_track
from ..media.encoding import CONTAINERS, Encoding
from ..media.film import sound_packets
from ..media.sound import Sound
from ..stream import FPS, exact_rate

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


@dataclass(frozen=True)
class Part:
    """Pictures of a film, as they are encoded in a file.

    rate: frames per second. frames: how many. first: its time, in frames. delay: frames by which decoding is ahead.
    encoding: what has to be the same in all parts of a film.
    """

    path: Path
    rate: Fraction
    frames: int
    first: Fraction
    delay: int
    encoding: tuple

    @classmethod
    def of(cls, path: Path) -> Part:
        """What a file says of itself.

        Raises:
            OutputError: its pictures cannot be copied into another film.
        """
        try:
            with av.open(str(path)) as source:
                stream = _pictures(source)
                context = stream.codec_context
                rate = exact_rate(float(stream.average_rate or 0) or FPS)
                packets = [(seconds * rate, packet.is_keyframe) for packet, seconds in _packets(source, stream)]
                encoding = context.name, context.extradata, stream.width, stream.height, context.pix_fmt
        except (av.FFmpegError, LookupError) as failure:
            raise OutputError(f"The part '{path.name}' cannot be read: it is damaged, or no video at all.") from failure
        first = min((time for time, _ in packets), default=Fraction(0))
        numbers = [round(time - first) for time, _ in packets]
        if not packets or not packets[0][1] or sorted(numbers) != list(range(len(numbers))):
            raise OutputError(
                f"The pictures of the part '{path.name}' cannot be copied: it does not begin with one that needs no other, or the frame "
                "rate changes within it."
            )
        return cls(path, rate, len(numbers), first, max(place - number for place, number in enumerate(numbers)), encoding)


def joined(path: str | os.PathLike, parts: Sequence[Part], sound: Sound | None, metadata: Mapping[str, str] | None = None) -> None:
    """A film of parts, whose pictures are copied as they are encoded; its sound is encoded in one piece.

    Args:
        path: ends in .mp4; appears when it is complete.
        parts: in their order.

    Raises:
        OutputError: the parts do not fit together, or the place cannot be written to.
    """
    for number, part in enumerate(parts, 1):
        if part.rate != parts[0].rate:
            raise OutputError(
                f"Part {number} has {float(part.rate):g} frames per second, but part 1 has {float(parts[0].rate):g}: render them alike."
            )
        if part.encoding != parts[0].encoding:
            raise OutputError(
                f"Part {number} was encoded in another way than part 1: give all parts the same size and the same settings when they are "
                "saved, and install the same release of PyAV on all computers."
            )
    encoding = Encoding.chosen(path)
    with written_whole(path, (encoding.suffix,)) as temporary:
        try:
            kind, options = CONTAINERS[encoding.container], encoding.container_options
            with av.open(str(temporary), "w", format=kind, options=options) as film, av.open(str(parts[0].path)) as first:
                film.metadata.update(metadata or {})
                pictures = film.add_stream_from_template(_pictures(first))
                pictures.time_base = 1 / parts[0].rate
                heard = iter(()) if sound is None else sound_packets(film, sound, encoding.audio_codec)
                _mux(film, pictures, parts, heard)
        except av.FFmpegError as failure:
            raise OutputError(f"The output '{path}' cannot be written ({failure.strerror}); is the disk full?") from failure


def sound_of_parts(parts: Sequence[tuple[float, Sound | None]]) -> Sound | None:
    """The sounds of parts one after the other; None where no part has any.

    Args:
        parts: seconds of pictures, and the sound of a part. It is cut where the pictures end, or silence follows; only that of the last
            part may last longer.

    Raises:
        SoundError: the sounds have not the same rate and channels.
    """
    sounds = [sound for _, sound in parts if sound is not None]
    if not sounds:
        return None
    layouts = {(sound.rate, len(sound.samples)) for sound in sounds}
    if len(layouts) > 1:
        raise SoundError("The sounds of the parts have other rates or channels: connect the whole sound of the film.")
    ((rate, channels),) = layouts
    pieces, seconds, filled = [], 0.0, 0
    for number, (lasting, sound) in enumerate(parts, 1):
        seconds += lasting
        samples = torch.zeros(channels, 0) if sound is None else sound.samples
        missing = round(seconds * rate) - filled - samples.shape[1]
        pieces.append(torch.nn.functional.pad(samples, (0, missing if number < len(parts) else max(missing, 0))))
        filled += pieces[-1].shape[1]
    return Sound(torch.cat(pieces, dim=1), rate)


def _pictures(source: av.container.InputContainer) -> av.VideoStream:
    track = picture_track(source)
    if track is None:
        raise LookupError("no pictures")
    return track


def _packets(source: av.container.InputContainer, stream: av.VideoStream) -> Iterator[tuple[av.Packet, Fraction]]:
    """The pictures in the order in which they are decoded, each with the second in which it is shown."""
    for packet in source.demux(stream):
        if packet.size and packet.pts is not None and packet.time_base is not None:
            yield packet, packet.pts * packet.time_base


def _mux(
    film: av.container.OutputContainer,
    pictures: av.VideoStream,
    parts: Sequence[Part],
    heard: Iterator[tuple[float, list[av.Packet]]],
) -> None:
    """Pictures and sound in turns, so that players need not look far ahead."""
    rate, delay = parts[0].rate, max(part.delay for part in parts)
    sound_end, start = 0.0, 0
    for part in parts:
        with av.open(str(part.path)) as source:
            stream = _pictures(source)
            for place, (packet, seconds) in enumerate(_packets(source, stream)):
                packet.pts = start + round(seconds * rate - part.first)
                packet.dts = start + place - delay
                packet.duration, packet.time_base = 1, 1 / rate
                packet.stream = pictures
                while sound_end < packet.pts / rate:
                    sound_end, packets = next(heard, (math.inf, []))
                    film.mux(packets)
                film.mux(packet)
        start += part.frames
    for _, packets in heard:
        film.mux(packets)
