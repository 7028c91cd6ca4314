"""Sound: reading any common file, and mixing down for speech analysis."""

from __future__ import annotations

import io
import math
import os
import statistics
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import groupby, pairwise
from typing import NamedTuple

import av
import numpy as np
import torch
from torch import Tensor

from ..errors import SoundError
from .container import frames_from, ogg_links, open_container, opened, picture_track, sound_track, time_zero, why_no_track

SHORTEST = 0.2  # seconds; less than five frames of picture say nothing
_RATES = (1000, 768000)  # samples per second; anything else is a damaged header
_GAP = 0.05  # seconds; time stamps of neighbouring packets jitter by less
_FLICKER = 0.1  # seconds; a layout that holds for less is a damaged header
_BLOCK = 2048  # samples
_HALF_POWER = 0.5**0.5
_SHARES = {
    **{name: (1.0, 0.0) for name in ("FL", "FLC", "WL", "DL")},
    **{name: (0.0, 1.0) for name in ("FR", "FRC", "WR", "DR")},
    **{name: (_HALF_POWER, 0.0) for name in ("BL", "SL", "SDL", "TFL", "TBL", "TSL", "BFL")},
    **{name: (0.0, _HALF_POWER) for name in ("BR", "SR", "SDR", "TFR", "TBR", "TSR", "BFR")},
    **{name: (_HALF_POWER, _HALF_POWER) for name in ("FC", "TFC", "BFC")},
    **{name: (0.5, 0.5) for name in ("BC", "TBC", "TC")},
    **{name: (0.0, 0.0) for name in ("LFE", "LFE2", *(f"AMBI{number}" for number in range(1, 16)))},
    "AMBI0": (1.0, 1.0),
}
"""What each channel adds to the left and to the right (ITU-R BS.775-4, annex 4); effects of low frequency are left out."""
_FRONT = ("FL", "FR", "FC")
_USUAL_ORDER = {
    3: _FRONT,
    4: ("FL", "FR", "BL", "BR"),
    5: (*_FRONT, "BL", "BR"),
    6: (*_FRONT, "LFE", "BL", "BR"),
    7: (*_FRONT, "LFE", "BC", "SL", "SR"),
    8: (*_FRONT, "LFE", "BL", "BR", "SL", "SR"),
}
_FULL_SCALE = {torch.int16: 2**15, torch.int32: 2**31}


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
        """All channels mixed by `mixed_down` and resampled: [ceil(L * rate / self.rate)] float32."""
        return torch.from_numpy(_resampled(mixed_down(self.samples).numpy(), self.rate, rate))


def in_stereo(samples: Tensor, names: Sequence[str] = ()) -> Tensor:
    """More than two channels [C, L] as left and right [2, L], by the coefficients of ITU-R BS.775; softer where that would overload.

    Args:
        names: of the channels as FFmpeg writes them, such as FC or LFE; the usual order for their number where they are not given.

    Returns:
        The samples themselves where there are at most two channels, where nobody knows what they are, or where all lies in channels
        that are left out.
    """
    known = names if len(names) == len(samples) and all(name in _SHARES for name in names) else _USUAL_ORDER.get(len(samples))
    if len(samples) <= 2 or known is None:
        return samples
    both = torch.tensor([_SHARES[name] for name in known], dtype=samples.dtype).T @ samples
    if not both.any():
        return samples
    return both / both.abs().max().clamp_min(1.0)


def mixed_down(samples: Tensor) -> Tensor:
    """Channels [C, L] as one [L]: the mean of left and right, or the louder where the mean would cancel what they hold.

    Channels of no relation to each other lose half of their mean power by mixing two, inverted ones lose all of it. So the mean is
    not taken if, where more than a twentieth of the sound's energy lies, less than half of what unrelated channels keep is left.
    More than two channels are brought to left and right first (`in_stereo`).
    """
    samples = in_stereo(samples)
    mean = samples.mean(dim=0)
    if len(samples) == 1:
        return mean
    channels = torch.stack([_energies(channel) for channel in samples])
    every = channels.sum(dim=0)
    cancelled = _energies(mean) * len(samples) ** 2 < 0.5 * every
    return samples[channels.sum(dim=1).argmax()] if every[cancelled].sum() > 0.05 * every.sum() else mean


def _energies(channel: Tensor) -> Tensor:
    """[ceil(L / 2048)] float64: the energy of each block of a channel [L], without its constant part."""
    blocks = torch.nn.functional.pad(channel, (0, -len(channel) % _BLOCK)).view(-1, _BLOCK)
    return blocks.var(dim=1, correction=0).double()


def load_sound(path: str | os.PathLike, start: float = 0.0, stop: float = math.inf) -> Sound:
    """Reads a sound file, or the sound track of a video, as far as it is readable.

    Silence stands where packets are damaged or where the sound of a video starts after its picture, so time is kept. More than two
    channels become left and right (`in_stereo`). Where channels or rate change midway, all is brought to those of the longest stretch.

    Args:
        start, stop: the part to read, in seconds from where the file's pictures or sound, whichever is earlier, begin.

    Raises:
        SoundError: the file is missing, empty, no sound, without samples, or shorter than 0.2 s.
    """
    with open_container(path, "sound", SoundError) as container:
        track, why_not = sound_track(container), why_no_track(path, container, "audio")
        if why_not or track is None:
            raise SoundError(f"The file '{path}' {why_not or 'has no sound track; give a sound file or a video with sound'}.")
        try:
            links = ogg_links(path) if container.format.name == "ogg" and picture_track(container) is None else []
            pieces = list(_chained_pieces(links) if len(links) > 1 else _pieces(container, track, start, stop))
        except (av.FFmpegError, ValueError):
            raise SoundError(f"The sound '{path}' cannot be read: its header is damaged.") from None
        samples, rate = _laid_out(pieces, start, stop, (container.duration or 0) / av.time_base)
    if not samples.shape[1]:
        raise SoundError(f"The sound '{path}' holds no samples; record or export it again.")
    if not _RATES[0] <= rate <= _RATES[1]:
        raise SoundError(f"The sound '{path}' has an impossible rate of {rate} samples per second; export it again at 16000 to 48000.")
    return long_enough(Sound(torch.from_numpy(samples), rate), f"The sound '{path}'")


def long_enough(sound: Sound, name: str) -> Sound:
    """The sound itself if a face can be moved by it.

    Raises:
        SoundError: it is shorter than 0.2 s; the sentence starts with `name`.
    """
    if sound.duration < SHORTEST:
        raise SoundError(f"{name} lasts {sound.duration:.3f} s; at least {SHORTEST} s are needed.")
    return sound


class _Piece(NamedTuple):
    """time: seconds from time zero, None if unknown; rate: samples per second; channels: their names; samples: [C, n] float32."""

    time: float | None
    rate: int
    channels: tuple[str, ...]
    samples: np.ndarray

    @property
    def layout(self) -> tuple[int, tuple[str, ...]]:
        return self.rate, self.channels


def _laid_out(pieces: list[_Piece], start: float, stop: float, end: float) -> tuple[np.ndarray, int]:
    """The part from `start` to `stop` seconds as [C, L] float32 in [-1, 1], and its rate; the file ends at `end`."""
    stretches = _without_flickers([list(alike) for _, alike in groupby(pieces, lambda piece: piece.layout)])
    if not stretches:
        return np.zeros((1, 0), np.float32), 1
    longest = max(range(len(stretches)), key=lambda number: _seconds(stretches[number]))
    rate = stretches[longest][0].rate
    begin = stretches[0][0].time
    begin = filled = start if begin is None else min(start, begin)
    parts = []
    for alike in _with_true_times(stretches):
        joined = _joined(alike, filled, end)
        filled += joined.shape[1] / alike[0].rate
        samples = torch.from_numpy(np.nan_to_num(joined).clip(-1.0, 1.0))
        parts.append(_resampled(in_stereo(samples, alike[0].channels).numpy(), alike[0].rate, rate))
    whole = np.concatenate([_with_channels(part, len(parts[longest])) for part in parts], axis=1)
    first = round((start - begin) * rate)
    count = None if stop == math.inf else round((stop - start) * rate)
    return whole[:, first:][:, :count].clip(-1.0, 1.0), rate


def _chained_pieces(links: list[bytes]) -> Iterator[_Piece]:
    """All that is decoded of the links of an Ogg file; times are known in the first one only."""
    for number, link in enumerate(links):
        with suppress(av.FFmpegError), opened(io.BytesIO(link)) as container:
            track = sound_track(container)
            for piece in () if track is None else _pieces(container, track, 0.0, math.inf):
                yield piece._replace(time=None) if number else piece


def _pieces(container: av.container.InputContainer, track: av.AudioStream, start: float, stop: float) -> Iterator[_Piece]:
    """What is decoded of a track from some time before `start` to `stop`, as floats in the layout that each packet has."""
    zero = time_zero(container, track)
    layout: tuple[str, str, int] | None = None
    resampler = av.AudioResampler(format="flt")
    for frame in frames_from(container, track, (zero or 0.0) + start):
        if zero is None:
            zero = frame.time or 0.0
        time = None if frame.time is None else frame.time - zero
        if time is not None and stop <= time:
            return
        if frame.sample_rate <= 0:
            continue
        if layout != (frame.format.name, frame.layout.name, frame.sample_rate):
            layout, resampler = (frame.format.name, frame.layout.name, frame.sample_rate), av.AudioResampler(format="flt")
        for piece in resampler.resample(frame):  # interleaved, as PyAV reads beyond the memory of more than eight planes
            names = tuple(channel.name for channel in piece.layout.channels)
            yield _Piece(time, piece.sample_rate, names, piece.to_ndarray().reshape(-1, len(names)).T)


def _seconds(pieces: list[_Piece]) -> float:
    return sum(piece.samples.shape[1] for piece in pieces) / pieces[0].rate


def _without_flickers(stretches: list[list[_Piece]]) -> list[list[_Piece]]:
    """Stretches of one layout each, without the short ones between two of another layout: their packets' headers are damaged."""
    kept: list[list[_Piece]] = []
    for number, pieces in enumerate(stretches):
        following = stretches[number + 1][0].layout if number + 1 < len(stretches) else None
        if kept and kept[-1][0].layout == pieces[0].layout:
            kept[-1] += pieces
        elif not (kept and kept[-1][0].layout == following and _seconds(pieces) < _FLICKER):
            kept.append(pieces)
    return kept


def _with_true_times(stretches: list[list[_Piece]]) -> Iterator[list[_Piece]]:
    """Stretches without their times from the first one on in which pieces last longer or shorter than from time to time.

    Formats without time stamps, such as ADTS, are given some by FFmpeg, which keeps to the rate that the file starts with.
    """
    true = True
    for alike in stretches:
        timed = [(piece, piece.time) for piece in alike if piece.time is not None]
        lasting = ((_seconds([piece]), later - time) for (piece, time), (_, later) in pairwise(timed) if piece.samples.size)
        drifts = [abs(stated - seconds) / seconds for seconds, stated in lasting]
        true = true and not (drifts and statistics.median(drifts) > 0.1)
        yield alike if true else [piece._replace(time=None) for piece in alike]


def _joined(pieces: list[_Piece], filled: float, end: float) -> np.ndarray:
    """Pieces of one layout as [C, L], with silence where time was skipped, from `filled` seconds on; times after `end` are wrong."""
    rate, channels = pieces[0].rate, len(pieces[0].samples)
    joined, count = [], round(filled * rate)
    for piece in pieces:
        missing = 0 if piece.time is None or piece.time > end else round(piece.time * rate) - count
        if missing > _GAP * rate:
            joined.append(np.zeros((channels, missing), np.float32))
            count += missing
        joined.append(piece.samples)
        count += piece.samples.shape[1]
    return np.concatenate(joined, axis=1)


def _resampled(samples: np.ndarray, rate: int, wanted: int) -> np.ndarray:
    """[..., L] at one rate as [..., ceil(L * wanted / rate)] at another."""
    if rate == wanted:
        return samples
    from scipy.signal import resample_poly  # takes a second to load

    shared = math.gcd(rate, wanted)
    return resample_poly(samples, wanted // shared, rate // shared, axis=-1, window=("kaiser", 8.0))


def _with_channels(samples: np.ndarray, channels: int) -> np.ndarray:
    """[C, L] as [channels, L]; another number of channels is mixed down and repeated."""
    if len(samples) == channels:
        return samples
    return np.broadcast_to(mixed_down(torch.from_numpy(samples)).numpy(), (channels, samples.shape[1]))


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
    if not _RATES[0] <= rate <= _RATES[1]:
        raise SoundError(f"The sound has an impossible rate of {rate} samples per second: use one of {_RATES[0]} to {_RATES[1]}.")
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
