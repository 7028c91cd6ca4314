"""Work side by side: in order, each piece on one thread, the host's setting untouched, and nothing left behind."""

import contextvars
import os
import signal
import threading
import time

import pytest
import torch

from real3d_core import workers
from real3d_core.one_thread import one_thread
from real3d_core.stream import FrameStream
from real3d_core.workers import in_order

SPOKEN = contextvars.ContextVar("SPOKEN", default="nothing")


def threads_left() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("real3d_")]


def in_a_new_thread() -> int:
    """How many threads PyTorch uses on one that has not used it yet."""
    found: list[int] = []
    thread = threading.Thread(target=lambda: found.append(torch.get_num_threads()))
    thread.start()
    thread.join()
    return found[0]


def test_pieces_are_computed_at_the_same_time_and_come_in_order(two_workers):
    both = threading.Barrier(2, timeout=10)
    assert list(in_order(lambda n: (n, n and both.wait() * 0), range(9))) == [(n, 0) for n in range(9)]
    assert threads_left() == []


def test_what_all_share_is_found_by_all_but_the_first(two_workers):
    made: list[int] = []

    def work(number: int) -> int:
        if not made:
            time.sleep(0.05)
            made.append(number)
        return len(made)

    assert list(in_order(work, range(6))) == [1] * 6


def test_each_computes_on_one_thread_and_the_host_keeps_its_own(two_workers):
    seen = []
    for inside in in_order(lambda _: torch.get_num_threads(), range(8)):
        seen.append((inside, torch.get_num_threads(), in_a_new_thread()))
    assert seen == [(1, 2, 2)] * 8
    assert (torch.get_num_threads(), in_a_new_thread()) == (2, 2)


def test_a_thread_with_its_own_setting_does_not_change_the_others(two_workers):
    """As in ComfyUI, whose workflows run on a thread of their own."""
    seen = []

    def host() -> None:
        seen.append(list(in_order(lambda _: torch.get_num_threads(), range(3))))
        seen.append(torch.get_num_threads())

    thread = threading.Thread(target=host)
    thread.start()
    thread.join()
    assert seen == [[1, 1, 1], 2] and torch.get_num_threads() == in_a_new_thread() == 2


@pytest.mark.parametrize("mode", [torch.inference_mode, torch.no_grad, torch.enable_grad])
def test_gradient_mode_and_context_are_the_callers(two_workers, mode):
    SPOKEN.set("here")
    with mode():
        wanted = (torch.is_inference_mode_enabled(), torch.is_grad_enabled(), "here")
        got = list(in_order(lambda _: (torch.is_inference_mode_enabled(), torch.is_grad_enabled(), SPOKEN.get()), range(4)))
    assert got == [wanted] * 4


@pytest.mark.parametrize("failure", [ValueError, KeyboardInterrupt, MemoryError])
def test_a_failure_comes_in_its_place_and_stops_the_others(two_workers, failure):
    begun = []

    def work(number: int) -> int:
        begun.append(number)
        if number == 3:
            raise failure
        return number

    done = []
    with pytest.raises(failure):
        for number in in_order(work, range(1000)):
            done.append(number)
    assert done == [0, 1, 2] and len(begun) < 20 and threads_left() == []


@pytest.mark.skipif(os.name != "posix", reason="needs a signal for a thread")
def test_an_interruption_stops_all(two_workers):
    def work(number: int) -> int:
        if number == 4:
            signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
        time.sleep(0.02)
        return number

    with pytest.raises(KeyboardInterrupt):
        list(in_order(work, range(1000)))
    assert threads_left() == []


def test_few_are_begun_before_they_are_wanted_and_none_once_nobody_wants_them(two_workers):
    begun = []
    numbers = in_order(lambda n: begun.append(n) or n, range(1000))
    for wanted in range(5):
        assert next(numbers) == wanted
        time.sleep(0.02)
        assert len(begun) <= wanted + workers.look_ahead()
    numbers.close()
    so_far = len(begun)
    assert threads_left() == []
    time.sleep(0.02)
    assert len(begun) == so_far


def test_where_pytorch_has_one_thread_the_caller_computes_itself():
    assert torch.get_num_threads() == 1 == workers.workers()
    assert list(in_order(lambda _: threading.current_thread(), range(3))) == [threading.current_thread()] * 3


def test_a_frame_that_reads_another_stream_begins_no_further_threads(two_workers):
    inner = FrameStream(4, 25.0, lambda a, b: torch.arange(a, b), parallel=True)
    assert list(in_order(lambda _: (len(list(inner.chunks(1))), workers.workers()), range(3))) == [(4, 1)] * 3


@pytest.mark.parametrize(("quota", "cores"), [("max 100000", 64), ("150000 100000", 2), ("50000 100000", 1), ("", 64), (None, 64)])
def test_a_containers_quota_counts(monkeypatch, tmp_path, quota, cores):
    if quota is not None:
        (tmp_path / "cpu.max").write_text(quota)
    monkeypatch.setattr(workers, "_QUOTA", tmp_path / "cpu.max")
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(64)), raising=False)
    workers.cores.cache_clear()
    assert workers.cores() == cores
    workers.cores.cache_clear()


def test_small_work_computes_on_one_thread_and_leaves_the_setting_as_it_was(two_workers):
    with one_thread():
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == in_a_new_thread() == 2


def test_small_work_within_a_piece_leaves_the_host_its_threads(two_workers):
    def work(_: int) -> int:
        with one_thread():
            return torch.get_num_threads()

    assert list(in_order(work, range(4))) == [1] * 4 and in_a_new_thread() == 2
