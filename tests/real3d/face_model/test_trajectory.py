"""Poses, cameras and key points against the reference's (spec 06 sections 8 and 11)."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from golden import load_vector, make_input
from official_files import NoNetworks

from real3d_core.real3d.avatar import Real3DAvatar
from real3d_core.real3d.face_model.basel import FaceModel
from real3d_core.real3d.face_model.driven import DrivenFace, Trajectory, trajectory_cameras
from real3d_core.real3d.face_model.fit import FaceFit


def _input(label: str, shape: tuple[int, ...], size: float) -> torch.Tensor:
    return torch.from_numpy(make_input(label, shape, 0, -size, size))


@pytest.fixture(scope="module")
def source() -> FaceFit:
    euler, translation = (_input(f"portrait.cam.src_{name}", (1, 3), 0.2) for name in ("euler", "trans"))
    return FaceFit(torch.zeros(1, 80), torch.zeros(1, 64), euler, translation)


@pytest.fixture(scope="module")
def clip() -> FaceFit:
    euler, translation = _input("portrait.cam.drv_euler", (7, 3), 0.4), _input("portrait.cam.drv_trans", (7, 3), 0.3)
    return FaceFit(torch.zeros(1, 80), torch.zeros(7, 64), euler, translation)


def _seen_throughout(frames: int) -> SimpleNamespace:
    """A track of one shot in which every frame is trusted; the first one is neutral."""
    first = np.zeros(frames, int)
    return SimpleNamespace(
        first_frames=lambda chosen: first, neutral_frames=lambda chosen: first, bridges=lambda neutral: lambda values: values
    )


def _avatar(portrait: FaceFit, clip: FaceFit) -> Real3DAvatar:
    """One whose portraits and driving clips were fitted before."""
    networks = SimpleNamespace(decoder=NoNetworks.decoder, config=SimpleNamespace(march_settings=None))
    face = SimpleNamespace(device="cpu", fit_shots=lambda track, progress: [clip])
    return Real3DAvatar(networks, face, prepare=lambda portrait_of_it: SimpleNamespace(fit=portrait))


def test_a_clip_is_followed_to_and_fro_as_by_the_reference(source: FaceFit, clip: FaceFit, goldens):
    """The published program can also leave the clip's poses as they are: those of a portrait in the pose of the clip's first frame."""
    expected, meta = load_vector(goldens / "06_camera.npz")
    unmoved = FaceFit(source.identity, source.expression, clip.euler[:1], clip.translation[:1])
    before = clip.translation.clone()
    for kind, portrait in (("mapped", source), ("unmapped", unmoved)):
        avatar = _avatar(portrait, clip)
        motion = avatar.video_to_motion(_seen_throughout(len(clip.euler))).fitted(25)
        trajectory = avatar._trajectory(None, motion)
        np.testing.assert_allclose(trajectory.euler, expected[f"{kind}_euler"], atol=meta["atol"], rtol=meta["rtol"])
        np.testing.assert_allclose(trajectory.translation, expected[f"{kind}_trans"], atol=meta["atol"], rtol=meta["rtol"])
        if kind == "mapped":
            cameras = avatar.cameras(None, motion).cameras
            np.testing.assert_allclose(cameras, expected["trajectory_camera25"], atol=meta["atol"], rtol=meta["rtol"])
    assert torch.equal(clip.translation, before)


def test_a_held_pose_gives_one_camera_and_the_key_points_of_the_source(face: FaceModel, source: FaceFit):
    trajectory = _held(source, 4)
    cameras = trajectory_cameras(trajectory)
    torch.testing.assert_close(cameras, cameras[:1].expand(4, 25))
    driven = DrivenFace(face)
    held = driven.driving_key_points(source, torch.zeros(4, 64), trajectory)
    assert held.shape == (4, 68, 3) and (held[..., 2] == 0).all()
    torch.testing.assert_close(held, driven.source_key_points(source).expand(4, 68, 3))


def test_source_key_points_match_reference(face: FaceModel, goldens):
    expected, meta = load_vector(goldens / "06_geometry.npz")
    identity, expression = _input("portrait.geo.id", (4, 80), 1.0), _input("portrait.geo.exp", (4, 64), 1.0)
    euler, translation = _input("portrait.geo.euler", (4, 3), 0.4), _input("portrait.geo.trans", (4, 3), 0.3)
    for i in range(4):
        fit = FaceFit(identity[i : i + 1], expression[i : i + 1], euler[i : i + 1], translation[i : i + 1])
        points = DrivenFace(face).source_key_points(fit)[0, :, :2]
        np.testing.assert_allclose(points, expected["torso_kp_68_scaled"][i], atol=meta["atol"], rtol=meta["rtol"])


def test_key_points_are_smoothed_after_clamping(face: FaceModel):
    """A face that jumps out of the picture for one frame of seven pulls the others by a seventh of the clamped way only."""
    frames = 9
    translation = torch.zeros(frames, 3)
    translation[4, 0] = 5.0
    driven, expressions = DrivenFace(face), torch.zeros(frames, 64)
    points = driven.driving_key_points(_neutral(), expressions, Trajectory(torch.zeros(frames, 3), translation))
    still = driven.driving_key_points(_neutral(), expressions, _held(_neutral(), frames))
    expected = still[4, :, 0] * 6 / 7 + 1 / 7
    torch.testing.assert_close(points[4, :, 0], expected, atol=1e-6, rtol=0)


def _neutral() -> FaceFit:
    return FaceFit(torch.zeros(1, 80), torch.zeros(1, 64), torch.zeros(1, 3), torch.zeros(1, 3))


def _held(fit: FaceFit, frames: int) -> Trajectory:
    return Trajectory(fit.euler.repeat(frames, 1), fit.translation.repeat(frames, 1))
