"""A voice through the avatar's own verb, from files in every format: each stage on the reference vectors (spec 05 section 10)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from golden import fill, load_vector, make_input
from official_files import NoNetworks, hubert_of, write_face_model
from safetensors.torch import save_file

from real3d_core.avatar import Avatar, SpeechStyle
from real3d_core.avatar_kinds import AvatarOptions, load_avatar
from real3d_core.media.sound import Sound
from real3d_core.mediapipe_models.model_files import ModelFolders
from real3d_core.real3d import official_files
from real3d_core.real3d.audio_to_motion import network as audio_to_motion
from real3d_core.real3d.audio_to_motion import voice
from real3d_core.real3d.audio_to_motion.hubert import SpeechFeatures
from real3d_core.real3d.audio_to_motion.network import AudioToMotion, AudioToMotionConfig

FORMS = ("legacy", "zip", "safetensors")
TINY = 32  # features of the reference's small HuBERT


def write(tensors: dict[str, torch.Tensor], path: Path, form: str, **beside) -> None:
    """Weights in a format, with what stands beside them in the two of torch's."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if form == "safetensors":
        save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, path.with_suffix(".safetensors"))
    else:
        content = {**beside, "state_dict": {"model": tensors}} if beside else tensors
        torch.save(content, path, _use_new_zipfile_serialization=form == "zip")


@pytest.fixture(params=FORMS)
def listening(request, tmp_path, goldens, monkeypatch):
    """A function from the number of features to an avatar loaded from a folder with the reference's small HuBERT."""
    pytest.importorskip("transformers")
    monkeypatch.setattr(official_files, "load_networks", lambda path, device, dtype: NoNetworks())
    write_face_model(tmp_path)
    (tmp_path / "secc2plane_torso_orig").mkdir()
    (tmp_path / "secc2plane_torso_orig" / "model_ckpt_steps_1.ckpt").write_bytes(b"PK")
    hubert = hubert_of(load_vector(goldens / "a2m_hubert_tiny.npz")[1]["config"])
    hubert.config.to_json_file(tmp_path / "config.json")
    name = "model" if request.param == "safetensors" else "pytorch_model"
    write(hubert.state_dict(), tmp_path / "hubert" / f"{name}.bin", request.param)
    (tmp_path / "config.json").rename(tmp_path / "hubert" / "config.json")

    def load(features: int) -> Avatar:
        network = AudioToMotion(AudioToMotionConfig(features=features))
        fill(network)
        write(network.state_dict(), tmp_path / "audio2secc_vae" / "model_ckpt_steps_400000.ckpt", request.param, epoch=1)
        return load_avatar("real3d", AvatarOptions(ModelFolders((tmp_path,))))

    return load


def heard(avatar: Avatar, sound: Sound) -> list[torch.Tensor]:
    """What the audio-to-motion network is given: features, F0, blinks, mouth amplitude and noise."""
    given = []
    network = avatar.audio_networks()[0].audio_to_motion
    hook = network.register_forward_pre_hook(lambda _, inputs: given.extend(part[0] for part in inputs))
    avatar.audio_to_motion(sound)
    hook.remove()
    return given


def test_features_are_the_references(listening, goldens):
    expected, meta = load_vector(goldens / "a2m_hubert_tiny.npz")
    time = np.arange(321720) / 16000
    wave = (0.4 * make_input("a2m.hubert.wav", (321720,)) * (0.6 + 0.4 * np.sin(np.pi * time)) + 0.02).astype(np.float32)
    features, _, blinks, amplitude, noise = heard(listening(TINY), Sound(torch.from_numpy(wave)[None], 16000))
    assert features.shape == (1008, TINY) and (features[1005:] == 0).all() and (blinks == 0).all() and amplitude == 0.45
    np.testing.assert_allclose(features[:1005:8], expected["every8"], **meta["recommended"])
    np.testing.assert_allclose(features[981:1005], expected["tail24"], **meta["recommended"])
    assert torch.equal(noise, (0.2 * torch.randn(1, 16, 126, generator=torch.Generator().manual_seed(0)))[0])


@pytest.mark.parametrize(("name", "track"), [("a2m_mel_f0", "f0"), ("a2m_f0_hard", "f0_tracker")])
def test_the_pitch_is_the_references(listening, goldens, name, track):
    expected, meta = load_vector(goldens / f"{name}.npz")
    _, pitch, *_ = heard(listening(TINY), Sound(torch.from_numpy(expected["wav"])[None], 16000))
    pitch, wanted = pitch[: len(expected[track])].numpy(), expected[track]
    assert ((pitch > 0) == (wanted > 0)).all()
    np.testing.assert_allclose(pitch, wanted, atol=meta["recommended"]["f0_atol_hz"], rtol=0)


@pytest.mark.parametrize(
    ("case", "label", "steps", "temperature"), [("t0", "a2m", 64, 0.0), ("noise", "a2m", 64, 0.2), ("min", "a2m.min", 8, 0.2)]
)
def test_expressions_are_the_references(listening, goldens, monkeypatch, case, label, steps, temperature):
    expected, meta = load_vector(goldens / f"a2m_vae_{case}.npz")
    pitch = make_input(f"{label}.f0", (steps,), 0, -200, 600)
    given = SpeechFeatures(
        torch.from_numpy(make_input(f"{label}.hubert", (steps, 1024))), torch.from_numpy(np.where(pitch < 80, 0, pitch).astype(np.float32))
    )
    monkeypatch.setattr(voice, "speech_features", lambda samples, hubert, progress: given)
    noise = torch.from_numpy(make_input(f"{label}.noise", (1, 16, steps // 8), 0, -2, 2))
    monkeypatch.setattr(audio_to_motion, "prior_noise", lambda latent, length, seed: noise)
    motion = listening(1024).audio_to_motion(Sound(torch.zeros(1, 320 * steps), 16000), SpeechStyle(temperature=temperature))
    assert motion.expression.shape == (steps // 2, 65) and motion.fps == 25 and (motion.control("eyelids") == 0).all()
    np.testing.assert_allclose(motion.expression[:, 1:], expected["exp"][0], **meta["recommended"])
