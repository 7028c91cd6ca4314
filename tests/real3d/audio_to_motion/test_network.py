"""The audio-to-motion network against the reference vectors of spec 05 section 10."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from golden import fill, load_vector, make_input
from safetensors.torch import save_file

from real3d_core.errors import MissingModelError
from real3d_core.real3d.audio_to_motion.network import (
    AudioToMotion,
    pitch_bin,
    predict_expression,
    prior_noise,
)
from real3d_core.real3d.weights.audio_to_motion import build_audio_to_motion, load_audio_to_motion


@pytest.fixture(scope="module")
def model() -> AudioToMotion:
    network = AudioToMotion()
    fill(network)
    return network.eval()


def _f0(label: str, length: int) -> torch.Tensor:
    draw = make_input(label, (1, length), 0, -200, 600)
    return torch.from_numpy(np.where(draw < 80, 0, draw).astype(np.float32))


CASES = {
    "t0": ("a2m", 64, 0.0, 0.45, ()),
    "noise": ("a2m", 64, 0.2, 0.45, ()),
    "min": ("a2m.min", 8, 0.2, 0.45, ()),
    "blink": ("a2m.blink", 104, 1.0, 0.8, range(10, 23)),
}


@pytest.mark.parametrize("case", CASES)
def test_network_matches_reference_step_by_step(model: AudioToMotion, goldens, case: str):
    label, length, temperature, mouth_amp, closed = CASES[case]
    expected, _ = load_vector(goldens / f"a2m_vae_{case}.npz")
    blink = torch.zeros(1, length, dtype=torch.long)
    blink[:, list(closed)] = 1
    noise = temperature * torch.from_numpy(make_input(f"{label}.noise", (1, 16, length // 8), 0, -2, 2))
    f0 = _f0(f"{label}.f0", length)

    seen = {}
    watched = {
        "audio_feat": model.mel_encoder,
        "pitch_feat": model.pitch_encoder,
        "cond_sqz": model.vae.g_pre_net,
        "flow6_wn": model.vae.prior_flow.flows[6].enc,
        "z_after_flow6": model.vae.prior_flow.flows[6],
        "z_after_flow4": model.vae.prior_flow.flows[4],
        "z_after_flow2": model.vae.prior_flow.flows[2],
        "z": model.vae.prior_flow,
        "dec_pre": model.vae.decoder.pre_net,
        "dec_wn": model.vae.decoder.wn,
    }
    hooks = [
        m.register_forward_hook(lambda _m, _i, out, name=name: seen.update({name: out.transpose(1, 2)})) for name, m in watched.items()
    ]
    hooks.append(model.cond_proj.register_forward_hook(lambda _m, _i, out: seen.update(cond=out)))
    with torch.no_grad():
        features = torch.from_numpy(make_input(f"{label}.hubert", (1, length, 1024), 0, -1, 1))
        seen["exp"] = model(features, f0, blink, torch.tensor([mouth_amp]), noise)
    for hook in hooks:
        hook.remove()
    seen["f0_coarse"] = pitch_bin(f0[:, ::2]).float()
    seen["z_prior"] = noise.transpose(1, 2)
    seen["dec_pre"], seen["dec_wn"] = seen["dec_pre"][..., ::4], seen["dec_wn"][..., ::4]

    assert set(seen) == set(expected)
    for name, value in expected.items():
        np.testing.assert_allclose(seen[name].numpy(), value, atol=2e-5, rtol=2e-5, err_msg=name)


def test_pitch_bins_match_reference(goldens):
    expected, _ = load_vector(goldens / "a2m_f0_coarse.npz")
    f0 = expected["f0"]
    mel = 1127 * np.log(1 + f0.astype(np.float64) / 700)
    real = (mel - 77.75496616579426) * 254 / (1064.4082331636394 - 77.75496616579426) + 1
    clear = np.abs(real - np.floor(real) - 0.5) > 1e-3  # the reference leaves exact half-integers free
    bins = pitch_bin(torch.from_numpy(f0)).numpy()
    assert (bins[clear] == expected["coarse"][clear]).all()
    assert clear.sum() > 400


def test_state_dict_is_the_published_one_without_the_posterior_encoder(model: AudioToMotion, goldens):
    manifest = json.loads((goldens / "a2m_vae.json").read_text())
    published = {name: tuple(shape) for name, (shape, _) in manifest.items() if not name.startswith("vae.encoder.")}
    assert {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()} == published


def test_windows_give_the_frames_of_one_pass(model: AudioToMotion):
    length = 640
    features, f0 = torch.from_numpy(make_input("long", (length, 1024))), _f0("long.f0", length)[0]
    whole = predict_expression(model, features, f0, seed=3)
    windowed = predict_expression(model, features, f0, seed=3, window=96)
    assert whole.shape == (length // 2, 64)
    torch.testing.assert_close(windowed, whole, atol=2e-6, rtol=1e-5)


def test_seed_and_mouth_amplitude_change_the_motion_and_a_seed_repeats_it(model: AudioToMotion):
    features, f0 = torch.from_numpy(make_input("short", (64, 1024))), _f0("short.f0", 64)[0]
    first = predict_expression(model, features, f0, seed=1)
    assert torch.equal(first, predict_expression(model, features, f0, seed=1))
    assert (first - predict_expression(model, features, f0, seed=2)).abs().max() > 1e-3
    assert (first - predict_expression(model, features, f0, seed=1, mouth_amp=0.9)).abs().max() > 1e-3


def test_noise_is_the_first_draw_of_a_freshly_seeded_generator():
    torch.manual_seed(42)
    assert torch.equal(prior_noise(16, 8, 42), torch.randn(1, 16, 8))


@pytest.mark.parametrize("nested", [True, False])
def test_a_published_checkpoint_is_loaded_whichever_form_it_has(model: AudioToMotion, tmp_path, nested: bool):
    state = {**model.state_dict(), "vae.encoder.out_proj.bias": torch.zeros(32)}
    if nested:
        stored = {"state_dict": {"model": state, "syncnet": {"weight": torch.zeros(3)}}, "global_step": 400000}
    else:
        stored = {"state_dict": {"model." + name.replace("weight_g", "parametrizations.weight.original0"): v for name, v in state.items()}}
    torch.save({"state_dict": {"model": {}}}, tmp_path / "model_ckpt_steps_2000.ckpt")
    torch.save(stored, tmp_path / "model_ckpt_steps_400000.ckpt")
    loaded = load_audio_to_motion(tmp_path)
    assert not loaded.training
    for name, tensor in loaded.state_dict().items():
        assert torch.equal(tensor, model.state_dict()[name]), name


def test_a_checkpoint_as_training_writes_it_is_loaded(model: AudioToMotion, tmp_path):
    """The older format of torch, the optimiser and a best score beside the weights, and the names as DDP has them."""
    weights = {f"module.{name}": tensor for name, tensor in model.state_dict().items()}
    states = {0: {"exp_avg": torch.zeros(3, 3), "step": 1}}
    content = {
        "optimizer_states": [{"state": states, "param_groups": [{"params": [0]}]}],
        "checkpoint_callback_best": np.float64(0.5),
        "state_dict": {"model": weights, "syncnet": {"a.weight": torch.ones(2)}},
    }
    path = tmp_path / "model_ckpt_steps_400000.ckpt"
    torch.save(content, path, _use_new_zipfile_serialization=False)
    loaded = load_audio_to_motion(tmp_path).state_dict()
    assert all(torch.equal(loaded[name], tensor) for name, tensor in model.state_dict().items())


SPOILT = {
    "a number": lambda tensor: torch.tensor(1.0),
    "no numbers": lambda tensor: tensor[:0],
    "another shape": lambda tensor: tensor[None],
    "nan": lambda tensor: tensor * float("nan"),
    "infinity": lambda tensor: tensor + float("inf"),
    "whole numbers": lambda tensor: tensor.to(torch.int8),
    "complex numbers": lambda tensor: tensor.to(torch.complex64),
    "booleans": lambda tensor: tensor > 0,
    "twice the precision, out of range": lambda tensor: tensor.double() + 1e300,
    "sparse": lambda tensor: tensor.to_sparse(),
    "nowhere": lambda tensor: tensor.to("meta"),
}


@pytest.mark.parametrize("spoil", SPOILT)
@pytest.mark.parametrize("part", ["mel_encoder.0.weight", "mouth_amp_embed", "pitch_embed.weight", "all"])
def test_what_can_not_be_weights_is_refused_in_a_sentence(model: AudioToMotion, spoil: str, part: str):
    weights = {
        name: SPOILT[spoil](tensor) if part in (name, "all") and tensor.is_floating_point() else tensor
        for name, tensor in model.state_dict().items()
    }
    with pytest.raises(MissingModelError, match=r"'x\.ckpt'") as caught:
        build_audio_to_motion(weights, "x.ckpt")
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 600


def test_negative_variances_dead_directions_and_endless_names_are_refused(model: AudioToMotion):
    weights = model.state_dict()
    variance = next(name for name in weights if name.endswith("running_var"))
    direction = next(name for name in weights if name.endswith("weight_v"))
    for name, spoilt, words in (
        (variance, -weights[variance], "negative"),
        (direction, 0 * weights[direction], "without a direction"),
        ("z" * 2**20, torch.ones(1), "not expected"),
    ):
        with pytest.raises(MissingModelError, match="zzz|" + words) as caught:
            build_audio_to_motion({**weights, name: spoilt}, "x.ckpt")
        assert len(str(caught.value)) < 400


def test_a_converted_checkpoint_is_loaded(model: AudioToMotion, tmp_path):
    save_file(model.state_dict(), tmp_path / "a2m.safetensors")
    loaded = load_audio_to_motion(tmp_path / "a2m.safetensors")
    assert torch.equal(loaded.cond_proj.weight, model.cond_proj.weight)


def test_no_code_in_a_checkpoint_is_executed(tmp_path):
    class Payload:
        def __reduce__(self):
            return (Path(tmp_path / "executed").touch, ())

    torch.save({"state_dict": Payload()}, tmp_path / "model_ckpt_steps_1.ckpt")
    with pytest.raises(MissingModelError, match="could execute code"):
        load_audio_to_motion(tmp_path)
    assert not (tmp_path / "executed").exists()


def test_wrong_weights_are_named(model: AudioToMotion):
    state = dict(model.state_dict())
    state["cond_proj.bias"] = torch.zeros(7)
    del state["vae.decoder.out_proj.bias"]
    with pytest.raises(MissingModelError, match=r"vae\.decoder\.out_proj\.bias is missing; cond_proj\.bias is \[7\] instead of \[128\]"):
        build_audio_to_motion(state, "vae.ckpt")


def test_a_checkpoint_of_another_variant_is_refused_in_words(model: AudioToMotion):
    state = {name: tensor for name, tensor in model.state_dict().items() if not name.startswith("pitch_")}
    with pytest.raises(MissingModelError, match="without pitch"):
        build_audio_to_motion(state, "vae.ckpt")


def test_features_of_another_hubert_are_refused(model: AudioToMotion):
    with pytest.raises(MissingModelError, match=r"gives 768 features, .* needs 1024"):
        predict_expression(model, torch.zeros(8, 768), torch.zeros(8))
