"""Converts ComfyUI's LOAD3D_CAMERA to the core's SceneCamera and back."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

from ..real3d_core.errors import Real3DError
from .runtime.api import io

if TYPE_CHECKING:
    from ..real3d_core.render.scene_camera import SceneCamera

ViewerCameraSocket = io.Custom("LOAD3D_CAMERA")

_NEAR, _FAR = 0.01, 10000.0  # scene units, as in the host


def scene_camera(camera_info: Mapping | None) -> SceneCamera:
    """The camera of one of the host's 3-D viewers; a frontal one if nothing is connected.

    Raises:
        Real3DError: the value is not such a camera.
    """
    from ..real3d_core.render.scene_camera import FRONTAL, SceneCamera

    if camera_info is None:
        return FRONTAL
    try:
        position, target = _numbers(camera_info["position"], "xyz"), _numbers(camera_info["target"], "xyz")
        quaternion = camera_info.get("quaternion")  # missing in ComfyUI 0.14, as is fov
        return SceneCamera(
            position,
            target,
            _numbers(quaternion, "xyzw") if quaternion else None,
            _field_of_view(camera_info, math.dist(position, target)) or FRONTAL.fov,
            float(camera_info.get("zoom") or FRONTAL.zoom),
        )
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as failure:
        raise Real3DError(
            f"The camera_info is not the camera of a 3-D viewer ({type(failure).__name__}: {failure}): "
            "connect that of 'Load 3D' or 'Create Camera Info'."
        ) from failure


def camera_info_of(camera: SceneCamera) -> dict[str, object]:
    """A camera in the form of the host's 3-D viewers and its mesh and splat renderers; its image is square."""
    return {
        "position": dict(zip("xyz", camera.position, strict=True)),
        "target": dict(zip("xyz", camera.target, strict=True)),
        "zoom": camera.zoom,
        "cameraType": "perspective",
        "quaternion": dict(zip("xyzw", camera.quaternion, strict=True)),
        "fov": camera.fov,
        "aspect": 1.0,
        "near": _NEAR,
        "far": _FAR,
    }


def _numbers(point: Mapping, names: str) -> tuple[float, ...]:
    return tuple(float(point[name]) for name in names)


def _field_of_view(camera_info: Mapping, distance: float) -> float:
    """Degrees. For an orthographic camera, the angle that shows as much of the target. 0 if it is not given."""
    frustum = camera_info.get("frustum")
    if camera_info.get("cameraType") == "orthographic" and frustum:
        return math.degrees(2 * math.atan2((float(frustum["top"]) - float(frustum["bottom"])) / 2, distance))
    return float(camera_info.get("fov") or 0)
