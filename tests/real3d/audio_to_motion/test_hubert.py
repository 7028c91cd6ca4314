"""Speech features: lengths, chunks and the reference vector of a tiny HuBERT (spec 05 sections 1 to 3)."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest
import torch
from golden import load_vector, make_input
from official_files import hubert_of
from safetensors.torch import save_file

from real3d_core.errors import MissingModelError, SoundError
from real3d_core.real3d.audio_to_motion.hubert import chunk_spans, feature_frames, hubert_features, load_hubert, normalise, speech_features
from real3d_core.real3d.audio_to_motion.pitch import voice_frequencies


@pytest.fixture(scope="module")
def tiny_hubert(goldens):
    pytest.importorskip("transformers")
    return hubert_of(load_vector(goldens / "a2m_hubert_tiny.npz")[1]["config"])


def test_features_cross_a_chunk_as_the_reference_does(tiny_hubert, goldens):
    expected, _ = load_vector(goldens / "a2m_hubert_tiny.npz")
    time = np.arange(321720) / 16000
    wave = (0.4 * make_input("a2m.hubert.wav", (321720,)) * (0.6 + 0.4 * np.sin(np.pi * time)) + 0.02).astype(np.float32)
    np.testing.assert_allclose(normalise(wave)[:2000:10], expected["normalised_head"], atol=1e-5)

    told = []
    features = hubert_features(wave, tiny_hubert, lambda done, total: told.append((done, total)))
    assert features.shape == (1005, 32)
    np.testing.assert_allclose(features[::8], expected["every8"], atol=1e-3, rtol=1e-3)
    np.testing.assert_allclose(features[-24:], expected["tail24"], atol=1e-3, rtol=1e-3)
    assert told == [(done, 4) for done in range(5)]  # two layers in each of two chunks


def test_a_voice_can_be_stopped_within_a_chunk(tiny_hubert):
    def stop(done: int, total: int) -> None:
        if done == 1:
            raise KeyboardInterrupt

    wave = make_input("stopped", (3000,))
    before = hubert_features(wave, tiny_hubert)
    with pytest.raises(KeyboardInterrupt):
        hubert_features(wave, tiny_hubert, stop)
    assert torch.equal(hubert_features(wave, tiny_hubert), before)  # nobody is told of it any more


def test_frame_counts_match_the_reference_table(goldens):
    table = load_vector(goldens / "a2m_lengths.npz")[0]["table"].astype(int)
    for samples, frames, padded, _, tracked, _, multiple_of_8, video in table:
        assert feature_frames(samples) == frames
        assert sum((stop - start - 80) // 320 for start, stop in chunk_spans(samples)) == frames
        assert len(voice_frequencies(np.zeros(padded))) == tracked
        assert -(-frames // 8) * 8 == multiple_of_8 == 2 * video


def test_stereo_is_heard_left_by_hubert_and_mixed_by_the_pitch_tracker(tiny_hubert):
    time = np.arange(16000) / 16000
    left = (0.3 * np.sin(2 * np.pi * 200 * time)).astype(np.float32)
    right = (0.3 * np.sin(2 * np.pi * 310 * time)).astype(np.float32)
    stereo = speech_features(np.stack([left, right]), tiny_hubert)
    mono = speech_features(left[None], tiny_hubert)
    assert stereo.frames == 28 and stereo.features.shape == (56, 32)
    assert torch.equal(stereo.features, mono.features)
    assert (stereo.features[49:] == 0).all()
    assert abs(mono.f0[20].item() - 200) < 1
    assert abs(stereo.f0[20].item() - 200) > 20


def test_too_short_a_sound_is_refused(tiny_hubert):
    with pytest.raises(SoundError, match="31 ms"):
        speech_features(np.zeros((1, 500), np.float32), tiny_hubert)


def test_a_saved_model_is_read_back_from_its_folder(tiny_hubert, tmp_path):
    tiny_hubert.save_pretrained(tmp_path)
    loaded = load_hubert(tmp_path)
    wave = make_input("read back", (3000,))
    torch.testing.assert_close(hubert_features(wave, loaded), hubert_features(wave, tiny_hubert))


def test_the_published_layout_is_read_in_silence(tiny_hubert, tmp_path, capsys):
    """A torch file with names as of 2021: an outer prefix, weight_g and weight_v, and a head that nobody needs."""
    old = {"original0": "weight_g", "original1": "weight_v"}
    state = {"lm_head.bias": torch.zeros(32)}
    for name, tensor in tiny_hubert.state_dict().items():
        for new, former in old.items():
            name = name.replace(f"parametrizations.weight.{new}", former)
        state["hubert." + name] = tensor
    tiny_hubert.config.to_json_file(tmp_path / "config.json")
    torch.save(state, tmp_path / "pytorch_model.bin")
    wave = make_input("published", (3000,))
    with messages_of_transformers() as messages:
        loaded = load_hubert(tmp_path)
    torch.testing.assert_close(hubert_features(wave, loaded), hubert_features(wave, tiny_hubert))
    assert messages == [] and capsys.readouterr().err == ""


def test_reading_leaves_the_hosts_settings_of_messages(tiny_hubert, tmp_path):
    from transformers.utils import logging

    tiny_hubert.save_pretrained(tmp_path)
    level, shown = logging.get_verbosity(), logging.is_progress_bar_enabled()
    try:
        for wanted in (True, False):
            logging.set_verbosity_info()
            (logging.enable_progress_bar if wanted else logging.disable_progress_bar)()
            load_hubert(tmp_path)
            assert (logging.get_verbosity(), logging.is_progress_bar_enabled()) == (logging.INFO, wanted)
    finally:
        logging.set_verbosity(level)
        (logging.enable_progress_bar if shown else logging.disable_progress_bar)()


@contextmanager
def messages_of_transformers() -> Iterator[list[str]]:
    """What the package logs; its own handler keeps the stderr of the moment it was imported, where no test sees it."""
    messages: list[str] = []
    listener = logging.Handler()
    listener.emit = lambda record: messages.append(record.getMessage())
    logger = logging.getLogger("transformers")
    logger.addHandler(listener)
    try:
        yield messages
    finally:
        logger.removeHandler(listener)


def test_a_file_that_lacks_weights_is_refused(tiny_hubert, tmp_path):
    tiny_hubert.config.to_json_file(tmp_path / "config.json")
    state = {name: tensor for name, tensor in tiny_hubert.state_dict().items() if "layers.1." not in name}
    torch.save(state, tmp_path / "pytorch_model.bin")
    with pytest.raises(MissingModelError, match=r"encoder\.layers\.1\.\S+, .* missing\)"):
        load_hubert(tmp_path)


def test_the_large_model_has_the_published_names(goldens):
    transformers = pytest.importorskip("transformers")
    published = json.loads((goldens / "a2m_hubert_large.json").read_text())
    sizes = {"hidden_size": 1024, "num_hidden_layers": 24, "num_attention_heads": 16, "intermediate_size": 4096}
    kind = {"conv_bias": True, "feat_extract_norm": "layer", "do_stable_layer_norm": True, "feat_proj_layer_norm": True}
    with torch.device("meta"):
        model = transformers.HubertModel(transformers.HubertConfig(**sizes, **kind))
    gain, direction = ("parametrizations.weight.original0", "parametrizations.weight.original1")
    names = {
        "hubert." + name.replace(gain, "weight_g").replace(direction, "weight_v"): list(tensor.shape)
        for name, tensor in model.state_dict().items()
    }
    assert names == {name: shape for name, (shape, _) in published.items() if not name.startswith("lm_head.")}


def test_missing_files_are_named_together(tmp_path):
    with pytest.raises(MissingModelError, match=r"config\.json and pytorch_model\.bin .*model\.safetensors.*hubert-large"):
        load_hubert(tmp_path)


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[1]",
        "null",
        "{" * 5000,
        '{"a":' * 100_000,
        '{"num_hidden_layers": 1000000000}',
        '{"num_hidden_layers": "many"}',
        '{"hidden_size": 1000000000000}',
        '{"conv_dim": [1000000000]}',
        '{"model_type": "bert"}',
        '{"hidden_size": "x"}',
        '{"conv_kernel": [1000000, 3, 3, 3, 3, 2, 2]}',
        '{"conv_stride": [5, 2, 2, 2, 2, 2, 1]}',
        '{"num_conv_pos_embeddings": 1000000}',
        '{"hidden_size": 8192, "intermediate_size": 65536, "num_hidden_layers": 100}',
        '{"layer_norm_eps": NaN}',
        "\x00",
    ],
)
def test_a_description_that_is_no_huberts_is_refused_at_once(tiny_hubert, tmp_path, content):
    tiny_hubert.save_pretrained(tmp_path)
    (tmp_path / "config.json").write_text(content)
    with pytest.raises(MissingModelError) as caught:
        load_hubert(tmp_path)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 600


@pytest.mark.parametrize("form", ["safetensors", "zip", "legacy"])
def test_the_hubs_folder_is_read_with_all_that_lies_in_it(tiny_hubert, tmp_path, form):
    state = {f"hubert.{name}": tensor.contiguous() for name, tensor in tiny_hubert.state_dict().items()}
    tiny_hubert.config.to_json_file(tmp_path / "config.json")
    for name in ("preprocessor_config.json", "tokenizer_config.json", "vocab.json", "special_tokens_map.json"):
        (tmp_path / name).write_text("{}")
    (tmp_path / "tf_model.h5").write_bytes(b"other")
    if form == "safetensors":
        save_file(state, tmp_path / "model.safetensors")
    else:
        torch.save(state, tmp_path / "pytorch_model.bin", _use_new_zipfile_serialization=form == "zip")
    wave = make_input("hub", (3000,))
    torch.testing.assert_close(hubert_features(wave, load_hubert(tmp_path)), hubert_features(wave, tiny_hubert))


@pytest.mark.parametrize("ending", ["safetensors", "bin"])
def test_weights_in_several_files_are_read(tiny_hubert, tmp_path, ending):
    tiny_hubert.config.to_json_file(tmp_path / "config.json")
    state = {name: tensor.contiguous() for name, tensor in tiny_hubert.state_dict().items()}
    stem = "model" if ending == "safetensors" else "pytorch_model"
    shard_of = {name: f"{stem}-0000{1 + number % 2}-of-00002.{ending}" for number, name in enumerate(state)}
    for shard in set(shard_of.values()):
        part = {name: tensor for name, tensor in state.items() if shard_of[name] == shard}
        save_file(part, tmp_path / shard) if ending == "safetensors" else torch.save(part, tmp_path / shard)
    (tmp_path / f"{stem}.{ending}.index.json").write_text(json.dumps({"metadata": {"total_size": 1}, "weight_map": shard_of}))
    wave = make_input("shards", (3000,))
    torch.testing.assert_close(hubert_features(wave, load_hubert(tmp_path)), hubert_features(wave, tiny_hubert))
    (tmp_path / shard).unlink()
    with pytest.raises(MissingModelError, match="cannot be read"):
        load_hubert(tmp_path)


@pytest.mark.parametrize(
    "more",
    [
        {"return_dict": False},
        {"dtype": "banana", "torch_dtype": 5},
        {"quantization_config": {"load_in_8bit": True}},
        {"attn_implementation": "flash_attention_2"},
        {"auto_map": {"AutoModel": "evil.py"}, "adapter_attn_dim": 10**6, "num_labels": 10**6},
    ],
    ids=lambda more: min(more),
)
def test_nothing_is_asked_of_the_description_but_the_networks_shape(tiny_hubert, tmp_path, more):
    tiny_hubert.save_pretrained(tmp_path)
    told = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(told | more))
    wave = make_input("described", (3000,))
    torch.testing.assert_close(hubert_features(wave, load_hubert(tmp_path)), hubert_features(wave, tiny_hubert))


def test_a_description_of_fewer_layers_than_the_file_has_is_refused(tiny_hubert, tmp_path):
    tiny_hubert.save_pretrained(tmp_path)
    told = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(told | {"num_hidden_layers": 1}))
    with pytest.raises(MissingModelError, match=r"encoder\.layers\.1\.\S+, .* left over"):
        load_hubert(tmp_path)


def test_numbers_that_are_not_finite_are_refused(tiny_hubert, tmp_path):
    tiny_hubert.config.to_json_file(tmp_path / "config.json")
    torch.save({name: tensor * float("nan") for name, tensor in tiny_hubert.state_dict().items()}, tmp_path / "pytorch_model.bin")
    with pytest.raises(MissingModelError, match="not all finite"):
        load_hubert(tmp_path)


def test_a_damaged_file_is_reported_in_words(tiny_hubert, tmp_path):
    tiny_hubert.save_pretrained(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"nothing of the kind")
    with pytest.raises(MissingModelError, match="cannot be read"):
        load_hubert(tmp_path)
