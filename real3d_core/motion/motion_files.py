"""A motion as a file."""

from __future__ import annotations

from pathlib import Path

import torch

from ..saved_files import save_tensors, saved_tensors
from .motion import Motion, MotionBasis

_PARTS = ("expression", "euler", "translation")
_LONGEST = 25 * 3600  # frames


def save_motion(path: str | Path, motion: Motion) -> None:
    """Writes the motion, whole or not at all.

    Raises:
        OutputError: the name does not end in .safetensors, or the place cannot be written to.
    """
    meaning = {"fps": motion.fps, "basis": motion.basis.name, "controls": motion.basis.controls}
    save_tensors(path, "motion", {name: getattr(motion, name) for name in _PARTS}, meaning)


def load_motion(path: str | Path) -> Motion:
    """Reads what `save_motion` wrote.

    Raises:
        Real3DError: the file is missing, damaged, or holds no motion.
    """
    with saved_tensors(path, "motion") as (tensors, meaning):
        expression, euler, translation = (tensors[name].float() for name in _PARTS)
        basis = MotionBasis(str(meaning["basis"]), tuple(map(str, meaning["controls"])), expression.shape[1])
        motion = Motion(basis, expression, euler, translation, float(meaning["fps"]))
        whole = all(torch.isfinite(part).all() for part in (expression, euler, translation))
        if not (1 <= len(motion) <= _LONGEST and 0 < motion.fps <= 240 and whole and len(basis.controls) <= basis.size):
            raise ValueError("out of range")
    return motion
