"""The live faces: they are the film's frames, the newest wish wins, and what is kept is bounded and released."""

import asyncio
import gc
import importlib
import threading

import numpy as np
import pytest
import torch
from live_wishes import PHOTO, ask, pixels


@pytest.fixture(scope="module")
def room(faces):
    return faces.LiveFaces()


@pytest.fixture
def lived_in(route, room, monkeypatch):
    """A room that knows the face already, for what does not depend on that."""
    monkeypatch.setattr(route, "LIVE", room)


@pytest.fixture(scope="module")
def portrait(host):
    return host.execute("Real3DPreparePortrait", image=host.inputs[PHOTO])[0].items[0]


@pytest.fixture(scope="module")
def film(host, portrait):
    """A function from a motion, and where it is seen from, to its film."""
    pipeline, avatar = host.core("pipeline"), host.execute("Real3DLoadAvatar")[0]
    march = importlib.import_module("..cuda_ops", host.part("live_faces").__package__).march

    def frames(motion, view=None):
        return pipeline.render_frames(avatar, portrait, motion, pipeline.PipelineOptions(size=256), view=view, march=march)

    return frames


def test_a_slider_moves_the_face_and_zero_is_the_photo(portrait, route, lived_in):
    rest = pixels(ask(route))
    assert rest.shape == (256, 256, 3)
    crop = portrait.image[0].permute(1, 2, 0).reshape(256, 2, 256, 2, 3).mean(dim=(1, 3)) / 2 + 0.5
    assert np.abs(rest - crop.numpy()).mean() < 0.02, "zero sliders show the photo itself"
    for values in ({"jaw_open": 0.8}, {"gaze_x": -0.6}, {"head_yaw": 15.0}, {"smile": 1.0}, {"keyframes": "0: blink_left = 1"}):
        moved = np.abs(pixels(ask(route, values)) - rest)
        assert moved.max() > 0.2, values
    assert np.array_equal(pixels(ask(route)), rest), "and back"


def test_the_live_frame_is_the_film_s(host, route, lived_in, film):
    """The same node with the same inputs: what its motion renders, at the moment that was wished for."""
    values = {"keyframes": "0: neutral\n1: smile = 0.6, gaze_x = 0.3, head_yaw = 8", "seconds": 1.2}
    motion = host.execute("Real3DDirectTheFace", **values)[0]
    for frame in (0, 13, 25):
        assert is_frame(film(motion), frame, pixels(ask(route, values, time=frame / motion.fps)))


def test_a_run_s_motion_is_shown_at_its_moment(host, route, lived_in, faces):
    basis = host.core("analytic.controls").BASIS
    spoken = host.core("motion.motion").Motion.still(basis, 50).with_controls(jaw_open=torch.linspace(0, 1, 50))
    node = host.part("direct_the_face").DirectTheFace
    (token,) = node.execute(motion=spoken, seconds=1.0, expression="smile", amount=0.0, keyframes="").ui["real3d_source"]
    early, late = (pixels(ask(route, motion=token, time=time)) for time in (0.0, 1.9))
    assert np.abs(early - late).max() > 0.2
    assert np.array_equal(pixels(ask(route, motion=token, time=3000.0)), pixels(ask(route, motion=token, time=1.96))), "it ends at its end"
    del spoken
    gc.collect()
    assert ask(route, motion=token) == (200, {"state": "gone"}), "the page keeps no motion alive"


def spoken_motion(host):
    """A mouth that opens while the head turns."""
    motion = host.core("motion.motion").Motion.still(host.core("analytic.controls").BASIS, 50)
    turn = torch.linspace(0, 0.2, 50)[:, None] * torch.tensor([0.0, 1.0, 0.0])
    return motion.with_controls(jaw_open=torch.linspace(0, 1, 50)).with_pose(turn, torch.zeros(50, 3))


def is_frame(frames, number: int, shown: np.ndarray) -> bool:
    with torch.inference_mode():
        return np.abs(frames.frames(number, number + 1)[0].numpy() - shown).mean() < 0.02


def test_a_camera_path_is_seen_along_its_strip(host, route, lived_in, film):
    motion, paths = spoken_motion(host), host.core("render.camera_paths")
    values = {"mode": "orbit", "yaw": 30.0, "pitch": 5.0, "period": 2.0, "view_yaw": 5.0}
    shown = host.nodes["Real3DCameraPath"].execute(**defaults(host, "Real3DCameraPath") | values, motion=motion).ui["real3d_source"][0]
    frames = film(motion, paths.orbit_view(50, 25.0, 30.0, 5.0, 2.0).from_place(5.0, 0.0, 1.0))
    for number in (0, 12, 37):
        asked = {"node": "Real3DCameraPath", "values": values, "motion": shown, "time": number / 25}
        assert is_frame(frames, number, pixels(ask(route, **asked))), number
    alone = [pixels(ask(route, node="Real3DCameraPath", values={**values, "fps": 30.0}, time=time)) for time in (0.0, 0.5)]
    assert np.abs(alone[0] - alone[1]).max() > 0.2, "a path without a motion, at its own rate"
    beyond = {"mode": "keyframes", "keyframes": "0: 0 0\n9: 40 0", "frames": 10}
    assert ask(route, node="Real3DCameraPath", values=beyond, time=9.0)[0] == 200, "keyframes beyond the end are seen, too"


def test_an_edited_motion_is_seen_before_it_runs_again(host, route, lived_in, film):
    motion, second = spoken_motion(host), spoken_motion(host)
    ran = host.nodes["Real3DEditMotion"].execute(**defaults(host, "Real3DEditMotion"), motion=motion, second=second)
    tokens = {"motion": ran.ui["real3d_source"][0], "second": ran.ui["real3d_second"][0]}
    values = {"expression_gain": 0.5, "speed": 2.0, "overlap": 0.0}
    edited = host.execute("Real3DEditMotion", motion=motion, second=second, **values)[0]
    for number in (10, 40):
        shown = pixels(ask(route, node="Real3DEditMotion", values=values, time=number / 25, **tokens))
        assert is_frame(film(edited), number, shown), number
    assert ask(route, node="Real3DCameraPath", values={}, **tokens)[0] == 400, "no other node has a second motion"


def test_the_simple_node_shows_its_run_from_where_its_widgets_say(host, route, lived_in, film):
    node = host.nodes["Real3DTalkingPortrait"]
    given = {"image": host.inputs[PHOTO], "audio": host.inputs["voice.wav"], "size": 64}
    with torch.inference_mode():
        ran = node.execute(**defaults(host, "Real3DTalkingPortrait") | given)
    assert ran.ui["real3d_curves"] and ran.ui["real3d_sound"]
    motion = host.part("live_faces").MOTIONS[ran.ui["real3d_source"][0]]
    shown = {"node": "Real3DTalkingPortrait", "values": {"view_yaw": 12.0}, "motion": ran.ui["real3d_source"][0], "time": 0.4}
    view = host.core("render.camera_paths").static_view(len(motion)).from_place(12.0)
    assert is_frame(film(motion, view), 10, pixels(ask(route, **shown)))


def defaults(host, node_id: str) -> dict:
    inputs = host.nodes[node_id].GET_SCHEMA().inputs
    return {one.id: one.default for one in inputs if getattr(one, "default", None) is not None and not one.optional}


def test_the_portrait_of_a_run_is_shown_by_its_token(host, route, lived_in):
    photo = host.inputs["portrait_2.png"]
    with torch.inference_mode():
        output = host.nodes["Real3DPreparePortrait"].execute(image=photo, face_index=0, face_area=0.2)
    (token,) = output.ui["real3d_portrait"]
    rest = pixels(ask(route, photo={"token": token}))
    assert np.abs(rest - pixels(ask(route))).mean() > 0.05, "another photo"
    assert ask(route, photo={"token": "nobody"}) == (200, {"state": "gone"})


def test_a_still_is_the_first_frame_of_the_connected_photo(host, faces):
    motion, still = host.execute("Real3DDirectTheFace", photo=host.inputs[PHOTO], amount=0.0, jaw_open=0.7)
    assert still.shape == (1, 512, 512, 3) and motion.control("jaw_open").unique().tolist() == [pytest.approx(0.7)]
    portrait = host.execute("Real3DPreparePortrait", image=host.inputs[PHOTO])[0]
    (again,) = host.execute("Real3DDirectTheFace", photo=portrait, amount=0.0, jaw_open=0.7)[1]
    assert (again - still[0]).abs().max() < 0.02


def test_of_many_wishes_only_the_newest_is_drawn(faces, monkeypatch):
    begun, go, drawn = threading.Event(), threading.Event(), []

    def slow(asker, wish):
        drawn.append((asker, wish.side))
        begun.set()
        assert go.wait(10)
        return b"picture"

    live = faces.LiveFaces()
    monkeypatch.setattr(live, "_drawn", slow)
    first = live.picture("a", faces.Wish(None, 0, None))
    assert begun.wait(10)
    mine = [live.picture("a", faces.Wish(None, number, None)) for number in range(1, 30)]
    other = live.picture("b", faces.Wish(None, 99, None))
    go.set()
    assert first.result(10) == other.result(10) == b"picture"
    assert [one.result(10) for one in mine] == [None] * 28 + [b"picture"]
    assert drawn == [("a", 0), ("a", 29), ("b", 99)], "each asker has its turn"


def test_askers_are_bounded_and_a_release_drops_the_wish(faces, monkeypatch):
    begun, go = threading.Event(), threading.Event()
    live = faces.LiveFaces()
    monkeypatch.setattr(live, "_drawn", lambda asker, wish: begun.set() or (go.wait(10) and b"picture"))
    live.picture("first", faces.Wish(None, 0, None))
    assert begun.wait(10)
    waiting = [live.picture(str(number), faces.Wish(None, 0, None)) for number in range(faces.MOST_ASKERS)]
    with pytest.raises(faces.Busy):
        live.picture("one too many", faces.Wish(None, 0, None))
    released = live.release("3")
    go.set()
    released.result(10)
    assert [one.result(10) for one in waiting] == [b"picture"] * 3 + [None] + [b"picture"] * (faces.MOST_ASKERS - 4)
    assert not live._wishes


def test_a_wish_is_dropped_while_a_workflow_runs(route, faces, monkeypatch):
    running = [True]
    monkeypatch.setattr(route, "LIVE", faces.LiveFaces(lambda: running[0]))
    assert ask(route) == (200, {"state": "busy"})
    running[0] = False
    assert ask(route)[0] == 200


def test_a_queue_that_holds_anything_counts_as_running(host, monkeypatch):
    import server

    class Queue:
        def get_tasks_remaining(self):
            return 1

    class Instance:
        prompt_queue = Queue()

    part = host.part("runtime.server")
    assert not part.workflow_is_running()
    monkeypatch.setattr(server.PromptServer, "instance", Instance())
    assert part.workflow_is_running()


def test_faces_are_bounded_and_freed_with_their_askers(route, live, faces, monkeypatch):
    for number, side in enumerate((128, 192, 256, 320)):
        assert ask(route, asker=str(number), side=side)[0] == 200
    assert len(live) == faces.MOST_FACES
    monkeypatch.setattr(faces, "GRACE", 0.0)
    live.release("1").result(10)
    live.free_unwatched().result(10)
    assert len(live) == faces.MOST_FACES - 1
    for number in range(4):
        asyncio.run(route.answer_release({"asker": str(number)}))
    live.free_unwatched().result(10)
    assert len(live) == 0


def test_a_face_at_another_size_is_not_made_anew(host, route, live, monkeypatch):
    lifted, avatar = [], host.core("analytic.avatar")
    lift = avatar.lift
    monkeypatch.setattr(avatar, "lift", lambda portrait: lifted.append(portrait) or lift(portrait))
    first, large = pixels(ask(route)), pixels(ask(route, asker="other", side=320))
    assert len(lifted) == 1 and large.shape == (320, 320, 3) and np.array_equal(first, pixels(ask(route)))
    assert pixels(ask(route, photo={"file": PHOTO, "face_area": 0.4})).shape == first.shape and len(lifted) == 2


def test_memory_is_given_back_when_no_picture_has_been_wished_for_for_a_while(route, live, faces, monkeypatch):
    given_back = threading.Event()
    monkeypatch.setattr(faces, "give_back", given_back.set)
    monkeypatch.setattr(route, "PAUSE", -1.0)

    async def alone():
        await route.answer({"asker": "page", "node": "Real3DDirectTheFace", "photo": {"file": PHOTO}, "values": {}})
        await asyncio.sleep(0.2)

    asyncio.run(alone())
    assert given_back.wait(10) and len(live) == 1


def test_what_a_first_picture_needs_is_loaded_once(route, live, faces, monkeypatch):
    loaded, load = [], faces._load
    monkeypatch.setattr(faces, "_load", lambda: loaded.append(1) or load())
    answered = [asyncio.run(route.answer_load({})) for _ in range(5)]
    live.load().result(60)
    assert answered == [(200, {})] * 5 and loaded == [1] and len(live) == 0


def test_a_face_that_nobody_asks_for_is_freed(route, live, faces, monkeypatch):
    assert ask(route)[0] == 200
    live.sweep().result(10)
    assert len(live) == 1
    monkeypatch.setattr(faces, "IDLE", 0.0)
    live.sweep().result(10)
    assert len(live) == 0


def test_a_failure_of_the_drawing_itself_does_not_stop_the_next_wish(route, live, monkeypatch):
    monkeypatch.setattr(live, "_face", lambda source, side: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        ask(route)
    monkeypatch.undo()
    monkeypatch.setattr(route, "LIVE", live)
    assert ask(route)[0] == 200
