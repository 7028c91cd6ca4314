"""How fast a film is made, from a new process to the file: python benchmarks/film.py [--portrait P] [--voice V] [--seconds 3] [--size 512]

The whole way is measured in one run: films of the built-in avatar on 1, 2, 4 ... cores with as many workers, idle and beside one
busy process (a single thread that never waits) at equal priority and with the film at nice 5; the stages of a frame; start-up;
preparation by the photo's size; memory. Frames per second are of wall time and mean something on an idle machine only. Stages and
preparation are processor time of one thread. So that machines can be compared, each is also given in units: the processor time that
one thread takes, in the same run, for a fixed piece of work (bilinear look-ups, a matrix product and a sum of exponentials).
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parent.parent
ASSETS = ROOT / "assets"
sys.path[:0] = [str(ROOT)]
SITUATIONS = {"idle": (0, False), "busy": (0, True), "nice 5, idle": (5, False), "nice 5, busy": (5, True)}
SIDES = (512, 1024, 2048, 4899)  # pixels; the last is a square photo of 24 megapixels


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--portrait", default=ASSETS / "portraits" / "astronaut.png")
    arguments.add_argument("--voice", default=ASSETS / "speech" / "librivox_0880_en.wav")
    arguments.add_argument("--seconds", type=float, default=3.0, help="length of the films; the voice is repeated")
    arguments.add_argument("--size", type=int, default=512)
    arguments.add_argument("--workers", type=int, nargs="+", help="default: 1, 2, 4 ... as far as cores reach")
    arguments.add_argument("--tables", nargs="+", choices=("films", "stages", "start", "preparation", "memory"))
    arguments.add_argument("--part", help=argparse.SUPPRESS)  # what a process started by this one measures
    options = arguments.parse_args()
    if options.part:
        name, *values = options.part.split()
        print(
            json.dumps({"film": film, "stages": stages, "first": first_frame, "preparation": preparation}[name](options, *map(int, values)))
        )
        return
    from real3d_core.workers import cores

    unit = measured(options, "stages")["unit"]
    print(f"{processor()}, {cores()} cores; 1 unit = {unit:.2f} ms of processor time")
    tables = {"films": films, "stages": stage_table, "start": start_table, "preparation": preparation_table, "memory": memory_table}
    for name, table in tables.items():
        if not options.tables or name in options.tables:
            print(f"\n{name}")
            table(options, unit)


def films(options: argparse.Namespace, unit: float) -> None:
    from real3d_core.workers import cores

    counts = options.workers or [count for count in (1, 2, 4, 8, 16, 32, 64) if count <= cores()]
    print(f"{'cores':>8s} {'':14s} {'frames/s':>9s} {'frames/kilounit':>16s} {'of idle':>8s} {'of 1 core':>12s}")
    single = 0.0
    for count in counts:
        idle: dict[int, float] = {}
        for name, (niceness, busy) in SITUATIONS.items():
            with another_process() if busy else nullcontext():
                speed = measured(options, f"film {count}", niceness, cores=count)["speed"]
            base = idle.setdefault(niceness, speed)
            single = single or speed
            cells = f"{speed:9.1f} {speed * unit:16.1f} {speed / base:8.2f}" + (f" {speed / single:12.2f}" if name == "idle" else "")
            print(f"{count:8d} {name:14s} {cells}", flush=True)


def stage_table(options: argparse.Namespace, unit: float) -> None:
    found = measured(options, "stages")
    for name, milliseconds in found.items():
        print(f"{name:24s} {milliseconds:8.1f} ms {milliseconds / found['unit']:8.2f} units")


def start_table(options: argparse.Namespace, unit: float) -> None:
    """The second of two runs each, so that files are in the system's cache and kernels are compiled."""
    commands = {"--help": [sys.executable, "-m", "real3d_core", "--help"], "first frame": command_of(options, "first")}
    for name, command in commands.items():
        for _ in range(2):
            spent, started = sum(os.times()[2:4]), time.perf_counter()
            subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
            wall, processor_time = time.perf_counter() - started, sum(os.times()[2:4]) - spent
        print(f"{name:24s} {wall:8.2f} s, {processor_time:.2f} s of processor time, {1e3 * processor_time / unit:.0f} units")


def preparation_table(options: argparse.Namespace, unit: float) -> None:
    for side in SIDES:
        found = measured(options, f"preparation {side}", threads=1)
        seconds = f"{found['seconds']:8.2f} s {1e3 * found['seconds'] / unit:8.0f} units"
        print(f"{side:5d} x {side:<5d} {seconds} {found['memory'] / 1e6:8.0f} MB at most, {found['before'] / 1e6:.0f} before")


def memory_table(options: argparse.Namespace, unit: float) -> None:
    """What the command line tells, for films of three lengths."""
    for seconds in (2, 8, 32):
        with tempfile.TemporaryDirectory() as folder:
            voice = Path(folder) / "voice.wav"
            repeated(options.voice, seconds, voice)
            given = ("--portrait", options.portrait, "--audio", voice, "--size", options.size, "--out", Path(folder) / "film.mp4")
            command = [sys.executable, "-m", "real3d_core", *map(str, given)]
            done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
        print(f"{seconds:5d} s of film {re.search('[0-9]+ MB', done.stdout)[0]:>12s} at most", flush=True)  # type: ignore[index]


def film(options: argparse.Namespace, workers: int) -> dict[str, float]:
    """Frames per second of wall time, from the first frame to the complete file, once everything is loaded."""
    import torch

    from real3d_core import write_video

    torch.set_num_threads(workers)
    with torch.inference_mode(), tempfile.TemporaryDirectory() as folder:
        frames = made(options)["frames"]
        write_video(Path(folder) / "warm.mp4", frames.part(0, 2 * workers + 2), None)
        started = time.perf_counter()
        write_video(Path(folder) / "film.mp4", frames, None)
        return {"speed": len(frames) / (time.perf_counter() - started)}


def stages(options: argparse.Namespace) -> dict[str, float]:
    """Milliseconds of processor time per frame on one thread, and of the unit."""
    import torch

    from real3d_core import write_video
    from real3d_core.media.encoding import Encoding
    from real3d_core.media.film import _yuv

    torch.set_num_threads(1)
    with torch.inference_mode(), tempfile.TemporaryDirectory() as folder:
        streams, encoding = made(options), Encoding()
        length = min(40, len(streams["frames"]))
        streams["frames"].frames(0, 1)
        steps = {name: lambda n, stream=streams[name]: stream.frames(n, n + 1) for name in ("adapt", "march", "compose")}
        steps["to 8 bits and YUV"] = lambda n: _yuv(encoding.rgb(streams["compose"].frames(n, n + 1)), encoding)
        times = {name: [] for name in steps}
        for number in range(1, length):
            for name, step in steps.items():  # each finds what the one before has made
                times[name].append(milliseconds(lambda step=step, number=number: step(number)))
        ready = torch.cat([streams["frames"].frames(n, n + 1) for n in range(length)])
        found = {name: median(each) for name, each in times.items()}
        kept = streams["still"](ready)
        whole = milliseconds(lambda: write_video(Path(folder) / "film.mp4", kept, None)) / length
        found["encode"] = whole - found["to 8 bits and YUV"]
        return found | {"unit": min(milliseconds(work(torch)) for _ in range(9))}


def first_frame(options: argparse.Namespace) -> dict[str, float]:
    """The command line as it is, but for a film that ends after its first frame."""
    from real3d_core import __main__, command_line

    command_line.write_video = lambda out, frames, *more, **others: frames.frames(0, 1)
    with tempfile.TemporaryDirectory() as folder:
        given = ("--portrait", options.portrait, "--audio", options.voice, "--size", options.size, "--out", Path(folder) / "film.mp4")
        __main__.main([*map(str, given)])
    return {}


def preparation(options: argparse.Namespace, side: int) -> dict[str, float]:
    """Seconds of processor time, and bytes of this process."""
    import cv2

    from real3d_core import ModelFolders, load_picture, prepare_portrait
    from real3d_core.memory import peak_memory

    prepare_portrait(load_picture(options.portrait)[::2, ::2].copy(), ModelFolders())  # warms up
    photo = cv2.resize(load_picture(options.portrait), (side, side), interpolation=cv2.INTER_CUBIC)
    before = peak_memory() or 0
    spent = milliseconds(lambda: prepare_portrait(photo, ModelFolders())) / 1e3
    return {"seconds": spent, "before": before, "memory": peak_memory() or 0}


def made(options: argparse.Namespace) -> dict:
    """The streams of a film by stage, and a function that makes a stream of frames that are there already."""
    import cuda_ops
    import real3d_core as core

    models = core.ModelFolders()
    avatar = core.load_avatar("analytic", core.AvatarOptions(models, painting=cuda_ops.painting()))
    portrait = core.prepare_portrait(core.load_picture(options.portrait), models)
    with tempfile.TemporaryDirectory() as folder:
        repeated(options.voice, options.seconds, Path(folder) / "voice.wav")
        motion = core.make_motion(avatar, core.PipelineOptions(), core.load_sound(Path(folder) / "voice.wav"))
    adapted = avatar.adapt(avatar.lift(portrait), motion)
    marched = core.render_head(adapted, avatar.decoder, avatar.cameras(portrait, motion), avatar.march_settings, cuda_ops.march)
    composed = avatar.compose(marched, portrait, motion, size=options.size)
    still = lambda ready: core.FrameStream(len(ready), 25.0, lambda a, b: ready[a:b])  # noqa: E731
    return {"adapt": adapted, "march": marched, "compose": composed, "frames": composed, "still": still}


def work(torch) -> Callable[[], object]:
    """The piece of work that makes a unit."""
    plane = torch.linspace(-1, 1, 16 * 256 * 256).view(1, 16, 256, 256)
    grid = plane[0, :2].permute(1, 2, 0)[None].contiguous().sin()
    return lambda: (torch.nn.functional.grid_sample(plane, grid, align_corners=False)[0].flatten(1) @ plane[0].flatten(1).T).exp().sum()


def milliseconds(run: Callable[[], object]) -> float:
    """Of processor time, all threads of this process."""
    started = time.process_time()
    run()
    return 1e3 * (time.process_time() - started)


def measured(
    options: argparse.Namespace, part: str, niceness: int = 0, threads: int | None = None, cores: int | None = None
) -> dict[str, float]:
    """What a new process finds, on some of the cores where the system lets a process be kept to them (Linux)."""
    environment = {**os.environ, **({} if threads is None else {"OMP_NUM_THREADS": str(threads)})}

    def prepared() -> None:
        os.nice(niceness)
        if cores is not None and hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:cores])

    done = subprocess.run(command_of(options, part), cwd=ROOT, env=environment, preexec_fn=prepared, capture_output=True, text=True)
    if done.returncode:
        sys.exit(done.stderr)
    return json.loads(done.stdout.splitlines()[-1])


def command_of(options: argparse.Namespace, part: str) -> list[str]:
    given = ("--portrait", options.portrait, "--voice", options.voice, "--seconds", options.seconds, "--size", options.size)
    return [sys.executable, __file__, *map(str, given), "--part", part]


@contextmanager
def another_process() -> Iterator[None]:
    """One single thread that never waits."""
    busy = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        yield
    finally:
        busy.kill()
        busy.wait()


def repeated(voice: Path, seconds: float, target: Path) -> None:
    """A voice played again and again for so long."""
    import wave

    with wave.open(str(voice)) as source, wave.open(str(target), "wb") as film:
        film.setparams(source.getparams())
        samples, wanted = source.readframes(source.getnframes()), round(seconds * source.getframerate())
        width = source.getnchannels() * source.getsampwidth()
        film.writeframes((samples * (1 + wanted * width // len(samples)))[: wanted * width])


def processor() -> str:
    found = re.search("model name\\s*: (.*)", Path("/proc/cpuinfo").read_text()) if Path("/proc/cpuinfo").is_file() else None
    return found[1] if found else "unknown processor"


if __name__ == "__main__":
    main()
