"""What a GPU does with this project: python benchmarks/gpu.py [--out gpu.json] [--seconds 360] [--device cuda]

One run of at most six minutes for a machine that is lent for a few: compiles the op for the card, compares every back end with the
plain marcher on every scene of the tests, times the marching (against plain torch and against what the card's memory allows), the
official frame in three precisions, its memory within 8 GB, and a film of the built-in avatar. Each part is written to the JSON as soon
as it is known; a part that fails leaves its reason there and the next one runs. Weights are the tests' reference weights: speed does
not depend on the numbers. With --device cpu everything runs on the processor, which shows that the script works.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

import torch  # noqa: E402
from networks import part  # noqa: E402
from ray_marching import moved  # noqa: E402
from reference_checkpoint import reference_tensors, write_checkpoint  # noqa: E402
from scenes import Scene, denser, golden_scene, soft_scene, solid_scene, trigrid_scene  # noqa: E402

from cuda_ops import march as fastest  # noqa: E402
from cuda_ops import painting  # noqa: E402
from cuda_ops.back_ends import BACK_ENDS, TORCH  # noqa: E402
from cuda_ops.build import Refusal  # noqa: E402
from cuda_ops.fused_marching import CHANNELS, FusedMarcher, PackedDecoder  # noqa: E402
from real3d_core.analytic.avatar import AnalyticAvatar  # noqa: E402
from real3d_core.command_line import CHUNK  # noqa: E402
from real3d_core.media.film import write_video  # noqa: E402
from real3d_core.media.pictures import load_picture  # noqa: E402
from real3d_core.media.sound import load_sound  # noqa: E402
from real3d_core.motion.motion import Motion  # noqa: E402
from real3d_core.pipeline import ModelFolders, PipelineOptions, talking_portraits  # noqa: E402
from real3d_core.portrait.portrait import Portrait  # noqa: E402
from real3d_core.real3d.weights.checkpoint import load_networks  # noqa: E402
from real3d_core.render import MarchSettings, march, march_dense, render_head  # noqa: E402
from real3d_core.stream import FPS, FrameStream  # noqa: E402

QUICK = MarchSettings(24, 16, 16)
BUDGET = 8 * 2**30  # bytes of a common card
DTYPES = ("float32", "bfloat16", "float16")
PARTS = ("image-to-plane, once", "scene, once", "motion adapter", "rendering", "super-resolution", "frame")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("gpu.json"))
    parser.add_argument("--seconds", type=float, default=360.0)
    parser.add_argument("--device", default="cuda")
    options = parser.parse_args()
    end = time.monotonic() + options.seconds
    report: dict[str, object] = {}
    with torch.inference_mode(), tempfile.TemporaryDirectory() as folder:
        card = Card(options.device, Path(folder))
        for name, section in SECTIONS.items():
            start = time.monotonic()
            if start > end:
                report[name] = "no time was left"
                continue
            try:
                report[name] = section(card)
            except Exception as failure:  # whatever one part meets, the machine's time goes to the others
                report[name] = f"{type(failure).__name__}: {failure}"
            print(f"\n{name} ({time.monotonic() - start:.0f} s)", table(report[name]), sep="\n", flush=True)
            options.out.write_text(json.dumps(report, indent=1))


class Card:
    """The device, how time is taken on it, and the checkpoint that every part reads."""

    def __init__(self, device: str, folder: Path):
        self.device, self.folder = torch.device(device), folder
        self.is_gpu = self.device.type == "cuda"
        self.checkpoint = folder / "model_ckpt_steps_1.ckpt"

    def networks(self, dtype: str):
        if not self.checkpoint.exists():
            write_checkpoint(self.checkpoint, reference_tensors())
        return load_networks(self.checkpoint, device=self.device, dtype=getattr(torch, dtype))

    def milliseconds(self, run: Callable[[], object], seconds: float = 2.0, most: int = 50) -> float:
        """Median of runs within about so many seconds, after one that only warms up."""
        self.clock(run)
        times, end = [], time.monotonic() + seconds
        while not times or (time.monotonic() < end and len(times) < most):
            times.append(self.clock(run))
        return median(times)

    def clock(self, run: Callable[[], object]) -> float:
        self.wait()
        start = time.perf_counter()
        run()
        self.wait()
        return 1e3 * (time.perf_counter() - start)

    def wait(self) -> None:
        if self.is_gpu:
            torch.cuda.synchronize()

    def bandwidth(self) -> float:
        """Bytes a second that a copy reads and writes."""
        source = torch.empty(2**28 if self.is_gpu else 2**26, dtype=torch.uint8, device=self.device)
        target = torch.empty_like(source)
        return 2 * len(source) / (self.milliseconds(lambda: target.copy_(source)) / 1e3)


def machine(card: Card) -> dict:
    about = {"torch": torch.__version__, "device": str(card.device), "copies, GB/s": round(card.bandwidth() / 1e9, 1)}
    if card.is_gpu:
        properties = torch.cuda.get_device_properties(card.device)
        about |= {
            "card": properties.name,
            "capability": f"{properties.major}.{properties.minor}",
            "memory, GB": properties.total_memory / 1e9,
        }
        about |= {"CUDA": torch.version.cuda}
    return about


def back_ends(card: Card) -> dict[str, FusedMarcher | str]:
    """Those of the device, or why they cannot be used."""
    found: dict[str, FusedMarcher | str] = {}
    for one in BACK_ENDS:
        if one.device == card.device.type:
            try:
                found[one.name] = one.march
            except Refusal as reason:
                found[one.name] = str(reason)
    return found


def scenes() -> dict[str, Scene]:
    """Those that the tests hold every back end against."""
    head = soft_scene(QUICK)
    steps = {(16, 16), (48, 48), (96, 96), (7, 50), (4, 3), (16, 0), (16, 1)}
    found = {f"head {coarse}+{fine}": soft_scene(replace(QUICK, coarse=coarse, fine=fine)) for coarse, fine in sorted(steps)}
    found |= {name: golden_scene(name) for name in ("renderer_64", "renderer_64_wide", "renderer_256")}
    found |= {f"trigrid of {depth}": trigrid_scene(QUICK, depth) for depth in (2, 3, 5)}
    found["solid"] = solid_scene(replace(QUICK, resolution=128))
    return found | {name: denser(head, density) for name, density in (("empty", -100.0), ("thin", -12.0), ("wall", 100.0))}


def picture(marcher: Callable, scene: Scene):
    return marcher(scene.planes, scene.decoder, scene.cameras, scene.settings)


def correctness(card: Card) -> dict:
    """Largest difference in features and opacity from the plain marcher on the processor, and the seconds that compiling took."""
    expected = {name: (scene, picture(march, scene)) for name, scene in scenes().items()}
    rows: dict[str, object] = {}
    for name, marcher in back_ends(card).items():
        if isinstance(marcher, str):
            rows[name] = marcher
            continue
        rows[f"{name}: first picture, s"] = (
            card.clock(lambda marcher=marcher: picture(marcher, moved(soft_scene(QUICK), card.device))) / 1e3
        )
        for about, (scene, plain) in expected.items():
            found = picture(marcher, moved(scene, card.device))
            both = ((plain.features, found.features), (plain.opacity, found.opacity))
            rows[f"{name}: {about}"] = [f"{(a - b.cpu()).abs().max().item():.1e}" for a, b in both]
    return rows


def marching(card: Card) -> dict:
    """Milliseconds per frame; "memory" is what reading the table once and writing the result takes at the speed of copies."""
    speed, rows = card.bandwidth(), {}
    marchers = {"plain": march, "torch": TORCH.march} | {name: one for name, one in back_ends(card).items() if not isinstance(one, str)}
    heads = [soft_scene(MarchSettings(side, 48, 48)) for side in ((64, 128, 256) if card.is_gpu else (32,))]
    for scene in [*heads, solid_scene(MarchSettings(128 if card.is_gpu else 32, 20, 8))]:
        scene, settings = moved(scene, card.device), scene.settings
        scene = replace(scene, settings=replace(settings, rays_per_chunk=settings.resolution**2))
        times = {name: card.milliseconds(lambda one=one, scene=scene: picture(one, scene)) for name, one in marchers.items()}
        units = len(PackedDecoder.of(scene.decoder, 4).bias)
        read = 4 * (scene.planes.features.numel() // CHANNELS * units + (CHANNELS + 2) * settings.resolution**2)
        times["memory"] = 1e3 * read / speed
        rows[f"{settings.resolution}^2, {settings.coarse}+{settings.fine}"] = {name: round(value, 3) for name, value in times.items()}
    return rows


def official_frame(card: Card) -> dict:
    """Milliseconds, the most memory in GB, and how often the host waits for the device within a frame."""
    rows = {}
    for dtype in DTYPES if card.is_gpu else DTYPES[:1]:
        networks = card.networks(dtype)
        for name in PARTS if card.is_gpu else PARTS[2:3]:
            run = part(networks, name, card.device)
            if card.is_gpu:
                torch.cuda.reset_peak_memory_stats()
            row = {"ms": round(card.milliseconds(run), 2)}
            if card.is_gpu:
                row |= {"GB": round(torch.cuda.max_memory_allocated() / 1e9, 2), "waits": waits(run)}
            rows[f"{name}, {dtype}"] = row
    return rows


def waits(run: Callable[[], object]) -> int:
    """How often a run makes the host wait for the device."""
    torch.cuda.set_sync_debug_mode("warn")
    try:
        with warnings.catch_warnings(record=True) as heard:
            warnings.simplefilter("always")
            run()
    finally:
        torch.cuda.set_sync_debug_mode("default")
    return sum("synchroniz" in str(one.message) for one in heard)


def small_card(card: Card) -> dict:
    """Whether lifting and a frame fit into 8 GB."""
    if not card.is_gpu:
        return {"8 GB": "not asked of a processor"}
    whole = torch.cuda.get_device_properties(card.device).total_memory
    rows = {}
    for dtype in DTYPES[:2]:
        torch.cuda.empty_cache()
        torch.cuda.set_per_process_memory_fraction(min(1.0, BUDGET / whole))
        try:
            networks = card.networks(dtype)
            for name in ("image-to-plane, once", "frame"):
                torch.cuda.reset_peak_memory_stats()
                part(networks, name, card.device)()
                rows[f"{name}, {dtype}"] = f"{torch.cuda.max_memory_reserved() / 1e9:.2f} GB"
        except torch.cuda.OutOfMemoryError as failure:
            rows[dtype] = f"does not fit: {failure}"
        finally:
            torch.cuda.set_per_process_memory_fraction(1.0)
    return rows


def built_in_film(card: Card) -> dict:
    """The built-in avatar on the device: end to end as the command line makes it, stage by stage, and against the processor's path."""
    models, assets = ModelFolders(), ROOT / "assets"
    photo, voice = load_picture(assets / "portraits/synthetic_p009.jpg"), load_sound(assets / "speech/librivox_0880_en.wav")
    seconds = 4.0 if card.is_gpu else 0.5
    avatars = {"here": AnalyticAvatar(models, painting=painting(), device=card.device), "CPU": AnalyticAvatar(models, painting=painting())}
    rows: dict[str, object] = {}
    films = {}
    for name, avatar in avatars.items():
        start = time.perf_counter()
        made = talking_portraits(avatar, [photo], PipelineOptions(), models, voice.part(0.0, seconds), march=fastest)
        films[name] = made.films[0]
        films[name].frames(0, 1)
        ready = time.perf_counter()
        write_video(card.folder / "film.mp4", films[name], made.soundtrack, CHUNK)
        rows[f"{name}: until the first frame, s"] = ready - start
        rows[f"{name}: frames per second"] = len(films[name]) / (time.perf_counter() - ready)
    differences = [(films["here"].frames(i, i + 1).cpu() - films["CPU"].frames(i, i + 1)).abs() for i in range(0, len(films["CPU"]), 10)]
    rows["difference, largest and mean"] = [f"{max(one.max().item() for one in differences):.1e}"]
    rows["difference, largest and mean"] += [f"{sum(one.mean().item() for one in differences) / len(differences):.1e}"]
    return rows | stages(card, avatars["here"], made.portraits[0], made.motion)


def stages(card: Card, avatar: AnalyticAvatar, portrait: Portrait, motion: Motion) -> dict:
    """Milliseconds a frame of each stage in chunks of the command line's size, how often the host waits in one, and the most memory."""
    planes, cameras = avatar.adapt(avatar.lift(portrait), motion), avatar.cameras(portrait, motion)
    marchers = {"march by the fastest": fastest, "march without waiting": march_dense}
    rendered = {name: render_head(planes, avatar.decoder, cameras, avatar.march_settings, one) for name, one in marchers.items()}
    chunk = rendered["march without waiting"].frames(4, 4 + CHUNK)
    frames = avatar.compose(FrameStream(len(motion), FPS, lambda *_: replace(chunk), keep=0), portrait, motion)
    rows: dict[str, object] = {}
    for name, stream in {"adapt": planes, **rendered, "compose": frames}.items():
        run = partial(stream._compute, 4, 4 + CHUNK)  # anew, of what the stage before remembers
        rows[f"{name}, ms a frame"] = round(card.milliseconds(run, 1.0) / CHUNK, 3)
        if card.is_gpu:
            rows[f"{name}, waits a chunk"] = waits(run)
    if card.is_gpu:
        rows["most memory, GB"] = round(torch.cuda.max_memory_allocated() / 1e9, 2)
    return rows


def table(rows: object) -> str:
    if not isinstance(rows, dict):
        return f"  {rows}"
    return "\n".join(f"  {name:40s} {_cells(value)}" for name, value in rows.items())


def _cells(value: object) -> str:
    if isinstance(value, dict):
        return "  ".join(f"{name} {_cells(one)}" for name, one in value.items())
    return f"{value:.4g}" if isinstance(value, float) else str(value)


SECTIONS: dict[str, Callable[[Card], dict]] = {
    "Machine": machine,
    "Every scene by every back end: largest difference": correctness,
    "Marching, ms a frame": marching,
    "Official frame": official_frame,
    "Official frame within 8 GB": small_card,
    "Film of the built-in avatar": built_in_film,
}


if __name__ == "__main__":
    main()
