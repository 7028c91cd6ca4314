"""What a page may wish for: photos in ComfyUI's folders and values that the node takes; everything else is refused in a sentence."""

import asyncio
import math
import os
import sys
import types

import numpy as np
import pytest
from live_wishes import PHOTO, ask, pixels
from PIL import Image

HOSTILE_FILES = (
    "../secret.png",
    "..\\secret.png",
    "/etc/passwd",
    "C:\\secret.png",
    "a\0b.png",
    "sub/../../x.png",
    "../x.png [output]",
    "x [temp]",
)


@pytest.mark.parametrize("name", [*HOSTILE_FILES, "nowhere.jpg", "."])
def test_a_name_that_leaves_the_folders_is_refused(route, live, host, name):
    (host.folder / "secret.png").write_bytes((host.folder / "input" / PHOTO).read_bytes())
    status, body = ask(route, photo={"file": name})
    assert status == 200 and body["state"] == "refused" and str(host.folder) not in body["error"]
    assert len(live) == 0


def test_a_file_that_is_no_photo_is_refused_in_one_sentence(route, live, host):
    (host.folder / "input" / "notes.png").write_text("not a picture")
    Image.new("RGB", (300, 300)).save(host.folder / "input" / "nobody.png")
    Image.new("RGB", (8, 8)).save(host.folder / "input" / "tiny.png")
    for name, said in (("notes.png", "cannot be read"), ("nobody.png", "No face"), ("tiny.png", "8 x 8")):
        status, body = ask(route, photo={"file": name})
        assert status == 200 and said in body["error"]


def test_the_photo_has_the_pixels_of_the_host_s_own_node(route, live, host, monkeypatch):
    class LoadImage:
        FUNCTION = "load"

        def load(self, image):
            assert image == PHOTO
            return host.inputs["portrait_2.png"], None

    monkeypatch.setitem(sys.modules, "nodes", types.SimpleNamespace(LoadImage=LoadImage))
    shown = pixels(ask(route))
    portrait = host.execute("Real3DPreparePortrait", image=host.inputs["portrait_2.png"])[0].items[0]
    token = host.part("live_faces").PORTRAITS.keep(portrait)
    assert np.abs(shown - pixels(ask(route, photo={"token": token}))).max() < 0.02
    monkeypatch.setattr(LoadImage, "load", lambda self, image: 1 / 0)
    assert "cannot be read" in ask(route, photo={"file": PHOTO, "face_area": 0.3})[1]["error"]


def test_a_photo_that_changes_on_disk_is_another_photo(route, live, host):
    path = host.folder / "input" / "mine.png"
    Image.open(host.folder / "input" / PHOTO).save(path)
    before = pixels(ask(route, photo={"file": "mine.png"}))
    Image.fromarray((host.inputs["portrait_2.png"][0] * 255).byte().numpy()).save(path)
    os.utime(path, ns=(1, 1))
    assert np.abs(pixels(ask(route, photo={"file": "mine.png"})) - before).mean() > 0.05


@pytest.mark.parametrize(
    "wish",
    [
        *({name: value} for name in ("asker", "node") for value in (None, "", 3, "x" * 401, ["a"])),
        *({"photo": photo} for photo in (None, "file.png", {}, {"file": 3}, {"file": ""}, {"token": None})),
        *({"values": values} for values in ([], "jaw_open", {"jaw_open": None}, {"jaw_open": [1]}, {"keyframes": "x" * 20_001})),
        *({"side": side} for side in (0, 127, 513, 256.5, "256", math.nan, 10**30)),
        *({"time": time} for time in (-1, 3601, math.nan, math.inf, "0", None)),
        {"motion": 3},
        {"node": "Real3DSaveMotion"},
    ],
    ids=str,
)
def test_what_is_no_wish_is_refused_before_anything_is_done(route, live, wish):
    status, body = ask(route, **wish)
    assert status == 400 and len(body["error"]) < 400 and len(live) == 0


@pytest.mark.parametrize(
    "values",
    [
        {"jaw_open": 9},
        {"head_yaw": -46},
        {"gaze_x": math.nan},
        {"expression": "bored"},
        {"keyframes": "x"},
        {"ways": "x"},
        {"photo": "x.png"},
        {"nose": 1},
    ],
    ids=str,
)
def test_values_that_the_node_does_not_take_are_refused(route, live, values):
    status, body = ask(route, values)
    assert status == 200 and body["state"] == "refused" and body["error"].endswith(".")


def test_the_route_as_the_server_serves_it(host, route, live, monkeypatch):
    import server
    from aiohttp import web
    from aiohttp.test_utils import TestClient, TestServer

    class Instance:
        routes = web.RouteTableDef()

    monkeypatch.setattr(server.PromptServer, "instance", Instance())
    part = host.part("runtime.server")
    part.serve_json("POST", "/real3d/live", route.answer)
    wish = {"asker": "a", "node": "Real3DDirectTheFace", "photo": {"file": PHOTO}, "values": {}}

    async def talk():
        application = web.Application()
        application.add_routes(Instance.routes)
        async with TestClient(TestServer(application)) as client:
            good = await client.post("/real3d/live", json=wish)
            large = await client.post("/real3d/live", json={**wish, "values": {"keyframes": "x" * part.MOST_JSON}})
            form = await client.post("/real3d/live", data={"asker": "a"})
            broken = await client.post("/real3d/live", data=b"{", headers={"Content-Type": "application/json"})
            bad = await client.post("/real3d/live", json=[])
            return good.content_type, (await good.read())[:2], [one.status for one in (good, large, form, broken, bad)]

    assert asyncio.run(talk()) == ("image/jpeg", b"\xff\xd8", [200, 413, 415, 400, 400])
