"""Every avatar, also one that nobody knows yet, does all that the interface promises."""

import inspect
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from official_files import write_face_model, write_voice
from small_networks import SMALL, small_tensors
from toy_avatar import announce

from real3d_core import avatar as interface
from real3d_core import avatar_kinds
from real3d_core.avatar_kinds import AvatarOptions, load_avatar
from real3d_core.errors import MotionMismatchError
from real3d_core.face.canonical_face import canonical_face
from real3d_core.face.track import track_from_landmarks
from real3d_core.media.pictures import load_picture
from real3d_core.media.sound import Sound
from real3d_core.mediapipe_models.model_files import ModelFolders
from real3d_core.motion.motion import Motion, MotionBasis
from real3d_core.portrait.portrait import prepare_portrait
from real3d_core.real3d.weights.checkpoint import build_networks
from real3d_core.render.head import render_head
from real3d_core.stream import FrameStream

FRAMES, SIZE = 2, 96


@pytest.fixture(scope="module")
def models(tmp_path_factory) -> ModelFolders:
    """What a user of every avatar has; what the checkpoint holds is told by `kind`."""
    pytest.importorskip("transformers")
    folder = tmp_path_factory.mktemp("models")
    write_face_model(folder)
    write_voice(folder)
    (folder / "secc2plane_torso_orig").mkdir()
    (folder / "secc2plane_torso_orig" / "model_ckpt_steps_100000.ckpt").write_bytes(b"PK")
    return ModelFolders((folder,))


@pytest.fixture(scope="module", params=[*avatar_kinds.AVATARS, "toy"])
def kind(request):
    """Real3d's networks are small: what the interface promises does not depend on their sizes."""
    with pytest.MonkeyPatch.context() as patch:
        announce("real3d_core", patch)
        small = build_networks(small_tensors(), {}, sizes=SMALL)
        patch.setattr("real3d_core.real3d.official_files.load_networks", lambda path, device, dtype: small)
        yield avatar_kinds.avatar_kind(request.param)


@pytest.fixture(scope="module")
def avatar(kind, models):
    return load_avatar(kind.name, AvatarOptions(models))


@pytest.fixture(scope="module")
def portrait(assets, models):
    return prepare_portrait(load_picture(assets / "portraits" / "synthetic_p009.jpg"), models)


@pytest.fixture(scope="module")
def motion(avatar):
    voice = Sound(torch.sin(torch.arange(16000 * FRAMES / 25) * 0.2)[None] / 2, 16000)
    return avatar.audio_to_motion(voice)


@pytest.fixture(scope="module")
def renders(avatar, portrait, motion) -> FrameStream:
    planes = avatar.adapt(avatar.lift(portrait), motion)
    settings = replace(avatar.march_settings, coarse=4, fine=4)
    once: dict[int, object] = {}
    stream = render_head(planes, avatar.decoder, avatar.cameras(portrait, motion), settings)
    return FrameStream(len(stream), stream.fps, lambda start, stop: once.setdefault(start, stream.frames(start, stop)))


def members(protocol) -> dict:
    return {name: value for name, value in inspect.getmembers(protocol, inspect.isfunction) if not name.startswith("_")}


def test_it_is_what_it_announces(kind, avatar):
    assert (avatar.name, avatar.motion_basis.name) == (kind.name, kind.basis)
    assert isinstance(avatar.decoder.weight1, torch.Tensor) and avatar.march_settings.resolution > 0


def test_every_verb_takes_what_the_interface_says(avatar):
    for name, promised in members(interface.Avatar).items():
        wanted, found = (inspect.signature(one).parameters for one in (promised, getattr(type(avatar), name)))
        assert list(found) == list(wanted), name
        defaults = {key: one.default for key, one in wanted.items() if key != "progress"}
        assert {key: found[key].default for key in defaults} == defaults, name


def test_networks_are_modules(avatar):
    for networks in (avatar.video_networks(), avatar.audio_networks()):
        assert all(isinstance(network, torch.nn.Module) for network in networks)


def test_a_portrait_is_lifted_and_adapted(avatar, portrait, motion):
    lifted = avatar.lift(portrait)
    moved = avatar.adapt(lifted, motion)
    assert len(lifted) == 1 and len(moved) == FRAMES and moved.fps == 25.0
    assert moved.frames(0, 1).features.shape == lifted.features.shape


def test_a_motion_of_another_avatar_is_refused(avatar, portrait):
    other = Motion.still(MotionBasis("another", (), 3), 2)
    with pytest.raises(MotionMismatchError, match="another"):
        avatar.adapt(avatar.lift(portrait), other)


def test_cameras_see_every_frame(avatar, portrait, motion):
    assert avatar.cameras(portrait, motion).cameras.shape == (FRAMES, 25)


def test_the_condition_is_a_picture(avatar, portrait, motion):
    shown = avatar.condition(portrait, motion).frames(0, 1)
    assert shown.ndim == 4 and shown.shape[-1] == 3 and shown.min() >= 0 and shown.max() <= 1


def test_frames_and_their_matte_are_composed(avatar, portrait, motion, renders):
    frames = avatar.compose(renders, portrait, motion, None, SIZE)
    mattes = avatar.person_mask(renders, portrait, motion, SIZE)
    assert len(frames) == len(mattes) == FRAMES
    frame, matte = frames.frames(0, 1), mattes.frames(0, 1)
    assert frame.shape == (1, SIZE, SIZE, 3) and matte.shape == (1, SIZE, SIZE)
    for picture in (frame, matte):
        assert picture.isfinite().all() and picture.min() >= 0 and picture.max() <= 1


def test_a_voice_becomes_a_motion_of_its_own_kind(avatar, motion):
    assert motion.basis == avatar.motion_basis and len(motion) == FRAMES and motion.fps == 25.0
    assert motion.euler.abs().max() == 0 and motion.translation.abs().max() == 0


@pytest.mark.parametrize("frames", [1, 3])
def test_a_clip_becomes_a_motion_of_its_own_kind(avatar, models, frames):
    face = canonical_face(models)
    shown = np.concatenate([face.points * [1, -1, -1] / 40, np.zeros((10, 3))]) * 100 + 200
    track = track_from_landmarks(np.repeat(shown[None], frames, axis=0), 25.0, face)
    motion = avatar.video_to_motion(track)
    assert motion.basis == avatar.motion_basis and len(motion) == frames and motion.expression.isfinite().all()


@pytest.mark.parametrize("mode", ["natural", "periodic", "none"])
def test_lids_close(avatar, mode):
    closed = avatar.blinks(200, mode, seed=3)
    assert closed.shape == (200,) and closed.min() >= 0 and closed.max() <= 1
    motion = avatar.with_blinks(Motion.still(avatar.motion_basis, 200), closed)
    assert len(motion) == 200 and motion.basis == avatar.motion_basis


def test_a_motion_goes_to_another_avatar_and_back(avatar, motion):
    landmarks = avatar.to_landmarks(motion)
    assert landmarks.displacements.shape == (FRAMES, 468, 3) and landmarks.lids.shape == (FRAMES, 2)
    back = avatar.from_landmarks(landmarks)
    assert back.basis == avatar.motion_basis and len(back) == FRAMES and math.isclose(back.fps, motion.fps)
