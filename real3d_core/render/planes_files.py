"""Planes as a safetensors file: plain tensors and their meaning, nothing that could be executed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import torch

from ..errors import Real3DError
from ..files import readable_file, written_whole
from .planes import Planes

_KIND = "real3d-planes-1"
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
    from safetensors.torch import save_file

    tensors = {}
    for number, head in enumerate(heads):
        parts = {"features": head.features, "bounds": head.bounds, "landmarks": head.landmarks}
        parts |= {f"{_PERSON}{name}": value for name, value in (head.person or {}).items()}
        # copies: heads may share what safetensors keeps only once
        tensors |= {f"{number}.{name}": value.to("cpu", copy=True).contiguous() for name, value in parts.items() if value is not None}
    metadata = {"kind": _KIND, "avatar": avatar, "box_sides": [head.box_side for head in heads]}
    with written_whole(path, (".safetensors",)) as temporary:
        save_file(tensors, temporary, metadata={"real3d": json.dumps(metadata)})


def load_planes(path: str | Path) -> tuple[list[Planes], str]:
    """Reads what `save_planes` wrote: the heads and the name of the avatar that they belong to.

    Raises:
        Real3DError: the file is missing, damaged, or holds no planes.
    """
    from safetensors import SafetensorError, safe_open

    found = readable_file(path, "planes", Real3DError)
    try:
        with safe_open(found, framework="pt") as file:
            metadata = json.loads((file.metadata() or {}).get("real3d", "{}"))
            if metadata.get("kind") != _KIND:
                raise Real3DError(f"The file '{found.name}' holds no planes: choose one that 'Save planes' wrote.")
            names = set(file.keys())

            def tensor(name: str):
                return file.get_tensor(name).float() if name in names else None

            def person(mark: str):
                return {name.removeprefix(mark): tensor(name) for name in sorted(names) if name.startswith(mark)} or None

            heads = []
            for i, side in enumerate(metadata["box_sides"]):
                features = file.get_tensor(f"{i}.features").float()
                heads.append(Planes(features, float(side), tensor(f"{i}.bounds"), tensor(f"{i}.landmarks"), person(f"{i}.{_PERSON}")))
        whole = all(len(head) == 1 and 0 < head.box_side < 1e6 for head in heads)
        parts = [part for head in heads for part in (head.features, head.bounds, head.landmarks, *(head.person or {}).values())]
        whole &= all(part is None or torch.isfinite(part).all() for part in parts)
        if not (1 <= len(heads) <= _MOST_HEADS and whole):
            raise ValueError("out of range")
        return heads, str(metadata["avatar"])
    except (SafetensorError, OSError, ValueError, KeyError, IndexError, TypeError, AttributeError, RuntimeError):
        raise Real3DError(f"The planes '{found.name}' are damaged or incomplete: save them again.") from None
