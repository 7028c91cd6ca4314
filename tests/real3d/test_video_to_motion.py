"""A driving clip through the avatar's own verb, against the reference's fit (spec 06 section 7)."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from golden import load_vector
from official_files import NoNetworks

from real3d_core.face.canonical_face import canonical_face
from real3d_core.face.landmarks import FaceLandmarks, Sighting
from real3d_core.face.track import FaceTrack, track_face, track_from_landmarks
from real3d_core.mediapipe_models.model_files import ModelFolders
from real3d_core.real3d.avatar import Real3DAvatar
from real3d_core.real3d.face_model.driven import DrivenFace

SIDE = 512


@pytest.fixture(scope="module")
def avatar(face) -> Real3DAvatar:
    """Without networks, which draw but do not fit."""
    decoder, config = NoNetworks.decoder, SimpleNamespace(march_settings=None)
    return Real3DAvatar(SimpleNamespace(decoder=decoder, config=config), DrivenFace(face), prepare=lambda portrait: None)


def clip_of(points: np.ndarray) -> np.ndarray:
    """The reference's 468 flat points [T, 468, 2] as landmarks [T, 478, 3] as deep as the canonical face."""
    canonical = canonical_face(ModelFolders()).points
    scale = np.ptp(points[0, :, 1]) / np.ptp(canonical[:, 1])
    deep = np.broadcast_to(-canonical[:, 2] * scale, points.shape[:2])[..., None]
    return np.pad(np.concatenate([points, deep], axis=2), ((0, 0), (0, 10), (0, 0))).astype(np.float32)


@pytest.fixture(scope="module")
def reference(goldens):
    return load_vector(goldens / "06_fit_video.npz")


def test_a_square_clip_is_fitted_as_it_is(avatar, reference, monkeypatch):
    expected, meta = reference
    faces = clip_of(expected["landmarks_px"])
    monkeypatch.setattr(
        FaceLandmarks, "in_frames", lambda finder, frames: (Sighting(face, 1.0, 0) for face, _ in zip(faces, frames, strict=True))
    )
    track = track_face((np.zeros((SIDE, SIDE, 3), np.uint8) for _ in faces), ModelFolders())
    assert track.trusted.all()
    motion = avatar.video_to_motion(track)
    np.testing.assert_allclose(motion.expression[:, 1:].numpy(), expected["exp"], atol=meta["atol"]["exp"], rtol=0)
    np.testing.assert_allclose(motion.euler.numpy(), expected["euler"] - expected["euler"][:1], atol=2 * meta["atol"]["euler"], rtol=0)
    moved = (expected["trans"] - expected["trans"][:1]) * [1, 1, 0]
    np.testing.assert_allclose(motion.translation.numpy(), moved, atol=2 * meta["atol"]["trans"], rtol=0)


def track_of(faces: np.ndarray, shots: list[int] | None = None) -> FaceTrack:
    shots = None if shots is None else np.array(shots)
    return track_from_landmarks(faces, 25.0, canonical_face(ModelFolders()), shots=shots, frame_size=(SIDE, SIDE))


def test_two_people_are_fitted_apart(avatar, reference):
    faces = clip_of(reference[0]["landmarks_px"])[:4]
    wider = faces * np.float32([1.15, 1, 1])
    alone, other = avatar.video_to_motion(track_of(faces)), avatar.video_to_motion(track_of(wider))
    both = avatar.video_to_motion(track_of(np.concatenate([faces, wider]), [0] * 4 + [1] * 4))
    torch.testing.assert_close(both.expression[:4], alone.expression)
    jump = (other.expression[0] - alone.expression[3]).norm()
    assert (both.expression[4] - both.expression[3]).norm() < 0.3 * jump  # a cut is eased
    assert (both.euler[4] - both.euler[3]).norm() < 0.03
