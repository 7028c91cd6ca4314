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
_MOST_HEADS = 64


def save_planes(path: str | Path, heads: Sequence[Planes], avatar: str) -> None:
    """Writes heads at rest, whole or not at all.

    Args:
        heads: one or more, each of one frame.
        avatar: name of the avatar whose decoder reads them.

    Raises:
        Real3DError: the heads hold more than planes, which a file could not restore.
        OutputError: the name does not end in .safetensors, or the place cannot be written to.
    """
    from safetensors.torch import save_file

    if any(type(head) is not Planes for head in heads):
        raise Real3DError(
            f"Planes of the avatar '{avatar}' belong to one portrait's fitted face and cannot be saved to a file: "
            "lift the portrait again instead."
        )
    tensors = {}
    for number, head in enumerate(heads):
        tensors[f"{number}.features"] = head.features.cpu().contiguous()
        for part in ("bounds", "landmarks"):
            if getattr(head, part) is not None:
                tensors[f"{number}.{part}"] = getattr(head, part).cpu().contiguous()
    told = {"kind": _KIND, "avatar": avatar, "box_sides": [head.box_side for head in heads]}
    with written_whole(path, (".safetensors",)) as temporary:
        save_file(tensors, temporary, metadata={"real3d": json.dumps(told)})


def load_planes(path: str | Path) -> tuple[list[Planes], str]:
    """Reads what `save_planes` wrote: the heads and the name of the avatar that they belong to.

    Raises:
        Real3DError: the file is missing, damaged, or holds no planes.
    """
    from safetensors import SafetensorError, safe_open

    found = readable_file(path, "planes", Real3DError)
    try:
        with safe_open(found, framework="pt") as file:
            told = json.loads((file.metadata() or {}).get("real3d", "{}"))
            if told.get("kind") != _KIND:
                raise Real3DError(f"The file '{found.name}' holds no planes: choose one that 'Save planes' wrote.")
            names = set(file.keys())

            def tensor(name: str):
                return file.get_tensor(name).float() if name in names else None

            sides = [float(side) for side in told["box_sides"]]
            heads = [
                Planes(file.get_tensor(f"{i}.features").float(), side, tensor(f"{i}.bounds"), tensor(f"{i}.landmarks"))
                for i, side in enumerate(sides)
            ]
        whole = all(len(head) == 1 and 0 < head.box_side < 1e6 and torch.isfinite(head.features).all() for head in heads)
        whole &= all(part is None or torch.isfinite(part).all() for head in heads for part in (head.bounds, head.landmarks))
        if not (1 <= len(heads) <= _MOST_HEADS and whole):
            raise ValueError("out of range")
        return heads, str(told["avatar"])
    except (SafetensorError, OSError, ValueError, KeyError, IndexError, TypeError, AttributeError, RuntimeError):
        raise Real3DError(f"The planes '{found.name}' are damaged or incomplete: save them again.") from None
