"""ComfyUI's progress bars, and the gathering of frames into batches with progress."""

from __future__ import annotations

import base64
import io as byte_io
import math
import time
from collections.abc import Callable, Sequence

import comfy.model_management as model_management
import comfy.utils
import torch
from PIL import Image
from torch import Tensor

from ...real3d_core.errors import Real3DError
from ...real3d_core.stream import FrameStream, together
from .api import check_interrupted, executing_node
from .server import running_server

CHUNK = 4  # frames computed at once, where they are not computed side by side
_PICTURE_EVERY = 0.3  # seconds between two pictures of a rendering
_MEMORY_SHARE = 0.85  # of the free memory that one batch of images may fill
FRAME_SIDE = 192  # pixels of a preview picture during rendering


def progress_bar(total: int) -> Callable[[int], None]:
    """A function to call with the number of frames done; it also raises on cancel."""
    show = steps_bar()
    return lambda done: show(done, max(total, 1))


def stages_bar() -> Callable[[str, int, int], None]:
    """A function to call with the name of a stage, its steps done and its steps in all; it also raises on cancel."""
    show = steps_bar()
    return lambda stage, done, total: show(done, total)


def steps_bar() -> Callable[[int, int], None]:
    """A function to call with steps done and steps in all; it also raises on cancel."""
    bar = comfy.utils.ProgressBar(1)

    def show(done: int, total: int) -> None:
        check_interrupted()
        bar.update_absolute(done, total)

    return show


def rendering_bar(total: int, node: str | None = None) -> Callable[[int, Tensor], None]:
    """A progress bar for frames: call it with the number done and the newest frames [n, H, W] or [n, H, W, 3] in 0..1.

    A few times a second the newest one is sent to the page as the event "real3d.rendering", for the node with this id (if None, the
    running one), together with the frames per second.
    """
    show = progress_bar(total)
    node = node or executing_node()
    server = running_server()
    started = time.monotonic()
    last_sent = -math.inf

    def rendered(done: int, frames: Tensor) -> None:
        nonlocal last_sent
        show(done)
        now = time.monotonic()
        if node is None or server is None or server.client_id is None or (now - last_sent < _PICTURE_EVERY and done < total):
            return
        last_sent = now
        content = {"node": node, "done": done, "total": total, "fps": done / max(now - started, 1e-3), "picture": frame_url(frames[-1])}
        server.send_sync("real3d.rendering", content, server.client_id)

    return rendered


def gather(rows: Sequence[Sequence[FrameStream[Tensor]]]) -> list[Tensor]:
    """Streams as ComfyUI's batches: one tensor per column, the rows' frames one after the other.

    The columns of a row are computed together, so that they share work. Each tensor is allocated once.

    Args:
        rows: per portrait, streams of [n, H, W] or [n, H, W, C]; those of a row are equally long.

    Raises:
        Real3DError: the result would not fit into memory.
    """
    total = sum(len(row[0]) for row in rows)
    show = rendering_bar(total)
    whole: list[Tensor] = []
    done = 0
    check_interrupted()
    for row in rows:
        for chunks in together(row).chunks(CHUNK):
            if not whole:
                _refuse_too_many(total, chunks)
                whole = [torch.empty((total, *chunk.shape[1:]), device=model_management.intermediate_device()) for chunk in chunks]
            for tensor, chunk in zip(whole, chunks, strict=True):
                tensor[done : done + len(chunk)] = chunk
            done += len(chunks[0])
            show(done, chunks[0])
    return whole


def _refuse_too_many(frames: int, chunks: Sequence[Tensor]) -> None:
    needed = 4 * frames * sum(chunk[0].numel() for chunk in chunks)
    free = model_management.get_free_memory(model_management.intermediate_device())
    if needed > _MEMORY_SHARE * free:
        raise Real3DError(
            f"{frames} frames as images need {needed / 1e9:.1f} GB of memory, but only {free / 1e9:.1f} GB are free: "
            "use 'Talking portrait to video', whose memory use does not grow with length, or render fewer or smaller frames."
        )


def frame_url(frame: Tensor) -> str:
    """A frame [H, W] or [H, W, 3] in 0..1 as a small JPEG in a data URL, FRAME_SIDE pixels at the longer side."""
    picture = Image.fromarray((frame.detach().float().clamp(0, 1) * 255).byte().cpu().numpy())
    picture.thumbnail((FRAME_SIDE, FRAME_SIDE))
    encoded = byte_io.BytesIO()
    picture.save(encoded, format="JPEG", quality=80)
    return "data:image/jpeg;base64," + base64.b64encode(encoded.getvalue()).decode()
