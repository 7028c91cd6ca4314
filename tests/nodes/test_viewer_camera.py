"""ComfyUI's LOAD3D_CAMERA into and out of 'Camera path'."""

import json
import math

import pytest
import torch

LEFT = {  # what 'Create Camera Info' of ComfyUI 0.33.0 gives for an orbit of yaw -30, pitch 0, distance 15
    "position": {"x": -7.5, "y": 0.0, "z": 12.990381},
    "target": {"x": 0.0, "y": 0.0, "z": 0.0},
    "quaternion": {"x": 0.0, "y": -0.258819, "z": 0.0, "w": 0.965926},
    **{"fov": 35.0, "cameraType": "perspective", "zoom": 1.0},
}


def numbers(camera_info: dict) -> list[float]:
    flat = [camera_info[name][axis] for name, axes in (("position", "xyz"), ("target", "xyz"), ("quaternion", "xyzw")) for axis in axes]
    return [*flat, camera_info["fov"], camera_info["zoom"]]


@pytest.fixture(scope="module")
def avatar(host):
    return host.execute("Real3DLoadAvatar", avatar="analytic (built in)")[0]


@pytest.fixture(scope="module")
def portrait(host):
    return host.execute("Real3DPreparePortrait", image=host.inputs["portrait.png"])[0]


def test_the_sockets_are_the_host_s_and_the_last_ones(host):
    schema = host.nodes["Real3DCameraPath"].GET_SCHEMA()
    last = schema.inputs[-1]
    assert (last.id, last.io_type, last.optional) == ("camera_info", "LOAD3D_CAMERA", True)
    assert [one.io_type for one in schema.outputs] == ["REAL3D_CAMERA", "LOAD3D_CAMERA"]


def test_a_viewer_s_camera_to_the_left_gives_the_path_of_that_yaw(host, avatar, portrait):
    for others in ({"portrait": portrait}, {}):
        given, wanted = (
            host.execute("Real3DCameraPath", frames=3, **others, **place)[0].seen_by(avatar)[0].cameras
            for place in ({"camera_info": LEFT}, {"view_yaw": 30.0})
        )
        assert torch.allclose(given, wanted, atol=1e-5)


def test_a_viewer_s_camera_to_the_left_shows_that_side_of_a_real_head(host, avatar, portrait):
    planes = host.execute("Real3DImageToPlane", avatar=avatar, portrait=portrait)[0]

    def opacity(**place) -> torch.Tensor:
        camera = host.execute("Real3DCameraPath", frames=1, portrait=portrait, **place)[0]
        render = host.execute("Real3DRenderHead", avatar=avatar, planes=planes, camera=camera, resolution=32, samples=16)[0]
        return render.streams[0].frames(0, 1).opacity

    left = opacity(camera_info=LEFT)
    assert torch.allclose(left, opacity(view_yaw=30.0), atol=1e-3)
    assert (left - opacity(view_yaw=-30.0)).abs().mean() > 0.01


def test_the_page_s_small_head_is_seen_from_the_viewer_s_side_too(host, portrait):
    one = portrait.items[0]
    ((euler, translation),) = host.execute("Real3DCameraPath", portrait=portrait, camera_info=LEFT, view_yaw=10.0)[0].poses
    assert torch.allclose(euler - one.euler, torch.tensor([[0.0, math.radians(30), 0.0]]), atol=1e-5)
    assert torch.allclose(translation, one.translation, atol=1e-5)
    assert torch.equal(host.execute("Real3DCameraPath", portrait=portrait)[0].poses[0][0], one.euler)


@pytest.mark.parametrize("moving", [{}, {"view_yaw": 10.0, "view_distance": 0.9}, {"mode": "keyframes", "keyframes": "0: 20 -10 15 1.2"}])
def test_what_goes_out_comes_in_again_as_the_same_path(host, avatar, portrait, moving):
    out = host.execute("Real3DCameraPath", frames=1, portrait=portrait, camera_info=LEFT, **moving)
    again = host.execute("Real3DCameraPath", frames=1, portrait=portrait, camera_info=json.loads(json.dumps(out[1])))
    assert torch.allclose(out[0].seen_by(avatar)[0].cameras, again[0].seen_by(avatar)[0].cameras, atol=1e-5)
    assert numbers(again[1]) == pytest.approx(numbers(out[1]), abs=1e-5)


def test_a_viewer_that_nothing_moves_comes_out_as_it_went_in(host):
    assert numbers(host.execute("Real3DCameraPath", camera_info=LEFT)[1]) == pytest.approx(numbers(LEFT), abs=1e-5)


def test_without_a_viewer_it_is_in_front_of_what_a_viewer_shows(host, avatar):
    plain, out = host.execute("Real3DCameraPath")
    given, same = host.execute("Real3DCameraPath", camera_info=out)
    assert torch.equal(plain.seen_by(avatar)[0].cameras, given.seen_by(avatar)[0].cameras) and numbers(out) == numbers(same)
    assert out["position"] == {"x": 0.0, "y": 2.5, "z": 15.0} and out["cameraType"] == "perspective"


def test_the_camera_of_an_old_host_knows_neither_turn_nor_field_of_view(host):
    old = {name: LEFT[name] for name in ("position", "target", "zoom", "cameraType")}
    assert numbers(host.execute("Real3DCameraPath", camera_info=old)[1]) == pytest.approx(numbers(LEFT), abs=1e-5)


def test_an_orthographic_camera_counts_by_what_it_shows(host):
    height = 2 * 15 * math.tan(math.radians(35) / 2)
    flat = {**LEFT, "cameraType": "orthographic", "frustum": {"left": -1, "right": 1, "top": height / 2, "bottom": -height / 2}}
    assert numbers(host.execute("Real3DCameraPath", camera_info=flat)[1]) == pytest.approx(numbers(LEFT), abs=1e-5)
    flat["zoom"] = 2.0
    assert host.execute("Real3DCameraPath", camera_info=flat)[1]["zoom"] == 2.0


@pytest.mark.parametrize(
    "wrong",
    [
        {"position": None},
        {"position": {"x": 1, "y": 2}},
        {"position": [1, 2, 3]},
        {"position": {"x": "far", "y": 0, "z": 0}},
        {"position": {"x": math.nan, "y": 0, "z": 0}},
        {"target": LEFT["position"]},
        {"target": "nose"},
        {"quaternion": {"x": 0, "y": 0, "z": 0, "w": 0}},
        {"quaternion": 3},
        {"fov": 200},
        {"zoom": -1},
        {"cameraType": "orthographic", "frustum": {"top": -1, "bottom": 1}},
        {"cameraType": "orthographic", "frustum": 7},
    ],
)
def test_a_value_that_is_no_camera_is_answered_with_one_sentence(host, wrong):
    with pytest.raises(host.core("errors").Real3DError, match=r"camera_info is not the camera .*connect that of 'Load 3D'") as refused:
        host.execute("Real3DCameraPath", camera_info={**LEFT, **wrong})
    assert "\n" not in str(refused.value)


def test_a_camera_behind_the_head_is_answered_with_one_sentence(host):
    with pytest.raises(host.core("errors").Real3DError, match="degrees off the front of the head"):
        host.execute("Real3DCameraPath", camera_info={**LEFT, "position": {"x": -1.0, "y": 0.0, "z": -9.0}})
