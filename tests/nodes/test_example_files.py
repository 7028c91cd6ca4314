"""Files of the examples: all shipped, asked for by name alone, copied once, never over a user's own."""

import asyncio
import json

import pytest
from pack_host import ROOT


@pytest.fixture
def files(host, tmp_path, monkeypatch):
    """The module of the pack, with an empty input folder in place of the host's."""
    module = host.part("example_files")
    monkeypatch.setattr(module, "input_folder", lambda: tmp_path)
    return module


def ask(files, asked: object) -> tuple[int, dict]:
    return asyncio.run(files.answer_copy(asked))


def test_every_file_that_an_example_loads_is_shipped_and_small(files):
    named = set()
    for path in (ROOT / "example_workflows").glob("*.json"):
        for node in json.loads(path.read_text(encoding="utf-8"))["nodes"]:
            if node["type"] in ("LoadImage", "LoadAudio", "LoadVideo"):
                named.add(node["widgets_values"][0])
    shipped = {path.name: path.stat().st_size for path in files.FOLDER.iterdir()}
    assert named == set(files.NAMES) == set(shipped)
    assert all(0 < size < 200_000 for size in shipped.values())
    assert not [line for line in (ROOT / ".comfyignore").read_text().splitlines() if "example_workflows".startswith(line.strip("/"))]


def test_they_are_copied_when_asked_for_and_then_no_longer_missing(files, tmp_path):
    assert asyncio.run(files.answer_missing(None)) == (200, {"missing": list(files.NAMES)})
    assert ask(files, ["real3d_voice.wav"]) == (200, {"copied": ["real3d_voice.wav"]})
    assert [path.name for path in tmp_path.iterdir()] == ["real3d_voice.wav"]
    assert (tmp_path / "real3d_voice.wav").read_bytes() == (files.FOLDER / "real3d_voice.wav").read_bytes()
    assert "real3d_voice.wav" not in files.missing()


def test_a_file_of_the_user_s_is_not_overwritten(files, tmp_path):
    (tmp_path / "real3d_voice.wav").write_text("mine")
    assert ask(files, ["real3d_voice.wav", "real3d_portrait.jpg"]) == (200, {"copied": ["real3d_portrait.jpg"]})
    assert (tmp_path / "real3d_voice.wav").read_text() == "mine"


@pytest.mark.parametrize(
    "asked", [None, "real3d_voice.wav", {"names": []}, ["../../etc/passwd"], ["real3d_voice.wav", "a.png"], [["real3d_voice.wav"]], [1]]
)
def test_nothing_else_can_be_asked_for(files, tmp_path, asked):
    assert ask(files, asked)[0] == 400
    assert not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_written_to_is_told(files, tmp_path, monkeypatch):
    monkeypatch.setattr(files, "input_folder", lambda: tmp_path / "gone")
    status, body = ask(files, ["real3d_voice.wav"])
    assert status == 500 and body["error"].endswith(".") and "No such file" in body["error"]
