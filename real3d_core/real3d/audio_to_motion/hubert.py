"""Speech features of the paper's audio-to-motion model: HuBERT-large, chunk by chunk (spec 05 sections 1 to 3)."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ...errors import MissingModelError, SoundError, brief
from ...progress import Progress, no_progress
from ..weights.key_table import all_finite
from .pitch import HOP, pitch_track
from .sound import RATE

if TYPE_CHECKING:
    from transformers import HubertConfig, HubertModel


SHORTEST = 512  # samples; below it the published front end fails too
SOURCE = "https://huggingface.co/facebook/hubert-large-ls960-ft"

_RECEPTIVE_FIELD = 400
_CHUNK = 1000 * HOP  # 20 s
_WEIGHTS = ("model.safetensors", "pytorch_model.bin", "model.safetensors.index.json", "pytorch_model.bin.index.json")
_LARGEST_CONFIG = 10**6  # characters
_LARGEST_SIZE, _DEEPEST = 10**5, 100
_KERNELS, _STRIDES = (10, 3, 3, 3, 3, 2, 2), (5, 2, 2, 2, 2, 2, 2)  # 50 frames a second (spec 05 section 3)
_SHAPE = (
    *("hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size", "hidden_act", "layer_norm_eps", "conv_dim"),
    *("feat_extract_norm", "feat_extract_activation", "conv_stride", "conv_kernel", "conv_bias", "num_conv_pos_embeddings"),
    *("num_conv_pos_embedding_groups", "feat_proj_layer_norm", "do_stable_layer_norm", "conv_pos_batch_norm"),
)
_OVERLAP = 80  # keeps the frame grid going across chunks; carries no context


@dataclass(frozen=True)
class SpeechFeatures:
    """The input of the audio-to-motion model.

    features: [T8, C] float32 at 50 Hz, rows of zeros after the sound's end, T8 a multiple of 8.
    f0: [T8] float32 Hz at 50 Hz, 0 where unvoiced.
    """

    features: Tensor
    f0: Tensor

    @property
    def frames(self) -> int:
        """Video frames at 25 a second, a multiple of 4; up to 0.14 s longer than the sound (spec 05 section 1)."""
        return self.features.shape[0] // 2


def speech_features(sound: np.ndarray, model: HubertModel, progress: Progress = no_progress) -> SpeechFeatures:
    """Features and F0 of one recording.

    Args:
        sound: [C, L] at 16 kHz, 16-bit values as floats in -1..1 (`sound.sixteen_kilohertz`). HuBERT takes the first
            channel, the pitch tracker their mean (spec 05 section 11, item 6).
        model: from `load_hubert`.
        progress: a layer of a chunk is a step.

    Raises: SoundError for less than 512 samples.
    """
    length = sound.shape[1]
    if length < SHORTEST:
        raise SoundError(
            f"The sound lasts {1000 * length / RATE:.0f} ms, but at least {1000 * SHORTEST / RATE:.0f} ms are needed: use a longer one."
        )
    features = hubert_features(sound[0], model, progress)
    padded = -(-len(features) // 8) * 8
    f0 = pitch_track(sound.mean(axis=0, dtype=np.float32), padded)
    return SpeechFeatures(F.pad(features, (0, 0, 0, padded - len(features))), torch.from_numpy(f0))


@torch.no_grad()
def hubert_features(samples: np.ndarray, model: HubertModel, progress: Progress = no_progress) -> Tensor:
    """[T, C] float32 on the processor, T = (L - 80) // 320, of [L] samples at 16 kHz, L >= 400.

    Memory is bounded by one chunk of 20 s; each is a forward pass of its own (spec 05 section 3.3).
    """
    normalised = torch.from_numpy(normalise(samples))
    spans = chunk_spans(len(samples))
    parts = []
    with _reporting(model, len(spans), progress):
        for start, stop in spans:
            parts.append(model(normalised[None, start:stop].to(model.device, model.dtype)).last_hidden_state[0].float().cpu())
    return torch.cat(parts)[: feature_frames(len(samples))]


@contextmanager
def _reporting(model: HubertModel, chunks: int, progress: Progress) -> Iterator[None]:
    """Reports progress after every layer: one forward pass alone can take ten seconds on a CPU."""
    layers, done = model.encoder.layers, 0

    def tell(*_) -> None:
        nonlocal done
        progress(done, chunks * len(layers))
        done += 1

    hooks = [layer.register_forward_pre_hook(tell) for layer in layers]
    try:
        yield
        tell()
    finally:
        for hook in hooks:
            hook.remove()


def normalise(samples: np.ndarray) -> np.ndarray:
    """Zero mean and unit variance over the whole recording, before it is cut into chunks (spec 05 section 3.2)."""
    samples = samples.astype(np.float32)
    return (samples - samples.mean()) / np.sqrt(samples.var() + 1e-7)


def chunk_spans(length: int) -> list[tuple[int, int]]:
    """[start, stop) of the forward passes over `length` samples (spec 05 section 3.3)."""
    full = length // _CHUNK
    spans = [(_CHUNK * i, min(_CHUNK * (i + 1) + _OVERLAP, length)) for i in range(full)]
    if length - _CHUNK * full >= _RECEPTIVE_FIELD:
        spans.append((_CHUNK * full, length))
    return spans


def feature_frames(length: int) -> int:
    """Feature frames of `length` >= 400 samples."""
    return (length - _OVERLAP) // HOP


def has_hubert(folder: Path) -> bool:
    """Whether the files that `load_hubert` needs are all there."""
    return not _missing(folder)


def load_hubert(folder: Path | str) -> HubertModel:
    """HuBERT from a local folder in the layout of Hugging Face (config.json and weights), in eval mode.

    Nothing is downloaded and no pickle is executed. The head for recognising letters in the published file is ignored.

    Raises: MissingModelError if the folder, its files or the `transformers` package are missing, or the model is not
        of the kind that the features need.
    """
    folder = Path(folder)
    missing = _missing(folder)
    if missing:
        raise MissingModelError(f"The HuBERT model is incomplete: put {' and '.join(missing)} from {SOURCE} into the folder '{folder}'.")
    try:
        from transformers import HubertModel
    except ImportError as error:
        raise MissingModelError(
            "The paper's audio-to-motion needs the Python package 'transformers': install it with 'pip install transformers'."
        ) from error
    try:
        with _unheard():
            config = _config(folder)
            both: Any = HubertModel.from_pretrained(
                folder, config=config, local_files_only=True, weights_only=True, output_loading_info=True
            )
            model, loaded = both
    except Exception as error:  # on foreign files the package fails in many ways
        reason = brief(str(error), 160) or type(error).__name__
        raise MissingModelError(
            f"The HuBERT model in '{folder}' cannot be read ({reason}): download its files from {SOURCE} again."
        ) from error
    # what the file lacks would be left random; the embedding of masked frames is for training only
    lacking = sorted(set(loaded["missing_keys"]) - {"masked_spec_embed"})
    left = [name for name in sorted(loaded["unexpected_keys"]) if name.removeprefix("hubert.").startswith(("encoder.", "feature_"))]
    if lacking or left or not model.config.do_stable_layer_norm:
        reason = f" ({', '.join(lacking[:3])} missing)" if lacking else f" ({brief(', '.join(left[:3]), 160)} left over)" if left else ""
        raise MissingModelError(f"The model in '{folder}' is not the HuBERT that is needed{reason}: download the files from {SOURCE}.")
    model = model.float()
    damaged = [name for name, values in model.state_dict().items() if not all_finite(values)]
    if damaged:
        raise MissingModelError(f"The HuBERT model in '{folder}' is damaged ({damaged[0]} is not all finite): download its files again.")
    return model.eval().requires_grad_(False)


def _config(folder: Path) -> HubertConfig:
    """What shapes the features in config.json; whatever else it asks of `transformers` is not done.

    Raises:
        ValueError: it is not a HuBERT's, or that of a larger one than the weights beside it can be.
    """
    from transformers import HubertConfig, HubertModel

    with open(folder / "config.json", encoding="utf-8") as file:
        settings = json.loads(file.read(_LARGEST_CONFIG))
    if not isinstance(settings, dict) or settings.get("model_type", "hubert") != "hubert":
        raise ValueError("config.json is not a HuBERT's")
    shape = {name: settings[name] for name in _SHAPE if name in settings}
    numbers = [
        one for value in shape.values() for one in (value if isinstance(value, list) else [value]) if not isinstance(one, (str, bool))
    ]
    if (
        not all(isinstance(one, (int, float)) and 0 < one <= _LARGEST_SIZE for one in numbers)
        or settings.get("num_hidden_layers", 1) > _DEEPEST
    ):
        raise ValueError("the sizes in config.json are not a HuBERT's")
    config = HubertConfig(**shape)
    if [tuple(config.conv_kernel), tuple(config.conv_stride)] != [_KERNELS, _STRIDES]:
        raise ValueError("config.json describes another front end")
    with torch.device("meta"):
        weights = sum(parameter.numel() for parameter in HubertModel(config).parameters())
    if weights > sum(path.stat().st_size for ending in ("*.safetensors", "*.bin") for path in folder.glob(ending)):
        raise ValueError("config.json describes a larger model than the weights are")
    return config


@contextmanager
def _unheard() -> Iterator[None]:
    """Silences `transformers`: no progress bar, no notes on the unused head. Its settings are restored afterwards."""
    from transformers.utils import logging

    level, shown = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity(logging.CRITICAL)
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if shown:
            logging.enable_progress_bar()


def _missing(folder: Path) -> list[str]:
    missing = [] if os.path.isfile(folder / "config.json") else ["config.json"]
    if not any(os.path.isfile(folder / name) for name in _WEIGHTS):
        missing.append("pytorch_model.bin (1.26 GB) or model.safetensors")
    return missing
