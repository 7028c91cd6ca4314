"""Which viseme a voice shows when: a small network, trained by training/visemes (spec 08 section 7)."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional

from ..errors import MissingModelError
from .loudness import SOUND_RATE, STEP
from .visemes import NAMES

WEIGHTS_FILE = Path(__file__).with_name("visemes.safetensors")
_OUTPUTS = "visemes"  # entry of the weights file's metadata: the names of the outputs, in their order

WINDOW = 400  # samples of one spectrum, 25 ms
MARGIN = (WINDOW - STEP) // 2  # samples that a spectrum reaches beyond its step on either side
BANDS = 40
LOWEST, HIGHEST = 60.0, 7600.0  # Hz
FLOOR = 1e-9  # power that counts as silence
CHUNK = 2000  # steps computed at once
NEARBY = 200  # steps before and after over which the mean spectrum is taken
PATTERNS_REACH = 3  # steps before and after that the patterns over bands and time see
LOUD = 1.5  # exponent of a step's weight in that mean, sqrt(power) with power = 10 ** (3 * mel): loud steps dominate


class VisemeNetwork(nn.Module):
    """Log-mel spectra to viseme scores: small patterns over bands and time, then residual convolutions over time alone.

    They see the spectra against their mean over some seconds, which takes away most of the microphone, the room and the speaker. The
    patterns are the same in all bands, since another head moves a sound's peaks up or down.

    Args:
        patterns: how many in each of the two layers over bands and time.
        channels: width between the blocks over time.
        inner: width inside them.
        dilations: steps between the three taps of each block; they set its receptive field.
    """

    def __init__(
        self,
        patterns: tuple[int, int] = (16, 32),
        channels: int = 136,
        inner: int = 60,
        dilations: tuple[int, ...] = (1, 2, 4, 8, 16, 32, 4, 2),
    ):
        super().__init__()
        self.reach = NEARBY + PATTERNS_REACH + sum(dilations)  # receptive field: steps before and after the one that is classified
        first, second = patterns
        self.patterns = nn.Sequential(
            nn.Conv2d(1, first, (5, 3), stride=(2, 1), padding=(2, 0)), nn.BatchNorm2d(first), nn.ReLU(),
            nn.Conv2d(first, second, 3, stride=(2, 1), padding=(1, 0)), nn.BatchNorm2d(second), nn.ReLU(),
        )  # fmt: skip
        self.joined = _PatternBlock(second)
        self.stem = nn.Sequential(nn.Conv1d(second * BANDS // 4 + 1, channels, 1), nn.BatchNorm1d(channels), nn.ReLU())
        self.blocks = nn.ModuleList(_Block(channels, inner, dilation) for dilation in dilations)
        self.head = nn.Conv1d(channels, len(NAMES), 1)

    def forward(self, mel: Tensor) -> Tensor:
        """[B, BANDS, T + 2 * reach] from `log_mel` -> [B, visemes, T] scores before the softmax."""
        return self.head(self.features(mel))

    def features(self, mel: Tensor) -> Tensor:
        """[B, BANDS, T + 2 * reach] -> [B, channels, T], of which the scores are linear functions."""
        shape, loud = _against_the_mean(mel)
        patterns = self.joined(self.patterns(shape[:, None])).flatten(1, 2)
        hidden = self.stem(torch.cat([patterns, loud[..., PATTERNS_REACH:-PATTERNS_REACH]], 1))
        for block in self.blocks:
            hidden = block(hidden)
        return hidden


def _against_the_mean(mel: Tensor) -> tuple[Tensor, Tensor]:
    """[B, BANDS, T + 2 * NEARBY] -> [B, BANDS, T]: each band less its mean nearby, weighted by loudness; [B, 1, T]: how loud that is."""
    weight = 10.0 ** (LOUD * mel.mean(1, keepdim=True))
    running = functional.pad(torch.cat([mel * weight, weight], 1).double().cumsum(2), (1, 0))
    sums = (running[..., 2 * NEARBY + 1 :] - running[..., : -2 * NEARBY - 1]).to(mel.dtype)
    mean = sums[:, :-1] / sums[:, -1:]
    return mel[..., NEARBY:-NEARBY] - mean, mean.mean(1, keepdim=True)


class _PatternBlock(nn.Module):
    """Over bands and time, a step more on either side."""

    def __init__(self, patterns: int):
        super().__init__()
        self.over_both = nn.Sequential(nn.Conv2d(patterns, patterns, 3, padding=(1, 0)), nn.BatchNorm2d(patterns), nn.ReLU())
        self.over_bands = nn.Sequential(nn.Conv2d(patterns, patterns, (3, 1), padding=(1, 0)), nn.BatchNorm2d(patterns))

    def forward(self, hidden: Tensor) -> Tensor:
        """[B, patterns, bands, T + 2] -> [B, patterns, bands, T]."""
        return torch.relu(hidden[..., 1:-1] + self.over_bands(self.over_both(hidden)))


class _Block(nn.Module):
    """Over time, `dilation` steps more on either side."""

    def __init__(self, channels: int, inner: int, dilation: int):
        super().__init__()
        self.dilation = dilation
        self.narrow = nn.Sequential(nn.Conv1d(channels, inner, 1), nn.BatchNorm1d(inner), nn.ReLU())
        self.over_time = nn.Sequential(nn.Conv1d(inner, inner, 3, dilation=dilation), nn.BatchNorm1d(inner), nn.ReLU())
        self.widen = nn.Sequential(nn.Conv1d(inner, channels, 1), nn.BatchNorm1d(channels))

    def forward(self, hidden: Tensor) -> Tensor:
        """[B, channels, T + 2 * dilation] -> [B, channels, T]."""
        return torch.relu(hidden[..., self.dilation : -self.dilation] + self.widen(self.over_time(self.narrow(hidden))))


def viseme_posteriors(samples: np.ndarray, chunk: int = CHUNK) -> np.ndarray:
    """How likely each viseme is at every step of 10 ms.

    Any length is processed in chunks, each with the context that its steps need, so the result does not depend on the chunks.

    Args:
        samples: [L] float in [-1, 1] at 16 kHz, mono.
        chunk: steps computed at once.
    Returns:
        [ceil(L / 160), visemes] float32, rows sum to 1, columns in the order of `visemes.NAMES`. A step is judged by 0.7 s before
        and after it.
    """
    network = _network()
    steps = -(-len(samples) // STEP)
    posteriors = np.empty((steps, len(NAMES)), np.float32)
    for start in range(0, steps, chunk):
        stop = min(start + chunk, steps)
        mel = log_mel(samples, start - network.reach, stop + network.reach)
        with torch.inference_mode():
            scores = network(torch.from_numpy(mel.T[None].copy()))
        posteriors[start:stop] = scores[0].softmax(0).T.numpy()
    return posteriors


def log_mel(samples: np.ndarray, start: int, stop: int) -> np.ndarray:
    """[stop - start, BANDS] float32 spectra of the steps start..stop-1, about -1..2; outside the sound there is silence."""
    first, last = start * STEP - MARGIN, stop * STEP + MARGIN
    padded = np.zeros(last - first, np.float32)
    inside = samples[max(first, 0) : max(last, 0)]
    padded[max(-first, 0) :][: len(inside)] = inside
    windows = np.lib.stride_tricks.sliding_window_view(padded, WINDOW)[::STEP]
    power = np.abs(np.fft.rfft(windows * np.hanning(WINDOW).astype(np.float32), 512)) ** 2 / WINDOW
    return (np.log10(power @ _mel_filters() + FLOOR) / 3.0 + 2.0).astype(np.float32)


@cache
def _mel_filters() -> np.ndarray:
    """[257, BANDS] triangles of equal width on the mel scale, each of sum 1."""
    lowest, highest = 1127.0 * np.log1p(np.array([LOWEST, HIGHEST]) / 700.0)
    mel = np.linspace(lowest, highest, BANDS + 2)
    edges = 700.0 * np.expm1(mel / 1127.0)
    frequency = np.linspace(0.0, SOUND_RATE / 2, 257)[:, None]
    rising = (frequency - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - frequency) / (edges[2:] - edges[1:-1])
    triangles = np.maximum(np.minimum(rising, falling), 0.0)
    return (triangles / triangles.sum(0)).astype(np.float32)


@cache
def _network() -> VisemeNetwork:
    return load_network(WEIGHTS_FILE)


def load_network(path: Path) -> VisemeNetwork:
    """The network with the weights of a .safetensors file, ready to judge.

    Raises:
        MissingModelError: its outputs are not the visemes of visemes.json in the same order.
    """
    network = VisemeNetwork()
    with safe_open(path, framework="pt") as file:
        _require_own_visemes((file.metadata() or {}).get(_OUTPUTS), path.name)
        network.load_state_dict({name: file.get_tensor(name) for name in network.state_dict()})
    return network.eval()


def _require_own_visemes(outputs: str | None, name: str) -> None:
    if outputs is None:
        raise MissingModelError(f"The weights '{name}' do not state the names of their visemes: train the network again.")
    if outputs.split() != list(NAMES):
        raise MissingModelError(
            f"The weights '{name}' have the visemes '{outputs}', but visemes.json has '{' '.join(NAMES)}': "
            "give its rows those names in that order (the numbers may differ), or train the network again."
        )


def save_network(network: VisemeNetwork, path: Path) -> None:
    """Writes the weights in half precision, and which viseme each output is."""
    weights = {name: value.half() if value.is_floating_point() else value for name, value in network.state_dict().items()}
    save_file(weights, path, metadata={_OUTPUTS: " ".join(NAMES)})
