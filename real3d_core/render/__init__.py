"""Camera, rays, plane decoder, ray marching: planes and a camera become the picture of a head (spec 03)."""

from .camera import (
    FOCAL,
    CameraPath,
    camera_from_pose,
    camera_rays,
    euler_to_matrix,
    matrix_to_euler,
    project,
    smooth_cameras,
    smooth_track,
)
from .decoder import PlaneDecoder
from .dense_marching import march_dense, march_torch
from .head import render_head
from .planes import Planes
from .ray_marching import HeadRender, MarchSettings, march
from .table_marching import march_table

__all__ = [
    "FOCAL",
    "CameraPath",
    "HeadRender",
    "MarchSettings",
    "PlaneDecoder",
    "Planes",
    "camera_from_pose",
    "camera_rays",
    "euler_to_matrix",
    "march",
    "march_dense",
    "march_table",
    "march_torch",
    "matrix_to_euler",
    "project",
    "render_head",
    "smooth_cameras",
    "smooth_track",
]
