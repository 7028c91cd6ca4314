"""How fast a head is marched: python benchmarks/ray_marching.py [--threads 1] [--repeats 5]

The plain marcher and the table marcher take turns in one process; medians of processor time, in milliseconds per frame. "Whole
frame" is the plain marcher with all rays at once, as the published program does it; "chunks" is the same with a thousand rays at
once, which is kinder to the processor's caches. The goal, 4 times, is against the whole frame.

With one thread, processor time is what a frame takes on an idle machine. With more, compare the wall times of an idle machine.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

import torch  # noqa: E402
from scenes import Scene, golden_scene, soft_scene, solid_scene  # noqa: E402

from real3d_core.render import MarchSettings, march, march_table  # noqa: E402

SAMPLES = (16, 24, 48)


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--threads", type=int, default=1)
    arguments.add_argument("--repeats", type=int, default=5)
    chosen = arguments.parse_args()
    torch.set_num_threads(chosen.threads)
    clock = time.process_time if chosen.threads == 1 else time.perf_counter

    print(f"{'scene':28s} {'rays':>5s} {'samples':>8s} {'whole frame':>12s} {'chunks':>8s} {'table':>8s} {'ratio':>7s} {'in chunks':>10s}")
    for resolution in (64, 128, 256):
        for samples in SAMPLES:
            settings = MarchSettings(resolution, samples, samples)
            _row("head, trained-like decoder", soft_scene(settings), chosen.repeats, clock)
    _row("noise in every texel", golden_scene("renderer_256"), chosen.repeats, clock)
    for samples in SAMPLES:
        _row("bounded solid, built decoder", solid_scene(MarchSettings(128, samples, samples)), chosen.repeats, clock)


def _row(name: str, scene: Scene, repeats: int, clock: Callable[[], float]) -> None:
    settings = scene.settings
    whole_frame = replace(settings, rays_per_chunk=settings.resolution**2)
    turns = {
        "whole frame": lambda: march(scene.planes, scene.decoder, scene.cameras, whole_frame),
        "chunks": lambda: march(scene.planes, scene.decoder, scene.cameras, settings),
        "table": lambda: march_table(scene.planes, scene.decoder, scene.cameras, settings),
    }
    whole, chunks, table = _alternate(turns, repeats, clock).values()
    print(
        f"{name:28s} {settings.resolution:3d}^2 {settings.coarse:5d}+{settings.fine} {whole:12.0f} {chunks:8.0f} {table:8.0f} "
        f"{whole / table:6.1f}x {chunks / table:9.1f}x",
        flush=True,
    )


def _alternate(turns: dict[str, Callable[[], object]], repeats: int, clock: Callable[[], float]) -> dict[str, float]:
    """Median milliseconds of each, one run of each after the other; the first round only warms up."""
    times: dict[str, list[float]] = {name: [] for name in turns}
    with torch.inference_mode():
        for _ in range(repeats + 1):
            for name, run in turns.items():
                start = clock()
                run()
                times[name].append(1e3 * (clock() - start))
    return {name: median(measured[1:]) for name, measured in times.items()}


if __name__ == "__main__":
    main()
