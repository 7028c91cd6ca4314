"""Every face of a group photo can be chosen, and what moves is its mouth."""

import numpy as np
import pytest
import torch
from group_photos import LAYOUTS, group_photo

from real3d_core.analytic.avatar import AnalyticAvatar
from real3d_core.analytic.controls import BASIS
from real3d_core.face.landmarks import FaceLandmarks
from real3d_core.mediapipe_models.model_files import ModelFolders
from real3d_core.motion.motion import Motion
from real3d_core.pipeline import PipelineOptions, render_frames
from real3d_core.portrait.portrait import prepare_portrait

SIZE = 128


@pytest.mark.parametrize("name", LAYOUTS)
def test_every_face_is_found_where_it_is(assets, name):
    layout = LAYOUTS[name]
    found = FaceLandmarks(ModelFolders()).in_picture(group_photo(assets / "portraits", layout))
    assert len(found) == len(layout.faces)
    for x, y, width in layout.faces:
        assert min(np.hypot(*(face[:, :2].mean(0) - [x, y])) for face in found) < 0.1 * width


@pytest.mark.parametrize("name", LAYOUTS)
def test_the_lips_of_the_smallest_face_move_and_nothing_else(assets, name):
    layout = LAYOUTS[name]
    portrait = prepare_portrait(group_photo(assets / "portraits", layout), ModelFolders(), face_index=len(layout.faces) - 1)
    middle = np.array([portrait.window.left, portrait.window.top]) + portrait.window.side / 2
    nearest = min(layout.faces, key=lambda face: np.hypot(*(middle - face[:2])))
    assert nearest[2] == min(width for *_, width in layout.faces)
    opened = Motion.still(BASIS, 2)
    opened.expression[1, BASIS.index("jaw_open")] = 1
    with torch.inference_mode():
        rest, moved = torch.cat(list(render_frames(AnalyticAvatar(ModelFolders()), portrait, opened, PipelineOptions(size=SIZE)).chunks(1)))
    changed = (moved - rest).abs().amax(-1) > 0.08
    rows, columns = torch.nonzero(changed, as_tuple=True)
    face = portrait.landmarks.numpy()[:, :2] * SIZE
    low, high = face.min(0), face.max(0)
    assert len(rows) > 0.01 * np.prod(high - low)
    tall = high[1] - low[1]
    assert rows.min() > face[1, 1] - 0.05 * tall and rows.max() < face[152, 1] + 0.35 * tall  # from the nose down to the opened chin
    assert columns.min() > low[0] - 0.1 * tall and columns.max() < high[0] + 0.1 * tall
