#!/usr/bin/env python3
"""Everything a developer does here, on Linux, macOS and Windows, with nothing but Python itself installed:

    python3 dev.py demo  [options of python -m real3d_core]   makes output/demo.mp4 and a contact sheet of it
    python3 dev.py test  [options of pytest]                  for example: python3 dev.py test -k render
    python3 dev.py bench [NAME [its options]]                 runs benchmarks/NAME.py; without a name, lists them
    python3 dev.py lint  [options of ruff check] [paths]      ruff check and ruff format --check; without paths the types too
    python3 dev.py pythons                                    the demo in a clean clone with every Python on this machine
    python3 dev.py words                                      locales and help pages from the nodes' schemas
    python3 dev.py matrix [options of pytest]                 tests with the oldest and the newest packages, with every Python

The first call makes .venv beside this file and installs the requirements there; later calls install again only when
a requirements file or the version of Python has changed.
"""

import ast
import hashlib
import itertools
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
STAMP = VENV / "dev-stamp"
REQUIREMENTS = ("requirements.txt", "requirements-dev.txt", "requirements-dev-nodeps.txt", "requirements-dev-optional.txt")
MATRIX = ("av", "numpy", "transformers")  # packages whose interfaces have changed under us; pyproject.toml names the oldest of each
MATRIX_TESTS = (
    *("media/test_container", "media/test_sound", "media/test_sound_channels", "media/test_clip", "media/test_film"),
    *("media/test_recording", "test_main", "real3d/audio_to_motion/test_hubert", "nodes/test_stages", "nodes/test_conversions"),
    *("nodes/test_backdrop", "nodes/test_rendered_video", "nodes/test_talking_portrait"),
)
MOST_WORKERS = 4
TYPED = ("*.py", "real3d_core/**/*.py", "nodes/**/*.py", "cuda_ops/**/*.py")  # what lint checks the types of
PYTHONS = ((3, 10), (3, 14))  # the oldest and newest that PyTorch of requirements-dev.txt has packages for


def main(arguments):
    """Exit status of one call. (No annotations here: they would keep an old Python from reading as far as its refusal.)"""
    commands = {"demo": demo, "test": test, "bench": bench, "lint": lint, "words": words, "pythons": pythons, "matrix": matrix}
    if not arguments or arguments[0] not in commands:
        print(__doc__.strip())
        return 0 if arguments[:1] in (["-h"], ["--help"], ["help"]) else 2
    complaint = unsuitable(sys.version_info[:2])
    if complaint:
        return fail(complaint)
    return commands[arguments[0]](arguments[1:])


def demo(arguments):
    """The command line on the repository's own portrait and speech; a later option wins over an earlier one."""
    prepare()
    output = ROOT / "output"
    output.mkdir(exist_ok=True)
    media = [
        *("--portrait", str(ROOT / "assets" / "portraits" / "astronaut.png")),
        *("--audio", str(ROOT / "assets" / "speech" / "librivox_0880_en.wav")),
        *("--out", str(output / "demo.mp4"), "--contact-sheet", str(output / "demo.png")),
    ]
    return run(["-m", "real3d_core", *media, *arguments])


def test(arguments):
    """The whole run, which is long, uses a few cores; a chosen part of it does not need to."""
    prepare()
    return run(["-m", "pytest", *(arguments or side_by_side(os.cpu_count() or 1))], folder=ROOT)


def side_by_side(cores):
    """Options of pytest that run files side by side, in one process more than there are cores: browsers and servers are waited for.

    Each process takes 2 to 3 GB of memory, that which runs the official networks 6.
    """
    return ["-n", str(min(cores + 1, MOST_WORKERS)), "--dist", "loadfile"] if cores > 1 else []


def bench(arguments):
    """Paths among the options are meant from where the caller stands."""
    scripts = {script.stem: script for script in sorted((ROOT / "benchmarks").glob("*.py"))}
    if not arguments:
        for name, script in scripts.items():
            print(f"{name:24}{first_line(script)}")
        return 0
    if arguments[0] not in scripts:
        return fail(f"There is no benchmark '{arguments[0]}'; there are: {', '.join(scripts) or 'none yet'}.")
    prepare()
    return run([str(scripts[arguments[0]]), *arguments[1:]])


def lint(arguments):
    """Every check runs even if one before it fails."""
    prepare()
    paths = [argument for argument in arguments if not argument.startswith("-")]
    options = [argument for argument in arguments if argument.startswith("-")]
    checked = run(["-m", "ruff", "check", *options, *(paths or ["."])], folder=ROOT)
    formatted = run(["-m", "ruff", "format", "--check", *(paths or ["."])], folder=ROOT)
    typed = 0 if paths else check_types()
    return checked or formatted or typed


def check_types():
    """mypy's exit status. It names a package after its folder, and a checkout's folder may have any name: so it reads a copy."""
    with tempfile.TemporaryDirectory() as folder:
        for script in (script for pattern in TYPED for script in ROOT.glob(pattern)):
            copy = Path(folder) / "pack" / script.relative_to(ROOT)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(script, copy)
        settings = ["--config-file", str(ROOT / "pyproject.toml"), "--cache-dir", str(ROOT / "output" / "mypy")]
        return run(["-m", "mypy", *settings, "pack"], folder=folder)


def words(arguments):
    """A tooltip is written once, in the node; this carries it to the locales and the help pages."""
    prepare()
    return run([str(ROOT / "tests" / "words.py")])


def pythons(arguments):
    """A Python in which the packages cannot be installed is named and passed over: the machine may lack the room or the network."""
    failed = []
    for version, python in sorted(found_pythons().items()):
        with tempfile.TemporaryDirectory() as folder:
            clone = cleanly_cloned(folder)
            if subprocess.call([python, "-c", "import dev; dev.prepare()"], cwd=str(clone)):
                say("Python {}.{}: the packages could not be installed; not run.".format(*version))
            elif subprocess.call([python, "dev.py", "demo"], cwd=str(clone)):
                failed.append(version)
            else:
                say("Python {}.{}: the demo was made.".format(*version))
    return fail("The demo failed with Python " + ", ".join("{}.{}".format(*one) for one in failed) + ".") if failed else 0


def matrix(arguments):
    """Prints a line for every combination; those that have no packages for a Python are named, not tried in other ways."""
    oldest = dict(re.findall(r'"([\w-]+)>=([\d.]+)"', (ROOT / "pyproject.toml").read_text(encoding="utf-8")))
    rows = []
    for version, python in sorted(found_pythons().items()):
        with tempfile.TemporaryDirectory() as folder:
            clone = cleanly_cloned(folder)
            if subprocess.call([python, "-c", "import dev; dev.prepare()"], cwd=str(clone)):
                rows.append((version, "all", "the packages could not be installed"))
                continue
            inside = [python, "-c", "import dev, sys; sys.exit(dev.tried(sys.argv[1].split(), sys.argv[2:]))"]
            for choice in itertools.product(("oldest", "newest"), repeat=len(MATRIX)):
                packages = [name if age == "newest" else f"{name}=={oldest[name]}" for name, age in zip(MATRIX, choice, strict=True)]
                status = subprocess.call([*inside, " ".join(packages), *(arguments or test_files())], cwd=str(clone))
                rows.append((version, " ".join(packages), {0: "passed", 3: "does not resolve"}.get(status, "FAILED")))
    for version, combination, outcome in rows:
        print("{}.{:<4}".format(*version) + f"{combination:60}{outcome}")
    return 1 if any(outcome == "FAILED" for *_, outcome in rows) else 0


def tried(packages, arguments):
    """Exit status of pytest with these packages in .venv; 3 if there are no such packages for this Python."""
    return 3 if pip(["--upgrade", "--only-binary", ":all:", *packages], optional=True) else run(["-m", "pytest", *arguments], folder=ROOT)


def test_files():
    return [f"tests/{name}.py" for name in MATRIX_TESTS]


def found_pythons():
    """{(major, minor): interpreter} of every suitable Python on this machine: this one, those on the path, pyenv's and Windows'."""
    found = {}
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
    for minor in range(PYTHONS[0][1], PYTHONS[1][1] + 1):
        version = (3, minor)
        candidates = [
            *([sys.executable] if sys.version_info[:2] == version else []),
            *filter(None, [shutil.which(f"python3.{minor}")]),
            *(str(path) for path in sorted(pyenv.glob(f"3.{minor}.*/bin/python3"), reverse=True)),
        ]
        commands = [[path] for path in candidates] + ([["py", f"-3.{minor}"]] if os.name == "nt" else [])
        for command in commands:
            answer = asked([*command, "-c", "import sys; print(sys.executable); print(sys.version_info[:2])"])
            if answer and answer.splitlines()[-1] == str(version):
                found[version] = answer.splitlines()[0]
                break
    return found


def asked(command):
    """What a command prints, None if it does not run."""
    try:
        answer = subprocess.run(command, capture_output=True, text=True)
    except OSError:
        return None
    return answer.stdout.strip() if answer.returncode == 0 else None


def cleanly_cloned(folder):
    """A clone of this repository's newest commit in a folder."""
    clone = Path(folder) / "clone"
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
    return clone


def unsuitable(version):
    """One sentence if this Python cannot run the project, else None."""
    oldest, newest = PYTHONS
    if oldest <= version <= newest:
        return None
    wanted = "python{}.{}".format(*newest) if version > newest else "python{}.{}".format(*oldest)
    return (
        "This is Python {}.{}, but PyTorch has packages for Python {}.{} to {}.{} only; "
        "call dev.py with another one, for example: {} dev.py test"
    ).format(*version, *oldest, *newest, wanted)


def prepare():
    """Makes sure that .venv is complete and up to date."""
    wanted = fingerprint({name: (ROOT / name).read_bytes() for name in REQUIREMENTS}, sys.version_info[:2])
    stamp = STAMP.read_text() if STAMP.is_file() else None
    step = next_step(stamp, wanted, venv_version())
    if step == "nothing":
        return
    if step == "make":
        say("Making .venv (first time only) ...")
        make_venv()
    STAMP.unlink(missing_ok=True)  # an interruption from here on leaves an environment that is known to be half made
    install()
    STAMP.write_text(wanted)
    say("Ready.")


def fingerprint(files, version):
    """Changes when any of {name: bytes} or the (major, minor) version of Python changes; line ends do not count."""
    digest = hashlib.sha256("{}.{}".format(*version).encode())
    for name in sorted(files):
        content = files[name].replace(b"\r\n", b"\n")
        digest.update(f"\0{name}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()


def next_step(stamp, wanted, version):
    """What .venv needs: "nothing", "install" into it, or "make" it anew.

    stamp: fingerprint left by the last complete installation, None if there was none.
    wanted: fingerprint of now.
    version: (major, minor) of the Python in .venv, None if it does not run.
    """
    if stamp is None or version != sys.version_info[:2]:
        return "make"
    return "nothing" if stamp == wanted else "install"


def venv_version():
    """(major, minor) of the Python in .venv, None if there is none that runs."""
    try:
        answer = subprocess.run([venv_python(), "-c", "import sys; print(sys.version_info[:2])"], capture_output=True, text=True)
    except OSError:
        return None
    return ast.literal_eval(answer.stdout) if answer.returncode == 0 else None


def venv_python():
    return str(VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python"))


def make_venv():
    python = getattr(sys, "_base_executable", None) or sys.executable
    if VENV.is_symlink():
        VENV.unlink()
    elif VENV.exists():
        try:
            shutil.rmtree(VENV)
        except OSError as failure:
            sentence = f"The folder .venv cannot be removed ({failure}); close what uses it and delete it by hand."
            raise SystemExit(fail(sentence)) from None
    if subprocess.run([python, "-m", "venv", str(VENV)], stdout=sys.stderr).returncode:
        raise SystemExit(fail("Python could not make .venv; on Debian and Ubuntu this needs: sudo apt install python3-venv"))


def install():
    """PyTorch in a call of its own, so that nothing else chooses its build; then the rest."""
    torch = next(line for line in (ROOT / "requirements-dev.txt").read_text().splitlines() if line.startswith("torch=="))
    say("Installing PyTorch (first time only, a few minutes) ...")
    pip([torch])
    say("Installing the other packages ...")
    pip(["-r", "requirements.txt", "-r", "requirements-dev.txt"])
    pip(["--no-deps", "-r", "requirements-dev-nodeps.txt"])
    for package in packages("requirements-dev-optional.txt"):
        if pip([package], optional=True):
            say(f"{package} could not be installed; everything works without it.")


def packages(requirements):
    """What a requirements file names."""
    lines = (line.partition("#")[0].strip() for line in (ROOT / requirements).read_text(encoding="utf-8").splitlines())
    return [line for line in lines if line]


def pip(what, optional=False):
    """pip's exit status; ends the program with pip's own words if it fails, unless `optional`."""
    command = [venv_python(), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input", *what]
    done = subprocess.run(
        command, cwd=str(ROOT), env={**os.environ, "PIP_USER": "0"}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    if done.returncode and not optional:
        raise SystemExit(fail(f"{done.stdout}\nThe packages could not be installed; see pip's message above."))
    return done.returncode


def run(arguments, folder=None):
    """Exit status of the environment's Python with these arguments, run in `folder` or where the caller stands."""
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    status = subprocess.run([venv_python(), *arguments], cwd=folder and str(folder), env=environment).returncode
    return status if status >= 0 else 128 - status


def first_line(script):
    """First line of a script's docstring."""
    return (ast.get_docstring(ast.parse(script.read_text(encoding="utf-8"))) or "").partition("\n")[0]


def say(line):
    print(line, file=sys.stderr, flush=True)


def fail(sentence):
    """Says it and gives the exit status of a call that cannot be carried out."""
    say(sentence)
    return 2


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
