"""Builds C++ sources when they are first needed, and keeps the results on disk (spec 07 section 4.2)."""

from __future__ import annotations

import ctypes
import hashlib
import os
import platform
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from .build_cache import cache_folder, keep, kept

COMPILERS = ("c++", "g++", "clang++")
SHARED = ("-std=c++17", "-O3", "-shared", "-fPIC")
NUMBERS = ("-fno-math-errno", "-fno-trapping-math", "-fno-signed-zeros", "-ffp-contract=fast")
NATIVE = "-mcpu=native" if platform.machine().lower() in ("arm64", "aarch64") else "-march=native"
FLAGS_TO_TRY = ((NATIVE, "-fopenmp"), ("-fopenmp",), (NATIVE,), ())
SUFFIX = ".dll" if sys.platform == "win32" else ".so"
SECONDS = 60


def built_library(name: str, source: str, flags: tuple[str, ...] | None = None) -> ctypes.CDLL:
    """The source as a loaded library: from the cache, or compiled now.

    A build goes to a temporary name and is renamed, so processes that build at the same time do not meet and need no locks. A kept
    build is loaded only if it is as it was written: a shortened library would end the process.

    Args:
        name: of the files in the cache.
        source: C++ with a plain C interface.
        flags: instead of those for this processor.

    Raises:
        Refusal: no compiler, the compiler fails or takes too long, or the cache cannot be written.
    """
    compiler = _compiler()
    reasons = []
    for extra in (flags,) if flags is not None else FLAGS_TO_TRY:
        options = (*SHARED, *NUMBERS, *extra)
        stem = f"{name}-{_key(source, compiler, options)}"
        try:
            library = kept(stem, SUFFIX) or _compile(compiler, options, source, stem)
            try:
                return ctypes.CDLL(str(library))
            except OSError:  # of another system that shares this folder
                return ctypes.CDLL(str(_compile(compiler, options, source, stem)))
        except (Refusal, OSError) as reason:
            reasons.append(str(reason))
    raise Refusal(reasons[-1])


def _compiler() -> list[str]:
    """The command that starts the C++ compiler."""
    chosen = os.environ.get("CXX")
    for command in [chosen] if chosen else COMPILERS:
        words = shlex.split(command)
        if words and (found := shutil.which(words[0])):
            return [found, *words[1:]]
    raise Refusal(f"no C++ compiler ({chosen or ', '.join(COMPILERS)}) was found")


def _key(source: str, compiler: list[str], options: tuple[str, ...]) -> str:
    """Changes with anything that a build depends on; "native" depends on the processor."""
    program = Path(compiler[0]).resolve()
    state = program.stat()
    parts = (source, *compiler, str(program), str(state.st_size), str(state.st_mtime_ns), *options, processor())
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:20]


def processor() -> str:
    """What "native" code depends on."""
    try:
        described = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
        abilities = next((line for line in described if line.lower().startswith(("flags", "features"))), "")
    except OSError:
        abilities = ""
    return f"{platform.machine()} {platform.processor()} {abilities}"


def _compile(compiler: list[str], options: tuple[str, ...], source: str, stem: str) -> Path:
    """Where the build is kept."""
    cache = cache_folder()
    try:
        cache.mkdir(parents=True, exist_ok=True)
        folder = tempfile.mkdtemp(prefix="building-", dir=cache)
    except OSError as failure:
        raise Refusal(f"the cache folder '{cache}' cannot be written ({failure.strerror})") from None
    try:
        text, result = Path(folder) / "source.cpp", Path(folder) / f"library{SUFFIX}"
        text.write_text(source, encoding="utf-8")
        command = [*compiler, *options, str(text), "-o", str(result)]
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=SECONDS)
        if done.returncode or not result.is_file():
            raise Refusal(f"the compiler '{compiler[0]}' failed: {_last_line(done.stderr)}")
        return keep(result, stem)
    except subprocess.TimeoutExpired:
        raise Refusal(f"the compiler '{compiler[0]}' took longer than {SECONDS} seconds") from None
    except OSError as failure:
        raise Refusal(f"building with '{compiler[0]}' failed: {failure}") from None
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if "error" in line.lower()] or text.strip().splitlines() or ["it said nothing"]
    return lines[0][:200]


class Refusal(Exception):
    """A back end is not available; the message says why, in a phrase. Never reaches the user: the next back end is taken."""
