"""What is printed never fails, whatever the console; and no signal that can be caught leaves a half-made file."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from real3d_core.console import Ended, ended_in_order

ROOT = Path(__file__).resolve().parent.parent
SAY = """
import sys
from real3d_core.console import make_console_safe, silence_native_libraries
make_console_safe()
silence_native_libraries()
for line in ("影片 élève 😀 \\udcff.mp4", "x" * 70000):
    print(line)
    print(line, file=sys.stderr)
sys.stdout.flush()
open("done", "w").close()
"""
WRITE = """
import sys, time
from real3d_core.console import Ended, ended_in_order
from real3d_core.files import written_whole
try:
    with ended_in_order(), written_whole("film.mp4", (".mp4",)) as temporary:
        temporary.write_bytes(b"half")
        print("ready", flush=True)
        try:
            time.sleep(60)
        finally:
            time.sleep(0.2)  # something that takes long to close
except Ended as end:
    sys.exit(end.status)
"""


def command(script: str) -> list[str]:
    return [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(ROOT)!r})\n{script}"]


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "cp932", "utf-8", "utf-16"])
def test_letters_that_a_console_lacks_are_escaped(tmp_path, encoding):
    done = subprocess.run(command(SAY), cwd=tmp_path, env={**os.environ, "PYTHONIOENCODING": encoding}, capture_output=True)
    assert done.returncode == 0 and (tmp_path / "done").exists()
    for printed in (done.stdout, done.stderr):
        assert r"\udcff.mp4" in printed.decode(encoding) and b"Traceback" not in printed


@pytest.mark.skipif(os.name == "nt", reason="needs a POSIX shell")
@pytest.mark.parametrize("end", [">&-", "2>&-", ">&- 2>&-", "<&- >&- 2>&-", ">/dev/full", "2>/dev/full", "| true", "2>&1 | true"])
def test_a_console_that_is_closed_full_or_goes_away_stops_nothing(tmp_path, end):
    (tmp_path / "say.py").write_text(f"import sys; sys.path.insert(0, {str(ROOT)!r})\n{SAY}")
    line = f"({sys.executable} say.py; echo $? > status) {end}" if "|" in end else f"{sys.executable} say.py {end}; echo $? > status"
    done = subprocess.run(["sh", "-c", line], cwd=tmp_path, capture_output=True)
    assert (tmp_path / "status").read_text().strip() == "0" and (tmp_path / "done").exists()
    assert b"Traceback" not in done.stderr and b"Exception" not in done.stderr


def test_notes_of_native_libraries_are_kept_from_the_user(tmp_path):
    script = "from real3d_core import console; console.make_console_safe(); console.silence_native_libraries(); "
    script += "import os, sys; os.write(2, b'note'); print('影', file=sys.stderr)"
    done = subprocess.run(command(script), cwd=tmp_path, env={**os.environ, "PYTHONIOENCODING": "ascii"}, capture_output=True, check=True)
    assert done.stderr.split() == [rb"\u5f71"]


@pytest.mark.skipif(os.name == "nt", reason="needs a POSIX shell")
def test_no_other_file_takes_the_place_of_a_closed_console(tmp_path):
    script = "from real3d_core.console import make_console_safe as safe; safe(); print(open('a', 'w').fileno() > 2, file=open('b', 'w'))"
    (tmp_path / "say.py").write_text(f"import sys; sys.path.insert(0, {str(ROOT)!r})\n{script}")
    subprocess.run(["sh", "-c", f"{sys.executable} say.py <&- >&- 2>&-"], cwd=tmp_path, check=True)
    assert (tmp_path / "b").read_text().strip() == "True"


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such signals")
@pytest.mark.parametrize(
    "names", [["SIGTERM"], ["SIGHUP"], ["SIGINT"], ["SIGQUIT"], ["SIGUSR1"], ["SIGINT", "SIGINT"], ["SIGINT", "SIGTERM"]]
)
def test_a_signal_leaves_nothing_half_made(tmp_path, names):
    (tmp_path / "film.mp4").write_bytes(b"before")
    with subprocess.Popen(command(WRITE), cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as writer:
        assert writer.stdout.readline() == b"ready\n" and len(list(tmp_path.iterdir())) == 2
        for name in names:
            writer.send_signal(getattr(signal, name))
        assert writer.stderr.read() == b""
    assert writer.returncode == 128 + min(getattr(signal, name) for name in names[:1])
    assert [file.name for file in tmp_path.iterdir()] == ["film.mp4"] and (tmp_path / "film.mp4").read_bytes() == b"before"


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such signals")
def test_signals_that_are_ignored_stay_so():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with ended_in_order():
            os.kill(os.getpid(), signal.SIGHUP)
        assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such signals")
def test_what_signals_did_before_they_do_again():
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(Ended, match="SIGINT") as end, ended_in_order():
        os.kill(os.getpid(), signal.SIGINT)
    assert end.value.status == 130 and signal.getsignal(signal.SIGINT) is before


@pytest.mark.skipif(not Path("/proc/self/status").is_file(), reason="the system does not say which signals are ignored")
@pytest.mark.parametrize("moment", ["before", "within"])
def test_a_signal_that_a_library_ignores_stays_ignored(tmp_path, moment):
    """MediaPipe ignores SIGPROF without Python's knowledge and sends it to itself: a program ended with status 155, or without a word."""
    lines = ["import ctypes, os, signal, sys", f"sys.path.insert(0, {str(ROOT)!r})", "from real3d_core.console import ended_in_order"]
    ignore = "ctypes.CDLL(None).signal(signal.SIGPROF, ctypes.c_void_p(1))"
    lines += [ignore if moment == "before" else "", "with ended_in_order():", f"    {ignore if moment == 'within' else ''}"]
    lines += ["    os.kill(os.getpid(), signal.SIGPROF)", "os.kill(os.getpid(), signal.SIGPROF)", "print('done')"]
    done = subprocess.run([sys.executable, "-c", "\n".join(lines)], cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "done\n")
