"""Time and memory of the paper's networks on a CPU: python benchmarks/networks.py [--checkpoint PATH] [--threads 2] [--repeats 3]

Every part runs in a process of its own that loads the whole checkpoint first, as users do. Wall is the best of the repeats and
depends on what else the machine does; processor seconds hardly do. Peak is that of the whole process, loading included. Rays are
marched as for users, by the fastest back end of cuda_ops. Without a checkpoint the reference weights of the tests are used: speed
does not depend on the numbers.

The reference's figures are those of its own program: two cores of the same machine type, float32, best wall seconds.
"""

from __future__ import annotations

import argparse
import json
import math
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

import torch  # noqa: E402
from golden import make_input  # noqa: E402
from reference_checkpoint import reference_tensors, write_checkpoint  # noqa: E402

from cuda_ops import chosen, march  # noqa: E402
from real3d_core.memory import peak_memory  # noqa: E402
from real3d_core.real3d.weights.checkpoint import Real3DNetworks, load_networks  # noqa: E402
from real3d_core.render.camera import camera_from_pose  # noqa: E402
from real3d_core.render.planes import Planes  # noqa: E402

# part: (wall seconds, gigabytes) of the reference, where known
REFERENCE = {
    "load": (None, None),
    "image-to-plane, once": (11.1, 3.7),
    "scene, once": (None, None),
    "motion adapter": (0.77, None),
    "rendering": (2.8, None),
    "super-resolution": (9.1, None),
    "frame": (13.0, 2.3),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--checkpoint", type=Path)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--only", choices=REFERENCE, help="one part, printed as JSON")
    parser.add_argument("--dtype", choices=("float32", "bfloat16"), default="float32")
    options = parser.parse_args()
    if options.only:
        print(json.dumps(measure(options)))
        return
    with tempfile.TemporaryDirectory() as folder:
        if options.checkpoint is None:
            options.checkpoint = Path(folder) / "model_ckpt_steps_1.ckpt"
            write_checkpoint(options.checkpoint, reference_tensors())
        table(options)


def table(options: argparse.Namespace) -> None:
    print(f"{options.threads} threads; wall and processor seconds, peak memory in GB; rays by {chosen('cpu').name}")
    print(f"{'':22s} {'reference':>15s} {'float32':>23s} {'bfloat16':>23s}")
    print(f"{'part':22s} {'wall':>8s}{'peak':>7s} " + f"{'wall':>9s}{'proc.':>7s}{'peak':>7s} " * 2)
    for part, (wall, peak) in REFERENCE.items():
        row = f"{part:22s} {wall or '-':>8}{peak or '-':>7} "
        for dtype in ("float32", "bfloat16"):
            command = [sys.executable, __file__, "--only", part, "--dtype", dtype, "--checkpoint", str(options.checkpoint)]
            command += ["--threads", str(options.threads), "--repeats", str(options.repeats)]
            measured = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
            row += f"{measured['wall']:9.2f}{measured['processor']:7.2f}{measured['peak']:7.2f} "
        print(row, flush=True)


def measure(options: argparse.Namespace) -> dict[str, float]:
    """One part in this process."""
    torch.set_num_threads(options.threads)
    dtype = getattr(torch, options.dtype)
    with torch.inference_mode():
        if options.only == "load":
            run = lambda: load_networks(options.checkpoint, dtype=dtype)  # noqa: E731
        else:
            run = part(load_networks(options.checkpoint, dtype=dtype), options.only)
        times = [timed(run) for _ in range(options.repeats)]
    peak = (peak_memory() or math.nan) / 1e9
    return {"wall": min(wall for wall, _ in times), "processor": min(processor for _, processor in times), "peak": peak}


def part(networks: Real3DNetworks, name: str, device: torch.device | str = "cpu") -> Callable[[], object]:
    """What is to be timed, its inputs ready on the networks' device."""

    def noise(label: str, *shape: int) -> torch.Tensor:
        return torch.from_numpy(make_input(f"benchmark:{label}", shape)).to(device)

    images = [noise(which, 1, 3, 512, 512) for which in ("canonical", "source", "target")]
    keypoints = torch.nn.functional.pad(noise("keypoints", 1, 68, 2) / 2, (0, 1))
    classes = torch.nn.functional.one_hot(noise("classes", 1, 6, 512, 512).argmax(1), 6).permute(0, 3, 1, 2).float()
    still = torch.zeros(1, 3)
    camera = camera_from_pose(still, still).float().to(device)
    canonical = noise("planes", 1, 3, 32, 256, 256)
    super_resolution = networks.super_resolution

    if name == "image-to-plane, once":
        return lambda: networks.image_to_plane(images[0])
    if name == "motion adapter":
        return lambda: networks.motion_adapter(*images)
    if name == "scene, once":
        return lambda: super_resolution.encode(images[0], images[1], classes, keypoints)
    if name == "rendering":
        return lambda: march(Planes(canonical), networks.decoder, camera)
    scene = super_resolution.encode(images[0], images[1], classes, keypoints)
    if name == "super-resolution":
        features, opacity = noise("features", 1, 32, 128, 128), noise("opacity", 1, 1, 128, 128).abs()
        return lambda: super_resolution(features, opacity, keypoints, scene, 0.9)

    def frame():
        planes = Planes(canonical + networks.motion_adapter(*images))
        render = march(planes, networks.decoder, camera)
        return super_resolution(render.features, render.opacity, keypoints, scene, 0.9)

    return frame


def timed(run: Callable[[], object]) -> tuple[float, float]:
    wall, processor = time.perf_counter(), time.process_time()
    run()
    return time.perf_counter() - wall, time.process_time() - processor


if __name__ == "__main__":
    main()
