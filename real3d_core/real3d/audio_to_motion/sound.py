"""Sound as the published front end reads it: 16 kHz, 16 bits, channels kept (spec 05 section 2)."""

from __future__ import annotations

import av
import numpy as np
import torch

from ...errors import SoundError
from ...media.sound import Sound, in_stereo, mixed_down

RATE = 16000


def audible(sound: Sound) -> Sound:
    """The sound itself, of whose channels HuBERT hears the first and the pitch tracker the mean, as published (spec 05 section 2).

    Mixed into one channel where the first holds less than a quarter of the power of another, or the mean cancels what they hold.
    """
    sides = in_stereo(sound.samples)
    mixed, powers = mixed_down(sides), sides.var(dim=1, correction=0)
    usual = 4 * powers[0] >= powers.max() and torch.equal(mixed, sides.mean(dim=0))
    return Sound(sides if usual else mixed[None], sound.rate)


def sixteen_kilohertz(sound: Sound) -> np.ndarray:
    """[C, L] float32 at 16 kHz, whole multiples of 1/32768, by FFmpeg's resampler; no loudness change, no trimming.

    Raises: SoundError for a sound without samples.
    """
    if not sound.samples.numel():
        raise SoundError("The sound has no samples: choose a recording with speech.")
    return np.stack([_resampled(channel, sound.rate) for channel in sound.samples.clamp(-1, 1).cpu().numpy()])


def _resampled(channel: np.ndarray, rate: int) -> np.ndarray:
    frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(channel[None]), format="fltp", layout="mono")
    frame.sample_rate = rate
    resampler = av.AudioResampler(format="s16", layout="mono", rate=RATE)
    pieces = [piece.to_ndarray()[0] for part in (frame, None) for piece in resampler.resample(part)]
    return np.concatenate(pieces).astype(np.float32) / 32768
