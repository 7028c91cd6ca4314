"""Driving clips that nobody planned for, made of two portraits that the pack itself has animated."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from driving_clips import FRAMES, SIDE, WALL, placed

_SMALL_FACE, _ROOM = 44, (360, 640)  # pixels


def sides_swapped(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Two people side by side; halfway, from one frame to the next, they sit the other way round."""
    left, right = (np.concatenate([a[: FRAMES // 2], b[FRAMES // 2 :]]) for a, b in ((first, second), (second, first)))
    wide = placed(left, np.full(FRAMES, -20))
    return placed(right, np.full(FRAMES, 196), wide)


def zoomed_fast(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    factors = 1 + 1.2 * np.clip((np.arange(FRAMES) - 20) / 5, 0, 1)
    return _turned(first, np.zeros(FRAMES), factors)


def faded(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    light = np.clip(np.abs(np.arange(FRAMES) - FRAMES / 2) / 8 - 0.5, 0, 1)
    return (first * light[:, None, None, None]).astype(np.uint8)


def upside_down(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """At rest: MediaPipe takes some open mouths for brows, and then a face upside down for an upright one."""
    return np.repeat(first[:1, ::-1, ::-1], FRAMES, axis=0)


def spinning(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    return _turned(first, np.linspace(0, 360, FRAMES), np.ones(FRAMES))


def mirrored_halfway(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    return np.concatenate([first[:24], first[24:, :, ::-1]])


def held_still(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    return np.repeat(first[:1], FRAMES, axis=0)


def every_other_twice(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    return np.repeat(first[::2], 2, axis=0)


def dark(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    noise = np.random.default_rng(0).normal(0, 2, first.shape)
    return np.clip(first * 0.06 + noise, 0, 255).astype(np.uint8)


def drawn(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """A cartoon: few colours and black lines."""
    flat = [cv2.medianBlur(frame, 7) // 48 * 48 + 24 for frame in first[::2]]
    lines = [cv2.Canny(frame, 60, 140)[..., None] > 0 for frame in first[::2]]
    return np.repeat([np.where(line, 0, frame).astype(np.uint8) for frame, line in zip(flat, lines, strict=True)], 2, axis=0)


def far_away(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """A small face in a wide room."""
    height = round(SIDE * _SMALL_FACE / 90)
    room = np.broadcast_to(np.array(WALL, np.uint8), (FRAMES, *_ROOM, 3)).copy()
    for wide, frame in zip(room, first, strict=True):
        wide[200 : 200 + height, 430 : 430 + height] = cv2.resize(frame, (height, height), interpolation=cv2.INTER_AREA)
    return room


def _turned(frames: np.ndarray, degrees: np.ndarray, factors: np.ndarray) -> np.ndarray:
    """Frames turned and enlarged about their middle."""
    centre = (SIDE / 2, SIDE / 2)
    moves = [cv2.getRotationMatrix2D(centre, float(angle), float(factor)) for angle, factor in zip(degrees, factors, strict=True)]
    return np.stack([cv2.warpAffine(f, move, (SIDE, SIDE), borderMode=cv2.BORDER_REPLICATE) for f, move in zip(frames, moves, strict=True)])


STRANGE: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "two people swap sides": sides_swapped,
    "a fast zoom": zoomed_fast,
    "a fade to black and back": faded,
    "a face upside down": upside_down,
    "a spinning face": spinning,
    "mirrored halfway": mirrored_halfway,
    "a photo held still": held_still,
    "twelve frames a second, each twice": every_other_twice,
    "a dark clip": dark,
    "a cartoon": drawn,
    "a small face in a wide room": far_away,
}
