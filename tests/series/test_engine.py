"""Where workers run: GPUs are shared out, and workers that cannot start are one sentence."""

from itertools import islice

import pytest

from real3d_core.errors import Real3DError
from real3d_core.series.batch import _engine
from real3d_core.series.engine import LocalEngine, _gpus_at
from real3d_core.series.folders import Folders
from real3d_core.series.options import batch_parser
from real3d_core.series.tasks import LOST


@pytest.mark.parametrize(
    ("each", "visible", "expected"),
    [
        (1.0, None, ["0", "1", "2"]),
        (0.5, None, ["0", "0", "1"]),
        (2.0, None, ["0,1", "2,3", "4,5"]),
        (0.0, None, ["", "", ""]),
        (1.0, "5,7,6", ["5", "7", "6"]),
        (0.5, "GPU-a,GPU-b", ["GPU-a", "GPU-a", "GPU-b"]),
    ],
)
def test_each_worker_sees_its_own_gpus(monkeypatch, each, visible, expected):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert [_gpus_at(place, each) for place in range(3)] == expected


def test_more_workers_than_gpus_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    given = batch_parser().parse_args(["jobs.jsonl", "--out", str(tmp_path), "--workers", "3", "--gpus-per-worker", "1"])
    with pytest.raises(Real3DError, match="3 workers with 1 GPUs each need more than the 2"):
        _engine([], Folders.of(tmp_path), given)


def test_a_worker_that_ends_while_it_waits_is_replaced_at_a_desk_of_its_own(tmp_path):
    engine = LocalEngine(Folders.of(tmp_path), workers=1, threads=1)
    try:
        first = next(reply for _ in range(100) for reply in engine.replies(10.0))
        desk, process = engine._desks[0], engine._places[0][0]
        assert first.result is None
        process.kill()
        lost, ready = islice((reply for _ in range(100) for reply in engine.replies(10.0)), 2)
        assert lost.result is LOST and ready.result is None and ready.worker != first.worker
        assert engine._desks[0] != desk and engine._desks[0].parent == desk.parent
    finally:
        engine.close()


def test_workers_that_cannot_start_are_one_sentence(tmp_path):
    engine = LocalEngine(Folders.of(tmp_path), workers=1, threads=-1)
    try:
        with pytest.raises(Real3DError, match="Workers cannot be started"):
            for _ in range(100):
                engine.replies(10.0)
    finally:
        engine.close()
