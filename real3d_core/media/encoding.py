"""How a film is encoded: container, codec, quality, bit depth and colour space."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePath

import cv2
import numpy as np
import torch
from av.video.reformatter import ColorRange
from torch import Tensor

from ..errors import OutputError
from ..workers import workers

CONTAINERS = {"mp4": "mp4", "mkv": "matroska", "webm": "webm"}
"""Names as they end a file, and FFmpeg's for the same."""
COLOR_SPACES = ("sRGB", "HDR", "HDR PQ")
PRESETS = ("ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow", "placebo")
_ENCODERS = {"h264": "libx264", "av1": "libsvtav1"}
_USUAL_CRF = {"h264": 17, "av1": 30}
_USUAL_PRESET = "veryfast"  # a third of the time of x264's own choice; at crf 17 a film is as large as with that at 18, and looks the same
_LARGE = 9_000_000  # pixels (4K has 8.3 million), above which H.264 looks at no coming frames: each would take 70 MB and more
_ROWS = 1024  # of pictures that are converted at once: whole photos may be large
_MOST_THREADS = 4  # of H.264; they cost memory, and a few keep up with many that render
_HIGHEST_CRF = {"h264": 51, "av1": 63}
_BT709, _BT2020_NCL, _BT2020_PRIMARIES = 1, 9, 9  # numbers of ITU-T H.273
_TRANSFER = {"sRGB": _BT709, "HDR": 18, "HDR PQ": 16}


@dataclass(frozen=True)
class Encoding:
    """How pictures and sound are written.

    container: "mp4", "mkv" or "webm".
    codec: "h264" or "av1"; WebM holds AV1 only.
    crf: constant rate factor, 0 (lossless) to 51 for H.264, to 63 for AV1; None for 17 or 30.
    preset: of H.264, one of PRESETS; None for "veryfast".
    bit_depth: 8 or 10 bits per colour.
    color_space: "sRGB" (BT.709), "HDR" (BT.2020 with HLG) or "HDR PQ"; the frames' values are taken as they are, not converted.
    """

    container: str = "mp4"
    codec: str = "h264"
    crf: float | None = None
    preset: str | None = None
    bit_depth: int = 8
    color_space: str = "sRGB"

    def __post_init__(self) -> None:
        _known("container", self.container, tuple(CONTAINERS))
        _known("codec", self.codec, tuple(_ENCODERS))
        _known("colour space", self.color_space, COLOR_SPACES)
        _known("bit depth", self.bit_depth, (8, 10))
        if self.preset is not None:
            _known("preset", self.preset, PRESETS)
        if self.container == "webm" and self.codec != "av1":
            raise OutputError("A WebM file cannot hold H.264: choose the codec AV1, or MP4 or MKV as the format.")
        if self.crf is not None and not 0 <= self.crf <= _HIGHEST_CRF[self.codec]:
            raise OutputError(f"crf is {self.crf}: choose 0 (lossless) to {_HIGHEST_CRF[self.codec]} for {self.codec}.")

    @classmethod
    def chosen(cls, path: object, container: str = "auto", codec: str = "auto", **quality) -> Encoding:
        """The encoding for a file: "auto" takes the container from the name's ending (else MP4), and the codec that it usually holds.

        Raises:
            OutputError: a value that is not known, or codec and container do not go together.
        """
        if container == "auto":
            ending = PurePath(path).suffix.lower().lstrip(".") if isinstance(path, (str, PurePath)) else ""
            container = ending if ending in CONTAINERS else "mp4"
        if codec == "auto":
            codec = "av1" if container == "webm" else "h264"
        return cls(container, codec, **quality)

    @property
    def suffix(self) -> str:
        """The ending of such a file's name."""
        return f".{self.container}"

    @property
    def encoder(self) -> str:
        """FFmpeg's name of the encoder."""
        return _ENCODERS[self.codec]

    @property
    def encoder_options(self) -> dict[str, str]:
        """What the encoder is told beside size and rate."""
        crf = _USUAL_CRF[self.codec] if self.crf is None else self.crf
        if self.codec == "av1":
            return {"svtav1-params": "lossless=1"} if crf == 0 else {"crf": f"{crf:g}", "preset": "8"}
        return {"crf": f"{crf:g}", "preset": self.preset or _USUAL_PRESET}

    @property
    def container_options(self) -> dict[str, str]:
        """What the container's writer is told: an MP4 starts playing at once, and keeps metadata of any name."""
        return {"movflags": "+faststart+use_metadata_tags"} if self.container == "mp4" else {}

    @property
    def pixel_format(self) -> str:
        return "yuv420p" if self._depth == 8 else "yuv420p10le"

    @property
    def rgb_format(self) -> str:
        """FFmpeg's name for the pictures that `rgb` gives."""
        return "rgb24" if self._depth == 8 else "rgb48le"

    @property
    def matrix(self) -> int:
        """The number of the RGB to YUV matrix (ITU-T H.273)."""
        return _BT709 if self.color_space == "sRGB" else _BT2020_NCL

    @property
    def audio_codec(self) -> str:
        return "libopus" if self.container == "webm" else "aac"

    @property
    def _depth(self) -> int:
        return self.bit_depth if self.color_space == "sRGB" else 10

    def rgb(self, frames: Tensor) -> np.ndarray:
        """[n, H, W, 3] float, clamped to [0, 1], or uint8 -> whole numbers of 8 or 16 bits of the same shape."""
        if self._depth == 8:
            return in_8_bits(frames).numpy()
        floats = frames / 255 if frames.dtype == torch.uint8 else frames.detach().clamp(0, 1)
        return (floats.cpu().numpy() * 65535).round().astype(np.uint16)

    def brief(self, frames: Tensor) -> Tensor:
        """Frames for `rgb` where they are: on a device no more of them than it needs. Nothing waits for the device."""
        return frames if frames.device.type == "cpu" or frames.dtype == torch.uint8 or self._depth != 8 else _rounded(frames)

    def set_up(self, target) -> None:
        """Gives a codec context whose size is known its colour space and, for H.264, its threads."""
        if self.codec == "h264":
            target.thread_count = min(_MOST_THREADS, workers())
            if target.width * target.height > _LARGE:
                target.options = {**target.options, "rc-lookahead": "0", "bf": "0"}
        target.colorspace = self.matrix
        target.color_primaries = _BT709 if self.color_space == "sRGB" else _BT2020_PRIMARIES
        target.color_trc = _TRANSFER[self.color_space]
        target.color_range = ColorRange.MPEG


def in_8_bits(frames: Tensor) -> Tensor:
    """[n, H, W, 3] floats, clamped to [0, 1], or uint8 -> uint8 on the CPU."""
    if frames.dtype == torch.uint8:
        return frames.cpu()
    if frames.device.type != "cpu":
        return _rounded(frames).cpu()
    whole = torch.empty(frames.shape, dtype=torch.uint8)
    for source, target in zip(frames.detach().float().numpy(), whole.numpy(), strict=True):
        cv2.multiply(source.reshape(len(source), -1), 255.0, dst=target.reshape(len(target), -1), dtype=cv2.CV_8U)
    return whole


def _rounded(frames: Tensor) -> Tensor:
    """The same on the device of the frames; what is brought over is a quarter of them."""
    return torch.cat([part.clamp(0, 1).mul_(255).round_().to(torch.uint8) for part in frames.detach().split(_ROWS, dim=1)], dim=1)


def _known(what: str, value: object, options: tuple) -> None:
    if value not in options:
        raise OutputError(f"The {what} {str(value)[:40]!a} is not known: choose one of {', '.join(map(str, options))}.")
