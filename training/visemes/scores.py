"""How often the network names the viseme that is spoken, on voices and languages it was not trained with."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from real3d_core.speech.viseme_network import VisemeNetwork, load_network

from .corpus import Heard
from .sounds import VISEME_OF


def print_scores(corpus: list[Heard], weights: Path) -> None:
    """One line per part kept out of training, one per synthesiser and language in it."""
    network = load_network(weights)
    right: dict[str, list[np.ndarray]] = {}
    for one in corpus:
        if one.part == "train":
            continue
        synthesiser, voice = one.speaker.split()
        source = voice.split("+")[0] if one.part == "held language" else voice.split("+")[-1]
        for name in (one.part, f"{one.part}: {synthesiser} {source}"):
            right.setdefault(name, []).append(predicted(network, one.mel) == VISEME_OF[one.labels])
    for name in sorted(right):
        steps = np.concatenate(right[name])
        print(f"{name:50s} {100 * steps.mean():5.1f} % of {len(steps) / 100:.0f} s")


def predicted(network: VisemeNetwork, mel: np.ndarray) -> np.ndarray:
    """[T] the likeliest viseme of every step of [T, BANDS] spectra."""
    around = np.pad(mel.astype(np.float32), ((network.reach, network.reach), (0, 0)), constant_values=-1.0)
    with torch.inference_mode():
        return network(torch.from_numpy(around.T[None].copy()))[0].argmax(0).numpy()
