"""Rendered frames kept on disk, without loss, so that a film is rendered once however often it is used."""

from __future__ import annotations

import logging
import secrets
import shutil
import weakref
from collections import OrderedDict
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from threading import RLock

import av
import numpy as np
import torch
from torch import Tensor

from ..stream import FrameStream, exact_rate
from .encoding import in_8_bits

_LOG = logging.getLogger("real3d")
_CODEC, _PIXELS = "libx264rgb", "rgb24"
_OPTIONS = {"qp": "0", "preset": "ultrafast", "tune": "zerolatency", "g": "50"}  # a keyframe every 50, so that any frame is near one
_MOST_SEGMENTS = 64


class Shelf:
    """A folder in which films are kept, up to a number of bytes; the film that was used longest ago goes first.

    Args:
        folder: made when it is first needed.
        limit: bytes of all films together.
        spare: bytes of the disk that are left to others.
    """

    def __init__(self, folder: Path, limit: int = 2 * 10**9, spare: int = 2 * 10**9):
        self.folder = folder
        self.limit = limit
        self.spare = spare
        self.lock = RLock()  # one for all: a film that grows makes others go
        self._films: OrderedDict[int, weakref.ref[_Film]] = OrderedDict()

    def kept(self, frames: FrameStream[Tensor]) -> FrameStream[Tensor]:
        """The same frames, of 8 bits per colour; each is computed once and read from the disk from then on.

        Where there is no room they are computed again, and the log says so.

        Args:
            frames: chunks [n, H, W, 3] float, clamped to [0, 1]; a pure function of the frame numbers.
        """
        film = _Film(self, frames)
        return FrameStream(len(frames), frames.fps, film.frames, walk=film.walk)

    def use(self, film: _Film) -> None:
        """Makes this film the last to be removed."""
        self._films.pop(id(film), None)
        self._films[id(film)] = weakref.ref(film)

    def has_room_for(self, film: _Film) -> bool:
        """Whether the film may grow; other films are removed to make room."""
        films = {key: found for key, reference in self._films.items() if (found := reference()) is not None}
        self._films = OrderedDict((key, self._films[key]) for key in films)
        for other in films.values():
            if sum(one.size for one in films.values()) <= self.limit:
                break
            if other is not film:
                other.forget()
        return sum(one.size for one in films.values()) <= self.limit and shutil.disk_usage(self.folder).free > self.spare


@dataclass(frozen=True)
class _Segment:
    """Frames start..stop-1 of a film in one file."""

    start: int
    stop: int
    path: Path


class _Film:
    """One film on the shelf: what was computed so far, in files of consecutive frames."""

    def __init__(self, shelf: Shelf, frames: FrameStream[Tensor]):
        self._shelf = shelf
        self._source = frames
        self._folder = shelf.folder / secrets.token_hex(8)
        self._segments: list[_Segment] = []
        self._writer: _Writer | None = None
        self._reader: _Reader | None = None
        self._given_up = False
        self._closed_size = 0
        weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)

    @property
    def size(self) -> int:
        """Bytes on the disk."""
        return self._closed_size + (self._writer.size if self._writer else 0)

    def frames(self, start: int, stop: int) -> Tensor:
        """The frames [stop - start, H, W, 3] float32 in [0, 1], multiples of 1 / 255."""
        pieces = [pixels for _, _, pixels in self._pieces(start, stop, stop - start)]
        return _floats(pieces[0] if len(pieces) == 1 else np.concatenate(pieces))

    def walk(self, start: int, stop: int, size: int) -> Iterator[tuple[int, int, Tensor]]:
        """(first frame, frame after the last, frames) of the frames start..stop-1, computed as their source does."""
        for first, last, pixels in self._pieces(start, stop, size):
            yield first, last, _floats(pixels)

    def forget(self) -> None:
        """Removes what is kept; it is computed again when it is wanted."""
        self._close()
        if self._reader:
            self._reader.close()
        self._reader, self._segments, self._closed_size = None, [], 0
        shutil.rmtree(self._folder, ignore_errors=True)

    def _pieces(self, start: int, stop: int, size: int) -> Iterator[tuple[int, int, np.ndarray]]:
        """The frames start..stop-1 as uint8; the lock is free while they are computed."""
        at = start
        while at < stop:
            with self._shelf.lock:
                self._shelf.use(self)
                if self._writer and self._writer.start <= at < self._writer.stop:
                    self._close()
                segment = next((one for one in self._segments if one.start <= at < one.stop), None)
                if segment:
                    until = min(stop, at + size, segment.stop)
                    pixels = self._read(segment, at, until)
                else:
                    until = min([stop, *(one.start for one in self._segments if one.start > at)])
            if segment:
                yield at, until, pixels
            else:
                yield from self._computed(at, until, size)
            at = until

    def _computed(self, start: int, stop: int, size: int) -> Iterator[tuple[int, int, np.ndarray]]:
        for first, last, pixels in self._source.map(lambda chunk, *_: in_8_bits(chunk).numpy(), keep=0).walk(start, stop, size):
            with self._shelf.lock:
                self._keep(pixels, first)
            yield first, last, pixels

    def _keep(self, pixels: np.ndarray, start: int) -> None:
        if self._given_up:
            return
        try:
            self._write(pixels, start)
        except (OSError, av.FFmpegError, ValueError) as failure:
            self._give_up(f"cannot be kept on the disk ({failure})")

    def _write(self, pixels: np.ndarray, start: int) -> None:
        if self._writer and self._writer.stop != start:
            self._close()
        if self._writer is None:
            if len(self._segments) >= _MOST_SEGMENTS:
                self.forget()
            self._folder.mkdir(parents=True, exist_ok=True)
            self._writer = _Writer(self._folder / f"{start}-{secrets.token_hex(4)}.mkv", start, self._source.fps, pixels.shape[1:3])
        self._writer.write(pixels)
        if not self._shelf.has_room_for(self):
            self._give_up("does not fit into the room for kept films")

    def _give_up(self, why: str) -> None:
        self._given_up = True
        self.forget()
        _LOG.warning("The film %s: it is rendered again for every use.", why)

    def _close(self) -> None:
        if self._writer is None:
            return
        writer, self._writer = self._writer, None
        writer.close()
        self._segments.append(_Segment(writer.start, writer.stop, writer.path))
        self._closed_size += writer.size

    def _read(self, segment: _Segment, start: int, stop: int) -> np.ndarray:
        if self._reader is None or self._reader.segment is not segment or not 0 <= start - self._reader.next <= 50:
            if self._reader:
                self._reader.close()
            self._reader = _Reader(segment, start, self._source.fps)
        return self._reader.read(start, stop)


def _floats(pixels: np.ndarray) -> Tensor:
    return torch.from_numpy(pixels).float() / 255


class _Writer:
    """Writes consecutive frames, encoding while the next ones are computed."""

    def __init__(self, path: Path, start: int, fps: float, shape: tuple[int, int]):
        self.path, self.start, self.stop, self.size = path, start, start, 0
        self._container = av.open(str(path), "w", format="matroska")
        rate = exact_rate(fps)
        stream = self._container.add_stream(_CODEC, rate=rate, options=_OPTIONS)
        assert isinstance(stream, av.VideoStream)
        self._stream = stream
        self._stream.height, self._stream.width = shape
        self._stream.pix_fmt = _PIXELS
        self._thread = ThreadPoolExecutor(1, "keeping")
        self._pending: Future | None = None

    def write(self, pixels: np.ndarray) -> None:
        """Takes [n, H, W, 3] uint8."""
        self._wait()
        self._pending = self._thread.submit(self._encode, pixels, self.stop - self.start)
        self.stop += len(pixels)

    def close(self) -> None:
        """Completes the file."""
        try:
            self._wait()
            self._container.mux(self._stream.encode(None))
        finally:
            self._thread.shutdown()
            self._container.close()

    def _wait(self) -> None:
        pending, self._pending = self._pending, None
        if pending:
            pending.result()

    def _encode(self, pixels: np.ndarray, first: int) -> None:
        for number, picture in enumerate(pixels, first):
            frame = av.VideoFrame.from_ndarray(picture, format=_PIXELS)
            frame.pts = number
            packets = self._stream.encode(frame)
            self.size += sum(packet.size for packet in packets)
            self._container.mux(packets)


class _Reader:
    """Reads a segment's frames, forwards."""

    def __init__(self, segment: _Segment, start: int, fps: float):
        self.segment, self.next, self._fps = segment, start, fps
        self._container = av.open(str(segment.path))
        if start > segment.start:
            self._container.seek(int((start - segment.start) / fps * av.time_base))
        self._pictures = self._decoded()

    def read(self, start: int, stop: int) -> np.ndarray:
        """[stop - start, H, W, 3] uint8."""
        found = []
        for number, picture in self._pictures:
            if number >= start:
                found.append(picture.to_ndarray(format=_PIXELS))
            if number == stop - 1:
                break
        self.next = stop
        return np.stack(found)

    def close(self) -> None:
        self._container.close()

    def _decoded(self) -> Iterator[tuple[int, av.VideoFrame]]:
        for picture in self._container.decode(video=0):
            yield self.segment.start + round(float(picture.time) * self._fps), picture
