"""Keeping fits: a clip is fitted once and drives many portraits (spec 06 section 7)."""

from __future__ import annotations

import os
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import torch

from ..errors import ClipError
from ..files import readable_file, written_whole
from .face_model.fit import FaceFit
from .face_model.basel import EXPRESSIONS, IDENTITIES

_COLUMNS = {"id": IDENTITIES, "exp": EXPRESSIONS, "euler": 3, "trans": 3}  # the keys of the published fits


def save_fit(path: str | os.PathLike, fit: FaceFit) -> None:
    """Writes a .npz file with the keys id, exp, euler and trans. Raises OutputError where that is not possible."""
    arrays = (fit.identity, fit.expression, fit.euler, fit.translation)
    with written_whole(path, (".npz",)) as unfinished:
        np.savez(unfinished, **{key: array.cpu().numpy() for key, array in zip(_COLUMNS, arrays, strict=True)})


def load_fit(path: str | os.PathLike) -> FaceFit:
    """Reads what save_fit wrote.

    The published .npy fits are pickles, which can execute code; they are refused.

    Raises: ClipError: no such file, damaged, a pickle, or other keys or sizes.
    """
    path = readable_file(path, "fit", ClipError)
    arrays = _arrays(path)
    frames = len(arrays["exp"]) if "exp" in arrays else 0
    rows = {"id": 1, "exp": frames, "euler": frames, "trans": frames}
    for key, columns in _COLUMNS.items():
        if key not in arrays or arrays[key].shape != (rows[key], columns) or not frames:
            raise ClipError(f"The fit '{path.name}' must hold '{key}' of {columns} columns, one row for each frame: fit the clip again.")
    identity, expression, euler, translation = (torch.from_numpy(arrays[key].astype(np.float32)) for key in _COLUMNS)
    return FaceFit(identity, expression, euler, translation)


def _arrays(path: Path) -> dict[str, np.ndarray]:
    try:
        with np.load(path, allow_pickle=False) as stored:
            return dict(stored)
    except (ValueError, OSError, EOFError, BadZipFile, TypeError, AttributeError):
        raise ClipError(f"The fit '{path.name}' is not a complete .npz file of plain numbers: fit the clip again.") from None
