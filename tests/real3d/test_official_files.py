"""What the avatar `real3d` says of files that are not there."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from official_files import NoNetworks, write_face_model, write_voice

from real3d_core.avatar import SpeechStyle
from real3d_core.avatar_kinds import AvatarOptions, load_avatar
from real3d_core.errors import MissingModelError, Real3DError
from real3d_core.media.sound import Sound
from real3d_core.mediapipe_models.model_files import ModelFolders
from real3d_core.real3d import official_files
from real3d_core.real3d.audio_to_motion.voice import Voice
from real3d_core.real3d.official_files import find_checkpoint, load_voice


@pytest.fixture(scope="module")
def voice_folder(tmp_path_factory) -> Path:
    """A user's folder with what hears a voice."""
    pytest.importorskip("transformers")
    folder = tmp_path_factory.mktemp("voice")
    write_voice(folder)
    return folder


def empty_checkpoint(folder: Path, name: str = "model_ckpt_steps_100000.ckpt") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_bytes(b"PK")
    return path


def test_everything_that_is_missing_is_named_at_once_with_size_source_and_folder(tmp_path):
    with pytest.raises(MissingModelError) as caught:
        load_avatar("real3d", AvatarOptions(ModelFolders((tmp_path,))))
    told = str(caught.value)
    assert "\n" not in told
    for file, size, source, folder in (
        ("model_ckpt_steps_<n>.ckpt", "600 MB", "github.com/yerfor", "secc2plane_torso_orig"),
        ("BFM_model_front.mat", "127 MB", "faces.dmi.unibas.ch", "bfm"),
        ("only for a voice, model_ckpt_steps_<n>.ckpt", "50 MB", "github.com/yerfor", "audio2secc_vae"),
        ("pytorch_model.bin", "1.26 GB", "huggingface.co/facebook/hubert-large-ls960-ft", "hubert"),
    ):
        assert file in told and size in told and source in told and f"'{tmp_path / folder}'" in told


def test_the_landmark_model_is_named_too(tmp_path, monkeypatch):
    monkeypatch.setattr("real3d_core.mediapipe_models.model_files.CARRIERS", ("no_such_package",))
    with pytest.raises(MissingModelError, match=r"face_landmarker\.task \(3\.8 MB\) from https://storage"):
        load_avatar("real3d", AvatarOptions(ModelFolders((tmp_path,))))


def test_what_only_a_voice_needs_does_not_stand_in_a_clips_way(tmp_path, monkeypatch):
    write_face_model(tmp_path)
    path = empty_checkpoint(tmp_path / "secc2plane_torso_orig")
    opened = []
    monkeypatch.setattr(official_files, "load_networks", lambda path, device, dtype: opened.append(path) or NoNetworks())
    avatar = load_avatar("real3d", AvatarOptions(ModelFolders((tmp_path,))))
    assert opened == [path]
    sound = Sound(torch.zeros(1, 16000), 16000)
    for hear in (lambda: avatar.audio_to_motion(sound), avatar.audio_networks):
        with pytest.raises(MissingModelError, match=r"a driving clip needs none.*audio2secc_vae'; config.json and pytorch_model"):
            hear()


@pytest.mark.parametrize(
    ("capability", "half", "precision"), [("AVX2", True, "float32"), ("AVX512", True, "bfloat16"), ("AVX512", False, "float32")]
)
def test_half_precision_is_left_out_where_the_processor_has_none(tmp_path, monkeypatch, caplog, capability, half, precision):
    """A ticked box made one frame take minutes there."""
    write_face_model(tmp_path)
    empty_checkpoint(tmp_path / "secc2plane_torso_orig")
    given = []
    monkeypatch.setattr(official_files, "load_networks", lambda path, device, dtype: given.append(dtype) or NoNetworks())
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: capability)
    load_avatar("real3d", AvatarOptions(ModelFolders((tmp_path,)), half=half))
    assert given == [getattr(torch, precision)]
    told = [message for message in caplog.messages if message.startswith("Half")]
    assert told == ["Half precision is left out: 'cpu' here computes in float32 faster."] * (half and precision == "float32")


def test_a_file_that_is_no_checkpoint_is_told_before_what_is_missing(tmp_path):
    (tmp_path / "cat.ckpt").write_text("a picture of a cat")
    with pytest.raises(MissingModelError, match=r"'cat\.ckpt' is not a checkpoint"):
        load_avatar("real3d", AvatarOptions(ModelFolders((tmp_path,)), tmp_path / "cat.ckpt"))


def test_the_built_in_avatar_takes_no_checkpoint(tmp_path):
    with pytest.raises(Real3DError, match="does not use a checkpoint"):
        load_avatar("analytic", AvatarOptions(ModelFolders((tmp_path,)), tmp_path / "x.ckpt"))


def test_the_checkpoint_is_found_wherever_the_user_put_it(tmp_path):
    assert find_checkpoint(ModelFolders((tmp_path / "nowhere", tmp_path))) is None
    empty_checkpoint(tmp_path / "audio2secc_vae", "model_ckpt_steps_400000.ckpt")
    assert find_checkpoint(ModelFolders((tmp_path,))) is None
    loose = empty_checkpoint(tmp_path)
    assert find_checkpoint(ModelFolders((tmp_path,))) == loose
    own = empty_checkpoint(tmp_path / "mine", "model_ckpt_steps_7.safetensors")
    with pytest.raises(MissingModelError, match=r"several checkpoints.*mine.*choose one"):
        find_checkpoint(ModelFolders((tmp_path,)))
    released = empty_checkpoint(tmp_path / "secc2plane_torso_orig")
    assert find_checkpoint(ModelFolders((tmp_path,))) == released != own


def test_a_voice_is_heard_once_and_the_memory_of_voices_is_bounded(voice_folder):
    loaded = []
    voice = Voice(lambda: loaded.append(1) or load_voice(ModelFolders((voice_folder,)), "cpu"), kept_bytes=200_000)
    noise = torch.randn(3, 1, 8000, generator=torch.Generator().manual_seed(0)) / 10
    sounds = [Sound(samples, 16000) for samples in noise]
    heard = []
    voice.networks().hubert.register_forward_hook(lambda *_: heard.append(1))
    natural = voice(sounds[0], SpeechStyle())
    assert torch.equal(natural, voice(Sound(sounds[0].samples.clone(), 16000), SpeechStyle()))
    for style in (SpeechStyle(amplitude=2.0), SpeechStyle(seed=1), SpeechStyle(temperature=1.0)):
        assert not torch.equal(natural, voice(sounds[0], style))
    assert (len(heard), len(loaded)) == (1, 1)
    voice(sounds[1], SpeechStyle())  # 24 frames of 1024 numbers are 98 kB, rows of padding included: two sounds are kept
    voice(sounds[0], SpeechStyle())
    assert len(heard) == 2
    voice(sounds[2], SpeechStyle())
    voice(sounds[0], SpeechStyle())
    voice(sounds[1], SpeechStyle())
    assert len(heard) == 4


def test_a_sound_beyond_the_memory_is_heard_all_the_same(voice_folder):
    voice = Voice(lambda: load_voice(ModelFolders((voice_folder,)), "cpu"), kept_bytes=0)
    sound = Sound(torch.randn(1, 8000, generator=torch.Generator().manual_seed(0)) / 10, 16000)
    assert torch.equal(voice(sound, SpeechStyle()), voice(sound, SpeechStyle())) and not voice._kept
