"""What the nodes that save and load our own files share."""

from __future__ import annotations

from .runtime import api, folders
from .runtime.api import io
from .sockets import FileSocket


class LoadsKeptFile(io.ComfyNode):
    """A node with an input from `kept_file`."""

    @classmethod
    def validate_inputs(cls, file: str = "") -> bool | str:
        return api.sentence_or_true(lambda: folders.refuse_hostile(file, "file")) if file else True

    @classmethod
    def fingerprint_inputs(cls, file: str = "") -> tuple:
        return folders.kept_fingerprint(file) if file else ()


def kept_file(kind: str, tooltip: str) -> io.Combo.Input:
    """The saved files of a kind, "portrait", "planes" or "motion"."""
    return io.Combo.Input("file", options=folders.kept_choices(kind), tooltip=tooltip)


def name_prefix(kind: str) -> io.String.Input:
    """Where a file of a kind is saved."""
    return io.String.Input(
        "filename_prefix", default=f"real3d/{kind}", tooltip="Subfolder and prefix of the file name, inside the output folder."
    )


def saved_file(loader: str) -> io.ComfyTypeI.Output:
    """The name of the saved file, which can be connected to its loader."""
    return FileSocket.Output(display_name="file", tooltip=f"The file name, for '{loader}'.")
