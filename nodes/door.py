"""Input checks of every node: compares its inputs with its schema and says in one sentence what is wrong or missing."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, wraps
from inspect import signature
from pathlib import Path
from typing import Any

from torch import Tensor

from ..real3d_core.errors import Real3DError
from ..real3d_core.ranges import Range
from .runtime.api import io
from .runtime.device import HostedAvatar
from .sockets import Cameras, Heads, Portraits, Renders, TensorFrames

_REQUIREMENTS = Path(__file__).resolve().parent.parent / "requirements.txt"
_REQUIRED = ("mediapipe", "cv2")  # packages that are installed by it
_OTHER_NAMES = {"PIL": "pillow"}  # import name -> name on PyPI
_PACK = __name__.removesuffix(".nodes.door")


@dataclass(frozen=True)
class _Kind:
    """The values that a socket accepts.

    fits: whether a value is one. what: how messages name it. source: the node or nodes that output it.
    """

    fits: Callable[[object], bool]
    what: str
    source: str


def _is_motion(value: object) -> bool:
    from ..real3d_core.motion.motion import Motion

    return isinstance(value, Motion)


def _is(kind: type) -> Callable[[object], bool]:
    return lambda value: isinstance(value, kind)


_KINDS = {
    "REAL3D_AVATAR": _Kind(_is(HostedAvatar), "an avatar", "'Load avatar'"),
    "REAL3D_PORTRAIT": _Kind(_is(Portraits), "a portrait", "'Prepare portrait'"),
    "REAL3D_PLANES": _Kind(_is(Heads), "planes", "'Image to plane' or 'Motion adapter'"),
    "REAL3D_MOTION": _Kind(_is_motion, "a motion", "'Audio to motion' or 'Video to motion'"),
    "REAL3D_CAMERA": _Kind(_is(Cameras), "a camera path", "'Camera path'"),
    "REAL3D_RENDER": _Kind(_is(Renders), "a render", "'Render head'"),
    "REAL3D_TENSOR": _Kind(_is(TensorFrames), "a tensor of this pack's", "'Planes to tensor'"),
    "IMAGE": _Kind(lambda value: isinstance(value, Tensor) and value.ndim == 4, "pictures [B, H, W, C]", "'Load Image'"),
    "MASK": _Kind(lambda value: isinstance(value, Tensor) and 2 <= value.ndim <= 4, "a mask [B, H, W]", "'Load Image (as Mask)'"),
    "AUDIO": _Kind(lambda value: isinstance(value, Mapping) and "waveform" in value, "a sound", "'Load Audio'"),
    "VIDEO": _Kind(lambda value: hasattr(value, "get_components"), "a video", "'Load Video'"),
    "FACE_LANDMARKS": _Kind(
        lambda value: isinstance(value, Mapping) and "frames" in value, "face landmarks", "'Detect Face Landmarks (MediaPipe)'"
    ),
    "STRING": _Kind(_is(str), "a text", "a node for text"),
    "LOAD3D_CAMERA": _Kind(
        lambda value: isinstance(value, Mapping) and "position" in value, "a 3-D viewer's camera", "'Load 3D' or 'Create Camera Info'"
    ),
    "LATENT": _Kind(
        lambda value: isinstance(value, Mapping) and isinstance(value.get("samples"), Tensor), "a latent", "a node for latents"
    ),
}


def guarded(node: type[io.ComfyNode]) -> type[io.ComfyNode]:
    """The same node with an `execute` that refuses what the schema does not allow and names any package that is not installed.

    ComfyUI compares only the names of socket types, and nodes of other packs may send anything through a socket of any type.
    """
    execute = node.execute.__func__

    @cache
    def checks() -> list[tuple[io.Input, Callable[[Any], object]]]:
        """The check of each input; as in ComfyUI, inputs that the node's own `validate_inputs` names are left to it."""
        own = signature(node.validate_inputs).parameters
        return [(one, check) for one in node.GET_SCHEMA().inputs if one.id not in own and (check := _check(one))]

    @wraps(execute)
    def checked(cls, **inputs) -> io.NodeOutput:
        for one, check in checks():
            absent = one.id not in inputs or (inputs[one.id] is None and not hasattr(one, "default"))
            if not (one.optional and absent):
                check(inputs.get(one.id))
        try:
            return execute(cls, **inputs)
        except ImportError as failure:
            if (failure.name or "").startswith(_PACK):
                raise
            raise Real3DError(_missing(failure)) from failure

    node.execute = classmethod(checked)
    return node


def widget_values(node: type[io.ComfyNode], given: Mapping[str, object]) -> dict[str, Any]:
    """The values of a node's widgets by name: those given, and the defaults of the others.

    Raises:
        Real3DError: a value is none of its widget, or the node has no such widget.
    """
    widgets = {one.id: one for one in node.GET_SCHEMA().inputs if hasattr(one, "default")}
    for name in given:
        if name not in widgets:
            raise Real3DError(f"The node has no input {str(name)[:60]!a}: give one of {', '.join(widgets)}.")
    values = {name: given.get(name, one.default) for name, one in widgets.items()}
    for name, one in widgets.items():
        if check := _check(one):
            check(values[name])
    return values


def _check(one: io.Input) -> Callable[[Any], object] | None:
    """A function that raises Real3DError for a wrong value of an input; None if its schema does not restrict the values."""
    if isinstance(one, io.Combo.Input):
        return lambda value: _refuse_unknown(one.id, value, one.options)
    if isinstance(one, (io.Int.Input, io.Float.Input)):
        return Range(f"The input '{one.id}'", one.min, one.max, whole=isinstance(one, io.Int.Input)).check
    kinds = [_KINDS[kind] for kind in one.get_io_type().split(",") if kind in _KINDS]
    return (lambda value: _refuse_other(one.id, value, kinds)) if kinds else None


def _refuse_unknown(name: str, value: object, options: list[str]) -> None:
    if value not in options:
        raise Real3DError(f"{str(value)[:60]!a} is not a choice of the input '{name}': choose one of {', '.join(options)}.")


def _refuse_other(name: str, value: object, kinds: list[_Kind]) -> None:
    if not any(kind.fits(value) for kind in kinds):
        wanted, sources = " or ".join(kind.what for kind in kinds), " or ".join(kind.source for kind in kinds)
        raise Real3DError(f"The input '{name}' expects {wanted}, but got {_described(value)}: connect {sources}.")


def _described(value: object) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, Tensor):
        return f"a plain tensor {list(value.shape)}"
    return next((kind.what for kind in _KINDS.values() if kind.fits(value)), f"a value of the type '{type(value).__name__[:40]}'")


def _missing(failure: ImportError) -> str:
    package = (failure.name or "").partition(".")[0]
    wanted = f'-r "{_REQUIREMENTS}"' if package in _REQUIRED or not package else _OTHER_NAMES.get(package, package)
    command = f'"{sys.executable}" -m pip install {wanted}'
    if isinstance(failure, ModuleNotFoundError):
        return f"The Python package '{package}' is not installed: run {command} and start ComfyUI again."
    reason = " ".join(str(failure).split())[:200]
    return (
        f"The Python package '{package or 'of this step'}' cannot be loaded ({reason}): install the system library that is named there, "
        f"or run {command} and start ComfyUI again."
    )
