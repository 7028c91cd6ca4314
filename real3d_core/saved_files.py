"""Portraits, planes and motions in safetensors files: plain tensors and their meaning, nothing that could be executed."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from torch import Tensor

from .errors import Real3DError
from .files import readable_file, written_whole


def save_tensors(path: str | Path, what: str, tensors: Mapping[str, Tensor], meaning: Mapping[str, Any]) -> None:
    """Writes a file, whole or not at all.

    Args:
        what: the kind of value, "portrait", "planes" or "motion".
        meaning: what `saved_tensors` gives back beside the tensors, as JSON can hold it.

    Raises:
        OutputError: the name does not end in .safetensors, or the place cannot be written to.
    """
    from safetensors.torch import save_file

    # copies: values may share what safetensors keeps only once
    plain = {name: value.to("cpu", copy=True).contiguous() for name, value in tensors.items()}
    with written_whole(path, (".safetensors",)) as temporary:
        save_file(plain, temporary, metadata={"real3d": json.dumps({"kind": _kind(what), **meaning})})


@contextmanager
def saved_tensors(path: str | Path, what: str) -> Iterator[tuple[dict[str, Tensor], dict[str, Any]]]:
    """Gives the tensors of a file and their meaning; whatever fails within the block is a fault of the file.

    Raises:
        Real3DError: the file is missing, damaged, or holds something else.
    """
    from safetensors import SafetensorError, safe_open

    found = readable_file(path, what, Real3DError)
    try:
        with safe_open(found, framework="pt") as file:
            meaning = json.loads((file.metadata() or {}).get("real3d", "{}"))
            if meaning.get("kind") != _kind(what):
                raise Real3DError(f"The file '{found.name}' holds no {what}: choose one that 'Save {what}' wrote.")
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dictionary)
        yield tensors, meaning
    except (SafetensorError, OSError, ValueError, KeyError, IndexError, TypeError, AttributeError, RuntimeError):
        raise Real3DError(f"The file '{found.name}' is damaged or incomplete: save the {what} again.") from None


def _kind(what: str) -> str:
    return f"real3d-{what}-1"
