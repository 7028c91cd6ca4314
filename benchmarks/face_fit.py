"""Processor time of landmark fits and of the PNCC rasteriser on one thread: python benchmarks/face_fit.py

Time is counted in processor seconds, so a busy machine hardly changes it. The face model is the synthetic stand-in of the
tests, as large as the real one.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

import numpy as np  # noqa: E402
import synthetic_bfm  # noqa: E402
import torch  # noqa: E402
from golden import load_vector, make_input  # noqa: E402

from real3d_core.mediapipe_models.model_files import ModelFolders  # noqa: E402
from real3d_core.real3d.face_model.basel import FaceModel  # noqa: E402
from real3d_core.real3d.face_model.eyelids import close_eyelids  # noqa: E402
from real3d_core.real3d.face_model.files import load_face_model  # noqa: E402
from real3d_core.real3d.face_model.fit import fit_clip, fit_picture  # noqa: E402
from real3d_core.real3d.face_model.pncc import PnccRenderer  # noqa: E402


def main() -> None:
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        synthetic_bfm.write_assets(folder, synthetic_bfm.build())
        face = load_face_model(folder, ModelFolders())
    print(f"{'step':44s} {'goal':>8s} {'measured':>10s}")
    _fits(face)
    _pictures(face)


def _fits(face: FaceModel) -> None:
    goldens = ROOT / "tests" / "goldens"
    picture = load_vector(goldens / "06_fit_image.npz")[0]["landmarks_px"]
    clip = load_vector(goldens / "06_fit_video.npz")[0]["landmarks_px"]
    to_and_fro = np.concatenate([clip, clip[::-1]])
    long_clip = to_and_fro[np.arange(125) % len(to_and_fro)]
    _row("fit of one picture", "3 s", _seconds(lambda: fit_picture(face, picture, 512), 3), "s")
    _row("fit of a clip of 125 frames", "6 s", _seconds(lambda: fit_clip(face, long_clip, 512), 3), "s")


def _pictures(face: FaceModel) -> None:
    identity, expression = (torch.from_numpy(make_input(f"portrait.secc.{n}", (2, k), 0, -0.5, 0.5)) for n, k in (("id", 80), ("exp", 64)))
    person, renderer = face.shape.of_person(identity[:1]), PnccRenderer(face)
    expression = expression.repeat(4, 1)
    count = len(expression)
    points = person.points(torch.zeros(1, 80), expression)
    pictures = renderer(points)
    _row(
        f"vertices, {count} at once, per frame", "", 1e3 * _seconds(lambda: person.points(torch.zeros(1, 80), expression), 5) / count, "ms"
    )
    _row("PNCC picture, 512 x 512", "60 ms", 1e3 * _seconds(lambda: renderer(points), 5) / count, "ms")
    _row("closing the eyelids of one picture", "", 1e3 * _seconds(lambda: close_eyelids(pictures[0], 0.5), 9), "ms")


def _seconds(run: Callable[[], object], repeats: int) -> float:
    """Median processor time of `run`, after one run to warm up."""
    run()
    times = []
    for _ in range(repeats):
        start = time.process_time()
        run()
        times.append(time.process_time() - start)
    return median(times)


def _row(step: str, goal: str, measured: float, unit: str) -> None:
    print(f"{step:44s} {goal:>8s} {measured:8.2f} {unit}")


if __name__ == "__main__":
    main()
