"""Fixtures shared by all tests: where the goldens, the repository's own media and the development media are."""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.io import wavfile

from real3d_core.memory import _of_glibc, give_back
from real3d_core.one_thread import _from_a_thread_of_its_own, _limited

ROOT = Path(__file__).resolve().parent.parent
_MMAP_THRESHOLD, _TRIM_THRESHOLD = -3, -1  # of glibc's malloc.h


class PlainRoot:
    """Keeps pytest from importing the pack's __init__.py, which only ComfyUI can."""

    @pytest.hookimpl(tryfirst=True)
    def pytest_collect_directory(self, path: Path, parent: pytest.Collector):
        return pytest.Dir.from_parent(parent, path=path) if path == ROOT else None


class SideBySide:
    """Files are run side by side, but for those of a folder whose tests share what takes long to make and gigabytes of memory."""

    TOGETHER = "tests/real3d/networks/"
    FIRST = (
        *("tests/browser/test_face.py", TOGETHER, "tests/browser/test_page.py", "tests/series/", "tests/cuda_ops/", "tests/test_main.py"),
        *("tests/analytic/test_picture.py", "tests/nodes/test_live_faces.py", "tests/motion/test_driving_clips.py"),
    )
    """What takes longest: begun last, it would leave the other processes without work."""

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        items.sort(key=lambda item: [not item.nodeid.startswith(start) for start in self.FIRST])

    def pytest_xdist_make_scheduler(self, config: pytest.Config, log):
        class ByFixtures(pytest.importorskip("xdist.scheduler").LoadFileScheduling):
            def _split_scope(self, nodeid: str) -> str:
                return SideBySide.TOGETHER if nodeid.startswith(SideBySide.TOGETHER) else super()._split_scope(nodeid)

        config.option.loadscopereorder = False
        return ByFixtures(config, log)


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(PlainRoot())
    if config.pluginmanager.hasplugin("xdist"):
        config.pluginmanager.register(SideBySide())


@pytest.fixture(autouse=True, scope="session")
def one_thread():
    """Tiny networks and equations run faster on one thread than on two."""
    torch.set_num_threads(1)
    _from_a_thread_of_its_own(_limited)


@pytest.fixture(autouse=True, scope="module")
def freed_memory_is_kept():
    """Until a file's end: fresh pages from the system took a sixth of the time of the large networks' tests (glibc; this process alone)."""
    if option := _of_glibc("mallopt"):
        option(_MMAP_THRESHOLD, 2**27)
        option(_TRIM_THRESHOLD, 2**31 - 1)
    yield
    give_back()


@pytest.fixture
def two_workers(monkeypatch):
    """Frames are computed side by side in this test, however many cores there are."""
    monkeypatch.setattr("real3d_core.workers.cores", lambda: 2)
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def assets() -> Path:
    """Portraits and speech that the repository carries."""
    return ROOT / "assets"


@pytest.fixture(scope="session")
def speech(assets: Path) -> dict[str, np.ndarray]:
    """Samples at 16 kHz by file name."""
    samples = {}
    for path in sorted((assets / "speech").glob("*.wav")):
        rate, pcm = wavfile.read(path)
        assert rate == 16000
        samples[path.name] = (pcm / 32768).astype(np.float32)
    return samples


@pytest.fixture(scope="session")
def goldens() -> Path:
    """Reference vectors of the specification."""
    return ROOT / "tests" / "goldens"


@pytest.fixture(scope="session")
def shared_media() -> Path:
    """Development media that may not be published; tests that need them are skipped where they are absent."""
    media = ROOT.parent / "shared" / "media"
    if not media.is_dir():
        pytest.skip("the development media lie beside the development checkout only")
    return media


@pytest.fixture
def broken_mediapipe(tmp_path) -> Path:
    """A folder that, put first on Python's path, makes MediaPipe fail to import, as where libEGL is missing."""
    package = tmp_path / "broken" / "mediapipe"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text('raise OSError("libEGL.so.1: cannot open shared object file: No such file or directory")\n')
    return package.parent


@pytest.fixture
def without_mediapipe(broken_mediapipe, monkeypatch):
    """MediaPipe does not import in this test."""
    from real3d_core.mediapipe_models.runner import mediapipe_runs

    for name in [name for name in sys.modules if name.partition(".")[0] == "mediapipe"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.syspath_prepend(broken_mediapipe)
    mediapipe_runs.cache_clear()
    yield
    mediapipe_runs.cache_clear()
