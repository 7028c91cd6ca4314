"""ComfyUI's server: routes for the page, and status lines below nodes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

from comfy_api.latest import io

MOST_JSON = 2**17  # bytes of a request


def running_server() -> Any | None:
    """ComfyUI's server; None where ComfyUI was loaded without one."""
    from server import PromptServer

    return getattr(PromptServer, "instance", None)


def show_on_node(node: type[io.ComfyNode], text: str) -> None:
    """Shows a line below a node that declares the hidden unique_id, if a browser is connected."""
    if node.hidden and node.hidden.unique_id and (server := running_server()):
        server.send_progress_text(text, node.hidden.unique_id)


def show_bridged(node: type[io.ComfyNode], gaps: str) -> None:
    """Shows below a node where its driving clip has no face to follow."""
    if gaps:
        show_on_node(node, f"Bridged in the driving clip: {gaps}")


def serve(path: str, answer: Callable[[str, Mapping[str, str]], Awaitable[tuple[int, bytes]]], kind: str) -> None:
    """Adds a GET route to ComfyUI's server.

    Args:
        path: holds one variable part, {token}.
        answer: (token, query) -> status and body; the body of a 200 is of the content type `kind`, others are text.
    """
    server = running_server()
    if server is None:
        return

    @server.routes.get(path)
    async def handle(request):
        from aiohttp import web

        status, body = await answer(request.match_info["token"], request.query)
        headers = {"Cache-Control": "no-store"}
        return web.Response(status=status, body=body, content_type=kind if status == 200 else "text/plain", headers=headers)


def workflow_is_running() -> bool:
    """Whether ComfyUI's server has anything in its queue."""
    queue = getattr(running_server(), "prompt_queue", None)
    return queue is not None and queue.get_tasks_remaining() > 0


def serve_json(method: str, path: str, answer: Callable[..., Awaitable[tuple[int, object]]], user_file: str | None = None) -> None:
    """Adds a route to ComfyUI's server whose bodies are JSON; a body of bytes is a JPEG.

    Args:
        answer: the body of the request, None with GET -> status and body.
        user_file: name of a file in the folder of the user who asks, whose path `answer` is then given, too.
    """
    server = running_server()
    if server is None:
        return

    @getattr(server.routes, method.lower())(path)
    async def handle(request):
        from aiohttp import web

        if method != "GET" and request.content_type != "application/json":  # other sites' forms cannot send it
            return web.json_response({"error": "Send JSON."}, status=415)
        if method != "GET" and (request.content_length or MOST_JSON + 1) > MOST_JSON:
            return web.json_response({"error": f"Send at most {MOST_JSON} bytes."}, status=413)
        try:
            asked = None if method == "GET" else await request.json()
        except ValueError:
            return web.json_response({"error": "This is not JSON."}, status=400)
        status, body = await (answer(asked) if user_file is None else answer(asked, _in_user_folder(server, request, user_file)))
        if isinstance(body, bytes):
            return web.Response(status=status, body=body, content_type="image/jpeg", headers={"Cache-Control": "no-store"})
        return web.json_response(body, status=status, headers={"Cache-Control": "no-store"})


def _in_user_folder(server: Any, request: Any, name: str) -> Path:
    return Path(server.user_manager.get_request_user_filepath(request, name, create_dir=False))
