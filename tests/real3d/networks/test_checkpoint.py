"""Reading checkpoints: what is accepted, what is refused and in which words, and conversion."""

from __future__ import annotations

import os
import pickle

import pytest
import torch
from reference_checkpoint import write_checkpoint
from safetensors import safe_open
from safetensors.torch import save_file
from small_networks import SMALL, small_tensors

from real3d_core.avatar_kinds import AvatarOptions, load_avatar
from real3d_core.errors import MissingModelError
from real3d_core.mediapipe_models.model_files import ModelFolders
from real3d_core.real3d.weights.checkpoint import build_networks, convert, load_networks, main, read_tensors
from real3d_core.real3d.weights.config import Real3DConfig, official_config, read_config
from real3d_core.real3d.weights.folding import scale_shift
from real3d_core.real3d.weights.key_table import StoredTensors


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


def test_a_name_that_no_file_can_have_is_refused(tmp_path):
    for name in ("a" * 5000, "a/" * 5000, "a\0b", "a\nb"):
        assert len(refusal(name)) < 400


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


LAUGHS = "a: &a [ha, ha]\n" + "".join(f"{chr(98 + i)}: &{chr(98 + i)} [{', '.join([f'*{chr(97 + i)}'] * 9)}]\n" for i in range(20))


@pytest.mark.parametrize(
    "content",
    [
        "a: [1",
        "- only\n- a list",
        "x: !!python/object/apply:os.system [echo]",
        "just text",
        "42",
        "[" * 1000,
        "a: " + "[" * 5000 + "]" * 5000,
        "a:\n" + "".join(" " * i + "b:\n" for i in range(1, 1000)),
        "a: b\n" * 100_000,
        "n: " + "9" * 5000,
        "*nowhere",
        "t: 2024-99-99",
        "b: !!bool maybe",
        "t: !!timestamp soon",
        "n: !!int ''",
        "a:\n\tb: 1",
        "a: \x00",
    ],
    ids=lambda content: content[:12],
)
def test_unreadable_configurations_are_refused(content, tmp_path):
    (tmp_path / "config.yaml").write_text(content)
    with pytest.raises(MissingModelError, match=r"config\.yaml"):
        read_config(tmp_path / "config.yaml")


def test_a_configuration_that_is_a_link_to_nothing_is_not_taken_for_none(tmp_path):
    torch.save({"a": torch.ones(1)}, tmp_path / "model_ckpt_steps_1.ckpt")
    for target in ("gone.yaml", "config.yaml"):
        os.symlink(target, tmp_path / "config.yaml")
        assert "config.yaml' " in refusal(tmp_path)
        (tmp_path / "config.yaml").unlink()


def test_a_configuration_that_swells_without_end_is_read_at_once(tmp_path):
    (tmp_path / "config.yaml").write_text(f"{LAUGHS}<<: [{', '.join(['*t'] * 9)}]\nnum_samples_fine: 12\ntorso_kp_num: *t\n")
    settings = read_config(tmp_path / "config.yaml")
    assert settings["num_samples_fine"] == 12
    with pytest.raises(MissingModelError, match="torso_kp_num: a list or a table"):
        official_config(settings, with_torso=True)


def test_plain_settings_are_read_whatever_is_nested_beside_them(tmp_path):
    content = "base_config: [./a.yaml]\nnum_samples_fine: 8\nbox_warp: 1\nlosses: {mse: 1.0, at: [1]}\nray_start: auto\n"
    for start in (b"", b"\xef\xbb\xbf"):
        (tmp_path / "config.yaml").write_bytes(start + content.encode())
        assert official_config(read_config(tmp_path / "config.yaml"), with_torso=True) == Real3DConfig(fine=8)
    (tmp_path / "config.yaml").write_bytes(b"# nothing yet\n")
    assert read_config(tmp_path / "config.yaml") == {}


@pytest.mark.parametrize(
    "setting",
    [
        ("num_samples_fine", "many"),
        ("num_samples_fine", -1),
        ("num_samples_fine", 10**9),
        ("num_samples_fine", 1.5),
        ("num_samples_coarse", 3),
        ("num_samples_coarse", True),
        ("num_samples_coarse", 10**6000),
        ("neural_rendering_resolution", 0),
        ("neural_rendering_resolution", 10**9),
        ("box_warp", 0),
        ("box_warp", float("nan")),
        ("box_warp", float("inf")),
        ("box_warp", -1.0),
        ("box_warp", "x" * 2**20),
        ("htbsr_head_threshold", 2),
        ("htbsr_head_threshold", None),
        ("mask_invalid_rays", "yes"),
        ("mask_invalid_rays", [[[]]]),
        ("ray_start", {"a": [1] * 10**6}),
    ],
    ids=lambda setting: f"{setting[0]}-{type(setting[1]).__name__}",
)
def test_unusable_settings_are_refused(setting):
    with pytest.raises(MissingModelError, match=setting[0]) as caught:
        official_config(dict([setting]), with_torso=True)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 400


@pytest.mark.parametrize(
    "metadata", ["[1]", "1", "null", "{", "[" * 100_000, '{"a": ' * 100_000, "9" * 5000, '"text"'], ids=lambda text: text[:6]
)
def test_what_a_converted_file_says_of_itself_is_a_table_or_refused(tmp_path, metadata):
    save_file({"decoder.net.0.weight": torch.ones(2)}, tmp_path / "odd.safetensors", metadata={"real3d": metadata})
    assert "odd.safetensors" in refusal(tmp_path / "odd.safetensors")


@pytest.mark.parametrize("name", ["config.yaml", "model_ckpt_steps_9.ckpt", "model_ckpt_steps_9.safetensors"])
def test_pipes_are_not_waited_for(official_tensors, tmp_path, name):
    if not hasattr(os, "mkfifo"):
        pytest.skip("there are no pipes with names here")
    os.mkfifo(tmp_path / name)
    if name == "config.yaml":
        torch.save({"a": torch.ones(1)}, tmp_path / "model_ckpt_steps_1.ckpt")
        assert "pipe" in refusal(tmp_path)
    else:
        assert "There is no file model_ckpt_steps" in refusal(tmp_path)
        assert "pipe" in refusal(tmp_path / name)


def test_a_folder_named_like_a_checkpoint_is_none(tmp_path):
    (tmp_path / "model_ckpt_steps_9.ckpt").mkdir()
    for path in (tmp_path, tmp_path / "model_ckpt_steps_9.ckpt"):
        assert "There is no file model_ckpt_steps" in refusal(path)


FLAWS = {
    "nan": torch.tensor([float("nan"), 1]),
    "inf": torch.tensor([float("-inf"), 1]),
    "int8": torch.ones(2, dtype=torch.int8),
    "complex": torch.ones(2, dtype=torch.complex64),
    "bool": torch.ones(2, dtype=torch.bool),
    "float8": torch.ones(2).to(torch.float8_e4m3fn),
    "sparse": torch.ones(2).to_sparse(),
    "meta": torch.ones(2, device="meta"),
    "scalar": torch.tensor(1.0),
    "empty": torch.ones(0),
}


@pytest.mark.parametrize("flaw", FLAWS)
def test_what_can_not_be_weights_is_noted(flaw):
    stored = StoredTensors({"a.weight": FLAWS[flaw], "a.bias": torch.ones(2).half()})
    stored.kernel("a", 2)
    assert [name[:8] for name in stored.unusable + stored.misshapen] == ["a.weight"] and not stored.missing


def test_negative_variances_and_dead_spectral_norms_are_noted():
    norm = {f"n.{part}": torch.ones(2) for part in ("weight", "bias", "running_mean")} | {"n.running_var": torch.tensor([1.0, -2.0])}
    dead = {"s.weight_orig": torch.zeros(2, 2), "s.weight_u": torch.ones(2), "s.weight_v": torch.ones(2), "s.bias": torch.ones(2)}
    stored = StoredTensors(norm | dead)
    kernels = (scale_shift(stored.norm("n", 2)), stored.spectral("s", 2, 2))
    assert all(part.isfinite().all() for kernel in kernels for part in kernel), "what is told in the end must not be hidden by what follows"
    assert [name.split()[0] for name in stored.unusable] == ["n.running_var", "s.weight_orig"]


def test_unusable_numbers_and_endless_names_make_one_short_sentence():
    tensors = small_tensors()
    names = [name for name in tensors if name.endswith("block1.conv1.bias") or name.endswith(("norm1.weight", "running_var"))]
    for number, name in enumerate(names):
        tensors[name] = tensors[name].bool() if number % 2 else -tensors[name] * float("inf")
    tensors["decoder.net.0.bias"] = torch.full((64,), float("nan"))
    tensors["y" * 2**20] = torch.ones(1)
    with pytest.raises(MissingModelError, match=r"unusable numbers in .*instead of floating point.*and \d+ more") as caught:
        build_networks(tensors, {}, sizes=SMALL)
    assert len(str(caught.value)) < 900


def test_weights_whose_product_overflows_are_refused():
    tensors = small_tensors()
    tensors["superresolution.block1.conv1.bias"].fill_(3e38)
    with pytest.raises(MissingModelError, match=r"so large that the layer frame\.conv cannot"):
        build_networks(tensors, {}, sizes=SMALL)


def test_every_weight_of_a_network_is_loaded(small_networks):
    for network in (small_networks.image_to_plane, small_networks.motion_adapter, small_networks.super_resolution):
        assert not [name for name, weight in network.named_parameters() if weight.is_meta]


@pytest.fixture
def networks_in(bfm_folder, tmp_path):
    """A function that loads the avatar from the folder of a test, as users do, and gives its networks."""
    (tmp_path / "BFM").symlink_to(bfm_folder)
    return lambda: load_avatar("real3d", AvatarOptions(ModelFolders((tmp_path,)))).networks


def test_safetensors_give_the_very_same_networks(checkpoint, networks, networks_in, tmp_path):
    """Round trip of an official file: every weight is bit-equal, and so is a picture; the settings travel along."""
    converted = tmp_path / "model_ckpt_steps_100000.safetensors"
    convert(checkpoint, converted)
    (tmp_path / "other").touch()
    assert converted.stat().st_mode == (tmp_path / "other").stat().st_mode
    again = networks_in()
    assert again.config == networks.config
    for part in ("image_to_plane", "motion_adapter", "super_resolution"):
        first, second = getattr(networks, part).state_dict(), getattr(again, part).state_dict()
        assert first.keys() == second.keys()
        assert all(torch.equal(first[name], second[name]) for name in first)
    faces = torch.rand(3, 1, 3, 64, 64) * 2 - 1
    with torch.inference_mode():
        assert torch.equal(networks.motion_adapter(*faces), again.motion_adapter(*faces))
    assert torch.equal(networks.decoder.weight2, again.decoder.weight2)


def test_both_formats_of_torch_give_the_very_same_networks(official_tensors, networks, networks_in, tmp_path):
    wrapped = {f"module.module.{name}": tensor for name, tensor in official_tensors.items()}
    write_checkpoint(tmp_path / "model_ckpt_steps_1.ckpt", wrapped, in_zip=True)
    again = networks_in()
    for part in ("image_to_plane", "motion_adapter", "super_resolution"):
        first, second = getattr(networks, part).state_dict(), getattr(again, part).state_dict()
        assert first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)
    assert torch.equal(networks.decoder.weight1, again.decoder.weight1)


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
