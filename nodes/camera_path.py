"""Camera path."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch

from ..real3d_core.ranges import FRAME_RATE, VIEW_DISTANCE, VIEW_PITCH, VIEW_YAW
from ..real3d_core.stream import exact_rate
from .inputs import choice, number, place_inputs
from .live_faces import frame_at, one_frame, shown_source
from .runtime.api import CATEGORY, io, schema
from .sockets import Cameras, CameraSocket, MotionSocket, PortraitSocket
from .viewer_camera import ViewerCameraSocket, camera_info_of, scene_camera

if TYPE_CHECKING:
    from ..real3d_core.motion.motion import Motion
    from ..real3d_core.render.camera_paths import View

MODES = ("static", "orbit", "dolly", "keyframes")
MOST_FRAMES = 90000


class CameraPathNode(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="Real3DCameraPath",
            display_name="Camera path",
            category=f"{CATEGORY}/render",
            description=(
                "The camera of each frame: the head pose of the motion, seen from the portrait's own camera, plus the movement chosen here."
            ),
            search_aliases=["orbit", "novel view", "camera"],
            inputs=[
                choice(
                    "mode",
                    MODES,
                    "static: only the head moves, as in the motion; orbit: the camera swings around the head; dolly: nearer or "
                    "farther; keyframes: as listed.",
                ),
                number("frames", 100, (1, MOST_FRAMES), "Length of the path; a connected motion overrides it."),
                number("fps", 25.0, FRAME_RATE, "Frame rate of the path; a connected motion overrides it.", step=0.01),
                number("yaw", 25.0, VIEW_YAW, "For 'orbit': degrees to each side.", step=1.0),
                number("pitch", 0.0, VIEW_PITCH, "For 'orbit': degrees up (negative: down).", step=1.0),
                number("period", 4.0, (0.2, 600), "For 'orbit': seconds per full sweep.", step=0.1),
                number(
                    "distance_start",
                    1.0,
                    VIEW_DISTANCE,
                    "For 'dolly': distance at the start; 1 is that of the photo, 0.5 half of it.",
                    step=0.01,
                ),
                number("distance_end", 0.8, VIEW_DISTANCE, "For 'dolly': distance at the end.", step=0.01),
                io.String.Input(
                    "keyframes",
                    default="0: 0 0 0 1\n2: 25 -5 0 1\n4: 0 0 0 1",
                    multiline=True,
                    tooltip=(
                        "For 'keyframes', one per line: seconds: yaw pitch roll (degrees) distance. The camera moves smoothly between "
                        "them, or as a word after the seconds says: linear, hold, ease_in or ease_out."
                    ),
                ),
                PortraitSocket.Input(
                    "portrait",
                    optional=True,
                    tooltip="The portrait whose camera the path starts from; if not connected, a frontal camera is used.",
                ),
                MotionSocket.Input("motion", optional=True, tooltip="Gives the head pose, the length and the frame rate."),
                *place_inputs(),
                ViewerCameraSocket.Input(
                    "camera_info",
                    optional=True,
                    tooltip=(
                        "The camera of a 3-D viewer: the head is seen from the same side. The front (+z) is the view of the photo, "
                        "and 15 units away at a fov of 35 is the distance of the photo. View yaw, pitch and distance above are added "
                        "to it."
                    ),
                ),
            ],
            outputs=[
                CameraSocket.Output(
                    display_name="camera", tooltip="[T, 25] per portrait: the camera-to-world matrix (4 x 4), then the intrinsics (3 x 3)."
                ),
                ViewerCameraSocket.Output(
                    display_name="camera_info",
                    tooltip="The start of the path as the camera of a 3-D viewer, for 'Preview 3D', 'Render Splat' or 'Render Mesh'.",
                ),
            ],
        )

    @classmethod
    def execute(cls, frames: int, fps: float, portrait=None, motion=None, camera_info=None, **movement) -> io.NodeOutput:
        from ..real3d_core.motion.motion import Motion
        from ..real3d_core.render import camera_paths

        if motion is not None:
            frames, fps = len(motion), motion.fps
        fps = float(exact_rate(fps))
        viewer = scene_camera(camera_info)
        viewer_place = viewer.place()
        view = _view_along(frames, fps, **movement).from_place(*viewer_place)
        shown = None if motion is None else shown_source(motion)
        first_camera = camera_info_of(viewer.at_start_of(view))

        def pose_from_viewer(euler, translation):
            return camera_paths.seen_poses(euler, translation, camera_paths.static_view(1).from_place(*viewer_place))

        if portrait is None:
            euler, translation = (torch.zeros(frames, 3), torch.zeros(frames, 3)) if motion is None else (motion.euler, motion.translation)
            frontal = camera_paths.viewed_from(euler, translation, view, fps)
            return io.NodeOutput(
                Cameras((lambda avatar: frontal,), (pose_from_viewer(torch.zeros(1, 3), torch.zeros(1, 3)),)), first_camera, ui=shown
            )

        def path_of(one):
            return lambda avatar: avatar.cameras(one, Motion.still(avatar.motion_basis, frames, fps) if motion is None else motion, view)

        poses = tuple(pose_from_viewer(one.euler, one.translation) for one in portrait.items)
        return io.NodeOutput(Cameras(tuple(map(path_of, portrait.items)), poses), first_camera, ui=shown)


def moment(values: Mapping[str, Any], motion: Motion | None, time: float) -> tuple[Motion, View]:
    """One frame of the motion of the node's last run, seen from where its widgets say.

    Args:
        values: of the node's widgets, by name.
        time: seconds.
    """
    fps = float(exact_rate(values["fps"])) if motion is None else motion.fps
    frame, frames = frame_at(time, fps), values["frames"] if motion is None else len(motion)
    if values["mode"] == "keyframes":
        frames = max(frames, frame + 1)  # the strip shows keyframes beyond the end of the path, too
    frame = min(frame, frames - 1)
    view = _view_along(**{**values, "frames": frames, "fps": fps})
    return one_frame(motion, frame), view.part(frame, frame + 1)


def _view_along(
    frames: int,
    fps: float,
    mode: str,
    yaw: float,
    pitch: float,
    period: float,
    distance_start: float,
    distance_end: float,
    keyframes: str,
    view_yaw: float = 0.0,
    view_pitch: float = 0.0,
    view_distance: float = 1.0,
) -> View:
    """The path by the node's widgets."""
    from ..real3d_core.render import camera_paths

    if mode == "orbit":
        view = camera_paths.orbit_view(frames, fps, yaw, pitch, period)
    elif mode == "dolly":
        view = camera_paths.dolly_view(frames, distance_start, distance_end)
    elif mode == "keyframes":
        view = camera_paths.keyframe_view(keyframes, frames, fps)
    else:
        view = camera_paths.static_view(frames)
    return view.from_place(view_yaw, view_pitch, view_distance)
