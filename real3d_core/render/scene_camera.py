"""The camera of a 3-D viewer to a viewer's place and back.

A 3-D viewer's scene has our world's axes (x right, y up, z towards the frontal viewer) and a unit of its own. Its camera is
right-handed, y up, and looks down its own -z.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from scipy.spatial.transform import Rotation

from ..errors import Real3DError
from .camera import euler_to_matrix
from .camera_paths import FARTHEST, MOST_DISTANT, NEAREST, View

Point = tuple[float, float, float]

_ROUNDING = 1e-4  # radians by which a camera at the limit may be beyond it


@dataclass(frozen=True)
class SceneCamera:
    """A perspective camera of a 3-D viewer.

    position, target: scene units; the target is what the camera looks at, and becomes the head's centre.
    quaternion: x, y, z, w of its rotation, from which its roll is taken; None: it is upright.
    fov: vertical field of view, degrees.
    zoom: what the picture is enlarged by.

    Raises:
        ValueError: the numbers do not describe a camera.
    """

    position: Point
    target: Point
    quaternion: tuple[float, float, float, float] | None = None
    fov: float = 35.0
    zoom: float = 1.0

    def __post_init__(self) -> None:
        numbers = (*self.position, *self.target, *(self.quaternion or ()), self.fov, self.zoom)
        if not all(math.isfinite(number) for number in numbers):
            raise ValueError("a number is not finite")
        if not (0 < self.fov < 180 and self.zoom > 0):
            raise ValueError(f"fov {self.fov:g}, zoom {self.zoom:g}")
        if math.dist(self.position, self.target) == 0:
            raise ValueError("it is where it looks at")
        if self.quaternion is not None and math.hypot(*self.quaternion) == 0:
            raise ValueError("its quaternion is zero")

    def place(self) -> tuple[float, float, float, float]:
        """What `View.from_place` takes: yaw, pitch (degrees), distance, roll (degrees).

        The distance is 1 for FRONTAL. What counts is the height seen at the target, so a narrow field of view and a zoom bring nearer.

        Raises:
            Real3DError: the head would be seen from more than 80 degrees aside, from behind, or upside down.
        """
        x, y, z = ((at - target) / math.dist(self.position, self.target) for at, target in zip(self.position, self.target, strict=True))
        yaw, pitch = math.asin(max(-1.0, min(1.0, -x))), math.atan2(y, z)
        angles = (yaw, pitch, self._roll(yaw, pitch))
        if max(map(abs, angles)) > FARTHEST + _ROUNDING:
            raise Real3DError(
                f"The 3-D viewer's camera is {math.degrees(math.acos(max(-1.0, min(1.0, z)))):.0f} degrees off the front of the head, or "
                f"upside down: turn it upright and towards the front (+z), to at most {math.degrees(FARTHEST):.0f} degrees."
            )
        yaw, pitch, roll = map(math.degrees, angles)
        return yaw, pitch, self.half_height / FRONTAL.half_height, roll

    def at_start_of(self, view: View) -> SceneCamera:
        """This camera where the viewer of a path is in its first frame; what it looks at and its lens stay."""
        axes = euler_to_matrix(view.angles[:1].double().clamp(-FARTHEST, FARTHEST))[0].numpy()  # the camera's own, row by row
        half_height = FRONTAL.half_height * float(view.distance[0].clamp(NEAREST, MOST_DISTANT))
        away = half_height / self._half_height_per_unit
        x, y, z = (float(target + away * axis) for target, axis in zip(self.target, axes[2], strict=True))
        i, j, k, w = map(float, Rotation.from_matrix(axes.T).as_quat())
        return replace(self, position=(x, y, z), quaternion=(i, j, k, w))

    @property
    def half_height(self) -> float:
        """Half of the height that the picture shows at the target, scene units."""
        return math.dist(self.position, self.target) * self._half_height_per_unit

    @property
    def _half_height_per_unit(self) -> float:
        return math.tan(math.radians(self.fov) / 2) / self.zoom

    def _roll(self, yaw: float, pitch: float) -> float:
        if self.quaternion is None:
            return math.atan2(math.sin(yaw) * math.sin(pitch), math.cos(pitch))
        across = Rotation.from_quat(self.quaternion).as_matrix()[0]
        return math.atan2(across[1], across[0])


FRONTAL = SceneCamera(position=(0.0, 2.5, 15.0), target=(0.0, 2.5, 0.0))
"""In front of a model 5 units large on the ground, as far away as ComfyUI's viewer first looks at one from."""
