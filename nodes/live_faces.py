"""Faces that answer the page at once, between runs: a few prepared portraits, and a frame of one whenever the page wishes for it.

Nothing here is needed to run a workflow: the results are the same without a page.
"""

from __future__ import annotations

import io as byte_io
import math
import secrets
import time
import weakref
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future, InvalidStateError, ThreadPoolExecutor
from contextlib import suppress
from copy import copy
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Generic, TypeVar

import numpy as np
import torch
from PIL import Image

from ..real3d_core.memory import give_back
from ..real3d_core.workers import on_one_thread
from .conversions import loaded_photo
from .runtime import device, folders

if TYPE_CHECKING:
    from ..real3d_core.avatar import Avatar
    from ..real3d_core.motion.motion import Motion
    from ..real3d_core.portrait.portrait import Portrait
    from ..real3d_core.render.camera_paths import View

MOST_FACES, MOST_ASKERS, MOST_TOKENS = 3, 32, 32
SIDES = (128, 512)  # pixels of a picture: fewest and most
IDLE = 300.0  # seconds without a wish after which a face is freed
PAUSE = 1.0  # seconds without a wish after which memory that pictures no longer need is given back
GRACE = 20.0  # seconds for which a face that nobody looks at is kept: undo creates its node anew
_QUALITY = 92  # of JPEG
_TOKEN_BYTES = 12

Value = TypeVar("Value")


class Busy(Exception):
    """A workflow is running, or too many pages ask at once; the wish is dropped and may be made again later."""


@dataclass(frozen=True)
class Photo:
    """A choice of ComfyUI's 'Load Image', its file, and which face of it. `stamp` changes when the file does."""

    choice: str
    path: Path
    stamp: tuple
    face_index: int
    face_area: float


Source = Photo | str
"""Where a portrait comes from: a photo, or the token of one that a run has prepared."""


@dataclass(frozen=True)
class Wish:
    """A picture that a page wishes for.

    source: where the portrait comes from.
    side: of the picture, pixels.
    moment: the motion of one frame, and where it is seen from; both are called on the thread that draws.
    """

    source: Callable[[], Source]
    side: int
    moment: Callable[[], tuple[Motion, View | None]]


class Remembered(Generic[Value]):
    """Values of the latest runs by token, for as long as ComfyUI itself keeps them.

    A token reveals nothing about its value and cannot be guessed.
    """

    def __init__(self) -> None:
        self._values: OrderedDict[str, weakref.ref[Value]] = OrderedDict()

    def keep(self, value: Value) -> str:
        """The token of a value; the same value keeps its token."""
        known = next((token for token, one in self._values.items() if one() is value), None)
        token = known or secrets.token_urlsafe(_TOKEN_BYTES)
        self._values[token] = weakref.ref(value)
        self._values.move_to_end(token)
        while len(self._values) > MOST_TOKENS:
            self._values.popitem(last=False)
        return token

    def __getitem__(self, token: str) -> Value:
        """Raises KeyError: there is no such value, or no longer."""
        value = self._values[token]()
        if value is None:
            raise KeyError(token)
        return value


PORTRAITS: Remembered[Portrait] = Remembered()
MOTIONS: Remembered[Motion] = Remembered()


@dataclass
class _Face:
    """A prepared face with an avatar of its own, whose memory then is of this face at this size alone."""

    portrait: Portrait
    avatar: Avatar
    askers: set[str]
    used: float


class LiveFaces:
    """A bounded number of faces, and one thread that draws them.

    Each asker has one wish at a time: a newer one takes the place of one that has not begun. Faces are touched by that thread alone.
    """

    def __init__(self, busy: Callable[[], bool] = lambda: False) -> None:
        self._busy = busy
        self._faces: OrderedDict[tuple[Source, int], _Face] = OrderedDict()
        self._wishes: OrderedDict[str, tuple[Wish, Future[bytes | None]]] = OrderedDict()
        self._waiting = Lock()
        self._loading: Future[None] | None = None
        self._worker = ThreadPoolExecutor(1, "real3d-live", initializer=on_one_thread)

    def picture(self, asker: str, wish: Wish) -> Future[bytes | None]:
        """A JPEG, `side` pixels square; None if a newer wish of the same asker has taken the place of this one.

        The future raises Busy, KeyError for a portrait or motion that is gone, or the Real3DError of what cannot be drawn.

        Raises:
            Busy: too many ask at once.
        """
        future: Future[bytes | None] = Future()
        with self._waiting:
            replaced = self._wishes.get(asker)
            if replaced is None and len(self._wishes) >= MOST_ASKERS:
                raise Busy
            self._wishes[asker] = (wish, future)
        if replaced is None:
            self._worker.submit(self._answer_next)
        else:
            with suppress(InvalidStateError):  # whoever waited has gone
                replaced[1].set_result(None)
        return future

    def load(self) -> Future[None]:
        """Loads, once, the libraries that the first picture needs."""
        self._loading = self._loading or self._worker.submit(_load)
        return self._loading

    def release(self, asker: str) -> Future[None]:
        """Drops the wish of an asker who does not look any more."""
        with self._waiting:
            waiting = self._wishes.get(asker)
        if waiting:
            with suppress(InvalidStateError):
                waiting[1].set_result(None)
        return self._worker.submit(self._forget, asker)

    def tidy(self) -> Future[None]:
        """Gives memory back that no face holds."""
        return self._worker.submit(give_back)

    def sweep(self) -> Future[None]:
        """Frees the faces that nobody has asked for within IDLE seconds."""
        return self._worker.submit(self._free, lambda face: time.monotonic() - face.used >= IDLE)

    def free_unwatched(self) -> Future[None]:
        """Frees the faces whose askers have all released them, GRACE seconds after the last wish."""
        return self._worker.submit(self._free, lambda face: not face.askers and time.monotonic() - face.used >= GRACE)

    def __len__(self) -> int:
        return len(self._faces)

    def _answer_next(self) -> None:
        with self._waiting:
            asker, (wish, future) = self._wishes.popitem(last=False)
        if future.done() or not future.set_running_or_notify_cancel():
            return
        try:
            if self._busy():
                raise Busy
            future.set_result(self._drawn(asker, wish))
        except Exception as failure:
            future.set_exception(failure)

    def _drawn(self, asker: str, wish: Wish) -> bytes:
        with torch.inference_mode():
            motion, view = wish.moment()
            face = self._face(wish.source(), wish.side)
            face.askers.add(asker)
            face.used = time.monotonic()
            return _picture(face, motion, view, wish.side)

    def _face(self, source: Source, side: int) -> _Face:
        """The face at this size, prepared if it is not there; the one that was asked for least lately makes room."""
        key = (source, side)
        if key not in self._faces:
            made = _new_face(source, next((face for (other, _), face in self._faces.items() if other == source), None))
            while len(self._faces) >= MOST_FACES:
                self._faces.popitem(last=False)
            self._faces[key] = made
        self._faces.move_to_end(key)
        return self._faces[key]

    def _forget(self, asker: str) -> None:
        for face in self._faces.values():
            face.askers.discard(asker)

    def _free(self, gone: Callable[[_Face], bool]) -> None:
        for key in [key for key, face in self._faces.items() if gone(face)]:
            del self._faces[key]
        give_back()


def _load() -> None:
    from ..real3d_core import pipeline  # noqa: F401
    from ..real3d_core.face.landmarks import FaceLandmarks
    from ..real3d_core.portrait import remembered  # noqa: F401

    device.new_built_in_avatar()
    FaceLandmarks(folders.model_folders()).in_picture(np.zeros((64, 64, 3), np.uint8))


def _new_face(source: Source, other: _Face | None) -> _Face:
    """A face; of the same photo at another size, `other`, the planes are shared."""
    if other is None:
        return _Face(_portrait(source), device.new_built_in_avatar(), set(), 0.0)
    return _Face(other.portrait, copy(other.avatar), set(), 0.0)


def _portrait(source: Source) -> Portrait:
    from ..real3d_core.portrait.remembered import prepared

    if isinstance(source, str):
        return PORTRAITS[source]
    return prepared(loaded_photo(source.choice, source.path), folders.model_folders(), None, source.face_index, source.face_area)


def _picture(face: _Face, motion: Motion, view: View | None, side: int) -> bytes:
    from ..real3d_core.media.encoding import in_8_bits
    from ..real3d_core.pipeline import PipelineOptions, render_frames

    frames = render_frames(face.avatar, face.portrait, motion, PipelineOptions(size=side), view=view, march=device.marcher("auto"))
    pixels = in_8_bits(frames.frames(0, 1))[0].numpy()
    encoded = byte_io.BytesIO()
    Image.fromarray(pixels).save(encoded, format="JPEG", quality=_QUALITY, subsampling=0)
    return encoded.getvalue()


def shown_portrait(portrait: Portrait) -> dict[str, list[str]]:
    """A node's `ui` with the token by which the page asks for pictures of this portrait."""
    return {"real3d_portrait": [PORTRAITS.keep(portrait)]}


def frame_at(time: float, fps: float) -> int:
    """Number of the frame that is shown at a time in seconds."""
    return math.floor(time * fps + 1e-6)


def one_frame(motion: Motion | None, frame: int) -> Motion:
    """A frame of a motion, its last one beyond its end; of a face at rest if there is none."""
    from ..real3d_core.analytic.controls import BASIS
    from ..real3d_core.motion.motion import Motion

    if motion is None:
        return Motion.still(BASIS, 1)
    frame = min(frame, len(motion) - 1)
    return motion.part(frame, frame + 1)


def shown_source(motion: Motion, second: Motion | None = None) -> dict[str, list]:
    """A node's `ui` with the token of the motion that it shows or changes, and of a second one that it joins to it."""
    return {"real3d_source": [MOTIONS.keep(motion)], "real3d_second": [] if second is None else [MOTIONS.keep(second)]}
