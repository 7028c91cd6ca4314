"""Prepared portraits as a file, for another day or another machine."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..saved_files import save_tensors, saved_tensors
from .crop import CropWindow
from .plates import Plates
from .portrait import SIDE, Portrait

_SHAPES = {"image": (1, 3, SIDE, SIDE), "landmarks": (478, 3), "euler": (1, 3), "translation": (1, 3), "camera": (1, 25)}
_CHANNELS = {"photo": 3, "head": 4, "torso": 4, "background": 3, "person": 1, "head_mask": 1, "hair": 1}
_PLATES = "plates."
_MOST_PORTRAITS = 64
_LARGEST = 4096  # pixels of a plate's side
_LONGEST_PHOTO = 2**20  # pixels of a photo's side


def save_portraits(path: str | Path, portraits: Sequence[Portrait]) -> None:
    """Writes portraits, whole or not at all; `load_portraits` gives them back to the bit.

    A portrait takes 35 MB with a crop of 512 pixels, up to 220 MB with the largest.

    Raises:
        OutputError: the name does not end in .safetensors, or the place cannot be written to.
    """
    tensors: dict[str, Tensor] = {}
    meaning = []
    for number, portrait in enumerate(portraits):
        parts = {name: getattr(portrait, name) for name in _SHAPES}
        parts |= {f"{_PLATES}{name}": _in_bytes(getattr(portrait.plates, name)) for name in _CHANNELS}
        tensors |= {f"{number}.{name}": value for name, value in parts.items()}
        window = portrait.window
        meaning.append({"scale": portrait.scale, "window": [window.left, window.top, window.side], "photo_size": list(portrait.photo_size)})
    save_tensors(path, "portrait", tensors, {"portraits": meaning})


def load_portraits(path: str | Path) -> list[Portrait]:
    """Reads what `save_portraits` wrote.

    Raises:
        Real3DError: the file is missing, damaged, or holds no portrait.
    """
    with saved_tensors(path, "portrait") as (tensors, meaning):
        told = meaning["portraits"]
        if not 1 <= len(told) <= _MOST_PORTRAITS:
            raise ValueError("out of range")
        return [_portrait(tensors, f"{number}.", one) for number, one in enumerate(told)]


def _portrait(tensors: dict[str, Tensor], mark: str, meaning: dict[str, Any]) -> Portrait:
    parts = {name: _checked(tensors[mark + name], shape) for name, shape in _SHAPES.items()}
    side = tensors[f"{mark}{_PLATES}photo"].shape[-1]
    plates = Plates(**{name: _plate(tensors[f"{mark}{_PLATES}{name}"], (1, count, side, side)) for name, count in _CHANNELS.items()})
    scale, window, (width, height) = float(meaning["scale"]), CropWindow(*map(float, meaning["window"])), map(int, meaning["photo_size"])
    usual = 0 < scale < 1e6 and all(abs(one) < 4 * _LONGEST_PHOTO for one in (window.left, window.top, window.side))
    if not (usual and SIDE <= side <= _LARGEST and window.side >= 1 and min(width, height) >= 1 and max(width, height) < _LONGEST_PHOTO):
        raise ValueError("out of range")
    return Portrait(**parts, scale=scale, plates=plates, window=window, photo_size=(width, height))


def _in_bytes(plate: Tensor) -> Tensor:
    """As uint8 where that loses nothing: the photo's own values, and masks without an edge."""
    levels = (plate * 255).round().to(torch.uint8)
    return levels if torch.equal(_in_floats(levels), plate) else plate


def _in_floats(plate: Tensor) -> Tensor:
    return plate.float() / 255 if plate.dtype == torch.uint8 else plate.float()


def _plate(plate: Tensor, shape: tuple[int, ...]) -> Tensor:
    values = _checked(_in_floats(plate), shape)
    if values.amin() < -0.01 or values.amax() > 1.01:
        raise ValueError("out of range")
    return values


def _checked(values: Tensor, shape: tuple[int, ...]) -> Tensor:
    if tuple(values.shape) != shape or not torch.isfinite(values).all():
        raise ValueError("not what a portrait holds")
    return values.float()
