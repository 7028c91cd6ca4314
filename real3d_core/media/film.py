"""A stream of frames and a sound become a film."""

from __future__ import annotations

import math
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction

import av
import numpy as np
from av.video.reformatter import ColorRange, VideoReformatter
from torch import Tensor

from ..errors import OutputError
from ..files import written_whole
from ..stream import FrameStream, exact_rate
from .encoding import CONTAINERS, Encoding
from .sound import Sound, in_stereo, mixed_down

_AAC_RATES = (96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000)
_OF_THREAD = threading.local()


def write_video(
    path: str | os.PathLike,
    frames: FrameStream[Tensor],
    sound: Sound | None,
    chunk: int = 8,
    progress: Callable[[int, int], None] | None = None,
    encoding: Encoding | None = None,
    metadata: Mapping[str, str] | None = None,
) -> None:
    """Encodes a stream of pictures and their sound, a chunk at a time, so that memory does not grow with length.

    The file appears under its name only when it is complete; after a failure or an interruption nothing is left.
    Frame k is shown at exactly k / frames.fps; the sound starts with frame 0 and is written to its end.

    Args:
        path: ends as the container does; it is tried before any frame is computed.
        frames: chunks of [n, H, W, 3] float, clamped to [0, 1], or uint8; RGB. An odd side is padded by repeating its last line.
        sound: one or two channels are kept, more are mixed; None for a silent video.
        chunk: frames computed at once, where they are not computed side by side.
        progress: called as progress(frames done, frames in all) after each chunk.
        encoding: None for what suits the name's ending: H.264 and AAC in an MP4 or MKV, AV1 and Opus in a WebM.
        metadata: names and texts to keep in the file, such as the workflow that made it.

    Raises:
        OutputError: wrong ending, or the place cannot be written to.
    """
    if not len(frames):
        raise ValueError("a video needs at least one frame")
    encoding = encoding or Encoding.chosen(path)
    with written_whole(path, (encoding.suffix,)) as temporary:
        try:
            kind, options = CONTAINERS[encoding.container], encoding.container_options
            with av.open(str(temporary), "w", format=kind, options=options) as container:
                container.metadata.update(metadata or {})
                _encode(container, frames, sound, chunk, progress, encoding)
        except av.FFmpegError as failure:
            raise OutputError(f"The output '{path}' cannot be written ({failure.strerror}); is the disk full?") from failure


def _encode(
    container: av.container.OutputContainer,
    frames: FrameStream[Tensor],
    sound: Sound | None,
    chunk: int,
    progress: Callable[[int, int], None] | None,
    encoding: Encoding,
) -> None:
    rate = exact_rate(frames.fps)
    stream = container.add_stream(encoding.encoder, rate=rate, options=encoding.encoder_options)
    assert isinstance(stream, av.VideoStream)
    packets_of_sound = iter(()) if sound is None else sound_packets(container, sound, encoding.audio_codec)
    sound_end = 0.0

    def encode(chunk: list[av.VideoFrame] | Tensor, first: int) -> None:
        nonlocal sound_end
        pictures = _yuv(encoding.rgb(chunk), encoding) if isinstance(chunk, Tensor) else chunk
        for number, picture in enumerate(pictures, first):
            if not number:
                _set_picture(stream, picture, rate, encoding)
            picture.pts, picture.time_base = number, 1 / rate
            container.mux(stream.encode(picture))
        while sound_end < (first + len(pictures)) / rate:
            sound_end, packets = next(packets_of_sound, (math.inf, []))
            container.mux(packets)

    def ready(floats: Tensor, start: int, stop: int) -> list[av.VideoFrame] | Tensor:
        """Converted beside other frames that are computed, or by the thread that encodes, while a device computes the next chunk."""
        return _yuv(encoding.rgb(floats), encoding) if frames.parallel else encoding.brief(floats)

    with ThreadPoolExecutor(1, "encoding") as encoder:  # a chunk is encoded while the next ones are computed
        done, pending = 0, None
        for made in frames.map(ready, keep=0).chunks(chunk):
            if pending:
                pending.result()
            pending = encoder.submit(encode, made, done)
            done += len(made)
            if progress:
                progress(done, len(frames))
        if pending:
            pending.result()
    container.mux(stream.encode(None))
    for _, packets in packets_of_sound:
        container.mux(packets)


def _set_picture(stream: av.VideoStream, picture: av.VideoFrame, rate: Fraction, encoding: Encoding) -> None:
    """Size and clock, known with the first frame, and how it is encoded."""
    stream.height, stream.width = picture.height, picture.width
    stream.pix_fmt = encoding.pixel_format
    context = stream.codec_context
    context.time_base = 1 / rate
    encoding.set_up(context)


def _yuv(pixels: np.ndarray, encoding: Encoding) -> list[av.VideoFrame]:
    converter = _OF_THREAD.__dict__.setdefault("converter", VideoReformatter())  # setting one up takes as long as a frame
    frames = (av.VideoFrame.from_ndarray(picture, format=encoding.rgb_format) for picture in _even(pixels))
    return [
        converter.reformat(frame, format=encoding.pixel_format, dst_colorspace=encoding.matrix, dst_color_range=ColorRange.MPEG)
        for frame in frames
    ]


def sound_packets(container: av.container.OutputContainer, sound: Sound, codec: str) -> Iterator[tuple[float, list[av.Packet]]]:
    """Adds the track now; then gives (seconds encoded so far, packets), tenth by tenth of a second."""
    samples = in_stereo(sound.samples)
    samples = samples if len(samples) <= 2 else mixed_down(samples)[None]
    layout = "stereo" if len(samples) == 2 else "mono"
    rate = sound.rate if codec == "aac" and sound.rate in _AAC_RATES else 48000
    stream = container.add_stream(codec, rate=rate, layout=layout)
    assert isinstance(stream, av.AudioStream)

    def packets() -> Iterator[tuple[float, list[av.Packet]]]:
        step = max(sound.rate // 10, 1)
        for start in range(0, samples.shape[1], step):
            piece = samples[:, start : start + step].clamp(-1, 1).cpu().contiguous().numpy()
            frame = av.AudioFrame.from_ndarray(piece, format="fltp", layout=layout)
            frame.sample_rate, frame.pts, frame.time_base = sound.rate, start, Fraction(1, sound.rate)
            yield (start + step) / sound.rate, stream.encode(frame)
        yield math.inf, stream.encode(None)

    return packets()


def _even(pixels: np.ndarray) -> np.ndarray:
    """4:2:0 needs even sides."""
    height, width = pixels.shape[1:3]
    return np.pad(pixels, ((0, 0), (0, height % 2), (0, width % 2), (0, 0)), mode="edge")
