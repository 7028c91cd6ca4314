"""Glasses stay as they are on the nose."""

import cv2
import numpy as np
import pytest
import torch

from real3d_core.analytic.controls import BASIS, FaceControls
from real3d_core.analytic.eyes import Eyes, Look
from real3d_core.analytic.glasses import glasses_worn
from real3d_core.face.canonical_face import canonical_face
from real3d_core.face.landmark_sets import CHIN, EYE_CORNERS
from real3d_core.mediapipe_models.model_files import ModelFolders
from real3d_core.portrait.plates import plate_pixels


def with_bridge(portrait, colour, thickness):
    """The photo's plate with the bridge of glasses drawn across the nose."""
    photo = portrait.plates.photo[0].permute(1, 2, 0).numpy().copy()
    points = plate_pixels(portrait.landmarks[:, :2].numpy(), len(photo))
    height = np.linalg.norm(points[10] - points[152])
    right, left = (points[EYE_CORNERS[side][1]] for side in ("right", "left"))
    middle, half = (right + left) / 2 + [0, 0.03 * height], np.linalg.norm(left - right) / 2
    cv2.ellipse(
        photo, np.round(middle).astype(int).tolist(), (round(half), round(0.02 * height)), 0, 180, 360, colour, round(thickness * height)
    )
    return torch.from_numpy(photo).permute(2, 0, 1)[None]


@pytest.mark.parametrize("who", ["portrait", "smiling"])
@pytest.mark.parametrize("frame", [((0.1, 0.1, 0.1), 0.02), ((0.65, 0.55, 0.3), 0.012), ((0.6, 0.1, 0.15), 0.02)])
def test_the_bridge_of_glasses_is_found(who, frame, request):
    portrait = request.getfixturevalue(who)
    assert glasses_worn(portrait.plates.photo, portrait.landmarks) == 0
    assert glasses_worn(with_bridge(portrait, *frame), portrait.landmarks) > 0.9


def test_no_brow_and_no_cheek_bends_glasses():
    points = torch.from_numpy(canonical_face(ModelFolders()).points)
    row = torch.zeros(1, BASIS.size)
    for name in ("brow_raise", "cheek_raise", "lids_wide", "jaw_open"):
        row[0, BASIS.index(name)] = 1.0
    bare, worn = (FaceControls(points, glasses).displacements(row)[0].norm(dim=1) for glasses in (0.0, 1.0))
    beside_eyes = [33, 133, 159, 145, 263, 362, 386, 374, 168, 6, 117, 346]
    assert bare[beside_eyes].max() > 0.01
    assert worn[beside_eyes].max() < 0.001
    assert worn[CHIN] == bare[CHIN] > 0.05


def test_lids_close_behind_the_frame_of_glasses(portrait):
    photo = with_bridge(portrait, (0.1, 0.1, 0.1), 0.02)[0].permute(1, 2, 0).numpy().copy()
    points = plate_pixels(portrait.landmarks[:, :2].numpy(), len(photo))
    for corners in EYE_CORNERS.values():
        ends = points[list(corners)]
        radius = 0.75 * np.linalg.norm(ends[1] - ends[0])
        middle = np.round(ends.mean(0)).astype(int).tolist()
        cv2.ellipse(photo, middle, (round(radius), round(0.6 * radius)), 0, 0, 360, (0.1, 0.1, 0.1), round(0.12 * radius))
    plate = torch.from_numpy(photo).permute(2, 0, 1)[None]
    painted = Eyes(torch.cat([plate, torch.ones_like(plate[:, :1])], dim=1), portrait.landmarks)(Look(closed=(1.0, 1.0)))
    assert len(painted) == 2
    for eye in painted:
        (x, y), (h, w) = eye.corner, eye.picture.shape[:2]
        before = photo[y : y + h, x : x + w]
        frame = np.abs(before - 0.1).max(axis=2) < 0.02
        assert frame.mean() > 0.03
        assert np.quantile(np.abs(eye.picture - before).max(axis=2)[frame], 0.95) < 0.1
