"""A film that is kept is computed once, whatever is asked of it, and never grows beyond its room."""

import gc
import logging
import threading
import time

import pytest
import torch

from real3d_core.media.recording import Shelf
from real3d_core.stream import FrameStream

HEIGHT, WIDTH = 34, 47


class Rendering:
    """A stream of noisy frames that counts what it computes."""

    def __init__(self, length: int, fps: float = 25.0):
        self.computed: list[int] = []
        self.stream = FrameStream(length, fps, self._compute, keep=0)

    def _compute(self, start: int, stop: int) -> torch.Tensor:
        self.computed += range(start, stop)
        return torch.stack([self.frame(number) for number in range(start, stop)])

    def frame(self, number: int) -> torch.Tensor:
        generator = torch.Generator().manual_seed(number)
        return torch.rand(HEIGHT, WIDTH, 3, generator=generator) * 1.2 - 0.1

    def rounded(self, start: int, stop: int) -> torch.Tensor:
        return torch.stack([(self.frame(number).clamp(0, 1) * 255).round() / 255 for number in range(start, stop)])


class AtOnce(Rendering):
    """The same, computed side by side."""

    def __init__(self, length: int):
        super().__init__(length)
        self.threads: set[threading.Thread] = set()
        self.stream = FrameStream(length, 25.0, self._side_by_side, keep=0, parallel=True)

    def _side_by_side(self, start: int, stop: int) -> torch.Tensor:
        self.threads.add(threading.current_thread())
        time.sleep(0.002 * (start % 3))
        return self._compute(start, stop)


@pytest.fixture
def shelf(tmp_path) -> Shelf:
    return Shelf(tmp_path / "films", spare=0)


@pytest.mark.parametrize("fps", [25.0, 24000 / 1001, 60.0, 120.0])
def test_every_frame_is_computed_once_and_comes_back_exactly(shelf, fps):
    rendering = Rendering(130, fps)
    kept = shelf.kept(rendering.stream)
    for chunk in (4, 7, 130):
        assert torch.equal(torch.cat(list(kept.chunks(chunk))), rendering.rounded(0, 130))
    assert rendering.computed == list(range(130))


def test_any_part_in_any_order_is_computed_once(shelf):
    rendering = Rendering(120)
    kept = shelf.kept(rendering.stream)
    for start, stop in ((119, 120), (0, 10), (50, 70), (8, 14), (0, 60), (65, 120), (3, 5), (118, 120)):
        assert torch.equal(kept.frames(start, stop), rendering.rounded(start, stop))
    assert sorted(rendering.computed) == list(range(120))


def test_frames_that_are_computed_side_by_side_are_kept_in_order(shelf, two_workers):
    rendering = AtOnce(60)
    kept = shelf.kept(rendering.stream)
    walking = kept.chunks(4)
    assert torch.equal(torch.cat([next(walking) for _ in range(10)]), rendering.rounded(0, 10))
    walking.close()
    assert torch.equal(torch.cat(list(kept.part(5, 60).chunks(4))), rendering.rounded(5, 60))
    assert torch.equal(torch.cat(list(kept.chunks(4))), rendering.rounded(0, 60))
    assert set(rendering.computed) == set(range(60)) and len(rendering.computed) <= 64, "few were begun for nothing"
    assert len(rendering.threads) > 1 and threading.current_thread() not in rendering.threads
    assert len(list(shelf.folder.rglob("*.mkv"))) == 2


def test_an_interrupted_rendering_goes_on_where_it_stopped(shelf):
    rendering = Rendering(40)
    kept = shelf.kept(rendering.stream)
    for start in range(0, 20, 4):
        kept.frames(start, start + 4)
    assert torch.equal(torch.cat(list(kept.chunks(4))), rendering.rounded(0, 40))
    assert rendering.computed == list(range(40))


def test_the_film_used_longest_ago_makes_room(shelf):
    first = shelf.kept(Rendering(20).stream)
    list(first.chunks(5)), first.frames(0, 1)
    size = sum(path.stat().st_size for path in shelf.folder.rglob("*.mkv"))
    shelf.limit = int(2.5 * size)
    films = [Rendering(20) for _ in range(3)]
    kept = [shelf.kept(film.stream) for film in films]
    for one in kept:
        list(one.chunks(5))
    for one in reversed(kept):
        list(one.chunks(5))
    assert [len(film.computed) for film in films] == [40, 20, 20]


@pytest.mark.parametrize("room", [{"limit": HEIGHT * WIDTH * 3 * 5}, {"spare": 2**62}], ids=["few bytes", "a full disk"])
def test_a_film_that_does_not_fit_is_computed_again_and_the_log_says_so(tmp_path, caplog, room):
    shelf = Shelf(tmp_path / "films", **room)
    rendering = Rendering(30)
    kept = shelf.kept(rendering.stream)
    with caplog.at_level(logging.WARNING, "real3d"):
        for _ in range(2):
            assert torch.equal(torch.cat(list(kept.chunks(4))), rendering.rounded(0, 30))
    assert len(rendering.computed) == 60
    assert [record.getMessage() for record in caplog.records] == [
        "The film does not fit into the room for kept films: it is rendered again for every use."
    ]
    assert not list((tmp_path / "films").rglob("*.mkv"))


def test_a_place_that_cannot_be_written_to_costs_nothing_but_the_keeping(tmp_path):
    (tmp_path / "films").write_text("a file where the folder should be")
    rendering = Rendering(6)
    kept = Shelf(tmp_path / "films").kept(rendering.stream)
    assert torch.equal(torch.cat(list(kept.chunks(4))), rendering.rounded(0, 6))


def test_the_files_go_with_the_film(shelf):
    kept = shelf.kept(Rendering(8).stream)
    list(kept.chunks(4))
    assert list(shelf.folder.rglob("*.mkv"))
    del kept
    gc.collect()
    assert not list(shelf.folder.rglob("*"))
