"""The model for finding faces is offered to those alone who have none, with the folder that it belongs into."""

import asyncio

import pytest


@pytest.fixture
def offered(host, tmp_path, monkeypatch):
    """What the page is told; no package carries a model, and the host's folders are empty ones."""
    module = host.part("landmark_models")
    monkeypatch.setattr(host.core("mediapipe_models.model_files"), "CARRIERS", ())
    folders = host.core("mediapipe_models.model_files").ModelFolders((tmp_path / "real3d", tmp_path / "detection"))
    monkeypatch.setattr(module, "model_folders", lambda: folders)
    monkeypatch.setattr(module, "detection_folder", lambda: tmp_path / "detection")
    for name in ("real3d", "detection"):
        (tmp_path / name).mkdir()

    def asked() -> list[dict]:
        status, body = asyncio.run(module.answer_missing(None))
        assert status == 200
        return body["missing"]

    return asked


def test_without_a_model_the_declared_one_and_its_folder_are_named(host, offered, tmp_path):
    assert offered() == [{**host.part("landmark_models").DECLARED, "folder": str(tmp_path / "detection")}]


@pytest.mark.parametrize("place", ["detection/mediapipe_face_fp32.safetensors", "real3d/face_landmarker.task"])
def test_whoever_has_one_is_not_asked(offered, tmp_path, place):
    (tmp_path / place).write_bytes(b"a model")
    assert offered() == []


def test_the_name_is_the_one_that_the_core_looks_for(host):
    assert host.part("landmark_models").DECLARED["name"] == host.core("mediapipe_models.model_files").FACE_LANDMARKER.stand_in
