"""A file that is no checkpoint, or lies where none belongs, is refused in one sentence."""

import pytest


def test_a_checkpoint_that_is_none_is_refused_in_one_sentence(host):
    (host.folder / "models" / "real3d" / "wrong.safetensors").write_bytes(b"not a checkpoint")
    assert host.nodes["Real3DLoadAvatar"].validate_inputs(avatar="wrong.safetensors") is True
    with pytest.raises(host.core("errors").Real3DError) as caught:
        host.execute("Real3DLoadAvatar", avatar="wrong.safetensors")
    assert "wrong.safetensors" in str(caught.value) and "\n" not in str(caught.value)


def test_a_checkpoint_is_not_taken_from_the_host_s_folder_of_detection_models(host, monkeypatch, tmp_path):
    runtime = host.part("runtime.folders")
    (tmp_path / "face.safetensors").write_bytes(b"a detector")
    folders = {"real3d": [host.folder / "models" / "real3d"], "detection": [tmp_path]}
    monkeypatch.setattr(runtime.folder_paths, "get_folder_paths", folders.__getitem__)
    with pytest.raises(host.core("errors").MissingModelError, match="no checkpoint 'face"):
        host.execute("Real3DLoadAvatar", avatar="face.safetensors")
