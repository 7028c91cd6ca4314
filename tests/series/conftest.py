"""Short voices, files of jobs, and the command as a user gives it."""

import json
import os
import subprocess
import sys
import wave
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def voice(assets, tmp_path):
    """A function from seconds to a file of a voice so long, which says the same again where it is longer."""

    def shortened(seconds: float, name: str = "librivox_0880_en.wav") -> Path:
        target = tmp_path / f"{seconds:g} s of {name}"
        with wave.open(str(assets / "speech" / name)) as source, wave.open(str(target), "wb") as short:
            short.setparams(source.getparams())
            spoken, length = source.readframes(source.getnframes()), 2 * round(seconds * source.getframerate())
            short.writeframes((spoken * (length // len(spoken) + 1))[:length])
        return target

    return shortened


@pytest.fixture
def write_jobs(assets, tmp_path):
    """A function from jobs to a file of them; each has a portrait and a size of 64 unless it says otherwise."""

    def write(*jobs: dict | str) -> Path:
        usual = {"portrait": str(assets / "portraits" / "synthetic_p002.jpg"), "size": 64}
        lines = [job if isinstance(job, str) else json.dumps(usual | {name: _plain(job[name]) for name in job}) for job in jobs]
        path = tmp_path / "jobs.jsonl"
        path.write_text("\n".join(lines), encoding="utf-8")
        return path

    return write


def _plain(value):
    return str(value) if isinstance(value, Path) else value


@pytest.fixture
def batch(tmp_path):
    """A function that starts the command on a file of jobs; the process is ended with the test."""
    started = []

    def start(jobs: Path, *options) -> subprocess.Popen:
        command = [sys.executable, "-m", "real3d_core", "batch", str(jobs), "--out", str(tmp_path / "films"), *map(str, options)]
        environment = {**os.environ, "REAL3D_MARCH_BACKEND": "torch"}
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture
def entries(tmp_path):
    """A function that reads the manifest."""

    def read() -> list[dict]:
        path = tmp_path / "films" / "manifest.jsonl"
        lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
        return [json.loads(line) for line in lines if line.endswith("}")]

    return read
