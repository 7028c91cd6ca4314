"""The training itself: windows of spectra, noise on them, Muon and AdamW, and an average of the last weights."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable

import numpy as np
import torch
from scipy.signal import lfilter
from torch import Tensor, nn
from torch.nn import functional

from real3d_core.speech.viseme_network import BANDS, VisemeNetwork
from real3d_core.speech.visemes import CLOSED, NAMES, TEETH

from .corpus import LEARNERS, NOBODY, Heard
from .muon import Muon
from .sounds import SILENCE, SOUNDS, VISEME_OF

LENGTH = 400  # steps judged in each window
BATCH = 20
STEPS = 20000
KEEP = 1000  # steps after which the weights so far are handed out
PEAK_RATE, PEAK_RATE_OF_MATRICES = 3e-3, 0.04  # of AdamW and of Muon
WEIGHT_DECAY = 0.02
WARM_UP = 0.05  # of the steps
SMOOTHING = 0.05  # of the labels: borders between sounds are nobody's certainty
CONTACT = 1.5  # weight of the sounds at which lips touch: a missed p is seen at once, a missed vowel is not
SOUNDS_TOO = 0.5  # weight of telling the sounds apart
AVERAGE = 0.999
ROOMS, NOISES = 0.3, 0.4  # of the windows

# How often each source is drawn; READERS are all others than these. Human voices count for more than their number.
READERS = "readers"
SHARES = {
    "espeak-ng en": 0.06, "espeak-ng": 0.15, "flite": 0.12, "festival": 0.05, NOBODY: 0.09, LEARNERS: 0.12, READERS: 0.45,
}  # fmt: skip


def train(corpus: list[Heard], steps: int, keep: Callable[[VisemeNetwork], None], seed: int = 0, tell=print) -> VisemeNetwork:
    """A network trained on the part "train"; `keep` is given every state that is worth keeping in case of an interruption."""
    torch.manual_seed(seed)
    random = np.random.default_rng(seed)
    network = VisemeNetwork().train()
    draw = _Windows([one for one in corpus if one.part == "train"], network.reach, random)
    averaged = copy.deepcopy(network)
    which_sound = nn.Conv1d(network.head.in_channels, len(SOUNDS), 1)  # used only in training
    optimisers = _optimisers(network, which_sound)
    schedules = [torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: _pace(step / steps)) for optimiser in optimisers]
    weights = torch.ones(len(NAMES))
    weights[[CLOSED, TEETH]] = CONTACT
    visemes = torch.from_numpy(VISEME_OF).long()
    started, running = time.time(), 0.0
    for step in range(steps):
        mel, sounds = draw()
        labels = visemes[sounds]
        with torch.autocast("cpu", torch.bfloat16):
            features = network.features(mel)
            scores, of_sounds = network.head(features).float(), which_sound(features).float()
        loss = functional.cross_entropy(scores, labels, weights, label_smoothing=SMOOTHING)
        loss = loss + SOUNDS_TOO * functional.cross_entropy(of_sounds, sounds, label_smoothing=SMOOTHING)
        network.zero_grad()
        which_sound.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 2.0)
        for optimiser, schedule in zip(optimisers, schedules, strict=True):
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
        if step % 100 == 99:
            tell(f"step {step + 1} of {steps}: {100 * running:.1f} % of the training steps right, {time.time() - started:.0f} s")
        if step % KEEP == KEEP - 1:
            keep(averaged)
    return averaged.eval()


def _optimisers(network: VisemeNetwork, which_sound: nn.Module) -> tuple[torch.optim.Optimizer, ...]:
    """Muon for what mixes channels, AdamW for the rest and for what speaks to the outside."""
    matrices, rest = [], []
    for name, parameter in network.named_parameters():
        (matrices if parameter.ndim > 1 and not name.startswith("head") else rest).append(parameter)
    adam = torch.optim.AdamW([*rest, *which_sound.parameters()], lr=PEAK_RATE, weight_decay=WEIGHT_DECAY)
    return Muon(matrices, PEAK_RATE_OF_MATRICES, WEIGHT_DECAY), adam


def _pace(part: float) -> float:
    """Factor on the rates after this part of the steps: up in a line, down in half a cosine to a hundredth."""
    return min(1.0, part / WARM_UP + 0.01) * (0.01 + 0.99 * (0.5 + 0.5 * math.cos(math.pi * max(0.0, part - WARM_UP) / (1.0 - WARM_UP))))


class _Windows:
    """Draws batches of windows, each disturbed in its own way."""

    def __init__(self, heard: list[Heard], reach: int, random: np.random.Generator):
        self._random, self._reach = random, reach
        self._noises = [one.mel for one in heard if one.speaker == NOBODY]
        groups: dict[str, list[Heard]] = {name: [] for name in SHARES}
        for one in heard:
            groups[max((name for name in SHARES if one.speaker.startswith(name)), key=len, default=READERS)].append(one)
        shares = [SHARES[name] for name, members in groups.items() if members]
        self._groups = [members for members in groups.values() if members]
        self._shares = np.array(shares) / sum(shares)
        self._chances = [_chances(members) for members in self._groups]

    def __call__(self) -> tuple[Tensor, Tensor]:
        """[BATCH, BANDS, LENGTH + 2 * reach] spectra and [BATCH, LENGTH] places in SOUNDS."""
        mel = np.full((BATCH, LENGTH + 2 * self._reach, BANDS), -1.0, np.float32)
        labels = np.full((BATCH, LENGTH), SILENCE, np.int64)
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
        for row in np.flatnonzero(self._random.random(BATCH) < ROOMS):
            mel[row] = self._in_a_room(mel[row])
        for row in np.flatnonzero(self._random.random(BATCH) < NOISES):
            mel[row] = self._with_noise(mel[row])
        return self._disturbed(torch.from_numpy(mel)), torch.from_numpy(labels)

    def _in_a_room(self, mel: np.ndarray) -> np.ndarray:
        """Every band rings on."""
        decay = 10 ** (-0.06 / self._random.uniform(0.15, 0.6))  # of the power per step, by 60 dB in these seconds
        ringing = lfilter([0.0, 1.0 - decay], [1.0, -decay], 10 ** (3 * mel), axis=0)
        return np.log10(10 ** (3 * mel) + self._random.uniform(0.05, 0.5) * ringing) / 3

    def _with_noise(self, mel: np.ndarray) -> np.ndarray:
        """A noise or music 5 to 35 dB below the voice is added."""
        noise = np.resize(self._noises[self._random.integers(len(self._noises))].astype(np.float32), mel.shape)
        loud, loud_noise = (np.quantile(sound.mean(1), 0.9) for sound in (mel, noise))
        noise = noise + (loud - loud_noise - self._random.uniform(5, 35) / 30)
        return np.log10(10 ** (3 * mel) + 10 ** (3 * noise)) / 3

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


def _chances(heard: list[Heard]) -> np.ndarray:
    """[recordings] how often each is drawn: a speaker as often as the square root of his time, then by length."""
    seconds: dict[str, int] = {}
    for one in heard:
        seconds[one.speaker] = seconds.get(one.speaker, 0) + len(one.labels)
    chances = np.array([len(one.labels) / seconds[one.speaker] ** 0.5 for one in heard])
    return chances / chances.sum()
