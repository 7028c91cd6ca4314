"""The options of `python -m real3d_core batch`."""

from __future__ import annotations

from ..options import Parser
from ..ranges import Range

WORKERS = Range("The number of workers", 1, 10000, whole=True)
GPUS = Range("The number of GPUs per worker", 0, 64)
PART = Range("The length of a part", 1, 3600)  # seconds


def batch_parser() -> Parser:
    """Options of a whole series; those of its films stand in the file of jobs."""
    made = Parser(
        prog="python -m real3d_core batch",
        description="Makes a series of films on many workers. The same command goes on where a former run has ended.",
    )
    add = made.add_argument
    jobs = 'one film a line: {"portrait": "me.png", "audio": "voice.wav", "out": "film.mp4", "size": 256}, or any other options of one film'
    add("jobs", metavar="JOBS.jsonl", help=f"{jobs}; paths are relative to this file, and 'out' is to the folder of films")
    add("--out", required=True, metavar="FOLDER", help="folder of the films, the manifest and the summary; made where it is missing")
    add("--workers", type=int, metavar="N", help="worker processes (default: one per core, with networks one, or as many as GPUs allow)")
    add("--gpus-per-worker", type=float, metavar="X", help="GPUs that one worker takes, such as 1 or 0.5")
    add("--part", type=float, default=60.0, metavar="SECONDS", help=f"films much longer than this are cut into such parts, {PART} (60)")
    add("--ray", metavar="ADDRESS", help="run on this Ray cluster, such as auto or ray://head:10001; 'local' starts one on this computer")
    return made
