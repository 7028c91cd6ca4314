"""A VIDEO that is rendered while it is being saved, so that its memory does not grow with its length."""

from __future__ import annotations

import io as byte_io
import json
import shutil
import tempfile
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from ..real3d_core.errors import OutputError
from ..real3d_core.stream import exact_rate
from .runtime import CHUNK, Input, Types, executing_node, gather, rendering_bar

if TYPE_CHECKING:
    from torch import Tensor

    from ..real3d_core.sound import Sound
    from ..real3d_core.stream import FrameStream


class RenderedVideo(Input.Video):
    """Frames that are computed when somebody wants them, and their sound.

    Args:
        frames: chunks [n, size, size, 3] in 0..1.
        size: (width, height) of a frame, known before any is computed.
        sound: None for a silent video.
    """

    def __init__(self, frames: FrameStream[Tensor], size: tuple[int, int], sound: Sound | None):
        self._frames = frames
        self._size = size
        self._sound = sound
        self._node = executing_node()

    def get_dimensions(self) -> tuple[int, int]:
        return self._size

    def get_frame_count(self) -> int:
        return len(self._frames)

    def get_frame_rate(self) -> Fraction:
        return exact_rate(self._frames.fps)

    def get_duration(self) -> float:
        return float(len(self._frames) / self.get_frame_rate())

    def get_container_format(self) -> str:
        return "mov,mp4,m4a,3gp,3g2,mj2"

    def get_components(self) -> Types.VideoComponents:
        """All frames as one tensor; refused where the memory does not suffice."""
        sound = None if self._sound is None else {"waveform": self._sound.samples[None], "sample_rate": self._sound.rate}
        return Types.VideoComponents(images=gather([[self._frames]])[0], audio=sound, frame_rate=self.get_frame_rate())

    def get_stream_source(self) -> byte_io.BytesIO:
        buffer = byte_io.BytesIO()
        self.save_to(buffer)
        buffer.seek(0)
        return buffer

    def save_to(self, path: str | byte_io.BytesIO, format: str = "auto", codec: str = "auto", metadata: dict | None = None) -> None:
        """Renders and encodes chunk by chunk; a file appears when it is complete, and not at all after a cancel.

        Raises:
            OutputError: another format or codec than MP4 and H.264, or the place can not be written to.
        """
        import torch

        from ..real3d_core.video import write_video

        if str(getattr(format, "value", format)) not in ("auto", "mp4") or str(getattr(codec, "value", codec)) not in ("auto", "h264"):
            raise OutputError("Talking portraits are saved as MP4 with H.264: choose 'auto' or those.")
        told = {name: value if isinstance(value, str) else json.dumps(value) for name, value in (metadata or {}).items()}
        show = rendering_bar(len(self._frames), self._node)

        def shown(chunk: Tensor, start: int, stop: int) -> Tensor:
            show(stop, chunk)
            return chunk

        def write(target: str | Path) -> None:
            with torch.inference_mode():
                write_video(target, self._frames.map(shown), self._sound, CHUNK, metadata=told)

        if not isinstance(path, byte_io.BytesIO):
            write(path)
            return
        with tempfile.TemporaryDirectory() as folder:
            target = Path(folder) / "video.mp4"
            write(target)
            with open(target, "rb") as file:
                shutil.copyfileobj(file, path)
