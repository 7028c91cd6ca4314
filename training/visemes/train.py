"""The training itself: windows of spectra, noise on them, AdamW, and an average of the last weights."""

from __future__ import annotations

import copy
import time

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from real3d_core.motion.viseme_network import BANDS, VisemeNetwork
from real3d_core.motion.visemes import CLOSED, NAMES, TEETH

from .corpus import Heard

LENGTH = 256  # steps judged in each window
BATCH = 32
STEPS = 3600
PEAK_RATE = 3e-3
SMOOTHING = 0.05  # of the labels: borders between sounds are nobody's certainty
CONTACT = 1.5  # weight of the sounds at which lips touch: a missed p is seen at once, a missed vowel is not
AVERAGE = 0.995

# How often each source is drawn. Human voices count for more than their number.
SHARES = {
    "espeak-ng en": 0.06, "espeak-ng": 0.15, "flite": 0.12, "festival": 0.05, "LJ Speech": 0.20, "VCTK": 0.13, "LibriSpeech": 0.13,
    "LibriVox": 0.06, "McAuliffe": 0.01, "nobody": 0.09,
}  # fmt: skip


def train(heard: list[Heard], steps: int, seed: int = 0, tell=print) -> VisemeNetwork:
    """A network trained on the part "train"."""
    torch.manual_seed(seed)
    random = np.random.default_rng(seed)
    network = VisemeNetwork().train()
    draw = _Windows([one for one in heard if one.part == "train"], network.reach, random)
    optimiser = torch.optim.AdamW(network.parameters(), lr=PEAK_RATE, weight_decay=0.02)
    averaged = copy.deepcopy(network)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, PEAK_RATE, total_steps=steps, pct_start=0.1)
    weights = torch.ones(len(NAMES))
    weights[[CLOSED, TEETH]] = CONTACT
    started, running = time.time(), 0.0
    for step in range(steps):
        mel, labels = draw()
        with torch.autocast("cpu", torch.bfloat16):
            scores = network(mel)
        scores = scores.float()
        loss = functional.cross_entropy(scores, labels, weights, label_smoothing=SMOOTHING)
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 2.0)
        optimiser.step()
        schedule.step()
        with torch.no_grad():
            for mean, value in zip(averaged.state_dict().values(), network.state_dict().values(), strict=True):
                if mean.is_floating_point():
                    mean.lerp_(value, 1.0 - min(AVERAGE, (1 + step) / (10 + step)))
                else:
                    mean.copy_(value)
        right = (scores.argmax(1) == labels).float().mean().item()
        running = right if step == 0 else 0.98 * running + 0.02 * right
        if step % 50 == 49:
            tell(f"step {step + 1} of {steps}: {100 * running:.1f} % of the training steps right, {time.time() - started:.0f} s")
    return averaged.eval()


class _Windows:
    """Draws batches of windows, each disturbed in its own way."""

    def __init__(self, heard: list[Heard], reach: int, random: np.random.Generator):
        self._random, self._reach = random, reach
        groups: dict[str, list[Heard]] = {name: [] for name in SHARES}
        for one in heard:
            groups[max((name for name in SHARES if one.speaker.startswith(name)), key=len)].append(one)
        shares = [SHARES[name] for name, members in groups.items() if members]
        self._groups = [members for members in groups.values() if members]
        self._shares = np.array(shares) / sum(shares)
        self._chances = [np.array([len(one.labels) for one in members], float) for members in self._groups]
        self._chances = [chances / chances.sum() for chances in self._chances]

    def __call__(self) -> tuple[Tensor, Tensor]:
        """[BATCH, BANDS, LENGTH + 2 * reach] spectra and [BATCH, LENGTH] labels."""
        mel = np.full((BATCH, LENGTH + 2 * self._reach, BANDS), -1.0, np.float32)
        labels = np.zeros((BATCH, LENGTH), np.int64)
        for row in range(BATCH):
            group = self._random.choice(len(self._groups), p=self._shares)
            one = self._groups[group][self._random.choice(len(self._groups[group]), p=self._chances[group])]
            pace = self._random.uniform(0.75, 1.25)
            start = self._random.uniform(-50, max(len(one.labels) - pace * LENGTH, 0) + 50)
            places = start + pace * np.arange(-self._reach, LENGTH + self._reach)
            inside = (places >= 0) & (places < len(one.labels) - 1)
            whole = places[inside].astype(int)
            between = (places[inside] - whole)[:, None]
            mel[row, inside] = (1 - between) * one.mel[whole] + between * one.mel[whole + 1]
            judged = slice(self._reach, -self._reach)
            labels[row, inside[judged]] = one.labels[np.round(places[judged][inside[judged]]).astype(int)]
        return self._disturbed(torch.from_numpy(mel)), torch.from_numpy(labels)

    def _disturbed(self, mel: Tensor) -> Tensor:
        """Another loudness, another vocal tract (bands stretched), another tone, and bands and moments left out."""
        random = self._random
        bands = np.arange(BANDS)
        places = np.clip(bands * random.uniform(0.9, 1.1, (BATCH, 1)) + random.uniform(-0.7, 0.7, (BATCH, 1)), 0, BANDS - 1)
        warp = np.maximum(1.0 - np.abs(places[:, None, :] - bands[None, :, None]), 0.0)
        mel = torch.bmm(mel, torch.from_numpy(warp.astype(np.float32)))
        tone = random.uniform(-0.3, 0.3, (BATCH, 1)) + random.uniform(-0.2, 0.2, (BATCH, 1)) * np.linspace(-1, 1, BANDS)
        mel = (mel + torch.from_numpy(tone.astype(np.float32))[:, None]).clamp(min=-1.0)
        for row in np.flatnonzero(random.random(BATCH) < 0.3):
            first = random.integers(0, BANDS - 8)
            mel[row, :, first : first + random.integers(1, 8)] = mel[row].mean()
        for row in np.flatnonzero(random.random(BATCH) < 0.3):
            first = random.integers(self._reach, self._reach + LENGTH)
            mel[row, first : first + random.integers(2, 8)] = mel[row].mean(0)
        return mel.transpose(1, 2).contiguous()
