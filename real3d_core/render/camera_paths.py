"""Where a viewer goes: round the head, towards it, or through keyframes, on top of the head's own movement."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

import torch
from torch import Tensor

from ..errors import Real3DError
from ..keyframes import between_keyframes, keyframes
from ..stream import FrameStream
from .camera import FACE_MODEL_CAMERA_DISTANCE, CameraPath, camera_from_pose
from .planes import Planes

FARTHEST = math.radians(80)  # beyond this a head lifted from one photo has nothing to show
NEAREST, MOST_DISTANT = 0.5, 2.0  # of the camera's own distance


@dataclass(frozen=True)
class View:
    """Where the viewer stands at each frame, relative to the portrait's own camera.

    angles: [T, 3] radians the head seems turned by: pitch (positive looks down), yaw (positive: it turns to the picture's right), roll.
    distance: [T], 1 is the camera's own; the head looks smaller the greater it is.
    """

    angles: Tensor
    distance: Tensor

    def __len__(self) -> int:
        return len(self.angles)

    def from_place(self, yaw: float = 0.0, pitch: float = 0.0, distance: float = 1.0, roll: float = 0.0) -> View:
        """The same movement of a viewer who stands elsewhere: the angles (degrees) are added, the distance is multiplied."""
        turned = self.angles + torch.deg2rad(torch.tensor([pitch, yaw, roll]))
        return View(turned, self.distance * distance)

    def part(self, start: int, stop: int) -> View:
        """The frames start..stop-1."""
        return View(self.angles[start:stop], self.distance[start:stop])


def static_view(frames: int) -> View:
    """A viewer who does not move."""
    return View(torch.zeros(frames, 3), torch.ones(frames))


def orbit_view(frames: int, fps: float, yaw: float = 25.0, pitch: float = 0.0, period: float = 4.0) -> View:
    """To and fro about the head: `yaw` degrees to each side in one period (seconds), `pitch` degrees up and down a quarter later."""
    phase = 2 * math.pi * torch.arange(frames) / fps / period
    angles = torch.stack([-math.radians(pitch) * (1 - phase.cos()) / 2, math.radians(yaw) * phase.sin(), torch.zeros(frames)], dim=1)
    return View(angles, torch.ones(frames))


def dolly_view(frames: int, start: float = 1.0, end: float = 0.8) -> View:
    """Towards the head or away from it, from distance `start` to `end` with a soft start and end."""
    t = torch.linspace(0, 1, frames) if frames > 1 else torch.ones(frames)
    return View(torch.zeros(frames, 3), start + (end - start) * t * t * (3 - 2 * t))


def keyframe_view(text: str, frames: int, fps: float) -> View:
    """Through keyframes, one per line: seconds and maybe an easing, then yaw, pitch, roll (degrees) and distance, the last ones optional.

    Example:
        >>> keyframe_view("0: 0 0\\n1: 20 -5 0 0.9", 26, 25.0).distance[-1]
        tensor(0.9000)

    Raises:
        Real3DError: a line cannot be read, times repeat, or there is none.
    """
    times, values, easings = keyframes(text, _keyframe, "camera", "'0: 0 0 0 1' (seconds: yaw pitch roll distance)")
    yaw, pitch, roll, distance = torch.from_numpy(between_keyframes(times, values, easings, frames, fps)).float().unbind(1)
    return View(torch.deg2rad(torch.stack([pitch, yaw, roll], dim=1)), distance)


def seen_poses(euler: Tensor, translation: Tensor, view: View) -> tuple[Tensor, Tensor]:
    """The poses that a head in poses euler, translation ([T, 3] radians, decimetres) seems to have from a view of T frames.

    A turn beyond 80 degrees ends there; the distance is kept within half and twice the camera's own.
    """
    turned = (euler + view.angles).clamp(-FARTHEST, FARTHEST)
    nearer = FACE_MODEL_CAMERA_DISTANCE * (1 - view.distance.clamp(NEAREST, MOST_DISTANT))
    return turned, translation + torch.nn.functional.pad(nearer[:, None], (2, 0))


def viewed_from(euler: Tensor, translation: Tensor, view: View, fps: float) -> CameraPath:
    """The cameras of a head in poses euler, translation ([T, 3] radians, decimetres) that is seen from a view of T frames."""
    return CameraPath(camera_from_pose(*seen_poses(euler, translation, view)).float(), fps)


def matched(planes: FrameStream[Planes], cameras: CameraPath) -> tuple[FrameStream[Planes], CameraPath]:
    """Planes and cameras of equal length: a single head is seen by every camera, and a single camera sees every frame.

    Raises:
        Real3DError: both have several frames, but not equally many.
    """
    if len(planes) == len(cameras):
        return planes, cameras
    if len(planes) == 1:
        return FrameStream(len(cameras), cameras.fps, lambda start, stop: planes.frames(0, 1)), cameras
    if len(cameras) == 1:
        return planes, CameraPath(cameras.cameras.expand(len(planes), -1).contiguous(), planes.fps)
    raise Real3DError(
        f"{len(planes)} frames of planes cannot be seen by a camera path of {len(cameras)}: connect the same "
        "motion to both, or give one of them a single frame."
    )


def _keyframe(line: str) -> tuple[float, ...]:
    try:
        seconds, *values = (float(part) for part in re.split(r"[\s:,;]+", line.strip()))
        yaw, pitch, roll, distance = (*values, *(0.0, 0.0, 0.0, 1.0)[len(values) :])
        numbers = (seconds, yaw, pitch, roll, distance)
        if seconds < 0 or not all(math.isfinite(number) for number in numbers):
            raise ValueError
    except ValueError:
        raise Real3DError(
            f"The keyframe '{line.strip()[:60]}' cannot be read: write seconds: yaw pitch roll distance, such as 1.5: 20 -5 0 1."
        ) from None
    return numbers
