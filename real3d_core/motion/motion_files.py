"""A motion as a safetensors file: plain tensors and their meaning, nothing that could be executed."""

from __future__ import annotations

import json
from pathlib import Path

import torch

from ..errors import Real3DError
from ..files import readable_file, written_whole
from .motion import Motion, MotionBasis

_KIND = "real3d-motion-1"
_LONGEST = 25 * 3600  # frames


def save_motion(path: str | Path, motion: Motion) -> None:
    """Writes the motion, whole or not at all.

    Raises:
        OutputError: the name does not end in .safetensors, or the place cannot be written to.
    """
    from safetensors.torch import save_file

    metadata = {"kind": _KIND, "fps": motion.fps, "basis": motion.basis.name, "controls": motion.basis.controls}
    tensors = {name: getattr(motion, name).contiguous() for name in ("expression", "euler", "translation")}
    with written_whole(path, (".safetensors",)) as temporary:
        save_file(tensors, temporary, metadata={"real3d": json.dumps(metadata)})


def load_motion(path: str | Path) -> Motion:
    """Reads what `save_motion` wrote.

    Raises:
        Real3DError: the file is missing, damaged, or holds no motion.
    """
    from safetensors import SafetensorError, safe_open

    found = readable_file(path, "motion", Real3DError)
    try:
        with safe_open(found, framework="pt") as file:
            metadata = json.loads((file.metadata() or {}).get("real3d", "{}"))
            if metadata.get("kind") != _KIND:
                raise Real3DError(f"The file '{found.name}' holds no motion: choose one that 'Save motion' wrote.")
            expression, euler, translation = (file.get_tensor(name).float() for name in ("expression", "euler", "translation"))
        basis = MotionBasis(str(metadata["basis"]), tuple(map(str, metadata["controls"])), expression.shape[1])
        motion = Motion(basis, expression, euler, translation, float(metadata["fps"]))
        whole = all(torch.isfinite(part).all() for part in (expression, euler, translation))
        if not (1 <= len(motion) <= _LONGEST and 0 < motion.fps <= 240 and whole and len(basis.controls) <= basis.size):
            raise ValueError("out of range")
    except (SafetensorError, OSError, ValueError, KeyError, IndexError, TypeError, AttributeError, RuntimeError):
        raise Real3DError(f"The motion '{found.name}' is damaged or incomplete: save it again.") from None
    return motion
