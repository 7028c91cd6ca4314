"""An official-style checkpoint with the reference weights of the goldens (spec 04 section 11, meta of frame_512)."""

from __future__ import annotations

import json
from argparse import Namespace
from collections import OrderedDict
from pathlib import Path

import numpy as np
import torch
from golden import make_weight
from torch import Tensor

MANIFEST = Path(__file__).parent / "goldens" / "frame_512.json"


def reference_tensors() -> dict[str, Tensor]:
    """Every tensor of the head-and-torso model under its official name."""
    tensors = {name: _tensor(name, shape, dtype) for name, (shape, dtype) in json.loads(MANIFEST.read_text()).items()}
    settle_spectral_norms(tensors)
    tensors["decoder.net.0.weight"] *= 40
    tensors["decoder.net.2.weight"] *= 10
    return tensors


def settle_spectral_norms(tensors: dict[str, Tensor]) -> None:
    """Puts the vectors of every spectral norm where training would have driven them."""
    for name in [name for name in tensors if name.endswith(".weight_orig")]:
        layer = name.removesuffix("_orig")
        matrix = tensors[name].flatten(1).double()
        right = matrix.T @ tensors[f"{layer}_u"].double()
        right = right / right.norm()
        left = matrix @ right
        tensors[f"{layer}_v"], tensors[f"{layer}_u"] = right.float(), (left / left.norm()).float()


def write_checkpoint(path: Path, tensors: dict[str, Tensor], in_zip: bool = False) -> None:
    """As training writes it: the model's tensors among other things, in torch's older format unless `in_zip`."""
    some = list(tensors.values())[:3]
    states = {number: {"step": 1, "exp_avg": torch.zeros_like(tensor), "exp_avg_sq": tensor} for number, tensor in enumerate(some)}
    beside = {"epoch": 1, "global_step": 100000, "checkpoint_callback_best": np.float64(0.25), "hparams": Namespace(lr=1e-4)}
    optimiser = {"state": states, "param_groups": [{"lr": 1e-4, "betas": (0.9, 0.99), "params": list(states)}]}
    content = {**beside, "optimizer_states": [optimiser], "state_dict": OrderedDict(model=OrderedDict(tensors))}
    torch.save(content, path, _use_new_zipfile_serialization=in_zip)


def _tensor(name: str, shape: list[int], dtype: str) -> Tensor:
    if dtype != "float32":
        return torch.zeros(shape, dtype=getattr(torch, dtype))
    return torch.from_numpy(np.array(make_weight(name, shape)))
