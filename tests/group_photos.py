"""Group photos made of the repository's portraits, and where each face is in them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import cv2
import numpy as np

from real3d_core.face.landmarks import FaceLandmarks
from real3d_core.media.pictures import load_picture
from real3d_core.mediapipe_models.model_files import ModelFolders

PEOPLE = ("synthetic_p002.jpg", "synthetic_p009.jpg", "astronaut.png", "synthetic_p009_selfie.jpg")


@dataclass(frozen=True)
class Layout:
    """size: (width, height) in pixels. faces: x and y of each face's middle, and its width in pixels."""

    size: tuple[int, int]
    faces: tuple[tuple[int, int, int], ...]


LAYOUTS = {
    "row of five": Layout((1500, 700), tuple((150 + 300 * k, 320, 110) for k in range(5))),
    "small in a hall": Layout((1600, 1200), tuple((200 + 300 * k, 700 + 40 * (k % 2), 60) for k in range(5))),
    "large before small": Layout((1400, 900), ((330, 420, 300), (800, 300, 90), (1000, 330, 70), (1220, 300, 80))),
    "two rows": Layout((1200, 1000), tuple((200 + 400 * (k % 3), 260 + 440 * (k // 3), 120) for k in range(6))),
    "a pair and a child": Layout((1100, 900), ((250, 300, 200), (600, 280, 190), (900, 620, 65))),
    "tall and narrow": Layout((700, 1500), ((350, 230, 130), (350, 620, 60), (350, 1000, 170), (350, 1360, 70))),
}


@cache
def _person(folder: Path, name: str) -> tuple[np.ndarray, np.ndarray]:
    photo = np.ascontiguousarray(load_picture(folder / name)[..., :3])
    return photo, FaceLandmarks(ModelFolders()).in_picture(photo)[0]


def group_photo(folder: Path, layout: Layout) -> np.ndarray:
    """RGB uint8, the people beside each other before a plain wall."""
    width, height = layout.size
    photo = np.full((height, width, 3), (168, 160, 150), np.uint8)
    for number, (x, y, size) in enumerate(layout.faces):
        person, face = _person(folder, PEOPLE[number % len(PEOPLE)])
        scale = size / np.ptp(face[:, 0])
        small = cv2.resize(person, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
        middle = face[:, :2].mean(0) * scale
        reach = np.array([0.85, 1.15]) * size  # as far as neighbours leave room
        low = np.maximum(np.maximum(middle - reach, 0), middle - [x, y]).astype(int)
        high = np.minimum(np.minimum(middle + reach, small.shape[1::-1]), middle + np.array([width - x, height - y])).astype(int)
        corner = (np.array([x, y]) - middle + low).round().astype(int).clip(0)
        part = small[low[1] : high[1], low[0] : high[0]][: height - corner[1], : width - corner[0]]
        photo[corner[1] : corner[1] + len(part), corner[0] : corner[0] + part.shape[1]] = part
    return photo
