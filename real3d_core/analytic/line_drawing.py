"""The landmarks of a moved face as a line drawing, for display."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from torch import Tensor

from ..face import landmark_sets as sets
from ..face.measures import EYEBALL
from ..motion.gaze import FULL_GAZE, GAZE_CONTROLS
from .controls import BASIS, FaceControls

SIDE = 512
_IRIS = 0.2  # widths of the eye
_CIRCLE = np.stack([np.cos(np.linspace(0, 2 * np.pi, 25)), np.sin(np.linspace(0, 2 * np.pi, 25))], axis=1)
_FACE = 0.72  # of the side: the face's height
_OPEN_LINES = (
    *(sets.UPPER_OUTER_LIP, sets.LOWER_OUTER_LIP, sets.UPPER_INNER_LIP, sets.LOWER_INNER_LIP),
    *(sets.RIGHT_BROW[:5], sets.RIGHT_BROW[5:], sets.LEFT_BROW[:5], sets.LEFT_BROW[5:]),
    *(sets.RIGHT_LOWER_LID, sets.LEFT_LOWER_LID, [168, 6, 197, 195, 5, 4, 1]),
)
_LIDS = {"blink_right": (sets.RIGHT_UPPER_LID, sets.RIGHT_LOWER_LID), "blink_left": (sets.LEFT_UPPER_LID, sets.LEFT_LOWER_LID)}


class LineDrawing:
    """Draws one face from the front.

    Args:
        landmarks: [>= 468, 3] at rest in the head's own frame, x right, y up, z to the viewer; any unit.
    """

    def __init__(self, landmarks: Tensor):
        self._controls = FaceControls(landmarks)
        self._centre = self._controls.rest[sets.FACE_OVAL].mean(0)

    def __call__(self, coefficients: Tensor) -> Tensor:
        """[N, K] coefficients of `controls.BASIS` -> [N, 512, 512, 3] in 0..1, white lines on black."""
        moved = self._controls.rest + self._controls.displacements(coefficients) - self._centre
        pixels = (moved * torch.tensor([1.0, -1.0, 0.0]) * _FACE * SIDE + SIDE / 2)[..., :2].numpy()
        return torch.from_numpy(np.stack([_drawn(*frame) for frame in zip(pixels, coefficients.numpy(), strict=True)])).float() / 255


def _drawn(points: np.ndarray, coefficients: np.ndarray) -> np.ndarray:
    picture = np.zeros((SIDE, SIDE, 3), np.uint8)
    lines = [points[line] for line in _OPEN_LINES] + [points[[*sets.FACE_OVAL, sets.FACE_OVAL[0]]]]
    for control, (upper, lower) in _LIDS.items():
        closed = np.clip(coefficients[BASIS.index(control)], 0, 1)
        lines.append((1 - closed) * points[upper] + closed * points[lower])
    for upper, lower in _LIDS.values():
        corners = points[[upper[0], upper[-1]]]
        width = np.linalg.norm(corners[1] - corners[0])
        turned = np.clip([coefficients[BASIS.index(name)] for name in GAZE_CONTROLS], -1, 1) * FULL_GAZE
        middle = points[[*upper, *lower]].mean(0) + EYEBALL * width * np.sin(turned) * [1, -1]
        lines.append(middle + _IRIS * width * _CIRCLE)
    shift = 4  # sixteenths of a pixel
    for line in lines:
        cv2.polylines(picture, [np.round(line * 2**shift).astype(np.int32)], False, (255, 255, 255), 2, cv2.LINE_AA, shift)
    return picture
