"""The library's public names, and the examples of docs/library.md, run as they stand there."""

import ast
import pkgutil
import re
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import real3d_core
from real3d_core import FrameStream, load_sound, open_clip, write_video

ROOT = Path(__file__).resolve().parent.parent
EXAMPLES = sorted((ROOT / "docs" / "examples").glob("*.py"))
FRAMES = 6


def names_for_type_checkers() -> dict[str, str]:
    """{name: module} of the imports that only type checkers read."""
    tree = ast.parse((ROOT / "real3d_core" / "__init__.py").read_text(encoding="utf-8"))
    block = next(node for node in tree.body if isinstance(node, ast.If))
    return {alias.asname: node.module for node in block.body for alias in node.names if alias.asname == alias.name}


def test_importing_the_library_loads_nothing():
    script = "import sys, real3d_core; print(sorted({'torch', 'numpy', 'cv2', 'av', 'scipy', 'PIL'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr


def test_every_public_name_is_there_and_listed():
    public = names_for_type_checkers()
    assert len(public) > 30
    assert public == real3d_core._MODULE_OF, "the table and the imports for type checkers differ"
    assert set(public) <= set(dir(real3d_core))
    for name in public:
        assert getattr(real3d_core, name).__doc__, f"{name} has no docstring"


def test_no_public_name_is_also_a_module():
    """Importing a module of the same name would take the name's place."""
    assert not {module.name for module in pkgutil.iter_modules(real3d_core.__path__)} & set(real3d_core._MODULE_OF)


def test_an_unknown_name_is_an_ordinary_error():
    with pytest.raises(AttributeError, match="no attribute 'perfrom'"):
        _ = real3d_core.perfrom


@pytest.fixture
def folder(tmp_path, monkeypatch, assets) -> Path:
    """A working folder with the inputs that the examples name, some frames long."""
    shutil.copy(assets / "portraits" / "astronaut.png", tmp_path / "me.png")
    clip = open_clip(ROOT / "example_workflows" / "input" / "real3d_driving.mp4").part(0, FRAMES / 25)
    voice = load_sound(assets / "speech" / "librivox_0880_en.wav", 0, FRAMES / 25)
    pictures = [torch.from_numpy(np.ascontiguousarray(picture)).float() / 255 for picture in clip.frames()][:FRAMES]
    write_video(tmp_path / "clip.mp4", FrameStream(len(pictures), 25.0, lambda start, stop: torch.stack(pictures[start:stop])), voice)
    shutil.copy(assets / "speech" / "librivox_0880_en.wav", tmp_path / "whole.wav")
    write_wav(tmp_path / "voice.wav", voice)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write_wav(path: Path, sound: real3d_core.Sound) -> None:
    from scipy.io import wavfile

    wavfile.write(path, sound.rate, (sound.samples.numpy().T * 32767).astype(np.int16))


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_runs_and_its_films_move(folder, example):
    runpy.run_path(str(example))
    made = [path for path in folder.glob("*.mp4") if path.name != "clip.mp4"]
    assert made
    for film in made:
        frames = np.stack(list(open_clip(film).frames())).astype(float)
        assert len(frames) == FRAMES and frames.shape[1] >= 64
        assert np.abs(frames[-1] - frames[0]).max() > 8, f"{film.name} stands still"


def test_the_page_shows_the_examples_as_they_are():
    page = (ROOT / "docs" / "library.md").read_text(encoding="utf-8")
    shown = re.findall(r"^```python\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    assert len(EXAMPLES) == 3
    for example in EXAMPLES:
        assert example.read_text(encoding="utf-8") in shown, f"docs/library.md does not quote {example.name} as it is"


def test_the_page_lists_every_public_name():
    page = (ROOT / "docs" / "library.md").read_text(encoding="utf-8")
    assert not {name for name in real3d_core._MODULE_OF if f"`{name}`" not in page}


def test_an_installed_library_has_every_file_that_it_needs():
    """pip installs Python files, and of the others those that pyproject.toml names."""
    patterns = re.search(r"^\[tool\.setuptools\.package-data\]\n\"\*\" = (\[.*?\])", (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    named = ast.literal_eval(patterns[1])
    others = [path for folder in ("real3d_core", "cuda_ops") for path in (ROOT / folder).rglob("*.*") if path.suffix not in {".py", ".pyc"}]
    assert len(others) > 4
    assert not [path.name for path in others if not any(path.match(pattern) for pattern in named)]
