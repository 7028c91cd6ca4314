"""Reading checkpoints: what is accepted, what is refused and in which words, and conversion."""

from __future__ import annotations

import pickle

import pytest
import torch
from safetensors import safe_open

from real3d_core.errors import MissingModelError
from real3d_core.real3d.checkpoint import build_networks, convert, load_networks, main, read_tensors
from real3d_core.real3d.config import Real3DConfig, official_config, read_config


class Intruder:
    """A pickle that runs code where it is allowed to."""

    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return open, (str(self.mark), "w")


def refusal(path, **options) -> str:
    """The words with which a checkpoint is refused; always one sentence or two, never a traceback's."""
    with pytest.raises(MissingModelError) as caught:
        load_networks(path, **options)
    words = str(caught.value)
    assert "\n" not in words and len(words) < 600
    return words


@pytest.fixture(scope="module")
def tensors(official_tensors):
    """A copy of the table, to be spoilt."""
    return dict(official_tensors)


def test_torch_compiles_marks_and_the_flat_form_are_understood(official_tensors, tmp_path):
    names = list(official_tensors)[:3]
    flat = {f"model._orig_mod.{name}": official_tensors[name] for name in names}
    torch.save({"state_dict": flat}, tmp_path / "flat.ckpt")
    read, settings = read_tensors(tmp_path / "flat.ckpt")
    assert list(read) == names and settings == {}


def test_the_file_of_the_most_steps_is_taken(checkpoint, tmp_path):
    (tmp_path / "model_ckpt_steps_99.ckpt").write_bytes(b"never read")
    (tmp_path / "model_ckpt_steps_100000.ckpt").symlink_to(checkpoint)
    (tmp_path / "config.yaml").write_text("num_samples_coarse: 24\nnum_samples_fine: 12\n")
    assert load_networks(tmp_path).config == Real3DConfig(coarse=24, fine=12)


def test_an_empty_folder_is_named(tmp_path):
    assert str(tmp_path) in refusal(tmp_path)


def test_a_truncated_file_is_refused(checkpoint, tmp_path):
    short = tmp_path / "short.ckpt"
    with open(checkpoint, "rb") as file:
        short.write_bytes(file.read(1_000_000))
    assert "'short.ckpt' is damaged" in refusal(short)


def test_a_hole_in_the_middle_is_found(tmp_path):
    """An interrupted download may have the right size and a valid end."""
    path = tmp_path / "hole.ckpt"
    torch.save({"state_dict": {"model": {"decoder.net.0.weight": torch.rand(500, 500)}}}, path)
    content = bytearray(path.read_bytes())
    content[500_000:600_000] = bytes(100_000)
    path.write_bytes(content)
    assert "'hole.ckpt' is damaged" in refusal(path)


@pytest.mark.parametrize("content", [b"<html>404</html>", b"PK", b"\x08\x00\x00\x00\x00\x00\x00\x00{broken"])
def test_bytes_that_are_no_checkpoint_are_refused(content, tmp_path):
    path = tmp_path / "page.ckpt"
    path.write_bytes(content)
    assert "page.ckpt" in refusal(path)


def test_code_in_a_checkpoint_is_refused_and_does_not_run(tmp_path):
    mark = tmp_path / "was-run"
    torch.save({"state_dict": {"model": Intruder(mark)}}, tmp_path / "zip.ckpt")
    (tmp_path / "plain.ckpt").write_bytes(pickle.dumps({"state_dict": Intruder(mark)}))
    assert "execute code" in refusal(tmp_path / "zip.ckpt")
    assert "not a checkpoint" in refusal(tmp_path / "plain.ckpt")
    assert not mark.exists()


def test_another_model_is_named(tmp_path):
    torch.save({"state_dict": {"model": {"vae.decoder.bias": torch.rand(3), "mel_encoder.0.bias": torch.rand(3)}}}, tmp_path / "audio.ckpt")
    assert "audio-to-motion model" in refusal(tmp_path / "audio.ckpt")
    torch.save({"resnet.bias": torch.rand(3)}, tmp_path / "other.ckpt")
    assert "resnet.bias" in refusal(tmp_path / "other.ckpt")
    torch.save([1, 2], tmp_path / "list.ckpt")
    assert "no tensors" in refusal(tmp_path / "list.ckpt")


def test_what_does_not_fit_is_named_three_of_a_kind(tensors):
    for name in [name for name in tensors if name.endswith("block1.conv1.bias") or (".res.0." in name and name.endswith(".bias"))]:
        del tensors[name]
    tensors["superresolution.block1.conv0.weight"] = torch.rand(128, 256, 5, 5)
    tensors["superresolution.surprise"] = torch.rand(1)
    with pytest.raises(MissingModelError) as caught:
        build_networks(tensors, {})
    words = str(caught.value)
    assert "misses superresolution.torso_model.appearance_extractor.res.0" in words and "and 6 more" in words
    assert "superresolution.block1.conv0.weight (is 128 x 256 x 5 x 5, must be 128 x 256 x 3 x 3)" in words
    assert "unexpectedly superresolution.surprise" in words


@pytest.mark.parametrize(
    ("name", "shape", "variant"),
    [
        ("cano_img2plane_backbone.low_reso_encoder.encoder.conv1.weight", (64, 6, 7, 7), "with alpha"),
        ("cano_img2plane_backbone.triplane_predictor_vit.final_conv.weight", (100, 128, 3, 3), "planes of 100 channels"),
        ("secc_img2plane_backbone.prenet.weight", (3, 6, 1, 1), "cano_tgt"),
    ],
)
def test_variants_are_refused_by_name(official_tensors, name, shape, variant):
    with pytest.raises(MissingModelError, match=variant):
        build_networks({**official_tensors, name: torch.zeros(shape)}, {})


@pytest.mark.parametrize(
    "setting",
    [("triplane_feature_type", "trigrid_v2"), ("htbsr_head_weight_fuse_mode", "v1"), ("torso_model_version", "v1"), ("weight_fuse", False)],
)
def test_configurations_of_other_variants_are_refused_by_name(setting):
    with pytest.raises(MissingModelError, match=setting[0]):
        official_config(dict([setting]), with_torso=True)


def test_torso_settings_do_not_matter_without_a_torso():
    assert official_config({"torso_model_version": "v1", "htbsr_head_threshold": 1}, with_torso=False).head_threshold == 1.0


@pytest.mark.parametrize("content", ["a: [1", "- only\n- a list", "x: !!python/object/apply:os.system [echo]"])
def test_unreadable_configurations_are_refused(content, tmp_path):
    (tmp_path / "config.yaml").write_text(content)
    with pytest.raises(MissingModelError, match=r"config\.yaml"):
        read_config(tmp_path / "config.yaml")


def test_unusable_settings_are_refused():
    with pytest.raises(MissingModelError, match="num_samples_fine"):
        official_config({"num_samples_fine": "many"}, with_torso=True)


def test_safetensors_give_the_very_same_networks(checkpoint, networks, tmp_path):
    """Round trip of an official file: every weight is bit-equal, and so is a picture; the settings travel along."""
    convert(checkpoint, tmp_path / "converted.safetensors")
    (tmp_path / "other").touch()
    assert (tmp_path / "converted.safetensors").stat().st_mode == (tmp_path / "other").stat().st_mode
    again = load_networks(tmp_path / "converted.safetensors")
    assert again.config == networks.config
    for part in ("image_to_plane", "motion_adapter", "super_resolution"):
        first, second = getattr(networks, part).state_dict(), getattr(again, part).state_dict()
        assert first.keys() == second.keys()
        assert all(torch.equal(first[name], second[name]) for name in first)
    faces = torch.rand(3, 1, 3, 64, 64) * 2 - 1
    with torch.inference_mode():
        assert torch.equal(networks.motion_adapter(*faces), again.motion_adapter(*faces))
    assert torch.equal(networks.decoder.weight2, again.decoder.weight2)


def test_half_conversion_halves_the_file_and_keeps_vectors(checkpoint, networks, tmp_path, capsys):
    target = tmp_path / "half.safetensors"
    assert main([str(checkpoint), str(target), "--half"]) == 0
    assert target.stat().st_size < 0.51 * checkpoint.stat().st_size
    with safe_open(target, "pt") as file:
        assert file.get_tensor("decoder.net.0.weight").dtype == torch.float16
        assert file.get_tensor("decoder.net.0.bias").dtype == torch.float32
    faces = torch.rand(3, 1, 3, 64, 64) * 2 - 1
    with torch.inference_mode():
        torch.testing.assert_close(load_networks(target).motion_adapter(*faces), networks.motion_adapter(*faces), atol=1e-2, rtol=0)


def test_a_failed_conversion_says_why_and_leaves_nothing(tmp_path, capsys):
    (tmp_path / "in.ckpt").write_bytes(b"nothing")
    assert main([str(tmp_path / "in.ckpt"), str(tmp_path / "out.safetensors")]) == 1
    assert "in.ckpt" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["in.ckpt"]
