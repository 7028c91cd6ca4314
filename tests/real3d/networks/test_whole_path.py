"""The official path at full size: photo and speech to a film, through the official loader and the user's own folder."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import pytest
import torch
from float32_only import float32_only
from official_files import write_face_model, write_voice

from cuda_ops import march
from real3d_core.avatar import Avatar, SpeechStyle
from real3d_core.avatar_kinds import AvatarOptions, load_avatar
from real3d_core.media.clip import open_clip
from real3d_core.media.film import write_video
from real3d_core.media.sound import Sound, load_sound
from real3d_core.mediapipe_models.model_files import ModelFolders
from real3d_core.motion.editing import trimmed
from real3d_core.motion.motion import Motion
from real3d_core.pipeline import PipelineOptions, make_motion, render_frames
from real3d_core.portrait.portrait import Portrait, prepare_portrait
from real3d_core.real3d.avatar import Real3DAvatar
from real3d_core.render.head import render_head

FRAMES = 2


@pytest.fixture(scope="module")
def models(checkpoint, tmp_path_factory) -> Path:
    """The user's folder, complete."""
    pytest.importorskip("transformers")
    folder = tmp_path_factory.mktemp("models")
    (folder / "secc2plane_torso_orig").symlink_to(checkpoint.parent)
    write_face_model(folder)
    write_voice(folder)
    return folder


@pytest.fixture(scope="module")
def avatar(models) -> Avatar:
    return load_avatar("real3d", AvatarOptions(ModelFolders((models,))))


@pytest.fixture(scope="module")
def portrait(assets, models) -> Portrait:
    photo = cv2.cvtColor(cv2.imread(str(assets / "portraits" / "synthetic_p002.jpg")), cv2.COLOR_BGR2RGB)
    return prepare_portrait(photo, ModelFolders((models,)))


def speech(assets: Path, start: float) -> Sound:
    recording = load_sound(assets / "speech" / "librivox_0880_en.wav")
    first = round(start * recording.rate)
    return Sound(recording.samples[:, first : first + round(0.3 * recording.rate)], recording.rate)


def spoken(avatar: Avatar, sound: Sound, seed: int = 3) -> Motion:
    """The first frames of a voice on a swaying head."""
    motion = make_motion(avatar, PipelineOptions(pose="sway", blink="none", speech=SpeechStyle(seed=seed)), sound)
    assert len(motion) == 8 and motion.expression.std() > 0.01
    return trimmed(motion, end=FRAMES / 25)


@torch.inference_mode()
def test_photo_and_speech_become_a_film(avatar, networks, canonical, portrait, assets, tmp_path):
    """Of one frame, and with the planes of the reference's picture: lifting takes many seconds and is tested with its network."""

    def lifted_before(head: torch.Tensor) -> torch.Tensor:
        assert head.shape == (1, 3, 512, 512) and -1 <= head.min() < -0.5 and 0.5 < head.max() <= 1
        return canonical.planes

    loaded, reference = (one.image_to_plane.state_dict() for one in (avatar.networks, networks))
    assert loaded.keys() == reference.keys() and all(torch.equal(loaded[name], reference[name]) for name in loaded)
    drawing = Real3DAvatar(replace(avatar.networks, image_to_plane=lifted_before), avatar._face, prepare=avatar.source)
    sound = speech(assets, 0.3)
    motion = spoken(avatar, sound)
    frame = render_frames(drawing, portrait, motion, PipelineOptions(framing="side by side"), march=march).part(1, 2)
    shown = []

    def seen(chunk: torch.Tensor, start: int, stop: int) -> torch.Tensor:
        shown.append(chunk)
        return chunk

    write_video(tmp_path / "film.mp4", frame.map(seen), sound, chunk=FRAMES)
    clip = open_clip(tmp_path / "film.mp4")
    assert (clip.width, clip.height, clip.has_sound) == (5 * 512, 512, True)
    (together,) = shown
    assert together.shape == (1, 512, 5 * 512, 3) and together.min() >= 0 and together.max() <= 1
    assert together[:, :, 4 * 512 :].std() > 0.01
    assert torch.equal(spoken(avatar, sound).expression, motion.expression)


@torch.inference_mode()
def test_another_voice_changes_the_conditioning_within_the_face_only(avatar, portrait, assets):
    motions = [replace(spoken(avatar, speech(assets, start)), euler=torch.zeros(FRAMES, 3)) for start in (0.3, 1.1)]
    first, second = (avatar.condition(portrait, motion).frames(0, FRAMES) for motion in motions)
    face = (first > 0).any(-1) | (second > 0).any(-1)
    changed = (first != second).any(-1)
    assert first.shape == (FRAMES, 512, 512, 3) and 0.1 < face.float().mean() < 0.9
    assert changed.any() and not (changed & ~face).any()


@torch.inference_mode()
def test_features_are_computed_once_for_a_sound(avatar, assets, monkeypatch):
    sound = speech(assets, 0.5)
    natural = avatar.audio_to_motion(sound)
    hubert = avatar.audio_networks()[0].hubert
    monkeypatch.setattr(hubert, "forward", None)  # a call would fail
    wide = avatar.audio_to_motion(Sound(sound.samples.clone(), sound.rate), SpeechStyle(amplitude=2.0, seed=4, temperature=0.5))
    assert not torch.equal(natural.expression, wide.expression)
    with pytest.raises(TypeError):
        avatar.audio_to_motion(speech(assets, 0.9))


@torch.inference_mode()
def test_networks_and_frames_ask_for_no_float64(avatar, small_networks, portrait, assets):
    # Apple's GPUs have none; cameras are computed on the processor
    motion = spoken(avatar, speech(assets, 0.3))
    cameras = avatar.cameras(portrait, motion)
    small = Real3DAvatar(small_networks, avatar._face, prepare=avatar.source)
    small.march_settings = replace(small.march_settings, resolution=32)

    def frames() -> torch.Tensor:
        renders = render_head(small.adapt(small.lift(portrait), motion), small.decoder, cameras, small.march_settings)
        return small.compose(renders, portrait, motion).frames(0, 1)

    with float32_only():
        assert frames().dtype == torch.float32


def test_chunks_and_runs_of_their_own_give_the_same_frames(avatar, small_networks, portrait, assets):
    motion, drawn = spoken(avatar, speech(assets, 0.3)), []
    for start in (0, 1):
        small = Real3DAvatar(small_networks, avatar._face, prepare=avatar.source)
        small.march_settings = replace(small.march_settings, resolution=32)
        drawn.append(render_frames(small, portrait, motion).frames(start, FRAMES))
    together, alone = drawn
    assert torch.equal(together[1], alone[0]) and not torch.equal(together[0], together[1])
