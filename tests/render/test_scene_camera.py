"""The cameras of 3-D viewers, against a projection written from the host's own words: right-handed, y up, looking down -z."""

import math

import pytest
import torch
from scenes import solid_scene
from scipy.spatial.transform import Rotation

from real3d_core.errors import Real3DError
from real3d_core.render import MarchSettings, march, project
from real3d_core.render.camera import FACE_MODEL_CAMERA_DISTANCE, FOCAL, HEAD_CENTRE, WORLD_PER_DECIMETRE
from real3d_core.render.camera_paths import View, keyframe_view, static_view, viewed_from
from real3d_core.render.passes import raw_colour
from real3d_core.render.scene_camera import FRONTAL, SceneCamera

OUR_FOV = math.degrees(2 * math.atan(0.5 / FOCAL))
TARGET = (1.0, 2.0, -3.0)


def orbiting(azimuth: float, elevation: float, distance: float = 15.0, **others) -> SceneCamera:
    """A camera as a user turns a viewer: degrees to the right of the front, and above it."""
    a, e = math.radians(azimuth), math.radians(elevation)
    away = (math.cos(e) * math.sin(a), math.sin(e), math.cos(e) * math.cos(a))
    position = tuple(target + distance * axis for target, axis in zip(TARGET, away, strict=True))
    return SceneCamera(position, TARGET, **others)


def path_of(camera: SceneCamera, view: View | None = None):
    view = (view or static_view(1)).from_place(*camera.place())
    zeros = torch.zeros(len(view), 3)
    return viewed_from(zeros, zeros, view, 25.0).cameras


def pictured(points: torch.Tensor, camera: SceneCamera) -> torch.Tensor:
    """Where a 3-D viewer with a square picture shows points of its scene: [N, 2], 0..1 to the right and down."""
    axes = torch.from_numpy(Rotation.from_quat(camera.quaternion).as_matrix())
    right, up, back = ((points.double() - torch.tensor(camera.position)) @ axes).unbind(-1)
    focal = camera.zoom / (2 * math.tan(math.radians(camera.fov) / 2))
    return torch.stack([0.5 + focal * right / -back, 0.5 - focal * up / -back], dim=-1)


@pytest.mark.parametrize(("yaw", "pitch", "roll", "distance"), [(0, 0, 0, 1), (30, 0, 0, 1), (-50, 20, 10, 0.7), (25, -30, -40, 1.9)])
def test_a_viewer_s_camera_sees_a_head_in_its_scene_as_ours_sees_it(yaw, pitch, roll, distance):
    lens = SceneCamera((0.0, 2.5, 60.0), FRONTAL.target, fov=OUR_FOV)
    view = static_view(1).from_place(yaw, pitch, distance, roll)
    camera = lens.at_start_of(view)
    points = torch.rand(50, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) - 0.5
    unit = math.dist(lens.at_start_of(static_view(1)).position, lens.target) / (FACE_MODEL_CAMERA_DISTANCE * WORLD_PER_DECIMETRE)
    in_scene = points * unit + torch.tensor(camera.target)
    ours = project(points + torch.tensor(HEAD_CENTRE), path_of(camera)[0].double())[0]
    assert (pictured(in_scene, camera) - ours).abs().max() < 1e-5


def test_a_camera_to_the_left_shows_the_side_of_a_head_that_our_yaw_shows():
    scene = solid_scene(MarchSettings(32, 24, 24))

    def left_and_right(cameras: torch.Tensor) -> float:
        """How much of what is seen lies to the right on the head: its first channel grows that way."""
        render = march(scene.planes, scene.decoder, cameras, scene.settings)
        return float((raw_colour(render)[0, ..., 0] * render.opacity[0, 0]).sum() / render.opacity[0, 0].sum())

    zeros = torch.zeros(1, 3)
    ahead, left = left_and_right(path_of(orbiting(0, 0))), left_and_right(path_of(orbiting(-40, 0)))
    turned = left_and_right(viewed_from(zeros, zeros, static_view(1).from_place(yaw=40), 25.0).cameras)
    assert left < ahead - 0.02 and left == pytest.approx(turned, abs=1e-5)


def test_the_front_is_the_photo_s_own_view_at_the_distance_of_the_viewer_s_first_look():
    assert FRONTAL.place() == orbiting(0, 0).place() == (0, 0, 1, 0)
    first_look = SceneCamera((10.0, 7.5, 10.0), (0.0, 2.5, 0.0))  # of a model of 5 units
    assert first_look.place()[2] == pytest.approx(1) and first_look.place()[0] < -40 and first_look.place()[1] > 20


def test_distance_field_of_view_and_zoom_count_as_they_enlarge():
    half = math.degrees(2 * math.atan(math.tan(math.radians(35) / 2) / 2))
    for nearer in (orbiting(0, 0, 7.5), orbiting(0, 0, zoom=2.0), orbiting(0, 0, fov=half)):
        assert nearer.place()[2] == pytest.approx(0.5)


@pytest.mark.parametrize("azimuth", [-70, -20, 0, 45])
@pytest.mark.parametrize("elevation", [-30, 0, 40])
def test_an_upright_viewer_s_horizon_stays_level(azimuth, elevation):
    camera = path_of(orbiting(azimuth, elevation))[0]
    to_world = camera[:16].reshape(4, 4)
    assert abs(to_world[1, 0]) < 1e-6, "the picture's right is level"
    assert to_world[1, 1] < 0, "and its lower edge is below"


@pytest.mark.parametrize("azimuth", [-70, 0, 45])
@pytest.mark.parametrize("elevation", [-60, 0, 40])
def test_there_and_back_is_the_same_camera(azimuth, elevation):
    given = orbiting(azimuth, elevation, 12.0, fov=50.0, zoom=1.3)
    came = given.at_start_of(static_view(3).from_place(*given.place()))
    assert came.position == pytest.approx(given.position, abs=1e-5)
    assert (came.target, came.fov, came.zoom) == (given.target, given.fov, given.zoom)
    assert torch.allclose(path_of(came), path_of(given), atol=1e-6)


def test_the_roll_comes_from_the_quaternion():
    given = orbiting(20, 10).at_start_of(static_view(1).from_place(-20, 10, 1, 30))
    assert given.place() == pytest.approx((-20, 10, 1, 30), abs=1e-4)
    upside = given.place()[3] - SceneCamera(given.position, given.target).place()[3]
    assert upside > 30


def test_it_is_the_first_frame_within_what_a_path_shows():
    view = keyframe_view("0: 100 0 0 3\n1: 0 0 0 1", 25, 25.0)
    came = FRONTAL.at_start_of(view)
    assert came.place()[0] == pytest.approx(80, abs=1e-3) and came.place()[2] == pytest.approx(2)


@pytest.mark.parametrize(("azimuth", "elevation", "off"), [(180, 0, 180), (120, 0, 120), (-85, 0, 85), (0, 89, 89), (0, -90, 90)])
def test_a_camera_beyond_what_a_head_shows_is_refused(azimuth, elevation, off):
    with pytest.raises(Real3DError, match=f"is {off} degrees off the front of the head"):
        orbiting(azimuth, elevation).place()


@pytest.mark.parametrize(
    "numbers",
    [
        {"position": TARGET},
        {"position": (math.nan, 0.0, 0.0)},
        {"fov": 0.0},
        {"fov": 180.0},
        {"zoom": 0.0},
        {"zoom": math.inf},
        {"quaternion": (0.0, 0.0, 0.0, 0.0)},
    ],
)
def test_numbers_of_no_camera_are_refused(numbers):
    with pytest.raises(ValueError):
        SceneCamera(**{"position": (0.0, 0.0, 1.0), "target": TARGET, **numbers})
