"""Sound as the published front end reads it: 16 kHz, 16 bits, channels kept (spec 05 section 2)."""

from __future__ import annotations

import av
import numpy as np

from ..errors import SoundError

RATE = 16000


def sixteen_kilohertz(waveform: np.ndarray, sample_rate: int) -> np.ndarray:
    """The sound at 16 kHz, quantised to 16 bits by FFmpeg's resampler.

    Args:
        waveform: [C, L] float32 in -1..1, one or two channels (of more, the first two are taken).
        sample_rate: Hz.

    Returns: [C, L'] float32, whole multiples of 1/32768; no loudness change, no trimming.

    Raises: SoundError for a sound without samples.
    """
    channels = np.ascontiguousarray(np.clip(waveform[:2], -1, 1), dtype=np.float32)
    if channels.ndim != 2 or channels.shape[1] == 0:
        raise SoundError("The sound has no samples: choose a recording with speech.")
    layout = "mono" if len(channels) == 1 else "stereo"
    frame = av.AudioFrame.from_ndarray(channels, format="fltp", layout=layout)
    frame.sample_rate = sample_rate
    resampler = av.AudioResampler(format="s16", layout=layout, rate=RATE)
    pieces = [piece.to_ndarray() for part in (frame, None) for piece in resampler.resample(part)]
    interleaved = np.concatenate(pieces, axis=1)
    return interleaved.reshape(-1, len(channels)).T.astype(np.float32) / 32768
