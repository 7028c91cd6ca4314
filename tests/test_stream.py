"""FrameStream: lazy, restartable, the same frames for every chunking, and little remembered."""

import gc
import logging
import threading
import weakref
from fractions import Fraction

import pytest
import torch

from real3d_core.stream import FrameStream, exact_rate, forward_only, together


def noisy(length: int, keep: int = 1) -> tuple[FrameStream, list[tuple[int, int]]]:
    """A stream of random frames, each drawn from its own number, and the spans it was asked to compute."""
    asked = []

    def compute(start: int, stop: int) -> torch.Tensor:
        asked.append((start, stop))
        return torch.stack([torch.rand(3, generator=torch.Generator().manual_seed(number)) for number in range(start, stop)])

    return FrameStream(length, 25.0, compute, keep), asked


def test_nothing_is_computed_before_it_is_asked_for():
    stream, asked = noisy(100)
    changed = stream.map(lambda chunk, start, stop: chunk * 2)
    chunks = changed.chunks(10)
    assert asked == [] and len(stream) == len(changed) == 100 and changed.fps == 25.0
    next(chunks)
    assert asked == [(0, 10)]


@pytest.mark.parametrize("size", [1, 3, 10, 64])
def test_every_chunking_gives_the_same_frames(size):
    whole = noisy(10)[0].frames(0, 10)
    chunks = list(noisy(10)[0].chunks(size))
    assert torch.equal(torch.cat(chunks), whole)
    assert all(len(chunk) == size for chunk in chunks[:-1]) and 1 <= len(chunks[-1]) <= size


def test_a_stream_can_be_read_again_and_from_the_middle():
    stream, _ = noisy(10)
    first = torch.cat(list(stream.chunks(4)))
    assert torch.equal(torch.cat(list(stream.chunks(4))), first)
    assert torch.equal(stream.frames(7, 9), first[7:9])


def test_two_consumers_that_walk_together_share_the_work():
    stream, asked = noisy(12)
    head, shadow = stream.map(lambda chunk, a, b: chunk + 1), stream.map(lambda chunk, a, b: chunk * 0)
    for _ in zip(head.chunks(4), shadow.chunks(4), strict=True):
        pass
    assert asked == [(0, 4), (4, 8), (8, 12)]


@pytest.mark.parametrize("keep", [0, 1, 3])
def test_only_the_latest_chunks_are_remembered(keep):
    alive = []

    def compute(start: int, stop: int) -> torch.Tensor:
        chunk = torch.zeros(stop - start, 3)
        alive.append(weakref.ref(chunk))
        return chunk

    stream = FrameStream(100, 25.0, compute, keep)
    for start in range(0, 100, 5):
        stream.frames(start, start + 5)
    gc.collect()
    remembered = [number for number, reference in enumerate(alive) if reference() is not None]
    assert remembered == list(range(20 - keep, 20))


class TestSideBySide:
    """Streams whose frames may be computed at once."""

    def stream(self) -> tuple[FrameStream, list]:
        asked = []

        def compute(start: int, stop: int) -> torch.Tensor:
            asked.append((threading.current_thread(), start, stop))
            return torch.stack([torch.rand(3, generator=torch.Generator().manual_seed(number)) for number in range(start, stop)])

        return FrameStream(50, 25.0, compute, parallel=True), asked

    def test_the_frames_are_the_same_and_in_order(self, two_workers):
        (stream, asked), (plain, _) = self.stream(), noisy(50)
        changed, wanted = (one.map(lambda chunk, a, b: chunk + a) for one in (stream, plain))
        assert torch.equal(torch.cat(list(changed.chunks(4))), torch.cat(list(wanted.chunks(1))))
        assert all(stop == start + 1 and thread is not threading.current_thread() for thread, start, stop in asked)
        assert len(asked) == 50
        assert torch.equal(torch.cat(list(stream.part(7, 20).chunks(4))), plain.frames(7, 20))

    def test_what_two_need_is_computed_once(self, two_workers):
        stream, asked = self.stream()
        both = stream.map(lambda chunk, a, b: (chunk, stream.frames(a, b)))
        assert all(one is other for one, other in both.chunks(4)) and len(asked) == 50

    def test_streams_that_are_computed_together_share_the_work(self, two_workers):
        stream, asked = self.stream()
        head, shadow = stream.map(lambda chunk, a, b: chunk + 1), stream.map(lambda chunk, a, b: chunk * 0)
        heads, shadows = zip(*together([head, shadow]).chunks(4), strict=True)
        assert torch.equal(torch.cat(heads), noisy(50)[0].frames(0, 50) + 1) and not torch.cat(shadows).any() and len(asked) == 50

    def test_a_stage_can_refuse(self, two_workers):
        stream, asked = self.stream()
        list(stream.map(lambda chunk, a, b: chunk, parallel=False).chunks(20))
        assert asked == [(threading.current_thread(), a, b) for a, b in [(0, 20), (20, 40), (40, 50)]]

    def test_a_stream_with_its_own_way_is_walked_so(self):
        def walk(start: int, stop: int, size: int):
            for number in range(start, stop):
                yield number, number + 1, [-number]

        stream = FrameStream(9, 25.0, lambda a, b: list(range(a, b)), parallel=True, walk=walk)
        assert list(stream.chunks(4)) == [[-number] for number in range(9)] and stream.frames(2, 4) == [2, 3]
        part = stream.part(3, 6).map(lambda chunk, a, b: (a, b, chunk))
        assert list(part.chunks(2)) == [(0, 1, [-3]), (1, 2, [-4]), (2, 3, [-5])] and part.frames(0, 2) == (0, 2, [3, 4])


class TestOutOfMemory:
    """A device that has memory for few frames at once."""

    FAILURES = (
        torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 7 GiB."),
        RuntimeError("MPS backend out of memory (MPS allocated: 8.97 GB, other allocations: 48 MB, max allowed: 9.07 GB)."),
    )

    def stream(self, most: int, asked: list, failure: RuntimeError = FAILURES[0]) -> FrameStream:
        def compute(start: int, stop: int) -> torch.Tensor:
            asked.append((start, stop))
            if stop - start > most:
                raise failure
            return torch.arange(start, stop)

        return FrameStream(13, 25.0, compute).map(lambda chunk, a, b: chunk * 2)

    @pytest.mark.parametrize("failure", FAILURES, ids=["CUDA", "Apple"])
    def test_fewer_frames_at_once_go_on_and_it_is_said_once(self, caplog, failure):
        asked: list = []
        with caplog.at_level(logging.WARNING, "real3d"):
            assert torch.cat(list(self.stream(2, asked, failure).chunks(8))).tolist() == list(range(0, 26, 2))
        assert asked == [(0, 8), (0, 4), *((n, min(n + 2, 13)) for n in range(0, 13, 2))]
        assert [record.getMessage() for record in caplog.records] == [
            "The device has no memory for 8 frames at once: fewer are computed at once from here on."
        ]

    def test_a_device_without_memory_for_one_frame_fails(self):
        with pytest.raises(torch.cuda.OutOfMemoryError):
            list(self.stream(0, []).chunks(8))

    def test_other_failures_are_not_taken_for_it(self):
        with pytest.raises(RuntimeError, match="shape"):
            list(self.stream(2, [], RuntimeError("shape '[2]' is invalid")).chunks(8))


def test_map_tells_which_frames_it_changes():
    seen = []
    stream = noisy(7)[0].map(lambda chunk, start, stop: seen.append((start, stop, len(chunk))) or chunk)
    list(stream.chunks(3))
    assert seen == [(0, 3, 3), (3, 6, 3), (6, 7, 1)]


def test_an_empty_stream_has_no_chunks():
    assert list(FrameStream(0, 25.0, lambda a, b: 1 / 0).chunks(4)) == []


def test_a_failing_frame_is_tried_again_when_asked_again():
    moods = iter([RuntimeError("not yet"), "frame"])

    def compute(start: int, stop: int):
        mood = next(moods)
        if isinstance(mood, Exception):
            raise mood
        return mood

    stream = FrameStream(1, 25.0, compute)
    with pytest.raises(RuntimeError):
        stream.frames(0, 1)
    assert stream.frames(0, 1) == "frame"


@pytest.mark.parametrize("span", [(-1, 2), (2, 2), (3, 2), (0, 11), (10, 11)])
def test_frames_outside_the_stream_are_refused(span):
    with pytest.raises(IndexError, match="of a stream of 10"):
        noisy(10)[0].frames(*span)


@pytest.mark.parametrize(("length", "fps"), [(-1, 25.0), (5, 0.0), (5, -25.0)])
def test_impossible_streams_are_refused(length, fps):
    with pytest.raises(ValueError, match="length >= 0 and fps > 0"):
        FrameStream(length, fps, lambda a, b: None)


def test_empty_chunks_are_refused():
    with pytest.raises(ValueError, match="at least one frame"):
        next(noisy(5)[0].chunks(0))


@pytest.mark.parametrize(
    ("fps", "exact"),
    [
        (23.976, Fraction(24000, 1001)),
        (29.97, Fraction(30000, 1001)),
        (59.94, Fraction(60000, 1001)),
        (119.88, Fraction(120000, 1001)),
        (24000 / 1001, Fraction(24000, 1001)),
        (1, Fraction(1)),
        (24, Fraction(24)),
        (29.9, Fraction(299, 10)),
        (12.5, Fraction(25, 2)),
        (23.98, Fraction(24000, 1001)),
    ],
)
def test_rounded_broadcast_rates_mean_the_exact_ones_and_others_stay(fps, exact):
    assert exact_rate(fps) == exact


class TestForwardOnly:
    """Frames that can be read one after the other only."""

    def stream(self, there: int = 1000) -> tuple[FrameStream, list[int]]:
        openings: list[int] = []

        def opened(first: int):
            openings.append(first)
            return iter(range(first, there))

        return forward_only(1000, 25.0, opened), openings

    def test_a_walk_from_the_start_opens_it_once(self):
        stream, openings = self.stream()
        assert [number for chunk in stream.chunks(7) for number in chunk] == list(range(1000)) and openings == [0]

    def test_what_has_passed_or_is_far_ahead_is_opened_anew(self):
        stream, openings = self.stream()
        wanted = [(0, 4), (10, 14), (998, 1000), (3, 5), (5, 6)]
        assert [stream.frames(*span) for span in wanted] == [list(range(*span)) for span in wanted] and openings == [0, 998, 3]

    def test_threads_that_work_side_by_side_open_it_once(self, two_workers):
        stream, openings = self.stream()
        behind = FrameStream(1000, 25.0, lambda a, b: [-number for number in stream.frames(a, b)], parallel=True)
        assert [number for chunk in behind.chunks(4) for number in chunk] == [-number for number in range(1000)] and openings == [0]
        assert stream.frames(998, 1000) == [998, 999] and openings == [0], "the last few are still there"

    def test_the_last_frame_is_held_where_the_source_ends_too_early(self):
        stream, _ = self.stream(there=3)
        assert stream.frames(0, 5) == [0, 1, 2, 2, 2] and stream.frames(5, 7) == [2, 2]
