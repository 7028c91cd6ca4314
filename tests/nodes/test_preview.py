"""What the page may ask of the server between runs, and what it is told: heads by token, motions, and how a rendering gets on."""

import asyncio
import base64
import gc
import io
import threading
import weakref
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image


@pytest.fixture(scope="module")
def preview(host):
    return host.part("preview")


@pytest.fixture(scope="module")
def lifted(host):
    """The avatar, a portrait and its head's planes."""
    avatar = host.execute("Real3DLoadAvatar")[0]
    portrait = host.execute("Real3DPreparePortrait", image=host.inputs["portrait.png"])[0]
    return avatar, portrait, host.execute("Real3DImageToPlane", avatar=avatar, portrait=portrait)[0]


@pytest.fixture
def gallery(preview, monkeypatch):
    """An empty gallery in place of the pack's."""
    fresh = preview.Gallery()
    monkeypatch.setattr(preview, "GALLERY", fresh)
    return fresh


@pytest.fixture
def token(gallery, preview, lifted) -> str:
    avatar, portrait, heads = lifted
    one = portrait.items[0]
    return preview.shown_head(avatar, heads.rest[0], one.euler, one.translation)["real3d_head"][0]


def ask(preview, token: str, **query: str) -> tuple[int, bytes]:
    return asyncio.run(preview.answer(token, query))


def pixels(png: bytes) -> np.ndarray:
    return np.array(Image.open(io.BytesIO(png)))


def test_the_route_shows_the_head_turned(preview, token):
    status, front = ask(preview, token)
    picture = pixels(front)
    assert status == 200 and picture.shape == (preview.SIDES[0], preview.SIDES[0], 4)
    assert 0.1 < (picture[..., 3] > 128).mean() < 0.9, "a head on nothing"
    skin = picture[picture[..., 3] > 200][:, :3].mean(axis=0)
    assert skin[0] > skin[2] + 20, "the photo's colours: a face is redder than blue"
    across = [
        np.average(np.arange(preview.SIDES[0]), weights=pixels(ask(preview, token, yaw=yaw)[1])[..., 3].sum(0)) for yaw in ("-40", "40")
    ]
    assert abs(across[0] - across[1]) > 1
    near, far = ((pixels(ask(preview, token, distance=one)[1])[..., 3] > 128).sum() for one in ("0.8", "1.6"))
    assert near > 2 * far


def test_the_picture_is_as_large_as_it_is_shown(preview, token):
    most = preview.SIDES[1]
    small, large = (pixels(ask(preview, token, side=str(side))[1]) for side in (128, most))
    assert small.shape == (128, 128, 4) and large.shape == (most, most, 4)
    apart = np.array(Image.fromarray(large).resize((128, 128), Image.Resampling.BOX)).astype(float) - small
    assert np.abs(apart[..., 3]).mean() < 8, "the same head from the same place, out of 255"


@pytest.mark.parametrize("hostile", ["", "../../etc/passwd", "x" * 64, "%00", "__class__"])
def test_a_token_that_is_none_is_not_found(preview, token, hostile):
    assert ask(preview, hostile)[0] == 404


@pytest.mark.parametrize("name", ["yaw", "pitch", "roll", "distance", "side"])
@pytest.mark.parametrize("value", ["nan", "inf", "-inf", "1e9", "-1e9", "", "1;2", "0x10", "yaw", "9" * 400])
def test_numbers_out_of_reach_are_refused(preview, token, name, value):
    status, sentence = ask(preview, token, **{name: value})
    assert status == 400 and len(sentence) <= 200


def test_other_parameters_have_no_influence(preview, token):
    assert ask(preview, token, resolution="100000", file="/etc/passwd") == ask(preview, token)


def test_of_many_pictures_only_the_newest_is_rendered(preview, gallery, token, monkeypatch):
    begun, go = threading.Event(), threading.Event()
    rendered = []

    def slow(head, turn, side):
        rendered.append(turn[0])
        begun.set()
        assert go.wait(10)
        return b"picture"

    monkeypatch.setattr(preview, "painted", slow)
    first = gallery.picture(token, (0.0, 0.0, 0.0, 1.0))
    assert begun.wait(10)
    later = [gallery.picture(token, (float(yaw), 0.0, 0.0, 1.0)) for yaw in range(1, 30)]
    go.set()
    assert first.result(10) == b"picture"
    assert [one.result(10) for one in later] == [None] * 28 + [b"picture"]
    assert rendered == [0.0, 29.0]


def test_what_is_kept_is_bounded_and_pictures_are_kept(preview, gallery, lifted, monkeypatch):
    avatar, portrait, heads = lifted
    one = portrait.items[0]
    tokens = [gallery.keep(heads.rest[0], avatar.decoder, one.euler + number, one.translation) for number in range(preview.MOST_HEADS + 2)]
    assert len(set(tokens)) == len(tokens)
    with pytest.raises(KeyError):
        gallery.picture(tokens[0], (0.0, 0.0, 0.0, 1.0))
    painted = []
    monkeypatch.setattr(preview, "painted", lambda head, turn, side: painted.append(turn) or b"picture")
    for yaw in [*range(preview.MOST_PICTURES + 10), preview.MOST_PICTURES]:
        gallery.picture(tokens[-1], (float(yaw), 0.0, 0.0, 1.0)).result(10)
    assert len(painted) == preview.MOST_PICTURES + 10, "the last one was there already"
    assert len(gallery._pictures) == preview.MOST_PICTURES and len(gallery._heads) == preview.MOST_HEADS


def test_the_same_head_keeps_its_token(gallery, lifted):
    avatar, portrait, heads = lifted
    one = portrait.items[0]
    tokens = {gallery.keep(heads.rest[0], avatar.decoder, one.euler.clone(), one.translation) for _ in range(3)}
    assert len(tokens) == 1


def test_the_workflows_own_planes_are_not_kept(gallery, lifted):
    """They may be on the GPU, where ComfyUI must be able to free them."""
    avatar, portrait, heads = lifted
    one = portrait.items[0]
    planes = replace(heads.rest[0], features=heads.rest[0].features.clone())
    gone = weakref.ref(planes)
    token = gallery.keep(planes, avatar.decoder, one.euler, one.translation)
    del planes
    gc.collect()
    assert gone() is None
    assert gallery.picture(token, (0.0, 0.0, 0.0, 1.0)).result(30)
    assert gallery.keep(heads.rest[0], avatar.decoder, one.euler, one.translation) != token


def test_the_route_as_the_server_serves_it(host, preview, token, monkeypatch):
    import server
    from aiohttp import web
    from aiohttp.test_utils import TestClient, TestServer

    class Instance:
        routes = web.RouteTableDef()

    monkeypatch.setattr(server.PromptServer, "instance", Instance())
    host.part("runtime.server").serve("/real3d/head/{token:[A-Za-z0-9_-]{1,64}}", preview.answer, "image/png")

    async def talk():
        application = web.Application()
        application.add_routes(Instance.routes)
        async with TestClient(TestServer(application)) as client:
            good = await client.get(f"/real3d/head/{token}?yaw=20")
            paths = [f"{token}?yaw=1e300", "nobody", "..%2f..%2fetc%2fpasswd", "a" * 65]
            others = [(await client.get(f"/real3d/head/{path}")).status for path in paths]
            return good.status, good.content_type, await good.read(), others

    status, kind, body, others = asyncio.run(talk())
    assert (status, kind, body[:4]) == (200, "image/png", b"\x89PNG") and others == [400, 404, 404, 404]


def test_nodes_tell_the_page_what_they_did(host, lifted):
    avatar, portrait, heads = lifted
    spoken = executed(host, "Real3DAudioToMotion", avatar=avatar, audio=host.inputs["voice.wav"])
    motion = spoken.args[0]
    assert spoken.ui["real3d_names"] == ["jaw", "lips", "blink", "yaw", "pitch", "roll", "gaze_x", "gaze_y"]
    assert [len(curve) for curve in spoken.ui["real3d_curves"]] == [len(motion)] * 8
    assert spoken.ui["real3d_seconds"] == [pytest.approx(len(motion) / 25)] and max(spoken.ui["real3d_sound"]) > 0.05
    edited = executed(host, "Real3DEditMotion", motion=motion, speed=2.0)
    assert edited.ui["real3d_seconds"][0] == pytest.approx(len(motion) / 50, abs=0.04) and not edited.ui["real3d_sound"]
    moving = executed(host, "Real3DMotionAdapter", avatar=avatar, planes=heads, motion=motion).args[0]
    camera = executed(host, "Real3DCameraPath", portrait=portrait, motion=motion).args[0]
    shown = executed(host, "Real3DRenderHead", avatar=avatar, planes=moving, camera=camera)
    assert ask(host.part("preview"), shown.ui["real3d_head"][0])[0] == 200
    for ui in (spoken.ui, edited.ui, shown.ui):
        assert all(isinstance(value, list) for value in ui.values()), "ComfyUI takes anything else apart"


def executed(host, node_id: str, **inputs):
    node = host.nodes[node_id]
    values = {one.id: one.default for one in node.GET_SCHEMA().inputs if getattr(one, "default", None) is not None and not one.optional}
    with torch.inference_mode():
        return node.execute(**{**values, **inputs})


def test_a_rendering_tells_the_page_how_it_gets_on(host, monkeypatch):
    import server

    progress, told = host.part("runtime.progress"), []

    class Instance:
        client_id = "page"

        def send_sync(self, event, content, client_id):
            told.append((event, content, client_id))

    monkeypatch.setattr(server.PromptServer, "instance", Instance())
    show = progress.rendering_bar(100, "7")
    frames = torch.full((2, 400, 300, 3), 0.5)
    for done in range(2, 101, 2):
        show(done, frames)
    assert 2 <= len(told) < 50, "the first and the last, and not every one between"
    event, content, page = told[-1]
    assert (event, page, content["node"], content["done"], content["total"]) == ("real3d.rendering", "page", "7", 100, 100)
    assert content["fps"] > 0
    picture = Image.open(io.BytesIO(base64.b64decode(content["picture"].partition(",")[2])))
    assert picture.format == "JPEG" and picture.size == (144, 192)
    Instance.client_id = None
    progress.rendering_bar(1, "7")(1, frames)
    assert told[-1][1]["total"] == 100, "nobody is looking"


def test_the_viewer_of_the_simple_node_can_stand_elsewhere(host):
    def last(**place):
        return host.execute("Real3DTalkingPortrait", image=host.inputs["portrait.png"], audio=host.inputs["voice.wav"], size=128, **place)[
            1
        ]

    straight = last()
    assert torch.equal(straight, last(view_yaw=0.0, view_pitch=0.0, view_distance=1.0))
    assert (straight - last(view_yaw=25.0)).abs().mean() > 0.01
    with pytest.raises(host.core("errors").Real3DError, match="view_distance"):
        last(view_distance=9.0)


def test_a_camera_path_starts_from_another_place(host):
    def cameras(**inputs):
        return host.execute("Real3DCameraPath", mode="orbit", **inputs)[0].views[0](None).cameras

    assert torch.equal(cameras(), cameras(view_yaw=0.0, view_distance=1.0))
    assert not torch.allclose(cameras(), cameras(view_yaw=10.0))
    for place in ({"view_yaw": 1e9}, {"view_pitch": float("nan")}, {"view_distance": 0.0}):
        with pytest.raises(host.core("errors").Real3DError, match="choose"):
            cameras(**place)
