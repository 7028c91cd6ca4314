"""What the nodes that save and load our own files share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from .runtime import api, folders
from .runtime.api import io
from .sockets import FileSocket


class LoadsKeptFile(io.ComfyNode):
    """A node with an input from `kept_input`."""

    @classmethod
    def validate_inputs(cls, file: str = "") -> bool | str:
        return api.sentence_or_true(lambda: folders.refuse_hostile(file, "file")) if file else True

    @classmethod
    def fingerprint_inputs(cls, file: str = "") -> tuple:
        return folders.kept_fingerprint(file) if file else ()


def kept_input(kind: str, tooltip: str) -> io.Combo.Input:
    """The saved files of a kind, "portrait", "planes" or "motion"."""
    return io.Combo.Input("file", options=folders.kept_choices(kind), tooltip=tooltip)


def prefix_input(kind: str) -> io.String.Input:
    """Where a file of a kind is saved."""
    return io.String.Input(
        "filename_prefix", default=f"real3d/{kind}", tooltip="Subfolder and prefix of the file name, inside the output folder."
    )


def file_output(loader: str) -> io.ComfyTypeI.Output:
    """The name of the saved file, which can be connected to its loader."""
    return FileSocket.Output(display_name="file", tooltip=f"The file name, for '{loader}'.")


def saved(prefix: str, save: Callable[[Path], None]) -> io.NodeOutput:
    """The value of `file_output`, which the page shows too, once `save` has written to an unused path."""
    path, name = folders.new_output(prefix)
    save(path)
    return io.NodeOutput(name, ui={"text": [name]})
