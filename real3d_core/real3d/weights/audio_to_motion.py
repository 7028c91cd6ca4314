"""Loading the published audio-to-motion checkpoint (spec 05 section 8)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from ...errors import MissingModelError, brief
from ..audio_to_motion.network import AudioToMotion, AudioToMotionConfig
from ..model_folders import VOICE
from .checkpoint import checkpoint_file, read_tensors
from .key_table import flaw_of


def load_audio_to_motion(path: Path | str, device: torch.device | str = "cpu") -> AudioToMotion:
    """The published network, in eval mode.

    Args:
        path: model_ckpt_steps_<n>.ckpt, a .safetensors file with the same names, or the folder of such files: there the
            largest n is taken.
        device: where it runs.

    Raises: MissingModelError: no such file; damaged, holds code, another model, or a variant that is not supported.
    """
    path = checkpoint_file(path, VOICE, "audio-to-motion checkpoint")
    tensors, _ = read_tensors(path)
    return build_audio_to_motion(tensors, path.name).to(device)


def build_audio_to_motion(state: Mapping[str, Tensor], source: str) -> AudioToMotion:
    """The network with the weights of `state`, in eval mode (spec 05 section 8).

    Args:
        state: names and tensors of the checkpoint's `model` entry (`checkpoint.read_tensors`).
        source: what to call the file in messages.

    Raises: MissingModelError that names the first tensors which do not fit.
    """
    weights = {_plain_name(name): tensor for name, tensor in state.items()}
    weights = {name: tensor for name, tensor in weights.items() if not name.startswith(("vae.encoder.", "syncnet."))}
    variant = _unsupported_variant(weights)
    if variant:
        raise MissingModelError(
            f"'{source}' is an audio-to-motion checkpoint {variant}, which is not supported: use the published audio2secc_vae."
        )
    with torch.device("meta"):
        model = AudioToMotion(AudioToMotionConfig(**_sizes(weights)))
    expected = model.state_dict()
    problems = [f"{name} is missing" for name in expected if name not in weights and not name.endswith("num_batches_tracked")]
    problems += [f"{name} is not expected" for name in weights if name not in expected]
    problems += [f"{name} is {flaw}" for name in expected if name in weights and (flaw := _flaw(name, weights[name], expected[name].shape))]
    if problems:
        listed = "; ".join(brief(problem, 160) for problem in problems[:3])
        listed += f"; and {len(problems) - 3} more" if len(problems) > 3 else ""
        raise MissingModelError(f"'{source}' is not the audio-to-motion checkpoint it should be: {listed}.")
    for name, value in expected.items():
        if name.endswith("num_batches_tracked"):
            weights[name] = torch.zeros((), dtype=value.dtype)
    # copies: what was read may still be a view of the file, optimiser states and all
    model.load_state_dict({name: tensor.to(expected[name].dtype, copy=True) for name, tensor in weights.items()}, assign=True)
    return model.eval().requires_grad_(False)


def _plain_name(name: str) -> str:
    """The published spelling of a weight-normed tensor; newer torch spells it otherwise."""
    return name.replace("parametrizations.weight.original0", "weight_g").replace("parametrizations.weight.original1", "weight_v")


def _flaw(name: str, tensor: Tensor, shape: torch.Size) -> str | None:
    if tensor.shape != shape:
        return f"{list(tensor.shape)} instead of {list(shape)}"
    if name.endswith("num_batches_tracked"):
        return None  # a counter of the training
    flaw = flaw_of(tensor)
    if flaw is None and name.endswith("running_var") and (tensor < 0).any():
        return "negative"
    if flaw is None and name.endswith("weight_v") and (tensor.flatten(1).norm(dim=1) == 0).any():
        return "without a direction"
    return flaw


def _unsupported_variant(weights: Mapping[str, Tensor]) -> str | None:
    channels = _sizes(weights).get("features")
    if channels is None:
        return None  # not such a checkpoint at all; the names say it better
    if channels == 13:
        return "for MFCC input"
    if "pitch_embed.weight" not in weights:
        return "without pitch"
    if "eye_amp_embed" in weights:
        return "with an eye-amplitude input"
    if "mouth_amp_embed" not in weights:
        return "without a mouth-amplitude input"
    return None


def _sizes(weights: Mapping[str, Tensor]) -> dict[str, int]:
    """Sound features need not be HuBERT-large's: a small stand-in of both networks is used in tests."""
    first = weights.get("mel_encoder.0.weight")
    return {"features": first.shape[1]} if first is not None and first.ndim == 3 and first.shape[1] else {}
