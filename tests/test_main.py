"""The command line as a user meets it: one sentence and exit status 2 for what can be mended, and no half-made file."""

import os
import subprocess
import sys
import wave
from pathlib import Path

import av
import pytest

ROOT = Path(__file__).resolve().parent.parent
PORTRAIT = ROOT / "assets" / "portraits" / "synthetic_p002.jpg"
SPEECH = ROOT / "assets" / "speech" / "librivox_0880_en.wav"


def run(*arguments, out, **environment):
    command = [sys.executable, "-m", "real3d_core", *map(str, arguments), "--out", str(out)]
    return subprocess.run(command, cwd=ROOT, env={**os.environ, **environment}, capture_output=True, text=True, stdin=subprocess.DEVNULL)


@pytest.fixture
def broken(tmp_path):
    """Inputs that can not work, by name."""
    (tmp_path / "empty.png").write_bytes(b"")
    (tmp_path / "corrupt.png").write_bytes(PORTRAIT.read_bytes()[:400])
    (tmp_path / "text.wav").write_text("this is not a sound")
    (tmp_path / "cut.mp4").write_bytes(b"\0\0\0\x20ftypisom" + bytes(3000))
    from PIL import Image

    Image.new("RGB", (1, 1)).save(tmp_path / "dot.png")
    Image.new("RGB", (256, 256), "grey").save(tmp_path / "wall.png")
    with wave.open(str(tmp_path / "nothing.wav"), "wb") as file:
        file.setparams((1, 2, 16000, 0, "NONE", ""))
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["--portrait", "{}/wall.png", "--audio", SPEECH], "face"),
        (["--portrait", "{}/empty.png", "--audio", SPEECH], "empty"),
        (["--portrait", "{}/corrupt.png", "--audio", SPEECH], "corrupt.png"),
        (["--portrait", "{}/dot.png", "--audio", SPEECH], "1 x 1"),
        (["--portrait", PORTRAIT, "--audio", "{}/nothing.wav"], "nothing.wav"),
        (["--portrait", PORTRAIT, "--audio", "{}/text.wav"], "text.wav"),
        (["--portrait", PORTRAIT, "--driving", "{}/cut.mp4"], "cut.mp4"),
        (["--portrait", PORTRAIT, "--audio", "{}/none.wav"], "none.wav"),
        (["--portrait", PORTRAIT], "drives"),
        (["--portrait", PORTRAIT, "--audio", SPEECH, "--background", "#zzz"], "#zzz"),
        (["--portrait", PORTRAIT, "--audio", SPEECH, "--side-by-side", "--paste-back"], "--paste-back"),
    ],
)
def test_what_a_user_can_mend_is_one_sentence(arguments, word, broken):
    done = run(*(str(part).format(broken) for part in arguments), out=broken / "film.mp4")
    assert done.returncode == 2
    assert word in done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert not list(broken.glob("*film*"))


def test_an_unwritable_place_is_known_before_any_work(broken):
    done = run("--portrait", PORTRAIT, "--audio", SPEECH, out=broken / "nowhere" / "film.mp4")
    assert done.returncode == 2
    assert "nowhere" in done.stderr and "Traceback" not in done.stderr


def test_a_back_end_that_there_is_not_is_known_before_any_frame(tmp_path):
    done = run("--portrait", PORTRAIT, "--audio", SPEECH, out=tmp_path / "film.mp4", REAL3D_MARCH_BACKEND="abacus")
    assert done.returncode == 2
    assert "no ray-marching back end 'abacus'" in done.stderr and "Traceback" not in done.stderr
    assert not list(tmp_path.glob("*film*"))


@pytest.fixture
def short(tmp_path) -> Path:
    """0.55 s of a voice."""
    path = tmp_path / "short.wav"
    with wave.open(str(SPEECH)) as source, wave.open(str(path), "wb") as target:
        target.setparams(source.getparams())
        target.writeframes(source.readframes(int(0.55 * source.getframerate())))
    return path


def test_a_film_is_made_where_mediapipe_does_not_load(tmp_path, short, broken_mediapipe):
    path = os.pathsep.join([str(broken_mediapipe), *filter(None, [os.environ.get("PYTHONPATH")])])
    done = run("--portrait", PORTRAIT, "--audio", short, "--size", 128, out=tmp_path / "film.mp4", PYTHONPATH=path)
    assert done.returncode == 0, done.stderr
    with av.open(str(tmp_path / "film.mp4")) as container:
        assert sum(1 for _ in container.decode(video=0)) == 14


def test_a_photo_and_a_voice_become_a_film_as_long_as_the_voice(tmp_path, short):
    film = tmp_path / "film.mp4"
    arguments = ["--portrait", PORTRAIT, "--audio", short, "--size", 128, "--contact-sheet", tmp_path / "sheet.png"]
    done = run(*arguments, out=film, REAL3D_MARCH_BACKEND="torch")
    assert done.returncode == 0, done.stderr
    assert "14 frames" in done.stdout and "frames per second, rays by torch" in done.stdout
    assert (tmp_path / "sheet.png").stat().st_size > 1000
    with av.open(str(film)) as container:
        pictures = list(container.decode(video=0))
    assert len(pictures) == 14  # ceil(0.55 s * 25)
    assert (pictures[0].width, pictures[0].height) == (128, 128)


@pytest.mark.skipif(not Path("/proc/self/status").is_file(), reason="tells of Linux's getrusage")
def test_the_memory_told_is_this_process_own():
    """Linux's getrusage hands a parent's peak down to the processes that it starts."""
    child = "from real3d_core.__main__ import _peak_memory; print(_peak_memory())"
    parent = f"import subprocess, sys; ballast = b'.' * 2**30; subprocess.run([sys.executable, '-c', {child!r}], check=True)"
    told = subprocess.run([sys.executable, "-c", parent], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert 50 < int(told.split()[1]) < 1000
