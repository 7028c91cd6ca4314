"""Builds on first use: from an empty cache, from a full one, and where something is in the way."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from cuda_ops import build, build_cache
from cuda_ops.build import Refusal

SOURCE = 'extern "C" int answer() { return 42; }'
ANSWER = f"""
import sys, types
sys.modules["cuda_ops"] = package = types.ModuleType("cuda_ops")  # without all that importing the package brings along
package.__path__ = ["cuda_ops"]
from cuda_ops.build import built_library
print(built_library("answer", {SOURCE!r}).answer())
"""


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("REAL3D_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def compiler():
    try:
        return build._compiler()[0]
    except Refusal as reason:
        pytest.skip(str(reason))


def stand_in(folder, script):
    """A program that is called in place of the compiler."""
    program = folder / "compiler"
    program.write_text(f"#!{sys.executable}\n{script}")
    program.chmod(0o755)
    return str(program)


def test_builds_from_an_empty_cache_and_leaves_nothing_else(compiler, cache):
    assert build.built_library("answer", SOURCE).answer() == 42
    assert len(list(cache.iterdir())) == 1


def test_a_second_process_compiles_nothing(compiler, cache, tmp_path, monkeypatch):
    counting = f"import os, sys; open({str(tmp_path / 'calls')!r}, 'a').write('x'); os.execv({compiler!r}, [{compiler!r}, *sys.argv[1:]])"
    counted = stand_in(tmp_path, counting)
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, "-c", ANSWER], env={**os.environ, "CXX": counted}, cwd=os.getcwd(), capture_output=True, text=True
        )
        assert done.stdout.strip() == "42", done.stderr
    assert (tmp_path / "calls").read_text() == "x"


def in_another_process():
    """What the library answers; another process, since a library that is not whole may end it."""
    done = subprocess.run([sys.executable, "-c", ANSWER], capture_output=True, text=True)
    return done.stdout.strip(), done.returncode, done.stderr


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9])
def test_a_build_of_which_only_the_beginning_was_written_is_made_again(compiler, cache, share):
    build.built_library("answer", SOURCE)
    (built,) = cache.iterdir()
    whole = built.read_bytes()
    built.unlink()  # this process has it mapped
    built.write_bytes(whole[: int(share * len(whole))])
    assert in_another_process() == ("42", 0, "")
    assert [path.read_bytes() for path in cache.iterdir()] == [whole]


def test_a_build_with_a_hole_is_made_again(compiler, cache):
    build.built_library("answer", SOURCE)
    (built,) = cache.iterdir()
    whole = built.read_bytes()
    built.unlink()
    built.write_bytes(whole[:4096] + bytes(4096) + whole[8192:])
    assert in_another_process() == ("42", 0, "")


def test_a_build_that_cannot_be_loaded_is_made_again(compiler, cache, tmp_path):
    """Whole, but of another system that shares the folder."""
    cache.mkdir()
    foreign = tmp_path / f"foreign{build.SUFFIX}"
    foreign.write_bytes(b"no library here")
    build_cache.keep(foreign, f"answer-{build._key(SOURCE, build._compiler(), (*build.SHARED, *build.NUMBERS))}")
    assert build.built_library("answer", SOURCE, flags=()).answer() == 42


def test_another_source_or_flag_is_another_build(compiler, cache):
    build.built_library("answer", SOURCE, flags=())
    build.built_library("answer", SOURCE, flags=("-DX",))
    build.built_library("answer", SOURCE + "\n", flags=())
    assert len(list(cache.iterdir())) == 3


def test_two_builds_at_once_do_not_meet(compiler, cache):
    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(lambda _: build.built_library("answer", SOURCE, flags=()).answer(), range(2)))
    assert answers == [42, 42]
    assert len(list(cache.iterdir())) == 1


def test_two_processes_that_build_at_once_do_not_meet(compiler, cache, tmp_path):
    slow = stand_in(tmp_path, f"import os, sys, time; time.sleep(0.5); os.execv({compiler!r}, [{compiler!r}, *sys.argv[1:]])")
    command, environment = [sys.executable, "-c", ANSWER], {**os.environ, "CXX": slow}
    both = [subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    assert [process.communicate()[0].strip() for process in both] == ["42", "42"]
    assert len(list(cache.iterdir())) == 1


def test_what_a_killed_build_left_behind_is_in_nobodys_way(compiler, cache):
    half_made = cache / "building-abcd1234"
    half_made.mkdir(parents=True)
    (half_made / "answer-0123456789.so").write_bytes(b"half a lib")
    (half_made / "lock").write_text("")
    assert build.built_library("answer", SOURCE).answer() == 42


def test_nothing_but_the_compiler_is_needed(compiler, monkeypatch, tmp_path):
    """No ninja, no make."""
    path = os.environ["PATH"]
    alone = tmp_path / "bin"
    alone.mkdir()
    call = f"import os, sys; os.environ['PATH'] = {path!r}; os.execv({compiler!r}, [{compiler!r}, *sys.argv[1:]])"
    os.rename(stand_in(alone, call), alone / "c++")
    monkeypatch.delenv("CXX", raising=False)
    monkeypatch.setenv("PATH", str(alone))
    assert build.built_library("answer", SOURCE).answer() == 42


def test_no_compiler(monkeypatch, tmp_path):
    monkeypatch.delenv("CXX", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Refusal, match=r"no C\+\+ compiler"):
        build.built_library("answer", SOURCE)


def test_a_broken_compiler(monkeypatch, tmp_path):
    monkeypatch.setenv("CXX", stand_in(tmp_path, "import sys; sys.exit('internal error: out of luck')"))
    with pytest.raises(Refusal, match="out of luck"):
        build.built_library("answer", SOURCE)


def test_a_compiler_that_says_it_is_done_but_is_not(monkeypatch, tmp_path):
    monkeypatch.setenv("CXX", stand_in(tmp_path, ""))
    with pytest.raises(Refusal, match="failed"):
        build.built_library("answer", SOURCE)


def test_a_compiler_that_never_ends(monkeypatch, tmp_path):
    monkeypatch.setenv("CXX", stand_in(tmp_path, "import time; time.sleep(60)"))
    monkeypatch.setattr(build, "SECONDS", 0.3)
    with pytest.raises(Refusal, match="longer than"):
        build.built_library("answer", SOURCE, flags=())


def test_a_cache_that_can_not_be_written(compiler, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("REAL3D_CACHE", str(tmp_path / "file" / "below"))
    with pytest.raises(Refusal, match="cannot be written"):
        build.built_library("answer", SOURCE)


def test_a_compiler_without_openmp_or_native_code_will_do(compiler, monkeypatch, tmp_path):
    picky = f"import os, sys\nif {{'-fopenmp', '{build.NATIVE}'}} & set(sys.argv): sys.exit('error: unknown')\n"
    picky += f"os.execv({compiler!r}, [{compiler!r}, *sys.argv[1:]])"
    monkeypatch.setenv("CXX", stand_in(tmp_path, picky))
    assert build.built_library("answer", SOURCE).answer() == 42
