"""VIDEO inputs: trimmed, cropped and resized as ComfyUI specifies them, and decoded frame by frame."""

from __future__ import annotations

import inspect
import logging
import math
import shutil
import weakref
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from torch import Tensor

from ..real3d_core.errors import ClipError, Real3DError, SoundError
from .rendered_video import RenderedVideo
from .runtime.api import Input, InputImpl, Interrupted
from .runtime.folders import new_temporary

if TYPE_CHECKING:
    from ..real3d_core.media.clip import Clip
    from ..real3d_core.media.sound import Sound

_LOG = logging.getLogger("real3d")
_SAME_LENGTH = 0.02  # seconds
_HANDOVER = {"preset": "ultrafast", "crf": 12.0}  # for a temporary file that is read once and then removed


@dataclass(frozen=True, eq=False)
class PictureBatch:
    """A driving clip in memory: IMAGE [B, H, W, 3 or more] at a rate, and an AUDIO."""

    images: Tensor
    fps: float
    audio: dict | None = None

    def __post_init__(self) -> None:
        if self.images is None or self.images.ndim != 4 or not len(self.images):
            raise ClipError("The driving clip has no frames: connect one that shows a face.")
        if not self.fps > 0:
            raise ClipError(f"The driving clip has a frame rate of {self.fps:g}: set a positive one, or connect another clip.")

    @property
    def duration(self) -> float:
        return len(self.images) / self.fps

    def frames(self, fps: float = 25.0, first: int = 0) -> Iterator[np.ndarray]:
        """Resampled to `fps`: for each time step, the frame nearest in time."""
        from ..real3d_core.media.encoding import in_8_bits

        for number in nearest_frames(len(self.images), self.fps, fps, first):
            yield in_8_bits(self.images[number : number + 1, ..., :3])[0].numpy()

    def sound(self) -> Sound | None:
        from ..real3d_core.media.sound import sound_from_waveform

        if not self.audio:
            return None
        try:
            return sound_from_waveform(self.audio["waveform"][0], int(self.audio["sample_rate"]))
        except SoundError as refusal:
            _LOG.info("The clip is treated as silent. %s", refusal)
            return None


class IncomingVideo:
    """The clip of a VIDEO. Its source is determined once, when it is first needed.

    The source is the VIDEO's own file if the VIDEO is unedited or only trimmed; otherwise a temporary file that the VIDEO is saved to,
    which is removed together with this object; and only if saving fails, the VIDEO's frames in memory.
    """

    def __init__(self, video):
        self._video = video

    @property
    def duration(self) -> float:
        return self._source.duration

    def frames(self, fps: float = 25.0, first: int = 0) -> Iterator[np.ndarray]:
        if isinstance(self._source, PictureBatch):
            yield from self._source.frames(fps, first)
            return
        lead = min(first, math.ceil(fps))  # start a second earlier, so that the frame nearest to `first` is decoded
        clip = self._source if lead == first else self._source.part((first - lead) / fps)
        yield from islice(clip.frames(fps), lead, None)

    def sound(self) -> Sound | None:
        if isinstance(self._video, RenderedVideo):
            return self._video.sound
        return self._source.sound()

    def file(self) -> Path:
        """A film file of the VIDEO: its own if it is unedited; otherwise one that it is saved to, removed together with this object."""
        clip = None if isinstance(self._video, RenderedVideo) else self._streamed()
        if clip is not None and not clip.start and clip.stop == math.inf:
            return clip.path
        path = self._temporary(".mp4")
        _answer(lambda: self._video.save_to(str(path)))
        return path

    @cached_property
    def _source(self) -> Clip | PictureBatch:
        in_memory = getattr(InputImpl, "VideoFromComponents", None)
        if in_memory is None or not isinstance(self._video, in_memory):
            clip = self._streamed() or self._saved()
            if clip is not None:
                return clip
        parts = _answer(self._video.get_components)
        if parts is None:
            raise ClipError("The driving video cannot be read: it may be damaged or incomplete; connect another one.")
        return PictureBatch(parts.images, float(parts.frame_rate), getattr(parts, "audio", None))

    def _streamed(self) -> Clip | None:
        """The trimmed part of the VIDEO's file; None if the VIDEO is not simply a part of its file."""
        from ..real3d_core.media.clip import open_clip

        edited = _answer(self._video.has_pending_frame_edits) if hasattr(self._video, "has_pending_frame_edits") else False
        if edited is not False or not _defines(self._video, "get_stream_source"):
            return None
        source = _answer(self._video.get_stream_source)
        if hasattr(source, "read"):
            path = self._temporary("")
            with open(path, "wb") as file:
                shutil.copyfileobj(source, file)
        elif isinstance(source, str) and Path(source).exists():
            path = Path(source)
        else:
            return None
        return _trimmed(self._video, open_clip(path))

    def _saved(self) -> Clip | None:
        """A temporary file that the VIDEO is saved to; None if saving fails."""
        from ..real3d_core.media.clip import open_clip

        save = getattr(self._video, "save_to", None)
        if save is None:
            return None
        known = _answer(lambda: inspect.signature(save).parameters) or {}
        quickly = {name: value for name, value in _HANDOVER.items() if name in known}
        for suffix, options in ((".mp4", quickly), (".mp4", {}), (".mkv", {})):
            path = self._temporary(suffix)
            _answer(lambda path=path, options=options: save(str(path), **options))
            with suppress(ClipError):
                return open_clip(path)
        return None

    def _temporary(self, suffix: str) -> Path:
        path = new_temporary(suffix)
        weakref.finalize(self, path.unlink, missing_ok=True)
        return path


def nearest_frames(count: int, rate: float, fps: float, first: int = 0) -> list[int]:
    """Resamples `count` frames from `rate` to `fps`: the index of the nearest frame for each time step from number `first` on."""
    moments = np.arange(first, max(first + 1, round(count / rate * fps))) + 0.5
    return np.rint(moments * rate / fps - 0.5).astype(int).clip(0, count - 1).tolist()


def _defines(video, name: str) -> bool:
    """Whether a VIDEO's class overrides a method of the host's base class, whose own version loads the whole video."""
    return hasattr(video, name) and getattr(type(video), name, None) is not getattr(Input.Video, name, None)


def _answer(question: Callable):
    """The result of a call to a VIDEO; None if it fails, since files and classes of other packs may raise anything."""
    try:
        return question()
    except (Real3DError, Interrupted):
        raise
    except Exception:
        _LOG.info("A call to a video failed.", exc_info=True)
        return None


def _trimmed(video, clip: Clip) -> Clip | None:
    """The part of its file that a VIDEO shows; None if it is not a part of the file, or if the VIDEO does not say which."""
    if not _defines(video, "get_active_trim_window"):
        return clip if _is_whole(video, clip) else None
    window = _answer(video.get_active_trim_window)
    if window is None:
        return None
    start, duration = window
    start = max(clip.duration + start, 0.0) if start < 0 else start
    return clip.part(start, duration or None) if start or duration else clip


def _is_whole(video, clip: Clip) -> bool:
    """Whether a VIDEO without information on trimming has the length and size of its file."""
    import av

    from ..real3d_core.media.container import known_picture_track, open_container

    with open_container(clip.path, "video", ClipError) as container:
        track = known_picture_track(container)
        length, stored = (container.duration or 0) / av.time_base, (track.width, track.height)
    stated = _answer(video.get_duration) if _defines(video, "get_duration") else length
    size = _answer(video.get_dimensions) if _defines(video, "get_dimensions") else stored
    known_sizes = [sorted(stored), sorted((clip.width, clip.height))]  # with or without the rotation applied
    return stated is not None and size is not None and stated >= length - _SAME_LENGTH and sorted(size) in known_sizes
