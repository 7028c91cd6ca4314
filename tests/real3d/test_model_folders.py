"""Downloads are found as they were unpacked, and told apart by what is in them."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest
import synthetic_bfm
import torch
from official_files import NoNetworks, write_face_model
from safetensors.torch import save_file

from real3d_core.avatar_kinds import AvatarOptions, load_avatar
from real3d_core.errors import MissingModelError
from real3d_core.mediapipe_models.model_files import ModelFolders
from real3d_core.real3d import official_files
from real3d_core.real3d.model_folders import HUBERT, NETWORKS, OTHER, VOICE, folders_below, is_hubert, kind_of
from real3d_core.real3d.official_files import find_checkpoint

CONTENT = {
    NETWORKS: {"cano_img2plane_backbone.a": torch.ones(3), "secc_img2plane_backbone.a": torch.ones(3)},
    VOICE: {"mel_encoder.0.weight": torch.ones(3), "vae.a": torch.ones(3)},
    OTHER: {"patch_embed1.proj.weight": torch.ones(3)},
    HUBERT: {"feature_extractor.conv_layers.0.conv.weight": torch.ones(3)},
}
FORMS = ("legacy", "zip", "safetensors")


def write(path: Path, kind: str, form: str = "legacy", behind: int = 0) -> Path:
    """Weights of a kind, after the states of an optimiser for so many parameters."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if form == "safetensors":
        save_file(CONTENT[kind], path)
    else:
        states = {number: {"step": number, "exp_avg": torch.ones(1)} for number in range(behind)}
        content = {"optimizer_states": [states], "state_dict": {"model": CONTENT[kind]}}
        torch.save(content, path, _use_new_zipfile_serialization=form == "zip")
    return path


def write_hubert(folder: Path, weights: str, model_type: str = "hubert") -> Path:
    """The folder as the hub gives it, with stand-ins for the numbers."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps({"model_type": model_type, "architectures": ["HubertForCTC"]}))
    (folder / "preprocessor_config.json").write_text('{"do_normalize": true}')
    write(folder / weights, HUBERT, "safetensors" if weights.endswith("safetensors") else "zip")
    return folder


def write_release(folder: Path) -> None:
    """The tree of the published checkpoints."""
    write(folder / "secc2plane_torso_orig" / "model_ckpt_steps_250000.ckpt", NETWORKS)
    (folder / "secc2plane_torso_orig" / "config.yaml").write_text("torso_model_version: v2\n")
    write(folder / "audio2secc_vae" / "model_ckpt_steps_400000.ckpt", VOICE)
    (folder / "audio2secc_vae" / "config.yaml").write_text("audio_type: hubert\n")
    write(folder / "pretrained_ckpts" / "mit_b0.pth", OTHER)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(("kind", "told"), [(NETWORKS, NETWORKS), (VOICE, VOICE), (OTHER, OTHER), (HUBERT, OTHER)])
def test_weights_are_told_apart_by_their_names(tmp_path, form, kind, told):
    for folder in ("secc2plane_torso_orig", "audio2secc_vae", "hubert", "anything"):
        assert kind_of(write(tmp_path / folder / "model_ckpt_steps_1.ckpt", kind, form)) == told


@pytest.mark.parametrize("form", ["legacy", "zip"])
def test_the_names_are_found_behind_an_optimisers_states(tmp_path, form):
    path = write(tmp_path / "a.ckpt", NETWORKS, form, behind=20_000)
    assert path.stat().st_size > 2 * 2**20 and kind_of(path) == NETWORKS


def test_what_is_no_file_of_weights_is_told_by_its_folder(tmp_path):
    for folder, kind in {
        "secc2plane_torso_orig": NETWORKS,
        "mine": NETWORKS,
        "audio2secc_vae": VOICE,
        "240112_icl_audio2secc_vox2_cmlr": VOICE,
        "chinese-hubert-large": OTHER,
        "BFM": OTHER,
        "pretrained_ckpts": OTHER,
    }.items():
        path = tmp_path / folder / "model_ckpt_steps_1.ckpt"
        path.parent.mkdir()
        path.write_bytes(b"PK")
        assert kind_of(path) == kind, folder
    assert kind_of(tmp_path / "nowhere" / "model_ckpt_steps_1.ckpt") == NETWORKS


def test_another_content_is_noticed(tmp_path):
    path = write(tmp_path / "a.ckpt", VOICE)
    assert kind_of(path) == VOICE
    write(path, NETWORKS, behind=3)
    assert kind_of(path) == NETWORKS


@pytest.mark.parametrize("top", ["", "real3dportrait_orig", "checkpoints/240210_real3dportrait_orig", "a/b/c"])
def test_the_tree_of_the_release_is_found_as_it_was_unpacked(tmp_path, top):
    write_release(tmp_path / top)
    assert find_checkpoint(ModelFolders((tmp_path,))) == tmp_path / top / "secc2plane_torso_orig" / "model_ckpt_steps_250000.ckpt"
    assert official_files.voice_folder(ModelFolders((tmp_path,))) == tmp_path / top / "audio2secc_vae"


def test_files_that_lie_side_by_side_are_told_apart(tmp_path):
    networks = write(tmp_path / "model_ckpt_steps_250000.ckpt", NETWORKS)
    write(tmp_path / "model_ckpt_steps_400000.ckpt", VOICE)
    assert find_checkpoint(ModelFolders((tmp_path,))) == networks
    assert official_files.voice_folder(ModelFolders((tmp_path,))) == tmp_path
    assert official_files.latest_checkpoint(tmp_path, VOICE).name == "model_ckpt_steps_400000.ckpt"


@pytest.mark.parametrize("weights", ["pytorch_model.bin", "model.safetensors"])
@pytest.mark.parametrize(
    "name", ["hubert", "hubert-large-ls960-ft", "models--facebook--hubert-large-ls960-ft/snapshots/ece5fabb", "top/pretrained_ckpts/x", "."]
)
def test_hubert_is_found_as_the_hub_gives_it(tmp_path, name, weights):
    write_hubert(tmp_path / "speech" / "wav2vec2", weights, "wav2vec2")
    folder = write_hubert(tmp_path / name, weights)
    assert is_hubert(folder) and official_files.hubert_folder(ModelFolders((tmp_path,))) == folder


def test_the_published_hubert_comes_before_others(tmp_path):
    write_hubert(tmp_path / "chinese-hubert", "pytorch_model.bin")
    large = write_hubert(tmp_path / "hubert-large-ls960-ft", "pytorch_model.bin")
    assert official_files.hubert_folder(ModelFolders((tmp_path,))) == large
    own = write_hubert(tmp_path / "hubert", "pytorch_model.bin")
    assert official_files.hubert_folder(ModelFolders((tmp_path,))) == own


@pytest.mark.parametrize("content", ["", "[]", "{", "[" * 100_000, "\x00"])
def test_a_spoilt_description_of_a_model_is_no_huberts(tmp_path, content):
    (tmp_path / "config.json").write_text(content)
    assert not is_hubert(tmp_path)


@pytest.mark.parametrize("place", [".", "BFM", "deep_3drecon/BFM", "3DMM/BFM"])
@pytest.mark.parametrize("raw", [False, True])
def test_the_face_model_is_found_in_any_folder(tmp_path, place, raw):
    if raw:
        synthetic_bfm.write_raw(tmp_path / place)
    else:
        write_face_model(tmp_path / "made")
        shutil.copytree(tmp_path / "made" / "bfm", tmp_path / place, dirs_exist_ok=True)
        shutil.rmtree(tmp_path / "made")
    assert official_files.face_folder(ModelFolders((tmp_path,))) == tmp_path / place


def test_the_tables_of_the_face_model_may_lie_elsewhere(tmp_path, monkeypatch, caplog):
    write_face_model(tmp_path)
    (tmp_path / "data_util").mkdir()
    for table in (tmp_path / "bfm").glob("*.npy"):
        table.rename(tmp_path / "data_util" / table.name)
    write_release(tmp_path)
    monkeypatch.setattr(official_files, "load_networks", lambda path, device, dtype: NoNetworks())
    load_avatar("real3d", AvatarOptions(ModelFolders((tmp_path,))))
    assert "estimated" not in caplog.text


def test_several_releases_are_to_be_chosen_from_but_the_first_of_the_right_name_is_taken(tmp_path):
    write(tmp_path / "a" / "model_ckpt_steps_1.ckpt", NETWORKS)
    write(tmp_path / "b" / "model_ckpt_steps_1.ckpt", NETWORKS)
    with pytest.raises(MissingModelError, match="several checkpoints"):
        find_checkpoint(ModelFolders((tmp_path,)))
    write_release(tmp_path / "top")
    write_release(tmp_path)
    assert find_checkpoint(ModelFolders((tmp_path,))).parent == tmp_path / "secc2plane_torso_orig"


def test_links_that_lead_nowhere_or_to_themselves_are_passed_over(tmp_path):
    release = tmp_path / "a" / "secc2plane"
    write(release / "model_ckpt_steps_5.ckpt", NETWORKS)
    for name, target in (("round", "round"), ("nowhere", "/does/not/exist"), ("a/up", "..")):
        os.symlink(target, tmp_path / name)
    for name, target in (("model_ckpt_steps_6.ckpt", "model_ckpt_steps_6.ckpt"), ("model_ckpt_steps_7.ckpt", "gone")):
        os.symlink(target, release / name)
    assert (
        find_checkpoint(
            ModelFolders(
                (
                    tmp_path,
                    tmp_path / "round",
                )
            )
        )
        == release / "model_ckpt_steps_5.ckpt"
    )


def test_a_link_to_a_release_is_no_second_one_but_may_choose_among_several(tmp_path):
    release = write(tmp_path / "a" / "v1" / "model_ckpt_steps_5.ckpt", NETWORKS)
    os.symlink("a", tmp_path / "current")
    assert find_checkpoint(ModelFolders((tmp_path,))) == release
    write(tmp_path / "b" / "v2" / "model_ckpt_steps_5.ckpt", NETWORKS)
    with pytest.raises(MissingModelError, match=r"several checkpoints \('[^']*v1', '[^']*v2'\)"):
        find_checkpoint(ModelFolders((tmp_path,)))
    os.symlink(Path("b") / "v2", tmp_path / NETWORKS)
    assert find_checkpoint(ModelFolders((tmp_path,))).parent == tmp_path / NETWORKS


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="becomes another user for a moment")
def test_folders_that_may_not_be_looked_into_are_passed_over(tmp_path):
    for folder in (tmp_path, *list(tmp_path.parents)[:3]):
        folder.chmod(0o755)
    for name in ("bfm", "hubert", "any"):
        (tmp_path / name).mkdir(mode=0o644)
    os.seteuid(65534)
    try:
        assert find_checkpoint(ModelFolders((tmp_path,))) is None
        assert official_files.face_folder(ModelFolders((tmp_path,))) == tmp_path / "bfm"
        assert official_files.hubert_folder(ModelFolders((tmp_path,))) == tmp_path / "hubert"
    finally:
        os.seteuid(0)


def test_a_large_or_circular_tree_is_not_searched_for_ever(tmp_path):
    for number in range(40):
        (tmp_path / f"{number}" / "x" / "y").mkdir(parents=True)
    try:
        os.symlink(tmp_path, tmp_path / "0" / "round")
    except OSError:
        pytest.skip("this system has no links")
    assert len(folders_below([tmp_path])) <= 1000
    assert folders_below([tmp_path / "nowhere"]) == []
