"""Cameras against the reference vector 06_camera, and the laws they obey."""

import numpy as np
import pytest
import torch
from golden import load_vector, make_input

from real3d_core.render import (
    CameraPath,
    camera_from_pose,
    camera_rays,
    euler_to_matrix,
    matrix_to_euler,
    project,
    smooth_cameras,
    smooth_track,
)
from real3d_core.stream import mirror_index


@pytest.fixture(scope="module")
def reference(goldens):
    return load_vector(goldens / "06_camera.npz")[0]


@pytest.fixture(scope="module")
def poses():
    return pose("portrait.cam.euler", 20, 0.4), pose("portrait.cam.trans", 20, 0.3)


def pose(label, frames, reach):
    return torch.from_numpy(make_input(label, (frames, 3), low=-reach, high=reach))


def test_cameras_of_poses(reference, poses):
    np.testing.assert_allclose(camera_from_pose(*poses), reference["camera25"], rtol=1e-5, atol=1e-5)


def test_zero_pose_looks_at_the_head_from_the_front():
    camera = camera_from_pose(torch.zeros(1, 3), torch.zeros(1, 3))[0, :16].reshape(4, 4)
    assert torch.allclose(camera[:3, :3], torch.diag(torch.tensor([1.0, -1, -1])).double())
    assert torch.allclose(camera[:3, 3], torch.tensor([0, 0.006, 2.861]).double())


def test_smoothed_cameras(reference, poses):
    np.testing.assert_allclose(smooth_cameras(camera_from_pose(*poses)), reference["camera25_smooth"], rtol=1e-5, atol=1e-5)


def test_smoothing_keeps_a_still_camera():
    still = camera_from_pose(torch.tensor([[0.1, 0.2, -0.3]]).repeat(3, 1), torch.zeros(3, 3))
    assert torch.allclose(smooth_cameras(still), still.float(), atol=1e-6)


def test_smoothed_track(reference):
    points = torch.from_numpy(make_input("portrait.cam.kp", (20, 68, 2)))
    np.testing.assert_allclose(smooth_track(points), reference["features_smooth"], rtol=1e-5, atol=1e-5)


def test_a_track_of_two_frames_is_mirrored_to_and_fro():
    # frames -3..3 around frame 0 are 1, 1, 0, 0, 1, 1, 0
    assert torch.allclose(smooth_track(torch.tensor([[0.0], [7.0]])), torch.tensor([[4.0], [3.0]]))


def test_mirror_index(reference):
    for length, row in zip((1, 2, 5, 7), reference["mirror"], strict=True):
        assert [mirror_index(i, length) for i in range(25)] == row.tolist()


def test_a_mapped_and_mirrored_trajectory_gives_the_reference_cameras(reference):
    euler, translation = (torch.from_numpy(reference[f"mapped_{part}"]) for part in ("euler", "trans"))
    cameras = smooth_cameras(camera_from_pose(euler, translation))
    np.testing.assert_allclose(cameras, reference["trajectory_camera25"], rtol=1e-5, atol=1e-5)


def test_euler_angles_survive_the_matrix():
    euler = pose("any", 50, 1.4)
    assert torch.allclose(matrix_to_euler(euler_to_matrix(euler)), euler, atol=1e-5)


def test_the_x_rotation_comes_first():
    quarter = torch.pi / 2
    turned = euler_to_matrix(torch.tensor([quarter, 0.0, quarter])) @ torch.tensor([0.0, 1.0, 0.0])
    assert torch.allclose(turned, torch.tensor([0.0, 0.0, 1.0]), atol=1e-6)  # y -> z by x, and z is left alone by z


@pytest.mark.parametrize("name", ["renderer_64", "renderer_64_wide", "renderer_256"])
def test_rays(goldens, name):
    expected, meta = load_vector(goldens / f"{name}.npz")
    rays = camera_rays(torch.from_numpy(expected["camera"]), meta["inputs"]["rays_per_side"])
    for tensor, values in zip(("ray_origins", "ray_directions"), rays, strict=True):
        sample = values.flatten()[:: meta["tensors"][tensor]["stride"]]
        np.testing.assert_allclose(sample, expected[tensor], rtol=1e-5, atol=meta["tensors"][tensor]["atol"])


def test_projection_finds_the_pixel_a_ray_came_from(goldens):
    cameras = torch.from_numpy(load_vector(goldens / "renderer_64_wide.npz")[0]["camera"])  # skewed and off centre
    origins, directions = camera_rays(cameras, 8)
    for camera, origin, direction in zip(cameras, origins, directions, strict=True):
        pixels, depth = project(origin + 2.5 * direction, camera)
        rows, columns = torch.meshgrid(torch.arange(8), torch.arange(8), indexing="ij")
        assert torch.allclose(pixels, (torch.stack([columns, rows], -1).reshape(-1, 2) + 0.5) / 8, atol=1e-5)
        assert ((depth > 0) & (depth <= 2.5)).all()


def test_a_camera_path_is_float32():
    with pytest.raises(ValueError, match="float32"):
        CameraPath(camera_from_pose(torch.zeros(1, 3), torch.zeros(1, 3)), 25.0)
