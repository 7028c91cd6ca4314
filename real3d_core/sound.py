"""Sound: reading any common file, and mixing down for speech analysis."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass

import av
import numpy as np
import torch
from scipy.signal import resample_poly
from torch import Tensor

from .container import open_container, readable_frames
from .errors import SoundError

SHORTEST = 0.2  # seconds; less than five frames of picture say nothing
_RATES = (1000, 768000)  # samples per second; anything else is a damaged header
_GAP = 0.05  # seconds; time stamps of neighbouring packets jitter by less


@dataclass(frozen=True)
class Sound:
    """A recording.

    samples: [C, L] float32 in [-1, 1], C channels, L samples each.
    rate: samples per second.
    """

    samples: Tensor
    rate: int

    def __post_init__(self):
        if self.samples.ndim != 2 or self.samples.dtype != torch.float32 or self.rate <= 0:
            raise ValueError(f"a sound is [C, L] float32 at a positive rate, got {self.samples.shape}, {self.samples.dtype}, {self.rate}")

    @property
    def duration(self) -> float:
        """Seconds."""
        return self.samples.shape[1] / self.rate

    def part(self, start: float, stop: float) -> Sound:
        """From `start` to `stop` seconds, as far as there is any."""
        return Sound(self.samples[:, round(start * self.rate) : round(stop * self.rate)], self.rate)

    def mono(self, rate: int = 16000) -> Tensor:
        """All channels mixed equally and resampled: [ceil(L * rate / self.rate)] float32."""
        mixed = self.samples.mean(dim=0)
        if rate == self.rate:
            return mixed
        shared = math.gcd(rate, self.rate)
        return torch.from_numpy(resample_poly(mixed.numpy(), rate // shared, self.rate // shared, window=("kaiser", 8.0)))


def load_sound(path: str | os.PathLike) -> Sound:
    """Reads a sound file, or the sound track of a video, from its start to its end or as far as it is readable.

    Silence stands where packets are damaged or where the sound of a video starts after its picture, so time is kept.

    Raises:
        SoundError: the file is missing, empty, no sound, without samples, or shorter than 0.2 s.
    """
    with open_container(path, "sound", SoundError) as container:
        if not container.streams.audio:
            raise SoundError(f"The file '{path}' has no sound track; give a sound file or a video with sound.")
        try:
            samples, rate = _decode(container)
        except av.FFmpegError:
            raise SoundError(f"The sound '{path}' can not be read: its header is damaged.") from None
    if not samples.shape[1]:
        raise SoundError(f"The sound '{path}' holds no samples; record or export it again.")
    if not _RATES[0] <= rate <= _RATES[1]:
        raise SoundError(f"The sound '{path}' claims {rate} samples per second; export it again at 16000 to 48000.")
    return long_enough(Sound(torch.from_numpy(samples), rate), f"The sound '{path}'")


def long_enough(sound: Sound, name: str) -> Sound:
    """The sound itself if a face can be moved by it.

    Raises:
        SoundError: it is shorter than 0.2 s; the sentence starts with `name`.
    """
    if sound.duration < SHORTEST:
        raise SoundError(f"{name} lasts {sound.duration:.3f} s; at least {SHORTEST} s are needed.")
    return sound


def _decode(container: av.container.InputContainer) -> tuple[np.ndarray, int]:
    """The first sound track as [C, L] float32 in [-1, 1], and its rate."""
    stream = container.streams.audio[0]
    planar = av.AudioResampler(format="fltp")
    origin, end = _span(container, stream)
    pieces: list[np.ndarray] = []
    filled, rate = 0, 0
    usual = None
    for frame in readable_frames(container, stream):
        layout = (frame.format.name, frame.layout.name, frame.sample_rate)
        usual = usual or layout
        if layout != usual:  # a damaged header
            continue
        time = frame.time
        for piece in planar.resample(frame):
            samples, rate = piece.to_ndarray(), piece.sample_rate
            missing = 0 if time is None or time > end else round((time - origin) * rate) - filled
            if missing > _GAP * rate:
                pieces.append(np.zeros((samples.shape[0], missing), np.float32))
                filled += missing
            pieces.append(samples)
            filled += samples.shape[1]
    if not pieces:
        return np.zeros((1, 0), np.float32), 1
    return np.nan_to_num(np.concatenate(pieces, axis=1)).clip(-1.0, 1.0), rate


def _span(container: av.container.InputContainer, stream: av.AudioStream) -> tuple[float, float]:
    """Seconds on the file's clock at which the sound should start (with the picture, if there is one) and must have ended."""
    start = float((stream.start_time or 0) * stream.time_base)
    if container.streams.video and container.start_time is not None:
        start = container.start_time / av.time_base
    return start, start + (container.duration or 0) / av.time_base
