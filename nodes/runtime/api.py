"""The parts of ComfyUI's node API that this pack uses."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import fields

import comfy.model_management as model_management
from comfy_api.latest import ComfyExtension, Input, InputImpl, Types, io
from torch import Tensor

from ...real3d_core.errors import Real3DError

Interrupted = model_management.InterruptProcessingException
"""Raised when the user pressed cancel."""
CATEGORY = "Real3D-Portrait"

__all__ = ["ComfyExtension", "Input", "InputImpl", "Types", "io"]


def schema(**described) -> io.Schema:
    """An io.Schema without the fields that this version of ComfyUI does not know yet."""
    known = {field.name for field in fields(io.Schema)}
    return io.Schema(**{name: value for name, value in described.items() if name in known})


def check_interrupted() -> None:
    """Raises the host's own exception if the user pressed cancel."""
    model_management.throw_exception_if_processing_interrupted()


def blocked(sentence: str) -> object:
    """An output value that blocks the nodes connected to it; the page shows the sentence on them."""
    from comfy_execution.graph_utils import ExecutionBlocker

    return ExecutionBlocker(sentence)


def loader_of_images() -> Callable[[str], Tensor] | None:
    """What ComfyUI's 'Load Image' does, from its choice to an IMAGE: decoders differ, so that others would give other pixels.

    None where ComfyUI has no such node.
    """
    node = getattr(sys.modules.get("nodes"), "LoadImage", None)
    return None if node is None else lambda choice: getattr(node(), node.FUNCTION)(choice)[0]


def executing_node() -> str | None:
    """Id of the node that ComfyUI is executing on this thread, None if it is not known."""
    try:
        from comfy_execution.utils import get_executing_context
    except ImportError:
        return None
    context = get_executing_context()
    return None if context is None else context.node_id


def sentence_or_true(check: Callable[[], object]) -> bool | str:
    """The result for ComfyUI's validate_inputs: True, or the sentence of a Real3DError.

    If other outputs of the graph are valid, the page does not show the sentence but only a red frame. Therefore only inputs that no
    ordinary use leads to are refused here; a missing file, for example, is left to execution, whose sentence is always shown.
    """
    try:
        check()
    except Real3DError as refusal:
        return str(refusal)
    return True
