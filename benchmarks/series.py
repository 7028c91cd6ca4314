"""What a series costs beside its films: python benchmarks/series.py [--tables overhead cost parts many cluster head]

overhead: processor time of films one by one (`python -m real3d_core`) and of the same films in one series, each with all it starts.
cost: processor time of a second of film by its size, and of a film besides.
parts: a long film in one piece and in parts on one and two workers; whether frames and sound are the same.
many: a thousand films of a second; the memory of a worker as they go by.
cluster: 24 jobs, two of them bad and one long, on a Ray cluster of three nodes on this computer, one of which is killed in the midst and
started again (needs Ray); the long film is compared with itself in one piece.
head: a long film on three such nodes, whose head is killed in the midst; the cluster is started again, and the same command given.
Processor time is user and system time of all processes together, so other load on the machine does not count; wall time is not given.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
import wave
from collections import Counter
from fractions import Fraction
from itertools import cycle, islice
from pathlib import Path

import av
import numpy as np
import torch

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
ASSETS = ROOT / "assets"
PORTRAITS = sorted((ASSETS / "portraits").glob("*.[jp][pn]g"))[:4]
VOICES = sorted((ASSETS / "speech").glob("*_en.wav"))
SIZES = (64, 128, 256, 512, 1024)
LOOPBACK = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_worker_niceness": "0", "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}
NODE = {"num_cpus": 1, "object_store_memory": 80 * 2**20, "node_ip_address": "127.0.0.1"}
SOME = 25  # frames
UNHEARD = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    tables = {"overhead": overhead, "cost": cost, "parts": parts, "many": many, "cluster": cluster, "head": head}
    arguments.add_argument("--tables", nargs="+", choices=tables, default=["overhead", "parts"])
    arguments.add_argument("--jobs", type=int, default=8, help="of the table of overhead")
    arguments.add_argument("--seconds", type=float, default=10.0, help="length of its films")
    arguments.add_argument("--long", type=float, default=60.0, help="seconds of the long films")
    arguments.add_argument("--many", type=int, default=1000, help="films of a second")
    arguments.add_argument("--size", type=int, default=64)
    arguments.add_argument("--workers", type=int, default=2)
    options = arguments.parse_args()
    for name in options.tables:
        print(f"\n{name}", flush=True)
        with tempfile.TemporaryDirectory() as folder:
            tables[name](options, Path(folder))


def overhead(options: argparse.Namespace, folder: Path) -> None:
    jobs = some_jobs(folder, options.jobs, options.seconds, options.size)
    alone = sum(processor_seconds(film(job, folder / f"alone-{job['out']}")) for job in jobs)
    together = processor_seconds(series(jobs, folder, "--workers", options.workers))
    inside = sum(entry.get("processor_seconds", 0) for entry in manifest(folder))
    frames = sum(entry.get("frames", 0) for entry in manifest(folder))
    print(f"{len(jobs)} films of {options.seconds:g} s, {options.size} pixels: {frames} frames")
    print(f"one by one       {alone:8.1f} s of processor time")
    print(f"in one series    {together:8.1f} s, {together / alone:.3f} of that; {inside:.1f} s for films, the rest starts workers")


def cost(options: argparse.Namespace, folder: Path) -> None:
    """From films of one length and of another."""
    short, long = spoken(folder / "short.wav", 1.0), spoken(folder / "long.wav", 5.0)
    usual = {"portrait": str(PORTRAITS[0])}
    jobs = [{**usual, "audio": str(short), "size": 64, "out": "first.mp4"}]  # of a portrait, which is prepared once
    for size in SIZES:
        jobs += [{**usual, "audio": str(voice), "size": size, "out": f"{voice.stem}-{size}.mp4"} for voice in (short, long)]
    os.environ["OMP_NUM_THREADS"] = "1"
    processor_seconds(series(jobs, folder, "--workers", 1))
    taken = {entry["film"]: entry["processor_seconds"] for entry in manifest(folder)}
    print(f"the first film of a portrait, 1 s at 64 pixels: {taken['first.mp4']:.1f} s of processor time")
    print(f"{'size':>6s} {'a second of film':>18s} {'a film besides':>16s}")
    for size in SIZES:
        one, five = taken[f"short-{size}.mp4"], taken[f"long-{size}.mp4"]
        print(f"{size:6d} {(five - one) / 4:18.2f} {one - (five - one) / 4:16.2f}", flush=True)


def parts(options: argparse.Namespace, folder: Path) -> None:
    voice = spoken(folder / "long.wav", options.long)
    job = {"portrait": str(PORTRAITS[0]), "audio": str(voice), "size": options.size, "out": "film.mp4"}
    whole = processor_seconds(film(job, folder / "whole.mp4"))
    print(f"a film of {options.long:g} s in one piece {whole:8.1f} s of processor time")
    for workers in (1, 2):
        out = f"on {workers}"
        taken = processor_seconds(series([job], folder, "--workers", workers, "--part", options.long / 6, out=out))
        count = sum(entry["step"] == "part" for entry in manifest(folder, out))
        same = sounds_equal(folder / "whole.mp4", folder / out / "film.mp4")
        print(f"in {count} parts on {workers} workers {taken:14.1f} s, {taken / whole:.3f} of that; sound equal: {same}")


def many(options: argparse.Namespace, folder: Path) -> None:
    jobs = some_jobs(folder, options.many, 1.0, options.size, seeds=True)
    taken = processor_seconds(series(jobs, folder, "--workers", options.workers))
    entries = [entry for entry in manifest(folder) if entry["state"] == "done"]
    print(f"{len(entries)} films of a second: {taken:.0f} s of processor time, {taken / len(entries):.2f} s a film")
    print("memory of a worker at most, MB, after each tenth of its films:")
    for worker in sorted({entry["worker"] for entry in entries}):
        held = [entry["memory_mb"] for entry in entries if entry["worker"] == worker]
        print(f"{worker:20s} " + " ".join(f"{held[min(len(held) - 1, len(held) * tenth // 10)]:6d}" for tenth in range(11)))


def cluster(options: argparse.Namespace, folder: Path) -> None:
    nodes, dying = three_nodes()
    jobs = some_jobs(folder, 21, 2.0, options.size, sizes=(64, 128, 256))
    long = spoken(folder / "long.wav", options.long)
    jobs.append({"portrait": str(PORTRAITS[0]), "audio": str(long), "size": 64, "out": "long.mp4"})
    jobs += [{**jobs[0], "portrait": "none.png", "out": "bad.mp4"}, {**jobs[0], "size": 7, "out": "worse.mp4"}]
    command = series(jobs, folder, "--part", options.long / 20, "--ray", nodes.address)
    with subprocess.Popen(command, cwd=ROOT, **UNHEARD) as run:
        while run.poll() is None and sum(entry["step"] == "part" for entry in manifest(folder)) < 3:
            time.sleep(0.1)  # until it is in the midst of the long film
        nodes.remove_node(dying, allow_graceful=False)
        time.sleep(5)
        nodes.add_node(**NODE)
        status = run.wait()
    nodes.shutdown()
    entries = manifest(folder)
    lost = [entry for entry in entries if entry.get("error", "").startswith("The worker ended")]
    aside = [entry["error"] for entry in entries if entry["state"] == "set aside"]
    films = len(list((folder / "films").glob("*.mp4")))
    done = Counter((entry["film"], str(entry.get("part"))) for entry in entries if entry["state"] == "done")
    print(
        f"exit status {status}; {films} films, {len(aside)} set aside, {len(lost)} tasks lost with a node, {max(done.values())} time each"
    )
    print("\n".join(aside))
    compared(folder, jobs, "long.mp4", sorted(tuple(entry["part"]) for entry in entries if entry["state"] == "done" and "part" in entry))


def head(options: argparse.Namespace, folder: Path) -> None:
    long = spoken(folder / "long.wav", options.long)
    jobs = [{"portrait": str(PORTRAITS[0]), "audio": str(long), "size": 64, "out": "long.mp4"}]

    def parts_done() -> list[tuple[int, int]]:
        return [tuple(entry["part"]) for entry in manifest(folder) if entry["step"] == "part" and entry["state"] == "done"]

    nodes, _ = three_nodes()
    with subprocess.Popen(series(jobs, folder, "--part", options.long / 20, "--ray", nodes.address), cwd=ROOT, **UNHEARD) as run:
        while run.poll() is None and len(parts_done()) < 3:
            time.sleep(0.1)
        nodes.head_node.kill_all_processes(check_alive=False, allow_graceful=False)
        first, before = run.wait(), parts_done()
    nodes.shutdown()
    nodes, _ = three_nodes()
    second = subprocess.call(series(jobs, folder, "--part", options.long / 20, "--ray", nodes.address), cwd=ROOT, **UNHEARD)
    nodes.shutdown()
    again = len(parts_done()) - len(set(parts_done()))
    print(f"exit status {first} when the head was killed, {len(before)} parts done by then")
    print(f"exit status {second} of the same command after its start, {again} of {len(parts_done()) - again} parts rendered twice")


def three_nodes():
    """A cluster, and a node of it that is not its head."""
    os.environ |= LOOPBACK | {"OMP_NUM_THREADS": "1"}
    from ray.cluster_utils import Cluster

    nodes = Cluster(initialize_head=True, head_node_args={**NODE, "include_dashboard": False})
    node, _ = (nodes.add_node(**NODE) for _ in range(2))
    nodes.wait_for_nodes()
    return nodes, node


def compared(folder: Path, jobs: list[dict], name: str, cuts: list[tuple[int, int]]) -> None:
    """A film of parts with the same film rendered here in one piece, of which each part is encoded again; and with the beginning, the
    middle and the end of each part, rendered by an avatar that knows nothing of the film before it."""
    from real3d_core.command_line import CHUNK
    from real3d_core.media.encoding import in_8_bits
    from real3d_core.media.film import write_video
    from real3d_core.stream import FrameStream

    frames, sound = in_one_piece(folder, jobs, name)
    with torch.inference_mode():
        pictures = torch.cat([in_8_bits(chunk) for chunk in frames.chunks(CHUNK)])
    made = folder / "films" / name
    packets, shown = encoded(made), decoded(made)
    afresh, _ = in_one_piece(folder, jobs, name)
    with torch.inference_mode():
        places = [place for start, stop in cuts for place in (start, (start + stop) // 2, stop - SOME)]
        places = [max(0, min(place, len(pictures) - SOME)) for place in places]
        some = [torch.cat([in_8_bits(chunk) for chunk in afresh.part(place, place + SOME).chunks(CHUNK)]) for place in places]
    same = all(torch.equal(pictures[place : place + SOME], few) for place, few in zip(places, some, strict=True))
    equal = seamless = len(pictures) == len(packets) == len(shown) and [time for time, _ in shown] == [
        Fraction(k) / Fraction(frames.fps) for k in range(len(shown))
    ]
    for start, stop in cuts:
        write_video(folder / "part.mp4", FrameStream(stop - start, frames.fps, lambda a, b, s=start: pictures[s + a : s + b]), None, CHUNK)
        equal &= encoded(folder / "part.mp4") == packets[start:stop]
        seamless &= [picture for _, picture in decoded(folder / "part.mp4")] == [picture for _, picture in shown[start:stop]]
    write_video(folder / "whole.mp4", FrameStream(len(pictures), frames.fps, lambda a, b: pictures[a:b]), sound, CHUNK)
    print(f"{len(pictures)} frames in {len(cuts)} parts; {SOME * len(places)} rendered afresh equal those of one piece to the bit: {same};")
    print(f"all encoded as those of one piece: {equal}; decoded across all seams as parts alone, evenly in time: {seamless};")
    print(f"sound equal to the sample: {sounds_equal(folder / 'whole.mp4', made)}")


def in_one_piece(folder: Path, jobs: list[dict], name: str):
    """The frames of a film, computed when they are asked for, and its sound."""
    from real3d_core.avatar_kinds import load_avatar
    from real3d_core.command_line import avatar_source, marcher, read_inputs
    from real3d_core.pipeline import make_motion, render_frames
    from real3d_core.portrait.remembered import prepared
    from real3d_core.series.jobs import read_jobs

    series(jobs, folder)
    options = next(job.options for job in read_jobs(folder / "jobs.jsonl", folder)[0] if job.name == name)
    given, source = read_inputs(options), avatar_source(options)
    avatar = load_avatar(options.avatar, source)
    motion = make_motion(avatar, given.choices, given.sound, None)
    portrait = prepared(given.photo, source.models, None, given.choices.face_index, given.choices.face_area)
    return render_frames(avatar, portrait, motion, given.choices, march=marcher()), given.sound


def encoded(film: Path) -> list[bytes]:
    """The pictures of a film in the order of decoding."""
    with av.open(str(film)) as container:
        return [bytes(packet) for packet in container.demux(video=0) if packet.size]


def decoded(film: Path) -> list[tuple[Fraction, bytes]]:
    """(seconds, digest) of each picture."""
    with av.open(str(film)) as container:
        return [(frame.pts * frame.time_base, hashlib.sha1(frame.to_ndarray()).digest()) for frame in container.decode(video=0)]


def some_jobs(folder: Path, count: int, seconds: float, size: int, seeds: bool = False, sizes: tuple[int, ...] = ()) -> list[dict]:
    """Portraits in turn, voices in turn."""
    voices = [spoken(folder / f"{number}.wav", seconds, voice) for number, voice in enumerate(VOICES)]
    pairs = islice(zip(cycle(PORTRAITS), cycle(voices), cycle(sizes or (size,)), strict=False), count)
    return [
        {"portrait": str(portrait), "audio": str(voice), "size": side, "out": f"{number:04d}.mp4", "seed": number if seeds else 0}
        for number, (portrait, voice, side) in enumerate(pairs)
    ]


def spoken(target: Path, seconds: float, voice: Path = VOICES[0]) -> Path:
    """A voice that says the same again until it has lasted so long."""
    with wave.open(str(voice)) as source, wave.open(str(target), "wb") as written:
        written.setparams(source.getparams())
        said, length = source.readframes(source.getnframes()), 2 * round(seconds * source.getframerate())
        written.writeframes((said * (length // len(said) + 1))[:length])
    return target


def film(job: dict, out: Path) -> list[str]:
    """The command that makes one film."""
    given = {**job, "out": str(out)}
    return [sys.executable, "-m", "real3d_core", *(f"--{name}={value}" for name, value in given.items())]


def series(jobs: list[dict], folder: Path, *options: object, out: str = "films") -> list[str]:
    """The command that makes all of them."""
    (folder / "jobs.jsonl").write_text("\n".join(map(json.dumps, jobs)))
    return [sys.executable, "-m", "real3d_core", "batch", str(folder / "jobs.jsonl"), "--out", str(folder / out), *map(str, options)]


def processor_seconds(command: list[str]) -> float:
    """Of a command and all that it starts."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, cwd=ROOT, check=True, **UNHEARD)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def manifest(folder: Path, out: str = "films") -> list[dict]:
    """What has been noted so far."""
    path = folder / out / "manifest.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines() if line.endswith("}")] if path.is_file() else []


def sounds_equal(one: Path, other: Path) -> bool:
    """To the sample, as decoded."""
    decoded = []
    for path in (one, other):
        with av.open(str(path)) as container:
            decoded.append(np.concatenate([frame.to_ndarray() for frame in container.decode(audio=0)], axis=1))
    return np.array_equal(*decoded)


if __name__ == "__main__":
    main()
