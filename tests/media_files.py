"""Clips and sounds made on the spot whose pictures and samples are known."""

import math
import struct
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import torch

from real3d_core.media.sound import Sound
from real3d_core.stream import FrameStream

GREY = 12  # grey levels from frame to frame in the counting videos; far more than compression changes


def counting(length: int, fps: float = 25.0, height: int = 48, width: int = 64) -> FrameStream:
    """Frame k is evenly grey at level 12 (k mod 20)."""

    def compute(start: int, stop: int) -> torch.Tensor:
        levels = (torch.arange(start, stop) % 20 * GREY).float() / 255
        return levels[:, None, None, None].expand(-1, height, width, 3).clone()

    return FrameStream(length, fps, compute)


def read_numbers(pictures) -> list[int]:
    """The k mod 20 that each counting picture shows."""
    return [round(float(picture.mean()) / GREY) for picture in pictures]


def tone(seconds: float, rate: int, channels: int = 1) -> Sound:
    time = torch.arange(round(seconds * rate)) / rate
    return Sound((0.5 * torch.sin(2 * math.pi * 440 * time)).repeat(channels, 1), rate)


def write_clip(path: Path, times: list[int], clock: Fraction = Fraction(1, 1000), prepare: Callable = lambda stream: None) -> Path:
    """A counting video of 32 x 64 pixels with the given time stamps, written without the code under test."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 32, "yuv420p"
        stream.codec_context.time_base = clock
        prepare(stream)
        for number, time in enumerate(times):
            frame = av.VideoFrame.from_ndarray(np.full((32, 64, 3), number % 20 * GREY, np.uint8), format="rgb24")
            frame.pts, frame.time_base = time, clock
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def set_display_matrix(path: Path, a: int, b: int, c: int, d: int) -> None:
    """Writes the track's matrix (ISO 14496-12): nine numbers, 16.16 and in the last column 2.30."""
    content = bytearray(path.read_bytes())
    place = content.index(b"tkhd") + 44
    content[place : place + 36] = struct.pack(">9i", a << 16, b << 16, 0, c << 16, d << 16, 0, 0, 0, 1 << 30)
    path.write_bytes(content)


def write_clip_with_sound(path: Path, picture_at: float, sound_at: float, beat: float = 1.0, seconds: int = 2) -> Path:
    """Black pictures and silence; a flash, and a beep, `beat` seconds after the start of the pictures, and of the sound."""
    time = np.arange(seconds * 16000) / 16000
    samples = np.where((time >= beat) & (time < beat + 0.1), 0.8 * np.sin(2 * np.pi * 1000 * time), 0).astype(np.float32)
    with av.open(str(path), "w") as container:
        pictures, sound = container.add_stream("libx264", rate=25), container.add_stream("aac", rate=16000, layout="mono")
        pictures.width, pictures.height, pictures.pix_fmt = 64, 32, "yuv420p"
        pictures.codec_context.time_base = Fraction(1, 1000)
        packets = []
        for number in range(seconds * 25):
            frame = av.VideoFrame.from_ndarray(np.full((32, 64, 3), 255 * (number == beat * 25), np.uint8), format="rgb24")
            frame.pts, frame.time_base = round(picture_at * 1000) + number * 40, Fraction(1, 1000)
            packets += pictures.encode(frame)
        frame = av.AudioFrame.from_ndarray(samples[None], format="fltp", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = 16000, round(sound_at * 16000), Fraction(1, 16000)
        packets += [*pictures.encode(None), *sound.encode(frame), *sound.encode(None)]
        for packet in sorted(packets, key=lambda one: float(one.dts * one.time_base)):
            container.mux(packet)
    return path


def loudest_hertz(mono: torch.Tensor, rate: int) -> float:
    return float(torch.fft.rfft(mono).abs().argmax()) * rate / len(mono)
