"""The first back end that works and agrees with PyTorch is taken; whatever goes wrong, rendering goes on by the next one."""

import logging
import os
import subprocess
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch
from scenes import soft_scene, trigrid_scene

import cuda_ops
from cuda_ops import back_ends
from cuda_ops.back_ends import BACK_ENDS, BackEnd
from cuda_ops.build import Refusal
from real3d_core.errors import Real3DError
from real3d_core.render import MarchSettings, march_table

ROOT = Path(__file__).resolve().parents[2]
QUICK = MarchSettings(resolution=12, coarse=8, fine=8)
TORCH = BACK_ENDS[-1]


@pytest.fixture(autouse=True)
def nothing_chosen_yet(monkeypatch):
    monkeypatch.setattr(back_ends, "_chosen", {})
    monkeypatch.delenv(back_ends.VARIABLE, raising=False)


@pytest.fixture
def offered(monkeypatch):
    """Replaces the back ends."""
    return lambda *some: monkeypatch.setattr(back_ends, "BACK_ENDS", some)


def picture(march):
    scene = soft_scene(QUICK)
    return march(scene.planes, scene.decoder, scene.cameras, scene.settings, first_frame=0)


def raising(error):
    def load():
        raise error

    return load


def test_the_first_one_that_works_is_taken_and_loaded_once(offered):
    loads = []

    def load():
        loads.append(1)
        return lambda *arguments: march_table(*arguments)

    offered(BackEnd("cpu-ext", "cpu", load), TORCH)
    for _ in range(2):
        picture(cuda_ops.march)
    assert cuda_ops.chosen().name == "cpu-ext" and len(loads) == 1


@pytest.mark.parametrize("error", [Refusal("out of luck"), RuntimeError("out of luck"), OSError("out of luck"), MemoryError("out of luck")])
def test_one_that_fails_is_passed_over_with_one_line(offered, caplog, error):
    offered(BackEnd("cpu-ext", "cpu", raising(error)), TORCH)
    with caplog.at_level(logging.INFO):
        render = picture(cuda_ops.march)
    assert torch.equal(render.features, picture(march_table).features)
    (line,) = [record.getMessage() for record in caplog.records]
    assert "by torch" in line and "cpu-ext" in line and "out of luck" in line


def test_one_that_draws_something_else_is_refused(offered, caplog):
    def wrong(*arguments):
        render = march_table(*arguments)
        return replace(render, features=render.features + 1e-3)

    offered(BackEnd("cpu-ext", "cpu", lambda: wrong), TORCH)
    with caplog.at_level(logging.INFO):
        assert cuda_ops.chosen().name == "torch"
    assert "features differ" in caplog.text


def test_one_that_draws_no_numbers_is_refused(offered):
    def wrong(*arguments):
        render = march_table(*arguments)
        return replace(render, opacity=render.opacity * torch.nan)

    offered(BackEnd("cpu-ext", "cpu", lambda: wrong), TORCH)
    assert cuda_ops.chosen().name == "torch"


def test_one_that_is_wrong_for_trigrids_only_draws_the_rest(offered, caplog):
    loads = []

    def wrong(planes, *arguments):
        render = march_table(planes, *arguments)
        return replace(render, opacity=render.opacity + 1e-3 * (planes.depth > 1))

    offered(BackEnd("cpu-ext", "cpu", lambda: loads.append(1) or wrong), TORCH)
    scene = trigrid_scene(QUICK)
    with caplog.at_level(logging.INFO):
        render = cuda_ops.march(scene.planes, scene.decoder, scene.cameras, scene.settings)
    assert torch.equal(render.opacity, march_table(scene.planes, scene.decoder, scene.cameras, scene.settings).opacity)
    assert "trigrids on 'cpu' by torch (not by cpu-ext: its opacity differ" in caplog.text
    assert cuda_ops.chosen().name == "cpu-ext" and len(loads) == 1


def test_the_real_ones_prove_themselves_on_trigrids(marchers, offered, compiled):
    marcher = marchers(compiled)
    offered(BackEnd(compiled, "cpu", lambda: marcher), TORCH)
    assert cuda_ops.chosen(trigrids=True).name == compiled


def test_back_ends_of_other_devices_are_not_asked(offered):
    offered(BackEnd("cuda-nvrtc", "cuda", raising(AssertionError("asked"))), TORCH)
    assert cuda_ops.chosen("cpu").name == "torch"
    assert cuda_ops.chosen("meta").name == "torch"


def test_the_environment_chooses(monkeypatch):
    monkeypatch.setenv(back_ends.VARIABLE, "torch")
    assert cuda_ops.chosen().name == "torch"


def test_what_was_asked_for_is_tried_first_and_passed_over_if_it_can_not_be_used(offered, caplog):
    offered(BackEnd("cuda-nvrtc", "cuda", raising(AssertionError)), TORCH)
    with caplog.at_level(logging.INFO):
        assert cuda_ops.chosen("cpu", "cuda-nvrtc").name == "torch"
    assert "it does not take tensors on 'cpu'" in caplog.text


def test_an_unknown_back_end_is_refused_in_words(monkeypatch):
    with pytest.raises(Real3DError, match="no ray-marching back end 'abacus': choose one of auto, "):
        cuda_ops.chosen("cpu", "abacus")
    monkeypatch.setenv(back_ends.VARIABLE, "abacus")
    with pytest.raises(Real3DError, match="abacus"):
        picture(cuda_ops.march)


def test_a_marcher_by_name():
    assert torch.equal(picture(partial(cuda_ops.march, backend="torch")).features, picture(march_table).features)


def test_one_that_fails_later_is_given_up_with_one_line(offered, caplog):
    calls = []

    def failing_later(*arguments):
        calls.append(1)
        if len(calls) > 1:
            raise Refusal("the GPU is on strike")
        return march_table(*arguments)

    offered(BackEnd("cpu-ext", "cpu", lambda: failing_later), TORCH)
    for _ in range(3):
        assert torch.equal(picture(cuda_ops.march).features, picture(march_table).features)
    assert len(calls) == 2 and caplog.text.count("on strike") == 1
    assert cuda_ops.chosen().name == "torch"


@pytest.mark.parametrize(
    "trouble, numba, expected",
    [
        ("no compiler", True, "cpu-numba"),
        ("no compiler", False, "torch"),
        ("broken compiler", False, "torch"),
        ("cache is a file", False, "torch"),
    ],
)
def test_rendering_goes_on_whatever_is_missing(tmp_path, marchers, trouble, numba, expected):
    if numba:
        marchers("cpu-numba")  # built, or skipped
    cache = {} if numba else {"REAL3D_CACHE": str(tmp_path / "cache")}
    environment = {**os.environ, **cache, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT / "tests")}
    environment.pop("CXX", None)
    if trouble == "no compiler":
        environment["PATH"] = str(tmp_path)
    elif trouble == "broken compiler":
        environment["CXX"] = sys.executable
    else:
        (tmp_path / "cache").write_text("")
    script = f"""
import sys
if not {numba}:
    sys.modules["numba"] = None
import cuda_ops
from scenes import soft_scene
from real3d_core.render import MarchSettings
scene = soft_scene(MarchSettings(8, 8, 8))
render = cuda_ops.march(scene.planes, scene.decoder, scene.cameras, scene.settings)
print(cuda_ops.chosen().name, render.opacity.mean().item() > 0.1)
"""
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, env=environment, capture_output=True, text=True)
    name, drawn = done.stdout.split()
    assert (name, drawn) == (expected, "True"), done.stderr
    assert "Traceback" not in done.stderr


def test_importing_builds_nothing(tmp_path):
    environment = {**os.environ, "REAL3D_CACHE": str(tmp_path / "cache")}
    done = subprocess.run(
        [sys.executable, "-c", "import sys, cuda_ops; print('numba' in sys.modules)"], cwd=ROOT, env=environment, capture_output=True
    )
    assert done.stdout.strip() == b"False"
    assert not (tmp_path / "cache").exists()


def test_inside_a_pack_of_any_name(tmp_path):
    """As ComfyUI loads it: the folder is a package, the core and the op are below it."""
    (tmp_path / "some-pack").symlink_to(ROOT, target_is_directory=True)
    script = """
import importlib, importlib.machinery, importlib.util, sys, types
pack = types.ModuleType("pack"); pack.__path__ = [sys.argv[1]]; sys.modules["pack"] = pack
ops = importlib.import_module("pack.cuda_ops")
print(ops.march.__module__, [name for name in sys.modules if "real3d_core" in name])
print(ops.chosen("cpu", "torch").march.__module__, "real3d_core" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", script, str(tmp_path / "some-pack")], cwd=tmp_path, capture_output=True, text=True)
    assert done.stdout.splitlines() == ["pack.cuda_ops.back_ends []", "pack.real3d_core.render.dense_marching False"], done.stderr
