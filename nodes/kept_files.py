"""What the nodes that save and load our own files share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from .runtime import api, folders
from .runtime.api import CATEGORY, io, schema
from .sockets import FileSocket


class LoadsKeptFile(io.ComfyNode):
    """A node with a `load_schema`."""

    @classmethod
    def validate_inputs(cls, file: str = "") -> bool | str:
        return api.sentence_or_true(lambda: folders.refuse_hostile(file, "file")) if file else True

    @classmethod
    def fingerprint_inputs(cls, file: str = "") -> tuple:
        return folders.stamp(folders.kept_file(file)) if file else ()


def save_schema(kind: str, what: str, value: io.Input, node_id: str) -> io.Schema:
    """Of a node that saves a value.

    Args:
        kind: "portrait", "planes" or "motion". what: the same with an article, for the description.
    """
    prefix = "Subfolder and prefix of the file name, inside the output folder."
    return schema(
        node_id=node_id,
        display_name=f"Save {kind}",
        category=f"{CATEGORY}/files",
        description=f"Saves {what} as a .safetensors file in ComfyUI's output folder.",
        inputs=[value, io.String.Input("filename_prefix", default=f"real3d/{kind}", tooltip=prefix)],
        outputs=[FileSocket.Output(display_name="file", tooltip=f"The file name, for 'Load {kind}'.")],
        is_output_node=True,
    )


def load_schema(kind: str, description: str, what: str, outputs: list[io.Output], node_id: str) -> io.Schema:
    """Of a `LoadsKeptFile`; `what` it loads begins a sentence."""
    files = folders.kept_choices(kind)
    return schema(
        node_id=node_id,
        display_name=f"Load {kind}",
        category=f"{CATEGORY}/files",
        description=description,
        inputs=[io.Combo.Input("file", options=files, tooltip=f"{what} in ComfyUI's output or input folder.")],
        outputs=outputs,
    )


def saved(prefix: str, save: Callable[[Path], None]) -> io.NodeOutput:
    """The name of the file, which the page shows too, once `save` has written to an unused path."""
    path, name = folders.new_output(prefix)
    save(path)
    return io.NodeOutput(name, ui={"text": [name]})
