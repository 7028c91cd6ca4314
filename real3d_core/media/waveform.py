"""Waveforms as other programs hand them over: whole numbers, and channels that lie interleaved in one row."""

from __future__ import annotations

import torch
from torch import Tensor

from ..errors import SoundError
from .sound import Sound, long_enough

_FULL_SCALE = {torch.int16: 2**15, torch.int32: 2**31}
_HIGHEST_RATE = 768000


def sound_from_waveform(samples: Tensor, rate: int) -> Sound:
    """A sound from a waveform.

    Args:
        samples: [C, L]; floats in -1..1 or whole numbers of 8 (0..255), 16 or 32 bits. A single row of whole numbers may hold two
            channels interleaved, as some hosts hand over the sound of a video; it is recognised by its samples.
        rate: samples per second.

    Raises:
        SoundError: no samples, an impossible rate, or less than 0.2 s.
    """
    if samples.ndim != 2 or not samples.numel():
        raise SoundError("The sound holds no samples: connect another one.")
    if not 1000 <= rate <= _HIGHEST_RATE:
        raise SoundError(f"The sound has an impossible rate of {rate} samples per second: use one of 1000 to {_HIGHEST_RATE}.")
    if not samples.is_floating_point():
        if len(samples) == 1 and samples.shape[1] % 2 == 0 and looks_interleaved(samples[0].float()):
            samples = samples.view(-1, 2).T
        samples = (samples.float() - 128) / 128 if samples.dtype == torch.uint8 else samples.float() / _FULL_SCALE.get(samples.dtype, 2**15)
    samples = samples.detach().cpu().float().nan_to_num().clamp(-1, 1).contiguous()
    return long_enough(Sound(samples, int(rate)), "The sound")


def looks_interleaved(row: Tensor) -> bool:
    """Whether a row of samples [L] alternates between two channels.

    In one channel a step from an even to an odd sample is as large as one from odd to even, and steps over two samples are larger
    than steps over one. Two like channels break the first rule, two unlike ones the second.
    """
    step = row.diff().abs()
    pairs = step[: len(step) // 2 * 2].view(-1, 2).mean(dim=0)
    across, between = float(pairs[0]), float(pairs[1])
    if max(across, between) == 0:
        return False
    over_two = float((row[2:] - row[:-2]).abs().mean())
    return min(across, between) < 0.7 * max(across, between) or over_two < 0.8 * (across + between) / 2
