"""The command line as a user meets it: one sentence and exit status 2 for what can be mended, and no half-made file.

A process of its own takes seconds to start: only what its start, its signals and its open files matter to is asked of one.
"""

import io
import os
import re
import signal
import subprocess
import sys
import time
import wave
from fractions import Fraction
from pathlib import Path

import av
import pytest
import torch

from real3d_core import __main__ as program
from real3d_core import command_line
from real3d_core.errors import Real3DError
from real3d_core.media.film import write_video
from real3d_core.media.pictures import load_picture, opaque
from real3d_core.options import parser
from real3d_core.portrait import remembered
from real3d_core.stream import FrameStream

ROOT = Path(__file__).resolve().parent.parent
PORTRAIT = ROOT / "assets" / "portraits" / "synthetic_p002.jpg"
SPEECH = ROOT / "assets" / "speech" / "librivox_0880_en.wav"


def run(*arguments, out, **environment):
    command = [sys.executable, "-m", "real3d_core", *map(str, arguments), "--out", str(out)]
    return subprocess.run(command, cwd=ROOT, env={**os.environ, **environment}, capture_output=True, text=True, stdin=subprocess.DEVNULL)


def shortened(sound: Path, target: Path, seconds: float) -> Path:
    with wave.open(str(sound)) as source, wave.open(str(target), "wb") as short:
        short.setparams(source.getparams())
        short.writeframes(source.readframes(round(seconds * source.getframerate())))
    return target


@pytest.fixture
def broken(tmp_path):
    """Inputs that cannot work, by name."""
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


@pytest.fixture
def here(monkeypatch):
    """A function that calls the program in this process, with the arguments of `run`; its exit status."""
    monkeypatch.setattr(program, "silence_native_libraries", lambda: None)
    return lambda *arguments, out: program.main([*map(str, arguments), "--out", str(out)])


@pytest.fixture
def answered(here, capsys):
    """A function from arguments to the exit status and what is printed to standard error."""

    def answer(*arguments, out):
        status = here(*arguments, out=out)
        return status, capsys.readouterr().err

    return answer


def in_a_process(*arguments, out):
    done = run(*arguments, out=out)
    return done.returncode, re.sub(r"(MediaPipe|PyTorch) runs '[^\n]*\n", "", done.stderr)


MENDED = [
    (["--portrait", "{}/wall.png", "--audio", SPEECH], "face"),
    (["--portrait", PORTRAIT, "--driving", "{}/cut.mp4"], "cut.mp4"),
    (["--portrait", "{}/empty.png", "--audio", SPEECH], "empty"),
    (["--portrait", "{}/corrupt.png", "--audio", SPEECH], "corrupt.png"),
    (["--portrait", "{}/dot.png", "--audio", SPEECH], "1 x 1"),
    (["--portrait", PORTRAIT, "--audio", "{}/nothing.wav"], "nothing.wav"),
    (["--portrait", PORTRAIT, "--audio", "{}/text.wav"], "text.wav"),
    (["--portrait", PORTRAIT, "--audio", "{}/none.wav"], "none.wav"),
    (["--portrait", PORTRAIT], "drives"),
    (["--portrait", PORTRAIT, "--audio", SPEECH, "--background", "#zzz"], "#zzz"),
    (["--portrait", PORTRAIT, "--audio", SPEECH, "--side-by-side", "--paste-back"], "--paste-back"),
]


def one_sentence(answered, arguments, word, broken):
    status, sentence = answered(*(str(part).format(broken) for part in arguments), out=broken / "film.mp4")
    assert status == 2
    assert word in sentence and len(sentence.strip().splitlines()) == 1 and "Traceback" not in sentence
    assert not list(broken.glob("*film*"))


@pytest.mark.parametrize(("arguments", "word"), MENDED)
def test_what_a_user_can_mend_is_one_sentence(answered, arguments, word, broken):
    one_sentence(answered, arguments, word, broken)


@pytest.mark.parametrize(("arguments", "word"), MENDED[:2])
def test_nothing_else_is_said_around_the_sentence(arguments, word, broken):
    """By no library, where the program runs by itself."""
    one_sentence(in_a_process, arguments, word, broken)


def test_help_loads_nothing_heavy():
    script = """
import sys
from real3d_core.__main__ import main
try:
    main(["--help"])
except SystemExit as end:
    print(end.code, sorted({"numpy", "torch", "scipy", "av", "cv2", "PIL", "safetensors"} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.endswith("0 []\n") and "--portrait" in done.stdout, done.stderr


@pytest.fixture
def refused(monkeypatch, tmp_path):
    """A function from arguments to the sentence that refuses them, before an avatar is loaded or a face is looked for."""

    def heavy(*arguments, **named):
        raise AssertionError("heavy work was begun")

    for work in ("load_avatar", "talking_portraits"):
        monkeypatch.setattr(command_line, work, heavy)

    def sentence(*arguments, out=None):
        given = ["--portrait", PORTRAIT, "--out", out or tmp_path / "film.mp4", *arguments]
        with pytest.raises(Real3DError) as failure:
            command_line.run(parser().parse_args(list(map(str, given))))
        assert not (tmp_path / "film.mp4").exists()
        assert "\n" not in str(failure.value) and str(failure.value).endswith(".")
        return str(failure.value)

    return sentence


def test_the_summary_says_what_was_bridged(here, tmp_path, capsys):
    """A wall, then a face: what the film does meanwhile is in no frame of the clip."""
    photo = torch.from_numpy(opaque(load_picture(PORTRAIT))[::4, ::4].copy()).float() / 255
    clip = torch.cat([torch.full((6, *photo.shape), 0.5), photo.expand(6, *photo.shape)])
    write_video(tmp_path / "late.mp4", FrameStream(12, 25.0, lambda start, stop: clip[start:stop]), None)
    assert here("--portrait", PORTRAIT, "--driving", tmp_path / "late.mp4", "--size", 64, out=tmp_path / "film.mp4") == 0
    assert re.search(r"film\.mp4: 12 frames, .*; bridged in the driving clip: frames 0 to \d: no face\n$", capsys.readouterr().out)


@pytest.fixture
def two_pictures(tmp_path):
    """A clip of two frames."""
    write_video(tmp_path / "two.mp4", FrameStream(2, 25.0, lambda start, stop: torch.zeros(stop - start, 64, 64, 3)), None)
    return tmp_path / "two.mp4"


@pytest.mark.parametrize(
    ("given", "word"),
    [
        *((["--size", size], "size") for size in (0, -8, 63, 255, 10**6, 10**30)),
        *((["--fps", fps], "frames per second") for fps in ("nan", 0, 1000, "-inf", "1e400")),
        *((["--pose-amount", amount], "pose amount") for amount in ("nan", "inf", "-inf", 99)),
        *((["--mouth", amount], "mouth") for amount in ("nan", -1, "inf")),
        *((["--seed", seed], "seed") for seed in (-1, 2**63, 10**40)),
        *((["--face-index", index], "face") for index in (-1, 64)),
        *((["--face-area", area], "face area") for area in (0, "nan", 1, "-inf")),
        (["--device", "banana"], "banana"),
        (["--models", "{}/nope"], "nope"),
        (["--models", "far/" * 1500], "far/far"),
        (["--neutral", 0], "--neutral"),
        (["--temperature", 0.5], "--temperature"),
        (["--transcript", "hello " * 500], "does not fit"),
        (["--transcript", "?!"], "no words"),
        (["--transcript", ""], "no words"),
    ],
)
def test_what_can_not_be_meant_is_said_before_any_work(refused, tmp_path, given, word):
    assert word in refused("--audio", SPEECH, *(str(part).format(tmp_path) for part in given))


@pytest.mark.parametrize(
    ("given", "word"), [(["--neutral", 2], "has 2"), (["--neutral", -1], "neutral"), (["--smoothing", -1], "smoothing")]
)
def test_what_can_not_be_meant_of_a_clip_is_said_before_any_work(refused, two_pictures, given, word):
    assert word in refused("--driving", two_pictures, *given)


def test_no_input_is_overwritten(refused, two_pictures, tmp_path):
    before = two_pictures.read_bytes()
    assert "would overwrite" in refused("--driving", two_pictures, out=two_pictures)
    assert "would overwrite" in refused("--audio", two_pictures, out=tmp_path / "." / "two.mp4")
    photo = tmp_path / "photo.png"
    photo.write_bytes((ROOT / "assets" / "portraits" / "astronaut.png").read_bytes())
    for option in ("--portrait", "--background", "--mask", "--checkpoint"):
        arguments = ["--audio", SPEECH, option, photo, "--contact-sheet", photo, "--avatar", "real3d"]
        assert "photo.png' is the same file" in refused(*arguments)
    assert two_pictures.read_bytes() == before and photo.stat().st_size > 100000


def test_nothing_to_do_shows_the_help():
    done = subprocess.run([sys.executable, "-m", "real3d_core"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0
    assert "--portrait" in done.stdout and "--no-provenance" in done.stdout and not done.stderr


def test_names_that_the_console_lacks_are_written_all_the_same(tmp_path):
    """Windows' consoles and redirected output know the letters of one code page only."""
    sound, name = shortened(SPEECH, tmp_path / "-voice ü.wav", 0.2), "my 影片 😀.mp4"
    command = [sys.executable, "-m", "real3d_core", "--portrait", str(PORTRAIT), "--audio", sound.name, "--out", name, "--size", "64"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "cp1252"}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, encoding="cp1252", errors="replace")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / name).stat().st_size > 1000 and "5 frames" in done.stdout


def test_an_error_about_a_name_that_the_console_lacks_is_readable(here, tmp_path, monkeypatch):
    console = io.TextIOWrapper(io.BytesIO(), encoding="cp1252")
    monkeypatch.setattr(sys, "stderr", console)
    assert here("--portrait", tmp_path / "照片.png", "--audio", SPEECH, out=tmp_path / "a.mp4") == 2
    console.flush()
    assert "does not exist" in console.buffer.getvalue().decode("cp1252")


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such signals")
def test_a_signal_in_the_midst_of_rendering_leaves_nothing(tmp_path):
    options = ["--portrait", PORTRAIT, "--audio", SPEECH, "--size", "64", "--out", tmp_path / "film.mp4"]
    command = [sys.executable, "-m", "real3d_core", *options]
    with subprocess.Popen(list(map(str, command)), cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as renders:
        while renders.poll() is None and not any(file.stat().st_size for file in tmp_path.iterdir()):
            time.sleep(0.05)
        renders.send_signal(signal.SIGINT)
        told = renders.stderr.read().decode()
    assert renders.returncode == 128 + signal.SIGINT and "Interrupted" in told and "Traceback" not in told
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such signals")
@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
def test_whatever_the_signal_nothing_is_left(answered, tmp_path, monkeypatch, name):
    number, written = getattr(signal, name), []
    before = signal.signal(number, signal.SIG_DFL)  # Ray leaves its own behind

    def interrupt(line, stage, done, total):
        if stage == "Rendering" and not written:
            written.extend(tmp_path.iterdir())
            assert callable(signal.getsignal(number)), "or it would end these tests"
            os.kill(os.getpid(), number)

    monkeypatch.setattr(command_line._ProgressLine, "__call__", interrupt)
    try:
        status, told = answered("--portrait", PORTRAIT, "--audio", SPEECH, "--size", 64, out=tmp_path / "film.mp4")
        assert signal.getsignal(number) is signal.SIG_DFL
    finally:
        signal.signal(number, before)
    assert written and status == 128 + number and "Interrupted" in told
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(os.name == "nt", reason="needs a POSIX shell")
def test_a_console_that_is_closed_stops_no_film(tmp_path):
    """Of the other ways in which a console may be none: test_console.py."""
    sound = shortened(SPEECH, tmp_path / "short.wav", 0.2)
    call = f"{sys.executable} -m real3d_core --portrait {PORTRAIT} --audio {sound} --size 64 --out {tmp_path / 'film.mp4'}"
    done = subprocess.run(["sh", "-c", f"{call} >&- 2>&-; echo $? > {tmp_path / 'status'}"], cwd=ROOT, capture_output=True)
    assert (tmp_path / "status").read_text().strip() == "0" and (tmp_path / "film.mp4").stat().st_size > 1000, done.stderr
    assert b"Traceback" not in done.stderr and b"Exception" not in done.stderr


def test_an_unwritable_place_is_known_before_any_work(refused, tmp_path):
    assert "nowhere" in refused("--audio", SPEECH, out=tmp_path / "nowhere" / "film.mp4")


def test_a_back_end_that_there_is_not_is_known_before_any_frame(answered, tmp_path, monkeypatch):
    monkeypatch.setenv("REAL3D_MARCH_BACKEND", "abacus")
    status, sentence = answered("--portrait", PORTRAIT, "--audio", SPEECH, out=tmp_path / "film.mp4")
    assert status == 2 and "no ray-marching back end 'abacus'" in sentence
    assert not list(tmp_path.glob("*film*"))


def test_a_film_is_made_where_mediapipe_does_not_load(here, tmp_path, without_mediapipe, monkeypatch):
    monkeypatch.setattr(remembered, "_PREPARED", type(remembered._PREPARED)())
    sound = shortened(SPEECH, tmp_path / "short.wav", 0.2)
    assert here("--portrait", PORTRAIT, "--audio", sound, "--size", 64, out=tmp_path / "film.mp4") == 0
    with av.open(str(tmp_path / "film.mp4")) as container:
        assert sum(1 for _ in container.decode(video=0)) == 5


def test_a_photo_and_a_voice_become_a_film_as_long_as_the_voice(here, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("REAL3D_MARCH_BACKEND", "torch")
    film, sound = tmp_path / "film.mp4", shortened(SPEECH, tmp_path / "short.wav", 0.21)
    assert here("--portrait", PORTRAIT, "--audio", sound, "--size", 128, "--contact-sheet", tmp_path / "sheet.png", out=film) == 0
    assert re.search(r" 6 frames, [\d.]+ frames per second, rays by torch, \d+ MB of memory at most$", capsys.readouterr().out)
    assert (tmp_path / "sheet.png").stat().st_size > 1000
    with av.open(str(film)) as container:
        pictures = list(container.decode(video=0))
        assert container.metadata["DigitalSourceType"].endswith("/algorithmicMedia")
    assert len(pictures) == 6  # ceil(0.21 s * 25)
    assert (pictures[0].width, pictures[0].height) == (128, 128)


@pytest.mark.skipif(not Path("/proc/self/status").is_file(), reason="tells of Linux's getrusage")
def test_the_memory_told_is_this_process_own():
    """Linux's getrusage hands a parent's peak down to the processes that it starts."""
    child = "from real3d_core.memory import peak_memory; ballast = b'.' * 2**26; print(peak_memory() // 10**6)"
    parent = f"import subprocess, sys; ballast = b'.' * 2**30; subprocess.run([sys.executable, '-c', {child!r}], check=True)"
    told = subprocess.run([sys.executable, "-c", parent], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert 50 < int(told) < 1000


def test_a_film_can_keep_quiet_about_itself(here, tmp_path, monkeypatch):
    """And have a name like an option's."""
    monkeypatch.chdir(tmp_path)
    sound = shortened(SPEECH, tmp_path / "-voice ü.wav", 0.2).name
    assert here("--portrait", PORTRAIT, "--audio", sound, "--size", 64, "--fps", 29.97, "--no-provenance", out="-film.mp4") == 0
    with av.open(str(tmp_path / "-film.mp4")) as container:
        assert not {"comment", "software", "avatar", "DigitalSourceType"} & set(container.metadata)
        assert container.streams.video[0].average_rate == Fraction(30000, 1001)
        assert container.streams.video[0].frames == 6  # ceil(0.2 s * 29.97)
