"""The compiled back ends, built into a folder of the test run's own."""

import pytest

from cuda_ops import cpu_ext
from cuda_ops.refusal import Refusal

LOADERS = {"cpu-ext": cpu_ext.load}


@pytest.fixture(scope="session")
def marchers(tmp_path_factory):
    """Loads a back end by name, or skips."""
    folder, loaded = tmp_path_factory.mktemp("builds"), {}

    def load(name):
        if name not in loaded:
            with pytest.MonkeyPatch.context() as patch:
                patch.setenv("REAL3D_CACHE", str(folder))
                try:
                    loaded[name] = LOADERS[name]()
                except Refusal as reason:
                    loaded[name] = reason
        if isinstance(loaded[name], Refusal):
            pytest.skip(f"{name} is not available here: {loaded[name]}")
        return loaded[name]

    return load
