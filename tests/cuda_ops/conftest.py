"""The compiled back ends, built into a folder of the test run's own."""

import os
from pathlib import Path

import cuda_emulation
import pytest
from filelock import FileLock
from scenes import trigrid_scene

from cuda_ops.back_ends import BACK_ENDS
from cuda_ops.build import Refusal
from real3d_core.render.ray_marching import MarchSettings

ROOT = Path(__file__).resolve().parents[2]
ON_PROCESSORS = {back_end.name: back_end.load for back_end in BACK_ENDS if back_end.device == "cpu"}
LOADERS = ON_PROCESSORS | {"cuda-emulated": cuda_emulation.load}


@pytest.fixture(autouse=True, scope="session")
def builds(tmp_path_factory):
    """Nothing is taken from or left in the user's cache; processes that run tests side by side share what they build."""
    folder = tmp_path_factory.getbasetemp()
    builds = (folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder) / "builds"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REAL3D_CACHE", str(builds))
        yield builds


@pytest.fixture(scope="session")
def marchers(builds):
    """Loads a back end by name; skips where its compiler is missing, and fails where it has one but cannot be built."""
    loaded = {}

    def load(name):
        if name not in loaded:
            try:
                with FileLock(f"{builds}.lock"):
                    loaded[name] = LOADERS[name]()
                    scene = trigrid_scene(MarchSettings(2, 4, 4), 3, 4, 4)  # numba compiles for stacked planes when it first meets some
                    loaded[name](scene.planes, scene.decoder, scene.cameras, scene.settings)
            except Refusal as reason:
                loaded[name] = reason
        if isinstance(loaded[name], Refusal):
            if "not installed" in str(loaded[name]) or "was found" in str(loaded[name]):
                pytest.skip(f"{name} is not available here: {loaded[name]}")
            raise loaded[name]
        return loaded[name]

    return load


@pytest.fixture(scope="session")
def or_skipped():
    """Calls what builds something compiled; skips where it cannot be built."""

    def built(load):
        try:
            return load()
        except Refusal as reason:
            pytest.skip(str(reason))

    return built


def pytest_generate_tests(metafunc):
    """Tests that ask for `compiled` run with every back end that computes on processors, those for `kernel` with the GPU's as well."""
    for name, loaders in (("compiled", ON_PROCESSORS), ("kernel", LOADERS)):
        if name in metafunc.fixturenames:
            metafunc.parametrize(name, loaders)
