"""What is special about the twin that numba compiles: where its build is kept, what happens without numba, and threads."""

import importlib.util
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch
from scenes import soft_scene

from cuda_ops.build import Refusal
from cuda_ops.cpu import numba_loader
from real3d_core.render import MarchSettings

ROOT = Path(__file__).resolve().parents[3]
SMALL = """
SIGNATURE = "int64(int64)"
def march(number):
    return number + 1
"""


@pytest.fixture
def small_kernel(tmp_path, monkeypatch):
    """In place of the kernel a function that compiles in no time; a cache of its own."""
    pytest.importorskip("numba")
    monkeypatch.setenv("REAL3D_CACHE", str(tmp_path / "cache"))
    (tmp_path / "small.py").write_text(SMALL)
    spec = importlib.util.spec_from_file_location("small", tmp_path / "small.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setitem(sys.modules, "cuda_ops.cpu.march_numba", module)
    return tmp_path / "cache"


def hits(kernel):
    return sum(kernel.stats.cache_hits.values())


def test_without_numba_it_is_refused(monkeypatch):
    monkeypatch.setitem(sys.modules, "numba", None)
    with pytest.raises(Refusal, match="numba is not installed"):
        numba_loader.load()


def test_numba_that_does_not_work_with_this_numpy_is_refused(monkeypatch):
    def broken(name, package=None):
        raise ImportError("Numba needs NumPy 2.9 or less")

    monkeypatch.setattr(numba_loader, "import_module", broken)
    with pytest.raises(Refusal, match=r"NumPy 2\.9 or less"):
        numba_loader.load()


def test_a_build_is_kept_in_the_packs_own_cache(small_kernel):
    import numba

    before = numba.config.CACHE_DIR
    assert hits(numba_loader._kernel()) == 0
    again = numba_loader._kernel()
    assert hits(again) == 1 and again(41) == 42
    assert list(small_kernel.glob("numba-*/**/*.nbi"))
    assert before == numba.config.CACHE_DIR


@pytest.mark.parametrize("share", [0.0, 0.5, 0.99])
def test_a_damaged_build_is_made_again(small_kernel, share):
    numba_loader._kernel()
    for kept in small_kernel.glob("numba-*/**/*.nb?"):
        whole = kept.read_bytes()
        kept.write_bytes(whole[: int(share * len(whole))])
    kernel = numba_loader._kernel()
    assert kernel(41) == 42 and hits(kernel) == 0
    assert hits(numba_loader._kernel()) == 1


def test_machine_code_with_a_hole_is_not_run(small_kernel):
    numba_loader._kernel()
    for kept in small_kernel.glob("numba-*/**/*.nbc"):
        whole = kept.read_bytes()
        kept.write_bytes(whole[: len(whole) // 2] + bytes(64) + whole[len(whole) // 2 + 64 :])
    kernel = numba_loader._kernel()
    assert kernel(41) == 42 and hits(kernel) == 0


def test_a_cache_that_can_not_be_written_does_no_harm(small_kernel):
    small_kernel.write_text("a file, not a folder")
    kernel = numba_loader._kernel()
    assert kernel(41) == 42 and hits(kernel) == 0


def test_other_sources_are_another_build(small_kernel, monkeypatch, tmp_path):
    numba_loader._kernel()
    changed = tmp_path / "changed.py"
    changed.write_text("changed")
    monkeypatch.setattr(numba_loader, "SOURCES", (changed,))
    assert hits(numba_loader._kernel()) == 0


def test_two_other_processes_at_once_compile_nothing(marchers):
    marchers("cpu-numba")
    script = """
import sys
sys.path.insert(0, "tests")
import numba.core.caching
from scenes import soft_scene
from cuda_ops.cpu import numba_loader
from real3d_core.render import MarchSettings
scene = soft_scene(MarchSettings(4, 8, 8))
hits, load = [], numba.core.caching.Cache.load_overload
numba.core.caching.Cache.load_overload = lambda *arguments: hits.append(load(*arguments)) or hits[-1]
render = numba_loader.load()(scene.planes, scene.decoder, scene.cameras, scene.settings)
print(any(hits), render.features.isfinite().all().item())
"""
    command = [sys.executable, "-c", script]
    both = [subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    for process in both:
        output, errors = process.communicate()
        assert output.split() == ["True", "True"], errors


def test_two_threads_that_march_at_once(marchers):
    marcher = marchers("cpu-numba")
    scene = soft_scene(MarchSettings(resolution=24, coarse=16, fine=16))

    def picture(_):
        return marcher(scene.planes, scene.decoder, scene.cameras, scene.settings).features

    expected = picture(0)
    with ThreadPoolExecutor(2) as pool:
        assert all(torch.equal(one, expected) for one in pool.map(picture, range(6)))
