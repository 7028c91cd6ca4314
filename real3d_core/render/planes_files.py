"""Planes as a file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from ..saved_files import save_tensors, saved_tensors
from .planes import Planes

_PERSON = "person."
_MOST_HEADS = 64


def save_planes(path: str | Path, heads: Sequence[Planes], avatar: str) -> None:
    """Writes heads at rest, whole or not at all.

    Args:
        heads: one or more, each of one frame.
        avatar: name of the avatar whose decoder reads them.

    Raises:
        OutputError: the name does not end in .safetensors, or the place cannot be written to.
    """
    tensors: dict[str, Tensor] = {}
    for number, head in enumerate(heads):
        parts = {"features": head.features, "bounds": head.bounds, "landmarks": head.landmarks}
        parts |= {f"{_PERSON}{name}": value for name, value in (head.person or {}).items()}
        tensors |= {f"{number}.{name}": value for name, value in parts.items() if value is not None}
    save_tensors(path, "planes", tensors, {"avatar": avatar, "box_sides": [head.box_side for head in heads]})


def load_planes(path: str | Path) -> tuple[list[Planes], str]:
    """Reads what `save_planes` wrote: the heads and the name of the avatar that they belong to.

    Raises:
        Real3DError: the file is missing, damaged, or holds no planes.
    """
    with saved_tensors(path, "planes") as (tensors, meaning):
        heads = [_head(_numbered(tensors, i), float(side)) for i, side in enumerate(meaning["box_sides"])]
        whole = all(len(head) == 1 and 0 < head.box_side < 1e6 for head in heads)
        if not (1 <= len(heads) <= _MOST_HEADS and whole and all(torch.isfinite(one).all() for one in tensors.values())):
            raise ValueError("out of range")
        return heads, str(meaning["avatar"])


def _numbered(tensors: dict[str, Tensor], number: int) -> dict[str, Tensor]:
    mark = f"{number}."
    return {name.removeprefix(mark): value.float() for name, value in sorted(tensors.items()) if name.startswith(mark)}


def _head(parts: dict[str, Tensor], side: float) -> Planes:
    person = {name.removeprefix(_PERSON): value for name, value in parts.items() if name.startswith(_PERSON)}
    return Planes(parts["features"], side, parts.get("bounds"), parts.get("landmarks"), person or None)
