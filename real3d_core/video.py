"""Video: reading clips at a constant rate, writing streams of frames with their sound, and looking at them on one sheet."""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import av
import numpy as np
from av.video.reformatter import ColorRange, Colorspace
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from .container import frames_from, open_container, picture_track, readable_frames, sound_track, time_zero, track_start
from .encoding import CONTAINERS, Encoding
from .errors import ClipError, OutputError, SoundError
from .files import written_whole
from .pictures import save_png
from .sound import Sound, load_sound, mixed_down
from .stream import FrameStream, exact_rate

_LOG = logging.getLogger("real3d")
_UNSPECIFIED, _BT709, _SRGB = 2, 1, 13  # numbers of ITU-T H.273
_HDR_CURVES = (16, 18)  # PQ and HLG
_FREED_TWICE = ("png", "apng")  # PyAV frees the name of their colour profile, and FFmpeg again: the process ends (seen in 18.1)
_SAME_TIME = 1e-6  # seconds
_AAC_RATES = (96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000)


@dataclass(frozen=True)
class Clip:
    """A video file that has at least one readable picture, or a part of one.

    path: the file.
    fps: pictures per second, on average.
    width, height: of a picture as it is shown: upright, with square pixels.
    length: seconds from time zero to the end of the file's pictures, as the file or its packets state them.
    has_sound: whether it has a sound track.
    start, stop: the part, in seconds from time zero.
    """

    path: Path
    fps: float
    width: int
    height: int
    length: float
    has_sound: bool
    start: float = 0.0
    stop: float = math.inf

    @property
    def duration(self) -> float:
        """Seconds."""
        return min(self.stop, self.length) - self.start

    def part(self, start: float, duration: float | None = None) -> Clip:
        """The part from `start` on, in seconds; to the end if no duration is given.

        Raises:
            ClipError: the part lies outside the clip.
        """
        begin = self.start + max(start, 0.0)
        end = self.stop if duration is None else min(self.stop, begin + duration)
        if not begin < min(end, self.length):
            raise ClipError(f"The video '{self.path}' lasts {self.duration:.2f} s; the part from {start:.2f} s on holds no picture.")
        return replace(self, start=begin, stop=end)

    def sound(self) -> Sound | None:
        """The clip's own sound; None where there is none that is readable and long enough to be of use, which the log says."""
        if not self.has_sound:
            return None
        try:
            return load_sound(self.path, self.start, self.stop)
        except SoundError as refusal:
            _LOG.info("The clip counts as silent. %s", refusal)
            return None

    def frames(self, fps: float = 25.0) -> Iterator[np.ndarray]:
        """Pictures at a constant rate, [height, width, 3] uint8 RGB: number k is the one nearest in time to k / fps seconds.

        They are decoded as they are asked for. Damaged pictures are passed over; their neighbours stand in for them, as the first
        one does where the sound starts earlier. HDR is turned into standard range where the installed PyAV can do so (from 18 on).
        """
        number = 0
        with open_container(self.path, "video", ClipError) as container:
            codec = picture_track(container).codec_context.name
            for picture, until in self._nearest(self._timed(container)):
                while number / fps + _SAME_TIME < until:
                    yield self._upright(picture, codec)
                    number += 1

    def _nearest(self, timed: Iterator[tuple[float, av.VideoFrame]]) -> Iterator[tuple[av.VideoFrame, float]]:
        """The pictures that begin in the part, each with the second up to which it is the nearest one; if none does, the one before."""
        latest, since = None, 0.0
        for time, picture in timed:
            time -= self.start
            if time >= self.stop - self.start - _SAME_TIME:
                if latest is not None:
                    yield latest, self.stop - self.start
                return
            if latest is not None and since > -_SAME_TIME:
                yield latest, (since + time) / 2
            latest, since = picture, time
        if latest is not None:
            yield latest, self._end(latest, since)

    def _timed(self, container: av.container.InputContainer) -> Iterator[tuple[float, av.VideoFrame]]:
        """Pictures with rising times in seconds from time zero; a missing or impossible time stamp is replaced by the usual step."""
        stream = picture_track(container)
        stream.thread_type = "AUTO"
        zero, previous = time_zero(container, stream), -math.inf
        for picture in frames_from(container, stream, (zero or 0.0) + self.start):
            time = picture.time
            if zero is None:
                zero = time or 0.0
            time = math.inf if time is None else time - zero
            if time > self.length + 1:
                time = max(previous + 1 / self.fps, 0.0)
            if time > previous:
                yield time, picture
                previous = time

    def _end(self, picture: av.VideoFrame, time: float) -> float:
        """Seconds at which the last picture's time is over: as the file states it, if that can be, or else after the usual step."""
        usual = time + 1 / self.fps
        longest = max(usual, time + (getattr(picture, "duration", None) or 0) * float(picture.time_base)) + _SAME_TIME
        return self.duration if time < self.duration <= longest else min(usual, self.stop - self.start)

    def _upright(self, picture: av.VideoFrame, codec: str) -> np.ndarray:
        turned = _orientation(picture, codec)
        width, height = (self.height, self.width) if turned.swaps else (self.width, self.height)
        untagged_hd = picture.colorspace == _UNSPECIFIED and picture.height >= 720
        bt709 = untagged_hd or picture.colorspace == _BT709
        shown = _standard_range(picture)
        matrix = Colorspace.ITU709 if bt709 and shown is picture else None
        # PyAV 14 looks neither at the tag nor, where the range stays, at the matrix
        rgb = shown.reformat(width, height, "rgb24", src_colorspace=matrix, dst_color_range=ColorRange.JPEG)
        return turned.applied(rgb.to_ndarray())


def open_clip(path: str | os.PathLike) -> Clip:
    """Opens a video and decodes its first picture.

    Raises:
        ClipError: the file is missing, empty, no video, damaged beyond its first picture, or sound only.
    """
    with open_container(path, "video", ClipError) as container:
        stream = picture_track(container)
        if stream is None:
            raise ClipError(f"The video '{path}' has no picture track; give a video file.")
        first = next(readable_frames(container, stream), None)
        if first is None:
            raise ClipError(f"The video '{path}' has no readable picture; it may not have been copied completely.")
        width, height = round(first.width * _pixel_aspect(stream)), first.height
        if _orientation(first, stream.codec_context.name).swaps:
            width, height = height, width
        fps = float(stream.average_rate or stream.guessed_rate or 25)
        length = _length(container, stream) or 1 / fps
        return Clip(Path(path), fps, width, height, length, sound_track(container) is not None)


def write_video(
    path: str | os.PathLike,
    frames: FrameStream[Tensor],
    sound: Sound | None,
    chunk: int = 8,
    progress: Callable[[int, int], None] | None = None,
    encoding: Encoding | None = None,
    metadata: Mapping[str, str] | None = None,
) -> None:
    """Encodes a stream of pictures and their sound, a chunk at a time, so that memory does not grow with length.

    The file appears under its name only when it is complete; after a failure or an interruption nothing is left.
    Frame k is shown at exactly k / frames.fps; the sound starts with frame 0 and is written to its end.

    Args:
        path: ends as the container does; it is tried before any frame is computed.
        frames: chunks of [n, H, W, 3] float, clamped to [0, 1], RGB; an odd side is padded by repeating its last line.
        sound: one or two channels are kept, more are mixed into one; None for a silent video.
        chunk: frames computed at once.
        progress: called as progress(frames done, frames in all) after each chunk.
        encoding: None for what suits the name's ending: H.264 and AAC in an MP4 or MKV, AV1 and Opus in a WebM.
        metadata: names and texts to keep in the file, such as the workflow that made it.

    Raises:
        OutputError: wrong ending, or the place can not be written to.
    """
    if not len(frames):
        raise ValueError("a video needs at least one frame")
    encoding = encoding or Encoding.chosen(path)
    with written_whole(path, (encoding.suffix,)) as temporary:
        try:
            kind, options = CONTAINERS[encoding.container], encoding.container_options
            with av.open(str(temporary), "w", format=kind, options=options) as container:
                container.metadata.update(metadata or {})
                _encode(container, frames, sound, chunk, progress, encoding)
        except av.FFmpegError as failure:
            raise OutputError(f"The output '{path}' can not be written ({failure.strerror}); is the disk full?") from failure


def contact_sheet(frames: FrameStream[Tensor], path: str | os.PathLike, columns: int = 6, rows: int = 4, width: int = 256) -> None:
    """Writes a PNG of columns x rows frames, spread evenly from the first to the last, with the time under each.

    Args:
        frames: chunks of [n, H, W, 3] float, clamped to [0, 1], RGB; only the frames shown are computed.
        path: ends in .png.
        width: of each frame on the sheet, in pixels.

    Raises:
        OutputError: wrong ending, or the place can not be written to.
    """
    cells = min(columns * rows, len(frames))
    numbers = [round(cell * (len(frames) - 1) / max(cells - 1, 1)) for cell in range(cells)]
    pictures = [_scaled(Encoding().rgb(frames.frames(number, number + 1))[0], width) for number in numbers]
    text = max(width // 16, 10)
    height = pictures[0].height + 2 * text
    sheet = Image.new("RGB", (columns * width, math.ceil(cells / columns) * height), "white")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(text)
    for cell, (number, picture) in enumerate(zip(numbers, pictures, strict=True)):
        left, top = cell % columns * width, cell // columns * height
        sheet.paste(picture, (left, top))
        draw.text((left + text // 2, top + picture.height + text // 3), f"{number / frames.fps:.2f} s", fill="black", font=font)
    save_png(path, np.asarray(sheet))


def _encode(
    container: av.container.OutputContainer,
    frames: FrameStream[Tensor],
    sound: Sound | None,
    chunk: int,
    progress: Callable[[int, int], None] | None,
    encoding: Encoding,
) -> None:
    rate = exact_rate(frames.fps)
    pictures = container.add_stream(encoding.encoder, rate=rate, options=encoding.encoder_options)
    packets_of_sound = iter(()) if sound is None else _sound_packets(container, sound, encoding.audio_codec)
    heard = 0.0

    def encode(chunk_pixels: np.ndarray, first: int) -> None:
        nonlocal heard
        for number, pixels in enumerate(chunk_pixels, first):
            if not number:
                _set_picture(pictures, pixels, rate, encoding)
            container.mux(pictures.encode(_yuv(pixels, number, rate, encoding)))
        while heard < (first + len(chunk_pixels)) / rate:
            heard, packets = next(packets_of_sound, (math.inf, []))
            container.mux(packets)

    with ThreadPoolExecutor(1, "encoding") as encoder:  # a chunk is encoded while the next one is computed
        done, pending = 0, None
        for floats in frames.chunks(chunk):
            pixels = _even(encoding.rgb(floats))
            if pending:
                pending.result()
            pending = encoder.submit(encode, pixels, done)
            done += len(pixels)
            if progress:
                progress(done, len(frames))
        pending.result()
    container.mux(pictures.encode(None))
    for _, packets in packets_of_sound:
        container.mux(packets)


def _set_picture(stream: av.VideoStream, pixels: np.ndarray, rate: Fraction, encoding: Encoding) -> None:
    """Size, clock and colour tags, known with the first frame."""
    stream.height, stream.width = pixels.shape[:2]
    stream.pix_fmt = encoding.pixel_format
    context = stream.codec_context
    context.time_base = 1 / rate
    encoding.tag(context)


def _yuv(pixels: np.ndarray, number: int, rate: Fraction, encoding: Encoding) -> av.VideoFrame:
    frame = av.VideoFrame.from_ndarray(pixels, format=encoding.rgb_format)
    frame = frame.reformat(format=encoding.pixel_format, dst_colorspace=encoding.matrix, dst_color_range=ColorRange.MPEG)
    frame.pts, frame.time_base = number, 1 / rate
    return frame


def _sound_packets(container: av.container.OutputContainer, sound: Sound, codec: str) -> Iterator[tuple[float, list[av.Packet]]]:
    """Adds the track now; then gives (seconds encoded so far, packets), tenth by tenth of a second."""
    samples = sound.samples if len(sound.samples) <= 2 else mixed_down(sound.samples)[None]
    layout = "stereo" if len(samples) == 2 else "mono"
    rate = sound.rate if codec == "aac" and sound.rate in _AAC_RATES else 48000
    stream = container.add_stream(codec, rate=rate, layout=layout)

    def packets() -> Iterator[tuple[float, list[av.Packet]]]:
        step = max(sound.rate // 10, 1)
        for start in range(0, samples.shape[1], step):
            piece = samples[:, start : start + step].clamp(-1, 1).cpu().contiguous().numpy()
            frame = av.AudioFrame.from_ndarray(piece, format="fltp", layout=layout)
            frame.sample_rate, frame.pts, frame.time_base = sound.rate, start, Fraction(1, sound.rate)
            yield (start + step) / sound.rate, stream.encode(frame)
        yield math.inf, stream.encode(None)

    return packets()


def _even(pixels: np.ndarray) -> np.ndarray:
    """4:2:0 needs even sides."""
    height, width = pixels.shape[1:3]
    return np.pad(pixels, ((0, 0), (0, height % 2), (0, width % 2), (0, 0)), mode="edge")


def _scaled(pixels: np.ndarray, width: int) -> Image.Image:
    picture = Image.fromarray(pixels)
    return picture.resize((width, max(round(picture.height * width / picture.width), 1)), Image.Resampling.LANCZOS)


def _pixel_aspect(stream: av.VideoStream) -> float:
    """Width of a stored pixel over its height; nonsense counts as square."""
    aspect = float(stream.sample_aspect_ratio or 1)
    return aspect if 0.25 <= aspect <= 4 else 1.0


class _Orientation(NamedTuple):
    """How a stored picture becomes the one that is shown: first its axes are swapped, then it is flipped."""

    swaps: bool
    upside_down: bool
    mirrored: bool

    def applied(self, stored: np.ndarray) -> np.ndarray:
        shown = stored.transpose(1, 0, 2) if self.swaps else stored
        return np.ascontiguousarray(shown[:: -1 if self.upside_down else 1, :: -1 if self.mirrored else 1])


def _orientation(picture: av.VideoFrame, codec: str) -> _Orientation:
    """From the display matrix (ISO 14496-12, 6.2.2), which may turn and mirror; it is rounded to quarter turns."""
    a, b, c, d = _display_matrix(picture, codec)
    if abs(a) + abs(d) >= abs(b) + abs(c):
        return _Orientation(False, d < 0, a < 0)
    return _Orientation(True, b < 0, c < 0)


def _display_matrix(picture: av.VideoFrame, codec: str) -> tuple[float, float, float, float]:
    """Its four numbers that turn and mirror; where only the turn is to be had, those of the turn."""
    if codec not in _FREED_TWICE:
        with suppress(ValueError):  # FFmpeg knows more kinds of side data than PyAV, EXIF for one
            matrix = picture.side_data.get("DISPLAYMATRIX")
            a, b, _, c, d = (1, 0, 0, 0, 1) if matrix is None else np.frombuffer(matrix, np.int32)[:5].tolist()
            return a, b, c, d
    angle = math.radians(getattr(picture, "rotation", 0))
    return math.cos(angle), -math.sin(angle), math.sin(angle), math.cos(angle)


def _standard_range(picture: av.VideoFrame) -> av.VideoFrame:
    """The picture itself, or what an HDR picture looks like in sRGB."""
    if getattr(picture, "color_trc", None) not in _HDR_CURVES:  # PyAV 14 does not tell
        return picture
    try:
        return picture.reformat(format="rgb24", dst_color_trc=_SRGB, dst_color_primaries=_BT709)
    except TypeError:  # PyAV before 18 cannot be asked for it
        return picture


def _lead(container: av.container.InputContainer, stream: av.VideoStream) -> float:
    """Seconds from time zero to the first picture."""
    start, zero = track_start(stream), time_zero(container, stream)
    return 0.0 if start is None or zero is None else start - zero


def _length(container: av.container.InputContainer, stream: av.VideoStream) -> float:
    """Seconds from time zero to the end of the track, as the file states it or its packets show; 0 if neither does."""
    if stream.duration:
        return _lead(container, stream) + stream.duration * float(stream.time_base)
    if container.duration:
        return container.duration / av.time_base
    latest = 0.0
    with suppress(av.FFmpegError):
        for packet in container.demux(stream):
            if packet.pts is not None:
                latest = max(latest, (packet.pts - (stream.start_time or 0) + (packet.duration or 0)) * float(stream.time_base))
    return _lead(container, stream) + latest if latest else 0.0
