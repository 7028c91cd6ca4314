"""Sequences that grow with time, computed on demand (DESIGN section 4)."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from fractions import Fraction
from itertools import islice
from typing import Generic, TypeVar

from torch import Tensor

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
    may be asked for twice. The last few chunks are kept, so two consumers that walk together share the work.

    Args:
        length: number of frames, 0 or more.
        fps: frames per second.
        compute: (start, stop) -> chunk, 0 <= start < stop <= length.
        keep: how many of the latest chunks are remembered.

    Example:
        >>> squares = FrameStream(5, 25.0, lambda start, stop: [i * i for i in range(start, stop)])
        >>> list(squares.chunks(2))
        [[0, 1], [4, 9], [16]]
    """

    def __init__(self, length: int, fps: float, compute: Callable[[int, int], Chunk], keep: int = 1):
        if length < 0 or fps <= 0:
            raise ValueError(f"a stream needs length >= 0 and fps > 0, got {length} and {fps}")
        self.length = length
        self.fps = fps
        self._compute = compute
        self._keep = keep
        self._latest: OrderedDict[tuple[int, int], Chunk] = OrderedDict()

    def __len__(self) -> int:
        return self.length

    def frames(self, start: int, stop: int) -> Chunk:
        """The chunk of frames start..stop-1."""
        if not 0 <= start < stop <= self.length:
            raise IndexError(f"frames {start}..{stop} asked of a stream of {self.length}")
        key = (start, stop)
        if key not in self._latest:
            chunk = self._compute(start, stop)
            while self._latest and len(self._latest) >= self._keep:
                self._latest.popitem(last=False)
            if not self._keep:
                return chunk
            self._latest[key] = chunk
        return self._latest[key]

    def chunks(self, size: int) -> Iterator[Chunk]:
        """All frames in order, `size` at a time (the last chunk may be shorter)."""
        if size < 1:
            raise ValueError(f"a chunk holds at least one frame, got {size}")
        for start in range(0, self.length, size):
            yield self.frames(start, min(start + size, self.length))

    def part(self, start: int, stop: int) -> FrameStream[Chunk]:
        """A stream of the frames start..stop-1; nothing is computed yet."""
        if not 0 <= start < stop <= self.length:
            raise IndexError(f"frames {start}..{stop} asked of a stream of {self.length}")
        return FrameStream(stop - start, self.fps, lambda a, b: self.frames(start + a, start + b), keep=0)

    def map(self, change: Callable[[Chunk, int, int], Other], keep: int = 1) -> FrameStream[Other]:
        """A stream of `change(chunk, start, stop)`; nothing is computed yet."""
        return FrameStream(self.length, self.fps, lambda a, b: change(self.frames(a, b), a, b), keep)


def forward_only(length: int, fps: float, opened: Callable[[int], Iterator[Chunk]]) -> FrameStream[list[Chunk]]:
    """A stream of frames that can only be read one after the other, such as a film's; one is held in memory.

    Frames that have passed, or are far ahead, are read from a new start.

    Args:
        opened: number of a frame -> that frame and those after it. Where they end too early the last one is held.
    """
    reading: Iterator[Chunk] = iter(())
    place = 0
    latest: list[Chunk] = []  # one frame, none at first

    def read(start: int, stop: int) -> list[Chunk]:
        nonlocal reading, place, latest
        if not latest or not place <= start <= place + _NEAR:
            reading, place = opened(start), start
        frames: list[Chunk] = []
        while place < stop:
            latest = list(islice(reading, 1)) or latest
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
