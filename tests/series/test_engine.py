"""Where workers run: GPUs are shared out, and workers that cannot start are one sentence."""

import pytest

from real3d_core.errors import Real3DError
from real3d_core.series.engine import LocalEngine, _gpus_at
from real3d_core.series.folders import Folders


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


def test_workers_that_cannot_start_are_one_sentence(tmp_path):
    engine = LocalEngine(Folders.of(tmp_path), workers=1, threads=-1)
    try:
        with pytest.raises(Real3DError, match="Workers cannot be started"):
            for _ in range(100):
                engine.replies(10.0)
    finally:
        engine.close()
