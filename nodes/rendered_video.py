"""A VIDEO that is rendered while it is saved, so that memory use does not grow with its length."""

from __future__ import annotations

import abc
import copy
import inspect
import json
import math
import shutil
import tempfile
from collections.abc import Callable, Mapping
from fractions import Fraction
from pathlib import Path
from typing import IO, TYPE_CHECKING

import torch
from torch import Tensor

from ..real3d_core.errors import Real3DError
from ..real3d_core.stream import FrameStream, exact_rate
from .runtime.api import Input, InputImpl, Types, executing_node
from .runtime.folders import films, new_temporary
from .runtime.progress import CHUNK, gather, rendering_bar

if TYPE_CHECKING:
    from ..real3d_core.media.encoding import Encoding
    from ..real3d_core.media.sound import Sound

_HANDOVER_CRF = 12  # for the file that other nodes read; better than a film's own 17, since it is encoded once more
_SAME_TIME = 1e-6  # frames


class RenderedVideo(Input.Video):
    """Frames that are computed when they are first needed, and their soundtrack.

    Methods of ComfyUI's videos that this class does not implement are delegated to ComfyUI's own file-backed video of the finished film.

    Args:
        frames: chunks [n, height, width, 3] in 0..1; each is computed once and then cached on disk while there is room.
        size: (width, height) of a frame.
        sound: None for a silent video.
        about: metadata that every saved file contains beside the workflow.
    """

    def __init__(self, frames: FrameStream[Tensor], size: tuple[int, int], sound: Sound | None, about: Mapping[str, str] | None = None):
        self.sound = sound
        self._about = dict(about or {})
        self._frames = films().kept(frames)
        self._size = size
        self._node = executing_node()
        self._file: Input.Video | None = None

    def get_dimensions(self) -> tuple[int, int]:
        return self._size

    def get_display_dimensions(self) -> tuple[int, int]:
        return self._size

    def get_frame_count(self) -> int:
        return len(self._frames)

    def get_frame_rate(self) -> Fraction:
        return exact_rate(self._frames.fps)

    def get_duration(self) -> float:
        return float(len(self._frames) / self.get_frame_rate())

    def get_container_format(self) -> str:
        return "mov,mp4,m4a,3gp,3g2,mj2"

    def get_bit_depth(self) -> int:
        return 8

    def get_color_space(self) -> str:
        return "sRGB"

    def get_active_trim_window(self) -> tuple[float, float]:
        return 0.0, 0.0

    def has_pending_frame_edits(self) -> bool:
        return False

    def get_components(self) -> Types.VideoComponents:
        """All frames as one tensor; refused if they do not fit into memory."""
        sound = None if self.sound is None else {"waveform": self.sound.samples[None], "sample_rate": self.sound.rate}
        return Types.VideoComponents(images=gather([[self._frames]])[0], audio=sound, frame_rate=self.get_frame_rate())

    def get_stream_source(self) -> str:
        """The path of the finished film."""
        return self.as_file().get_stream_source()

    def as_trimmed(
        self, start_time: float | None = None, duration: float | None = None, strict_duration: bool = False
    ) -> RenderedVideo | None:
        """The part from `start_time` (negative: counted from the end) that lasts `duration` seconds (0 or None: to the end).

        Only frames of the part are rendered when it is used. None if nothing is left, or less than a strict duration.
        """
        rate, count = self.get_frame_rate(), len(self._frames)
        start = start_time or 0.0
        start = max(start + count / rate, 0.0) if start < 0 else start
        first = math.ceil(start * rate - _SAME_TIME)
        last = count if not duration else math.ceil((start + duration) * rate - _SAME_TIME)
        if first >= min(last, count) or (strict_duration and last > count):
            return None
        return self._of_frames(first, min(last, count), float(min(last, count) / rate))

    def part(self, start: int, frames: int) -> RenderedVideo:
        """So many frames from number `start` on, 0: to the end, where the sound may last longer; no others are rendered.

        Raises:
            Real3DError: the film ends before.
        """
        count = len(self._frames)
        if start >= count:
            raise Real3DError(f"The start frame is {start}, but the film has {count} frames, counted from 0: choose an earlier one.")
        stop = min(start + frames, count) if frames else count
        return self._of_frames(start, stop, None if stop == count else float(stop / self.get_frame_rate()))

    def _of_frames(self, start: int, stop: int, until: float | None) -> RenderedVideo:
        """The frames start..stop-1 and their sound, up to a second of this video or, None, to the sound's end."""
        part = copy.copy(self)
        part._frames = self._frames.part(start, stop)
        if self.sound is not None:
            part.sound = self.sound.part(float(start / self.get_frame_rate()), self.sound.duration if until is None else until)
        part._file = None
        return part

    def save_to(
        self,
        path: str | IO[bytes],
        format: str = "auto",
        codec: str = "auto",
        metadata: dict | None = None,
        bit_depth: int | None = None,
        crf: float | None = None,
        color_space: str | None = None,
        preset: str | None = None,
        **unknown,
    ) -> None:
        """Renders and encodes chunk by chunk; the file appears only when it is complete, and never after a cancel.

        Formats, codecs and options that this class does not support are delegated to ComfyUI's own file-backed video.

        Raises:
            OutputError: the options exclude each other, or the file cannot be written.
        """
        from ..real3d_core.media.encoding import COLOR_SPACES, Encoding

        container, coding = (str(getattr(value, "value", value)) for value in (format, codec))
        options = {"bit_depth": bit_depth, "crf": crf, "color_space": color_space, "preset": preset, **unknown}
        given = {name: value for name, value in options.items() if value is not None}
        known = not set(given) & set(unknown) and color_space in (None, *COLOR_SPACES)
        if not known or container not in ("auto", "mp4", "mkv", "webm") or coding not in ("auto", "h264", "av1"):
            self.as_file().save_to(path, format=format, codec=codec, metadata=metadata, **given)
            return
        texts = {name: value if isinstance(value, str) else json.dumps(value) for name, value in (metadata or {}).items()}
        self._write(path, Encoding.chosen(path, container, coding, **given), self._about | texts)

    def as_file(self) -> Input.Video:
        """ComfyUI's own video of the finished film, which is rendered once."""
        if self._file is None:
            from ..real3d_core.media.encoding import Encoding

            path = new_temporary(".mp4")
            self._write(str(path), Encoding(crf=_HANDOVER_CRF), self._about)
            self._file = InputImpl.VideoFromFile(str(path))
        return self._file

    def _write(self, path: str | IO[bytes], encoding: Encoding, metadata: dict[str, str]) -> None:
        if not hasattr(path, "write") and Path(path).suffix.lower() == encoding.suffix:
            self._render(Path(path), encoding, metadata)
            return
        with tempfile.TemporaryDirectory() as folder:  # a byte stream, or a name with another suffix
            film = Path(folder) / f"film{encoding.suffix}"
            self._render(film, encoding, metadata)
            if not hasattr(path, "write"):
                shutil.move(film, path)
                return
            with open(film, "rb") as file:
                shutil.copyfileobj(file, path)

    def _render(self, path: Path, encoding: Encoding, metadata: dict[str, str]) -> None:
        from ..real3d_core.media.film import write_video

        show = rendering_bar(len(self._frames), self._node)

        def shown(chunk: Tensor, start: int, stop: int) -> Tensor:
            show(stop, chunk)
            return chunk

        with torch.inference_mode():
            write_video(path, self._frames.map(shown), self.sound, CHUNK, encoding=encoding, metadata=metadata)


def _answer_by_file(video: type[RenderedVideo], base: type) -> None:
    """Adds the public methods and properties of ComfyUI's base class that the class lacks, delegated to the finished film."""
    for name in dir(base):
        if name.startswith("_") or any(name in parent.__dict__ for parent in video.__mro__[: video.__mro__.index(base)]):
            continue
        member = inspect.getattr_static(base, name)
        if isinstance(member, property):
            setattr(video, name, _property_of_file(name))
        elif inspect.isfunction(member):
            setattr(video, name, _asked_of_file(name))
    if isinstance(video, abc.ABCMeta):
        abc.update_abstractmethods(video)


def _asked_of_file(name: str) -> Callable:
    def answer(self: RenderedVideo, *arguments, **named):
        return getattr(self.as_file(), name)(*arguments, **named)

    answer.__name__ = name
    return answer


def _property_of_file(name: str) -> property:
    return property(lambda self: getattr(self.as_file(), name))


_answer_by_file(RenderedVideo, Input.Video)
