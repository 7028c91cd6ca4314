"""The one file that knows ComfyUI: its node API, folders, device, progress bar, interruption and memory."""

from __future__ import annotations

import json
import math
import os
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import fields
from functools import cache, cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import comfy.model_management as model_management
import comfy.utils
import folder_paths
import torch
from comfy.model_patcher import ModelPatcher
from comfy_api.latest import ComfyExtension, Input, InputImpl, Types, io
from torch import Tensor

from ..real3d_core.errors import MissingModelError, Real3DError
from ..real3d_core.stream import FrameStream

if TYPE_CHECKING:
    from ..real3d_core.avatar import Avatar
    from ..real3d_core.media.recording import Shelf
    from ..real3d_core.mediapipe_models.model_files import ModelFolders
    from ..real3d_core.motion.motion import Motion
    from ..real3d_core.portrait.portrait import Portrait
    from ..real3d_core.render.head import March
    from ..real3d_core.render.planes import Planes

__all__ = ["ComfyExtension", "Input", "InputImpl", "Types", "io"]

Interrupted = model_management.InterruptProcessingException
"""Raised when the user pressed cancel."""

CATEGORY = "Real3D-Portrait"
CHUNK = 4  # frames computed at once
BACKENDS = ("auto", "cuda-nvrtc", "cuda-nvcc", "cpu-ext", "cpu-numba", "torch", "reference")
_MODELS = "real3d"
_DETECTION = "detection"
_CHECKPOINTS = (".safetensors", ".ckpt")
_KEPT = (".safetensors",)
_LONGEST_HEADER = 2**20  # bytes; what this pack saves has less
_PICTURE_EVERY = 0.3  # seconds between two pictures of a rendering
_MEMORY_SHARE = 0.85  # of the free memory that one batch of pictures may fill

for _kind in (_MODELS, _DETECTION):  # the second is known from 0.24 on
    folder_paths.add_model_folder_path(_kind, os.path.join(folder_paths.models_dir, _kind))


def schema(**described) -> io.Schema:
    """An io.Schema without what this version of ComfyUI does not know yet."""
    known = {field.name for field in fields(io.Schema)}
    return io.Schema(**{name: value for name, value in described.items() if name in known})


def model_folders() -> ModelFolders:
    """Where model files may be: the pack's own folders, the first one first, then those of ComfyUI's own face landmarker."""
    from ..real3d_core.mediapipe_models.model_files import ModelFolders

    return ModelFolders(tuple(_folders(_MODELS) + _folders(_DETECTION)))


def detection_folder() -> Path:
    """Where ComfyUI keeps the models that find faces."""
    return _folders(_DETECTION)[0]


def _folders(kind: str) -> list[Path]:
    return [Path(folder) for folder in folder_paths.get_folder_paths(kind)]


def avatar_choices() -> list[str]:
    """The built-in avatars, then the checkpoints in the model folders; weights of other models are left out wherever they lie."""
    from ..real3d_core.avatar_kinds import avatar_kinds

    kinds = avatar_kinds()
    return [kind.built_in for kind in kinds if kind.built_in] + [
        name
        for name in folder_paths.get_filename_list(_MODELS)
        if name.lower().endswith(_CHECKPOINTS)
        and any(path.is_file() and kind.takes(path) for kind in kinds for path in (folder / name for folder in _folders(_MODELS)))
    ]


class HostedAvatar:
    """An avatar whose networks ComfyUI moves: to the device before a verb needs them, away again when other models need the room.

    All that needs no networks is the avatar's own.
    """

    def __init__(self, avatar: Avatar):
        self.avatar = avatar

    def __getattr__(self, name: str) -> Any:
        if name == "avatar":  # asked for before there is one, as copying does
            raise AttributeError(name)
        return getattr(self.avatar, name)

    def lift(self, portrait: Portrait) -> Planes:
        _bring(self._video_patchers)
        return self.avatar.lift(portrait)

    def adapt(self, planes: Planes, motion: Motion) -> FrameStream[Planes]:
        return self._with_networks(self.avatar.adapt(planes, motion))

    def compose(self, *renders, **options) -> FrameStream[Tensor]:
        return self._with_networks(self.avatar.compose(*renders, **options))

    def person_mask(self, *renders, **options) -> FrameStream[Tensor]:
        return self._with_networks(self.avatar.person_mask(*renders, **options))

    def audio_to_motion(self, *sound, **options) -> Motion:
        _bring(self._audio_patchers)
        return self.avatar.audio_to_motion(*sound, **options)

    @property
    def device(self) -> torch.device:
        """Where its planes are marched."""
        return self.decoder.weight1.device

    @cached_property
    def _video_patchers(self) -> list[ModelPatcher]:
        return _handed_over(self.avatar.video_networks())

    @cached_property
    def _audio_patchers(self) -> list[ModelPatcher]:
        return _handed_over(self.avatar.audio_networks())

    def _with_networks(self, stream: FrameStream[Any]) -> FrameStream[Any]:
        """A stream that sees to it, chunk by chunk, that the networks are there: other nodes may have run since."""
        if not self._video_patchers:
            return stream
        return FrameStream(
            len(stream), stream.fps, lambda start, stop: (_bring(self._video_patchers), stream.frames(start, stop))[1], keep=0
        )


def _handed_over(networks: Sequence[torch.nn.Module]) -> list[ModelPatcher]:
    device, rest = model_management.get_torch_device(), model_management.unet_offload_device()
    return [ModelPatcher(network, load_device=device, offload_device=rest) for network in networks]


def _bring(patchers: list[ModelPatcher]) -> None:
    if patchers:
        model_management.load_models_gpu(patchers, force_full_load=True)
    for patcher in patchers:
        parameter = next(patcher.model.parameters(), None)
        if parameter is not None and parameter.device != torch.device(patcher.load_device):  # with --novram they stay behind
            patcher.model.to(patcher.load_device)


def load_avatar(choice: str, half: bool = False, own_expression: bool = False) -> HostedAvatar:
    """The avatar of an entry of `avatar_choices`; networks are left where ComfyUI keeps models that nobody uses.

    Args:
        half, own_expression: see the core's AvatarOptions.

    Raises:
        MissingModelError: there is no such file, or it is not a checkpoint that this pack can use.
    """
    from ..real3d_core.avatar_kinds import AvatarOptions, avatar_kinds

    kinds = avatar_kinds()
    built_in = next((kind for kind in kinds if kind.built_in == choice), None)
    if built_in is not None:
        return HostedAvatar(built_in.load(AvatarOptions(model_folders())))
    checkpoint = _model_path(choice)
    kind = next((kind for kind in kinds if kind.takes(checkpoint)), next(kind for kind in kinds if not kind.built_in))
    device, rest = model_management.get_torch_device(), model_management.unet_offload_device()
    return HostedAvatar(kind.load(AvatarOptions(model_folders(), checkpoint, device, rest, half, own_expression)))


def built_in_avatar(basis: str | None = None) -> HostedAvatar:
    """The built-in avatar whose motions have this basis; the first one where there is none or none is asked for."""
    from ..real3d_core.avatar_kinds import avatar_kinds

    kinds = [kind for kind in avatar_kinds() if kind.built_in]
    return load_avatar(next((kind for kind in kinds if kind.basis == basis), kinds[0]).built_in)


def avatar_fingerprint(choice: str) -> tuple:
    """Changes when the file behind a choice does."""
    from ..real3d_core.avatar_kinds import avatar_kinds

    return () if choice in (kind.built_in for kind in avatar_kinds()) else _stamp(_model_path(choice))


def marcher(backend: str) -> March:
    """The function that marches rays: one of `cuda_ops`, "auto" being the fastest that works here; "reference" the readable truth.

    Raises:
        Real3DError: there is no such back end.
    """
    from ..cuda_ops import marcher as march_by
    from ..real3d_core.render.ray_marching import march

    return march if backend == "reference" else march_by(backend)


def backend_in_use(backend: str, device: torch.device) -> str:
    """Says which back end marches planes on a device where `backend` is asked for; builds it if it was never used before.

    Raises:
        Real3DError: there is no such back end.
    """
    from ..cuda_ops import chosen

    if backend == "reference":
        return "Ray marching: reference"
    name = chosen(device, backend).name
    remark = "" if backend in ("auto", name) else f" ({backend} cannot be used here: the log says why)"
    return f"Ray marching: {name}{remark}"


def show_on_node(node: type[io.ComfyNode], text: str) -> None:
    """Writes a line below a node that asked for the hidden unique_id, where there is a browser to show it."""
    from server import PromptServer

    if node.hidden and node.hidden.unique_id and PromptServer.instance:
        PromptServer.instance.send_progress_text(text, node.hidden.unique_id)


def show_bridged(node: type[io.ComfyNode], gaps: str) -> None:
    """Says below a node where its driving clip shows no face to follow."""
    if gaps:
        show_on_node(node, f"Bridged in the driving clip: {gaps}")


def check_interrupted() -> None:
    """Raises the host's own exception if the user pressed cancel."""
    model_management.throw_exception_if_processing_interrupted()


def progress_bar(total: int) -> Callable[[int], None]:
    """A function to call with the number of frames done; it also notices cancel."""
    show = steps_bar()
    return lambda done: show(done, max(total, 1))


def stages_bar() -> Callable[[str, int, int], None]:
    """A function to call with the name of a stage, its steps done and its steps in all; it also notices cancel."""
    show = steps_bar()
    return lambda stage, done, total: show(done, total)


def steps_bar() -> Callable[[int, int], None]:
    """A function to call with steps done and steps in all; it also notices cancel."""
    bar = comfy.utils.ProgressBar(1)

    def show(done: int, total: int) -> None:
        check_interrupted()
        bar.update_absolute(done, total)

    return show


def serve(path: str, answer: Callable[[str, Mapping[str, str]], Awaitable[tuple[int, bytes]]], kind: str) -> None:
    """Adds a GET route to ComfyUI's server.

    Args:
        path: holds one variable part, {token}.
        answer: (token, query) -> status and body; the body of a 200 is of the content type `kind`, others are text.
    """
    from server import PromptServer

    server = getattr(PromptServer, "instance", None)
    if server is None:  # the pack was loaded by something that serves no pages
        return

    @server.routes.get(path)
    async def handle(request):
        from aiohttp import web

        status, body = await answer(request.match_info["token"], request.query)
        headers = {"Cache-Control": "no-store"}
        return web.Response(status=status, body=body, content_type=kind if status == 200 else "text/plain", headers=headers)


def blocked(sentence: str) -> object:
    """As one output's value: the nodes connected to it do not run, and the page shows the sentence there."""
    from comfy_execution.graph_utils import ExecutionBlocker

    return ExecutionBlocker(sentence)


def serve_json(method: str, path: str, answer: Callable[[object], Awaitable[tuple[int, object]]]) -> None:
    """Adds a route to ComfyUI's server whose bodies are JSON.

    Args:
        answer: the body of the request, None with GET -> status and body.
    """
    from server import PromptServer

    server = getattr(PromptServer, "instance", None)
    if server is None:  # the pack was loaded by something that serves no pages
        return

    @getattr(server.routes, method.lower())(path)
    async def handle(request):
        from aiohttp import web

        if method != "GET" and request.content_type != "application/json":  # what another site's form cannot send
            return web.json_response({"error": "Send JSON."}, status=415)
        try:
            asked = None if method == "GET" else await request.json()
        except ValueError:
            return web.json_response({"error": "This is not JSON."}, status=400)
        status, body = await answer(asked)
        return web.json_response(body, status=status, headers={"Cache-Control": "no-store"})


def executing_node() -> str | None:
    """Id of the node that ComfyUI is executing on this thread, None where it does not say."""
    try:
        from comfy_execution.utils import get_executing_context
    except ImportError:
        return None
    context = get_executing_context()
    return None if context is None else context.node_id


def rendering_bar(total: int, node: str | None = None) -> Callable[[int, Tensor], None]:
    """A progress bar for frames: call it with the number done and the newest frames [n, H, W] or [n, H, W, 3] in 0..1.

    A few times a second the page gets the newest one as the event "real3d.rendering", for the node with this id (the one that
    runs if None), with the frames per second.
    """
    from server import PromptServer

    show = progress_bar(total)
    node = node or executing_node()
    server = getattr(PromptServer, "instance", None)
    started = time.monotonic()
    told = -math.inf

    def rendered(done: int, frames: Tensor) -> None:
        nonlocal told
        show(done)
        now = time.monotonic()
        if node is None or server is None or server.client_id is None or (now - told < _PICTURE_EVERY and done < total):
            return
        from .preview import frame_url

        told = now
        content = {"node": node, "done": done, "total": total, "fps": done / max(now - started, 1e-3), "picture": frame_url(frames[-1])}
        server.send_sync("real3d.rendering", content, server.client_id)

    return rendered


def gather(rows: Sequence[Sequence[FrameStream[Tensor]]]) -> list[Tensor]:
    """Streams as ComfyUI's batches: one tensor per column, the rows' frames one after the other.

    Columns of a row are computed chunk by chunk in turn, so that they share their work. Each tensor is allocated once.

    Args:
        rows: per portrait, streams of [n, H, W] or [n, H, W, C]; those of a row are equally long.

    Raises:
        Real3DError: the result would not fit into the memory.
    """
    total = sum(len(row[0]) for row in rows)
    show = rendering_bar(total)
    whole: list[Tensor] = []
    done = 0
    for row in rows:
        for start in range(0, len(row[0]), CHUNK):
            check_interrupted()
            stop = min(start + CHUNK, len(row[0]))
            chunks = [stream.frames(start, stop) for stream in row]
            if not whole:
                _refuse_too_many(total, chunks)
                whole = [torch.empty((total, *chunk.shape[1:]), device=model_management.intermediate_device()) for chunk in chunks]
            for tensor, chunk in zip(whole, chunks, strict=True):
                tensor[done : done + stop - start] = chunk
            done += stop - start
            show(done, chunks[0])
    return whole


@cache
def films() -> Shelf:
    """Where rendered films are kept until ComfyUI ends, in its temporary folder."""
    from ..real3d_core.media.recording import Shelf

    return Shelf(_temporary_folder() / "films")


def new_temporary(suffix: str) -> Path:
    """The path of a new file in ComfyUI's temporary folder, which ComfyUI empties when it starts."""
    folder = _temporary_folder()
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f"{secrets.token_hex(8)}{suffix}"


def _temporary_folder() -> Path:
    return Path(folder_paths.get_temp_directory()) / _MODELS


def new_output(prefix: str) -> tuple[Path, str]:
    """An unused .safetensors file in the output folder, and the name by which `kept_file` finds it again.

    Raises:
        Real3DError: the prefix leads out of the output folder.
    """
    refuse_hostile(prefix, "file name")
    try:
        folder, name, counter, subfolder, _ = folder_paths.get_save_image_path(prefix, folder_paths.get_output_directory())
    except Exception as failure:
        check_interrupted()
        raise Real3DError(f"The file name '{prefix[:60]}' leads out of the output folder: choose another one.") from failure
    file = f"{name}_{counter:05}_.safetensors"
    return Path(folder) / file, f"{(Path(subfolder) / file).as_posix()} [output]"


def input_folder() -> Path:
    """Where ComfyUI's load nodes find their files."""
    return Path(folder_paths.get_input_directory())


def kept_choices(kind: str) -> list[str]:
    """The files of a kind, "motion" or "planes", in the output and the input folder, as ComfyUI annotates them."""
    found = []
    for root, mark in ((folder_paths.get_output_directory(), " [output]"), (folder_paths.get_input_directory(), "")):
        paths = sorted(Path(root).rglob("*")) if Path(root).is_dir() else []
        files = [path for path in paths if path.suffix.lower() in _KEPT and path.is_file() and _kept_kind(path, *_stamp(path)[1:]) == kind]
        found += [path.relative_to(root).as_posix() + mark for path in files]
    return found or [NOTHING_KEPT]


@lru_cache(4096)
def _kept_kind(path: Path, changed: int, size: int) -> str:
    """What this pack says in the header of a file that it wrote, "motion" or "planes"; empty for all other files."""
    try:
        with open(path, "rb") as file:
            length = int.from_bytes(file.read(8), "little")
            header = json.loads(file.read(length)) if length <= _LONGEST_HEADER else {}
        return json.loads(header["__metadata__"]["real3d"])["kind"].split("-")[1]
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return ""


NOTHING_KEPT = "nothing saved yet"


def kept_file(choice: str) -> Path:
    """The file of an entry of `kept_choices`.

    Raises:
        Real3DError: it is not there, or the name leads out of ComfyUI's folders.
    """
    if choice == NOTHING_KEPT:
        raise Real3DError("Nothing has been saved yet: save a file first, or put one into ComfyUI's input folder.")
    refuse_hostile(choice, "file")
    name, root = folder_paths.annotated_filepath(choice)
    root = Path(root or folder_paths.get_input_directory()).resolve()
    path = (root / name.strip()).resolve()
    if not path.is_relative_to(root) or path.suffix.lower() not in _KEPT or not path.is_file():
        raise Real3DError(f"There is no saved file '{choice[:80]}': refresh the page and choose one from the list.")
    return path


def kept_fingerprint(choice: str) -> tuple:
    """Changes when the file behind a choice does."""
    return _stamp(kept_file(choice))


def sentence_or_true(check: Callable[[], object]) -> bool | str:
    """What ComfyUI's validate_inputs wants: True, or the sentence of a Real3DError.

    Where other outputs of the graph are in order the page shows no such sentence, only a red frame. So nothing is refused here that
    a user may well do, such as choosing a file that has gone since: that is left to execution, whose sentence is shown.
    """
    try:
        check()
    except Real3DError as refusal:
        return str(refusal)
    return True


def _model_path(choice: str) -> Path:
    refuse_hostile(choice, "checkpoint")
    if not choice.lower().endswith(_CHECKPOINTS):
        raise MissingModelError(f"'{choice[:80]}' is no checkpoint: choose a file that ends in {' or '.join(_CHECKPOINTS)}.")
    for folder in _folders(_MODELS):
        path = folder / choice
        if path.is_file():
            return path
    raise MissingModelError(
        f"There is no checkpoint '{choice[:80]}' in the folder '{_folders(_MODELS)[0]}': put it there, or choose another avatar."
    )


def refuse_hostile(name: str, what: str) -> None:
    """Raises Real3DError for a name that could lead out of a folder."""
    parts = Path(name.replace("\\", "/")).parts if isinstance(name, str) else ("..",)
    if ".." in parts or "\0" in name or os.path.isabs(name) or name[:1] in "/\\" or name[1:2] == ":" or not name.strip():
        raise Real3DError(f"The {what} {str(name)[:80]!a} cannot be used: choose a name inside ComfyUI's own folders.")


def _stamp(path: Path) -> tuple:
    state = path.stat()
    return (path.name, state.st_mtime_ns, state.st_size)


def _refuse_too_many(frames: int, chunks: Sequence[Tensor]) -> None:
    needed = 4 * frames * sum(chunk[0].numel() for chunk in chunks)
    free = model_management.get_free_memory(model_management.intermediate_device())
    if needed > _MEMORY_SHARE * free:
        raise Real3DError(
            f"{frames} frames as pictures need {needed / 1e9:.1f} GB of memory, {free / 1e9:.1f} GB are free: "
            "use 'Talking portrait to video', whose memory does not grow with length, or fewer or smaller frames."
        )
