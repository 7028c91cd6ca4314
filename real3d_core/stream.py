"""Sequences that grow with time, computed on demand (DESIGN section 4)."""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from itertools import islice
from typing import Generic, TypeVar

from torch import Tensor

from .workers import in_order, look_ahead

_LOG = logging.getLogger("real3d")
Chunk = TypeVar("Chunk")
Other = TypeVar("Other")
_SLOWED = tuple(Fraction(whole * 1000, 1001) for whole in (24, 30, 48, 60, 120))  # frames per second of colour television
_NEAR = 50  # frames; sooner passed over than found from a new start
_MEANT = 0.005  # frames per second; people write two or three decimals
Index = TypeVar("Index", int, Tensor)
FPS = 25.0  # inside the pack, time always runs at this rate (DESIGN section 6)


class FrameStream(Generic[Chunk]):
    """A lazy, restartable sequence of `length` frames at `fps` frames a second.

    A chunk is whatever `compute(start, stop)` returns for the frames start..stop-1, batched over its first axis.
    `compute` must be a pure function of the frame numbers: then every chunking gives the same frames, and a frame
    may be asked for twice. Each thread remembers its last few chunks, so two consumers that walk together share the work.

    Args:
        length: number of frames, 0 or more.
        fps: frames per second.
        compute: (start, stop) -> chunk, 0 <= start < stop <= length.
        keep: how many of the latest chunks are remembered.
        parallel: whether `chunks` computes frames side by side, each on one thread (workers.py). `compute` is then called by several
            threads at once. Otherwise they are computed one chunk after the other, by as many threads as PyTorch is set to.
        walk: (start, stop, size) -> (first frame, frame after the last, chunk) of all frames start..stop-1, for a stream that knows a
            better way through them than `compute`.

    Example:
        >>> squares = FrameStream(5, 25.0, lambda start, stop: [i * i for i in range(start, stop)])
        >>> list(squares.chunks(2))
        [[0, 1], [4, 9], [16]]
    """

    def __init__(
        self,
        length: int,
        fps: float,
        compute: Callable[[int, int], Chunk],
        keep: int = 1,
        parallel: bool = False,
        walk: Callable[[int, int, int], Iterator[tuple[int, int, Chunk]]] | None = None,
    ):
        if length < 0 or fps <= 0:
            raise ValueError(f"a stream needs length >= 0 and fps > 0, got {length} and {fps}")
        self.length = length
        self.fps = fps
        self.parallel = parallel
        self._compute = compute
        self._keep = keep
        self._own_walk = walk
        self._of_thread = threading.local()

    def __len__(self) -> int:
        return self.length

    def frames(self, start: int, stop: int) -> Chunk:
        """The chunk of frames start..stop-1."""
        if not 0 <= start < stop <= self.length:
            raise IndexError(f"frames {start}..{stop} asked of a stream of {self.length}")
        latest: OrderedDict[tuple[int, int], Chunk] = self._of_thread.__dict__.setdefault("latest", OrderedDict())
        key = (start, stop)
        if key not in latest:
            while latest and len(latest) >= self._keep:
                latest.popitem(last=False)
            chunk = self._compute(start, stop)
            if not self._keep:
                return chunk
            latest[key] = chunk
        return latest[key]

    def chunks(self, size: int) -> Iterator[Chunk]:
        """All frames in order, `size` at a time: fewer at the end or where memory lacks, one where they are computed side by side."""
        if size < 1:
            raise ValueError(f"a chunk holds at least one frame, got {size}")
        for _, _, chunk in self.walk(0, self.length, size):
            yield chunk

    def walk(self, start: int, stop: int, size: int) -> Iterator[tuple[int, int, Chunk]]:
        """(first frame, frame after the last, chunk) of the frames start..stop-1 in order, as in `chunks`."""
        if self._own_walk:
            yield from self._own_walk(start, stop, size)
        elif self.parallel:
            yield from in_order(lambda number: (number, number + 1, self.frames(number, number + 1)), range(start, stop))
        else:
            yield from self._one_after_the_other(start, stop, size)

    def _one_after_the_other(self, start: int, stop: int, size: int) -> Iterator[tuple[int, int, Chunk]]:
        """Where a device has no memory for `size` frames at once, for half as many from there on."""
        first, most = start, size
        while first < stop:
            last = min(first + most, stop)
            try:
                chunk = self.frames(first, last)
            except RuntimeError as failure:  # not all devices have a class for it
                if "out of memory" not in str(failure) or last - first == 1:
                    raise
                if most == size:
                    _LOG.warning("The device has no memory for %d frames at once: fewer are computed at once from here on.", last - first)
                most = (last - first) // 2
                continue
            yield first, last, chunk
            first = last

    def part(self, start: int, stop: int) -> FrameStream[Chunk]:
        """A stream of the frames start..stop-1; nothing is computed yet."""
        if not 0 <= start < stop <= self.length:
            raise IndexError(f"frames {start}..{stop} asked of a stream of {self.length}")

        def walk(a: int, b: int, size: int) -> Iterator[tuple[int, int, Chunk]]:
            for first, last, chunk in self.walk(start + a, start + b, size):
                yield first - start, last - start, chunk

        own = walk if self._own_walk else None
        return FrameStream(stop - start, self.fps, lambda a, b: self.frames(start + a, start + b), 0, self.parallel, own)

    def map(self, change: Callable[[Chunk, int, int], Other], keep: int = 1, parallel: bool | None = None) -> FrameStream[Other]:
        """A stream of `change(chunk, start, stop)`; nothing is computed yet.

        Args:
            parallel: whether frames are computed side by side from here on; None: as in this stream.
        """

        def walk(start: int, stop: int, size: int) -> Iterator[tuple[int, int, Other]]:
            for first, last, chunk in self.walk(start, stop, size):
                yield first, last, change(chunk, first, last)

        parallel, own = self.parallel if parallel is None else parallel, walk if self._own_walk else None
        return FrameStream(self.length, self.fps, lambda a, b: change(self.frames(a, b), a, b), keep, parallel, own)


def together(streams: Sequence[FrameStream[Chunk]]) -> FrameStream[tuple[Chunk, ...]]:
    """The chunks of streams of one length, computed together, so that they share what they have in common."""
    first = streams[0]
    if len(streams) == 1:
        return first.map(lambda chunk, start, stop: (chunk,), keep=0)
    parallel = all(stream.parallel for stream in streams)
    return FrameStream(len(first), first.fps, lambda a, b: tuple(stream.frames(a, b) for stream in streams), 0, parallel)


def forward_only(length: int, fps: float, opened: Callable[[int], Iterator[Chunk]]) -> FrameStream[list[Chunk]]:
    """A stream of frames that can only be read one after the other, such as a film's; few are held in memory.

    Frames that have passed, or are far ahead, are read from a new start; those that threads working side by side may still ask for
    have not.

    Args:
        opened: number of a frame -> that frame and those after it. Where they end too early the last one is held.
    """
    reading: Iterator[Chunk] = iter(())
    place = 0
    latest: list[Chunk] = []  # one frame, none at first
    passed: deque[Chunk] = deque(maxlen=look_ahead())  # the frames before `place`
    lock = threading.Lock()

    def read(start: int, stop: int) -> list[Chunk]:
        nonlocal reading, place, latest
        with lock:
            if not passed or not place - len(passed) <= start <= place + _NEAR:
                reading, place = opened(start), start
                passed.clear()
            frames = list(passed)[len(passed) - (place - start) :][: stop - start] if start < place else []
            while place < stop:
                latest = list(islice(reading, 1)) or latest
                passed.extend(latest)
                if place >= start:
                    frames += latest
                place += 1
            return frames

    return FrameStream(length, fps, read)


def exact_rate(fps: float) -> Fraction:
    """The rate that a number of frames per second means: 23.976 is 24000/1001, 29.97 is 30000/1001, 59.94 is 60000/1001."""
    return next((slowed for slowed in _SLOWED if abs(fps - slowed) < _MEANT), Fraction(fps).limit_denominator(1001))


def mirror_index(index: Index, length: int) -> Index:
    """Frame of a clip of `length` frames that is played to and fro, the end frames twice in a row; any integer index."""
    backwards, frame = index // length % 2, index % length
    return frame + backwards * (length - 1 - 2 * frame)
