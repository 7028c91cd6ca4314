"""ComfyUI's node API, as far as this pack uses it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from typing import TYPE_CHECKING

import comfy.model_management as model_management
from comfy_api.latest import ComfyExtension, Input, InputImpl, Types, io

from ...real3d_core.errors import Real3DError

if TYPE_CHECKING:
    pass
Interrupted = model_management.InterruptProcessingException
"""Raised when the user pressed cancel."""
CATEGORY = "Real3D-Portrait"

__all__ = ["ComfyExtension", "Input", "InputImpl", "Types", "io"]


def schema(**described) -> io.Schema:
    """An io.Schema without what this version of ComfyUI does not know yet."""
    known = {field.name for field in fields(io.Schema)}
    return io.Schema(**{name: value for name, value in described.items() if name in known})


def check_interrupted() -> None:
    """Raises the host's own exception if the user pressed cancel."""
    model_management.throw_exception_if_processing_interrupted()


def blocked(sentence: str) -> object:
    """As one output's value: the nodes connected to it do not run, and the page shows the sentence there."""
    from comfy_execution.graph_utils import ExecutionBlocker

    return ExecutionBlocker(sentence)


def executing_node() -> str | None:
    """Id of the node that ComfyUI is executing on this thread, None where it does not say."""
    try:
        from comfy_execution.utils import get_executing_context
    except ImportError:
        return None
    context = get_executing_context()
    return None if context is None else context.node_id


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
