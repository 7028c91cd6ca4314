"""Clips are read picture by picture."""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import av
import numpy as np
from av.video.reformatter import ColorRange, Colorspace

from ..errors import ClipError, SoundError
from .container import (
    frames_from,
    known_picture_track,
    open_container,
    picture_track,
    readable_frames,
    sound_track,
    tick,
    time_zero,
    track_start,
    why_no_track,
)
from .sound import Sound, load_sound

_LOG = logging.getLogger("real3d")
_UNSPECIFIED, _BT709, _SRGB = 2, 1, 13  # numbers of ITU-T H.273
_HDR_CURVES = (16, 18)  # PQ and HLG
_CAMERA_CURVES = (1, 6, 14, 15)  # of BT.709, BT.601 and BT.2020, all the same
_WIDE_PRIMARIES = (9, 11, 12)  # BT.2020, and P3 of cinemas and of displays
_FREED_TWICE = ("png", "apng")  # PyAV frees the name of their colour profile, and FFmpeg again: the process ends (seen in 18.1)
_SAME_TIME = 1e-6  # seconds


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
            raise ClipError(f"The video '{self.path}' lasts {self.duration:.2f} s; there is no picture from {start:.2f} s on.")
        return replace(self, start=begin, stop=end)

    def sound(self) -> Sound | None:
        """The clip's own sound; None where there is none that is readable and long enough to be of use, which the log says."""
        if not self.has_sound:
            return None
        try:
            return load_sound(self.path, self.start, self.stop)
        except SoundError as refusal:
            _LOG.info("The clip is treated as silent. %s", refusal)
            return None

    def frames(self, fps: float = 25.0) -> Iterator[np.ndarray]:
        """Pictures at a constant rate, [height, width, 3] uint8 RGB: number k is the one nearest in time to k / fps seconds.

        They are decoded as they are asked for. Damaged pictures are passed over; their neighbours stand in for them, as the first
        one does where the sound starts earlier. HDR is turned into standard range where the installed PyAV can do so (from 18 on).
        """
        number = 0
        with open_container(self.path, "video", ClipError) as container:
            codec = known_picture_track(container).codec_context.name
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
        stream = known_picture_track(container)
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
        longest = max(usual, time + (getattr(picture, "duration", None) or 0) * tick(picture)) + _SAME_TIME
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
        stream, why_not = picture_track(container), why_no_track(path, container, "video")
        if why_not or stream is None:
            raise ClipError(f"The video '{path}' {why_not or 'has no picture track; give a video file'}.")
        first = next(readable_frames(container, stream), None)
        if first is None:
            reason = (
                "has no readable picture; it may not have been copied completely"
                if _has_pictures(path)
                else "holds no pictures; record or export it again"
            )
            raise ClipError(f"The video '{path}' {reason}.")
        width, height = round(first.width * _pixel_aspect(stream)), first.height
        if _orientation(first, stream.codec_context.name).swaps:
            width, height = height, width
        fps = float(stream.average_rate or stream.guessed_rate or 25)
        length = _length(container, stream) or 1 / fps
        return Clip(Path(path), fps, width, height, length, sound_track(container) is not None)


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
            matrix: Any = picture.side_data.get("DISPLAYMATRIX")
            a, b, _, c, d = (1, 0, 0, 0, 1) if matrix is None else np.frombuffer(matrix, np.int32)[:5].tolist()
            return a, b, c, d
    angle = math.radians(getattr(picture, "rotation", 0))
    return math.cos(angle), -math.sin(angle), math.sin(angle), math.cos(angle)


def _standard_range(picture: av.VideoFrame) -> av.VideoFrame:
    """The picture itself, or what one of high dynamic range or of more colours looks like in sRGB."""
    curve, primaries = getattr(picture, "color_trc", None), getattr(picture, "color_primaries", None)  # PyAV 14 does not tell
    if curve not in _HDR_CURVES and primaries not in _WIDE_PRIMARIES:
        return picture
    shown_by = _BT709 if curve in _CAMERA_CURVES else _SRGB  # the first is shown by sRGB's screens as it is, here as in any clip
    try:
        return picture.reformat(format="rgb24", dst_color_trc=shown_by, dst_color_primaries=_BT709)
    except TypeError:  # PyAV before 18 cannot be asked for it
        return picture


def _has_pictures(path: str | os.PathLike) -> bool:
    with open_container(path, "video", ClipError) as container, suppress(av.FFmpegError):
        return any(packet.size for packet in container.demux(known_picture_track(container)))
    return True


def _lead(container: av.container.InputContainer, stream: av.VideoStream) -> float:
    """Seconds from time zero to the first picture."""
    start, zero = track_start(stream), time_zero(container, stream)
    return 0.0 if start is None or zero is None else start - zero


def _length(container: av.container.InputContainer, stream: av.VideoStream) -> float:
    """Seconds from time zero to the end of the track, as the file states it or its packets show; 0 if neither does."""
    if stream.duration:
        return _lead(container, stream) + stream.duration * tick(stream)
    if container.duration:
        stated = container.duration / av.time_base
        is_end = "matroska" in container.format.name  # on the file's clock; other formats state the length
        return stated - (time_zero(container, stream) or 0.0) if is_end else stated
    latest = 0.0
    with suppress(av.FFmpegError):
        for packet in container.demux(stream):
            if packet.pts is not None:
                latest = max(latest, (packet.pts - (stream.start_time or 0) + (packet.duration or 0)) * tick(stream))
    return _lead(container, stream) + latest if latest else 0.0
