"""How fast a head is marched: python benchmarks/ray_marching.py [--threads 2] [--repeats 5] [--rays 128] [--frames 1]

Every back end that works here and the plain marcher take turns in one process; medians in milliseconds per frame, everything from
planes to pictures included. "Plain" is the plain marcher with all rays at once, as the published program does it; "chunks" is the same
with a thousand rays at once, which is kinder to the processor's caches; "torch" marches by table. Ratios are against "plain".

With one thread, processor time is measured, which is what a frame takes on an idle machine. With more, compare wall times of an idle
machine. The last column compares the fastest back end with the least that 128^2 rays of 48+48 samples can take on two cores with
AVX-512, 37 ms (spec 07 section 5).
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

import torch  # noqa: E402
from scenes import Scene, golden_scene, sharp_scene, soft_scene, solid_scene  # noqa: E402

from cuda_ops.back_ends import BACK_ENDS, chosen  # noqa: E402
from cuda_ops.fused_marching import FusedMarcher  # noqa: E402
from real3d_core.render import HeadRender, MarchSettings, march  # noqa: E402

LIMIT = 37.0  # milliseconds, two cores
CORES_OF_LIMIT = 2

March = Callable[..., HeadRender]


@dataclass(frozen=True)
class Case:
    """Something to time: a scene seen by so many cameras."""

    name: str
    scene: Scene
    frames: int = 1


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--threads", type=int, default=2)
    arguments.add_argument("--repeats", type=int, default=5)
    arguments.add_argument("--rays", type=int, nargs="+", default=[64, 128, 256], help="along a side")
    arguments.add_argument("--frames", type=int, nargs="+", default=[1, 8], help="per call")
    options = arguments.parse_args()
    torch.set_num_threads(options.threads)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    clock = _gpu_clock if device == "cuda" else time.process_time if options.threads == 1 else time.perf_counter

    marchers = _marchers(device)
    print(f"{'scene':22s} {'rays':>5s} {'samples':>8s} {'frames':>6s}", *(f"{name:>16s}" for name in marchers), f"{'of limit':>9s}")
    for case in _cases(options.rays, options.frames):
        _row(replace(case, scene=moved(case.scene, device)), marchers, options, clock)


def _cases(rays: list[int], frames: list[int]) -> list[Case]:
    """The finest picture is timed alone: the plain marcher takes 10 seconds for it."""
    heads = [
        Case(name, scene(MarchSettings(side, 48, 48)), count)
        for name, scene in (("soft head", soft_scene), ("sharp head", sharp_scene), ("planes of noise", _noise_scene))
        for side in rays
        for count in frames
        if count == 1 or side < 256
    ]
    solids = [Case("bounded, built decoder", solid_scene(MarchSettings(side, 16, 16))) for side in rays if side == 128 and 1 in frames]
    return heads + solids


def _noise_scene(settings: MarchSettings) -> Scene:
    """Half transparent everywhere: nothing can be left out."""
    return replace(golden_scene("renderer_256"), settings=settings)


def _marchers(device: str) -> dict[str, March]:
    """Those that work here, under the names of columns."""
    found: dict[str, March] = {"plain": march, "chunks": march}
    for back_end in reversed(BACK_ENDS):
        choice = chosen(device, back_end.name)
        if choice.name != back_end.name:
            continue
        if isinstance(choice.march, FusedMarcher):
            found[f"{back_end.name} exact"] = choice.march.exact()
        found[back_end.name] = choice.march
    return found


def _row(case: Case, marchers: dict[str, March], options: argparse.Namespace, clock: Callable[[], float]) -> None:
    scene, settings = case.scene, case.scene.settings
    whole_frame = replace(settings, rays_per_chunk=settings.resolution**2)
    cameras = scene.cameras.repeat(case.frames, 1)
    turns = {
        name: lambda one=one, name=name: one(scene.planes, scene.decoder, cameras, whole_frame if name == "plain" else settings)
        for name, one in marchers.items()
    }
    times = {name: measured / case.frames for name, measured in _alternate(turns, options.repeats, clock).items()}
    cells = [f"{measured:8.1f} {times['plain'] / measured:6.1f}x" for measured in times.values()]
    fastest = min(times.values())
    comparable = (settings.resolution, settings.coarse, settings.fine) == (128, 48, 48)
    share = f"{LIMIT * CORES_OF_LIMIT / options.threads / fastest:8.0%}" if comparable and options.threads <= CORES_OF_LIMIT else ""
    print(
        f"{case.name:22s} {settings.resolution:3d}^2 {settings.coarse:5d}+{settings.fine} {case.frames:6d}",
        *(f"{cell:>16s}" for cell in cells),
        f"{share:>9s}",
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


def _gpu_clock() -> float:
    torch.cuda.synchronize()
    return time.perf_counter()


def moved(scene: Scene, device: torch.device | str) -> Scene:
    bounds = None if scene.planes.bounds is None else scene.planes.bounds.to(device)
    planes = replace(scene.planes, features=scene.planes.features.to(device), bounds=bounds)
    return replace(scene, planes=planes, decoder=scene.decoder.to(device), cameras=scene.cameras.to(device))


if __name__ == "__main__":
    main()
