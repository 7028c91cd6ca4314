"""Where the viewer goes, seen by what happens to points of the head in the picture."""

import math

import pytest
import torch

from real3d_core.errors import Real3DError
from real3d_core.render import camera_paths
from real3d_core.render.camera import HEAD_CENTRE, project
from real3d_core.render.planes import Planes
from real3d_core.stream import FrameStream

NOSE = torch.tensor(HEAD_CENTRE) + torch.tensor([0.0, 0.0, 0.15])


def seen(view: camera_paths.View, point: torch.Tensor = NOSE) -> torch.Tensor:
    """[T, 2] picture coordinates of a point of a head that does not move itself."""
    zeros = torch.zeros(len(view), 3)
    return torch.stack([project(point, camera)[0] for camera in camera_paths.viewed_from(zeros, zeros, view, 25.0).cameras])


def test_a_static_viewer_sees_the_same_all_the_time():
    assert seen(camera_paths.static_view(3)).std(dim=0).max() == 0


def test_an_orbit_turns_the_nose_to_both_sides_and_comes_back():
    across = seen(camera_paths.orbit_view(101, 25.0, yaw=25, period=4.0))[:, 0]
    assert across[25] - across[0] == pytest.approx(float(across[0] - across[75]), rel=0.05)
    assert across[25] - across[0] > 0.03  # to the picture's right first
    assert across[100] == pytest.approx(float(across[0]), abs=1e-4)


def test_the_head_s_centre_stays_in_place_while_one_orbits():
    path = seen(camera_paths.orbit_view(50, 25.0, yaw=40, pitch=20), torch.tensor(HEAD_CENTRE))
    assert (path - path[0]).abs().max() < 1e-4


def test_pitch_of_an_orbit_looks_up():
    down = seen(camera_paths.orbit_view(51, 25.0, yaw=0, pitch=20, period=4.0))[:, 1]
    assert down[50] < down[0] - 0.03


def test_a_dolly_changes_the_size():
    edge = torch.tensor(HEAD_CENTRE) + torch.tensor([0.2, 0.0, 0.0])
    centre = 0.5
    path = seen(camera_paths.dolly_view(10, 1.0, 0.5), edge)[:, 0] - centre
    assert path[-1] / path[0] == pytest.approx(2.0, rel=0.02) and (path.diff() > 0).all()


def test_keyframes_are_met_and_passed_softly():
    view = camera_paths.keyframe_view("# comment\n1: 20 -5 0 0.9\n0: 0 0", 51, 25.0)
    assert view.angles[25].tolist() == pytest.approx([math.radians(-5), math.radians(20), 0], abs=1e-5)
    assert view.distance[[0, 25, 50]].tolist() == pytest.approx([1, 0.9, 0.9])
    assert (view.angles[:26, 1].diff() >= 0).all()


@pytest.mark.parametrize("text", ["", "0: x", "0: 0 0\n0: 1 1", "-1: 0 0", "0: 1 2 3 4 5", "0: nan 0", "0: inf"])
def test_keyframes_that_are_none_are_refused(text):
    with pytest.raises(Real3DError, match="keyframe"):
        camera_paths.keyframe_view(text, 10, 25.0)


def test_extreme_turns_and_distances_are_held():
    zeros = torch.zeros(2, 3)
    wild = camera_paths.View(torch.full((2, 3), 9.0), torch.tensor([0.0, 99.0]))
    assert torch.isfinite(camera_paths.viewed_from(zeros, zeros, wild, 25.0).cameras).all()


def test_one_head_for_all_cameras_and_one_camera_for_all_heads():
    head = Planes(torch.zeros(1, 3, 2, 4, 4))
    cameras = camera_paths.viewed_from(torch.zeros(5, 3), torch.zeros(5, 3), camera_paths.static_view(5), 25.0)
    planes, path = camera_paths.matched(FrameStream(1, 25.0, lambda a, b: head), cameras)
    assert (len(planes), len(path)) == (5, 5) and planes.frames(2, 4) is head
    one = camera_paths.viewed_from(torch.zeros(1, 3), torch.zeros(1, 3), camera_paths.static_view(1), 25.0)
    moving = FrameStream(4, 25.0, lambda a, b: head)
    assert [len(part) for part in camera_paths.matched(moving, one)] == [4, 4]
    with pytest.raises(Real3DError, match="4 frames"):
        camera_paths.matched(moving, cameras)


def test_a_viewer_can_stand_elsewhere():
    view = camera_paths.orbit_view(50, 25.0)
    place = view.from_place(yaw=10, pitch=-5, distance=1.5)
    assert torch.allclose(place.angles - view.angles, torch.deg2rad(torch.tensor([-5.0, 10.0, 0.0])).expand(50, 3), atol=1e-6)
    assert torch.equal(place.distance, view.distance * 1.5) and torch.equal(view.from_place().angles, view.angles)
    assert seen(camera_paths.static_view(1).from_place(yaw=20))[0, 0] > seen(camera_paths.static_view(1))[0, 0]
