"""Where the viewer is: poses to cameras, cameras to rays, and points back to the image (spec 03 sections 1-2, spec 06 sections 6 and 8).

A camera is 25 numbers: the 4x4 camera-to-world matrix row by row, then the 3x3 intrinsics row by row. Camera axes are
x right, y down, z forward; world axes are x right, y up, z towards the frontal viewer. Image coordinates run from 0 at
the left and upper edge to 1 at the right and lower edge.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from scipy.spatial.transform import Rotation
from torch import Tensor

from ..stream import mirror_index

FOCAL = 2985.29 / 700  # focal length of every portrait camera, in image sides
WORLD_PER_DECIMETRE = 0.27
HEAD_CENTRE = (0.0, 0.006, 0.161)  # the face model's origin, in the world
FACE_MODEL_CAMERA_DISTANCE = 10.0  # decimetres


@dataclass(frozen=True)
class CameraPath:
    """Where the viewer is at each frame.

    cameras: [T, 25] float32.
    fps: frames per second.
    """

    cameras: Tensor
    fps: float

    def __post_init__(self) -> None:
        if self.cameras.ndim != 2 or self.cameras.shape[1] != 25 or self.cameras.dtype != torch.float32:
            raise ValueError(f"cameras must be [T, 25] float32, got {tuple(self.cameras.shape)} {self.cameras.dtype}")

    def __len__(self) -> int:
        return self.cameras.shape[0]


def camera_from_pose(euler: Tensor, translation: Tensor) -> Tensor:
    """The portrait camera that sees a posed head as the face model's own camera does (spec 06 section 8).

    The head stands still in the world; turning it is turning the camera the other way.

    Args:
        euler: [T, 3] radians.
        translation: [T, 3] decimetres.

    Returns:
        [T, 25] float64, to be smoothed or cast to float32.
    """
    rotation = euler_to_matrix(euler.float()).transpose(-1, -2)
    offset = translation.float() - translation.new_tensor([0.0, 0.0, FACE_MODEL_CAMERA_DISTANCE], dtype=torch.float32)
    towards_camera = -(rotation @ offset[..., None])[..., 0].double()

    to_world = torch.eye(4, dtype=torch.float64, device=euler.device).repeat(len(euler), 1, 1)
    to_world[:, :3, :3] = rotation.double() * to_world.new_tensor([1.0, -1.0, -1.0])
    to_world[:, :3, 3] = WORLD_PER_DECIMETRE * towards_camera + to_world.new_tensor(HEAD_CENTRE)
    intrinsics = to_world.new_tensor([FOCAL, 0, 0.5, 0, FOCAL, 0.5, 0, 0, 1]).expand(len(euler), 9)
    return torch.cat([to_world.flatten(1), intrinsics], dim=1)


def smooth_cameras(cameras: Tensor, window: int = 7) -> Tensor:
    """Each camera becomes the mean of those within half a window: plain mean of positions, quaternion mean of rotations.

    At the ends the window is cut off, not mirrored (spec 06 section 8). Intrinsics are kept.

    Args:
        cameras: [T, 25] float64 or float32.
        window: odd number of frames.

    Returns:
        [T, 25] float32.
    """
    reach = window // 2
    to_world = cameras[:, :16].reshape(-1, 4, 4).double().cpu().numpy()
    smoothed = to_world.copy()
    for frame in range(len(to_world)):
        near = to_world[max(0, frame - reach) : frame + reach + 1]
        smoothed[frame, :3, :3] = Rotation.from_matrix(near[:, :3, :3]).mean().as_matrix()
        smoothed[frame, :3, 3] = near[:, :3, 3].mean(axis=0)
    flat = torch.from_numpy(smoothed.reshape(-1, 16)).to(cameras.device, torch.float32)
    return torch.cat([flat, cameras[:, 16:].float()], dim=1)


def smooth_track(track: Tensor, window: int = 7) -> Tensor:
    """Moving average of [T, ...] values over `window` (odd) frames, the ends mirrored including the end frame (spec 06 section 8)."""
    frames = torch.arange(len(track), device=track.device)
    reach = window // 2
    return torch.stack([track[mirror_index(frames + shift, len(track))] for shift in range(-reach, reach + 1)]).mean(dim=0)


def euler_to_matrix(euler: Tensor) -> Tensor:
    """[..., 3] radians about x, y, z -> [..., 3, 3] rotation Rz Ry Rx that acts on columns (spec 06 section 6)."""
    cx, cy, cz = euler.cos().unbind(-1)
    sx, sy, sz = euler.sin().unbind(-1)
    rows = [
        [cz * cy, cz * sy * sx - sz * cx, cz * sy * cx + sz * sx],
        [sz * cy, sz * sy * sx + cz * cx, sz * sy * cx - cz * sx],
        [-sy, cy * sx, cy * cx],
    ]
    return torch.stack([torch.stack(row, dim=-1) for row in rows], dim=-2)


def matrix_to_euler(matrix: Tensor) -> Tensor:
    """Inverse of euler_to_matrix: [..., 3, 3] -> [..., 3] radians, with the y angle strictly within +-pi/2."""
    x = torch.atan2(matrix[..., 2, 1], matrix[..., 2, 2])
    y = torch.atan2(-matrix[..., 2, 0], torch.hypot(matrix[..., 2, 1], matrix[..., 2, 2]))
    z = torch.atan2(matrix[..., 1, 0], matrix[..., 0, 0])
    return torch.stack([x, y, z], dim=-1)


def farthest_turn(cameras: Tensor, source: Tensor) -> float:
    """The greatest angle, radians, between the viewing directions of cameras [N, 25] and that of a source camera [1, 25]."""
    axes, axis = (one[:, :16].reshape(-1, 4, 4)[:, :3, 2] for one in (cameras, source))
    return float((axes * axis).sum(dim=1).clamp(-1, 1).acos().amax())


def camera_rays(cameras: Tensor, resolution: int) -> tuple[Tensor, Tensor]:
    """One ray through the centre of each pixel (spec 03 section 2).

    Args:
        cameras: [N, 25].
        resolution: pixels along an image side, R; M = R * R.

    Returns:
        origins [N, M, 3] (a view: one point per camera) and unit directions [N, M, 3]; rays in reading order.
    """
    centres = (torch.arange(resolution, device=cameras.device, dtype=cameras.dtype) + 0.5) / resolution
    v, u = (axis.reshape(1, -1) for axis in torch.meshgrid(centres, centres, indexing="ij"))
    position, towards = lines_of_sight(cameras, u, v)
    length = torch.linalg.vector_norm(towards, dim=1, keepdim=True).clamp_min(1e-12)  # correctly rounded, which sqrt is not
    directions = (towards / length).transpose(1, 2)
    return position.mT.expand_as(directions), directions


def lines_of_sight(cameras: Tensor, u: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
    """Where cameras [N, 25] are [N, 3, 1], and the ways [N, 3, M], not unit vectors, that they see places u and v [1, M], 0..1, in."""
    to_world, intrinsics = _split(cameras)
    fx, skew, cx, fy, cy = (intrinsics[:, row, column, None] for row, column in ((0, 0), (0, 1), (0, 2), (1, 1), (1, 2)))
    y = (v - cy) / fy
    x = (u - cx + cy * skew / fy - skew * v / fy) / fx
    across, down, forward, position = to_world[:, :3, :, None].unbind(dim=2)
    return position, across * x[:, None] + down * y[:, None] + forward  # compiled marchers do the same, rounding for rounding


def project(points: Tensor, camera: Tensor) -> tuple[Tensor, Tensor]:
    """Where a camera sees world points; the inverse of camera_rays.

    Args:
        points: [..., 3] world.
        camera: [25].

    Returns:
        image coordinates [..., 2] = (u, v), 0..1 inside the picture, and depth [...] along the camera's z axis
        (negative behind the camera, where the coordinates mean nothing).
    """
    to_world, intrinsics = _split(camera)
    in_camera = (points - to_world[:3, 3]) @ to_world[:3, :3]
    depth = in_camera[..., 2]
    return (in_camera[..., :2] / depth[..., None]) @ intrinsics[:2, :2].triu().mT + intrinsics[:2, 2], depth


def _split(cameras: Tensor) -> tuple[Tensor, Tensor]:
    return cameras[..., :16].unflatten(-1, (4, 4)), cameras[..., 16:].unflatten(-1, (3, 3))
