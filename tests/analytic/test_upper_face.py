"""How brows, lids and cheeks move."""

import numpy as np

from real3d_core.analytic.upper_face import brow_weight
from real3d_core.face.canonical_face import canonical_face
from real3d_core.face.landmark_sets import FACE_OVAL, LEFT_BROW, RIGHT_BROW, RIGHT_UPPER_LID
from real3d_core.face.measures import face_height_of
from real3d_core.mediapipe_models.model_files import ModelFolders


def test_raised_brows_leave_the_temples_where_hair_and_ears_begin():
    points = canonical_face(ModelFolders()).points
    rest = points / face_height_of(points)
    weight = brow_weight(rest)
    beside = [point for point in FACE_OVAL if np.abs(rest[point, 0]) > 0.95 * np.abs(rest[[127, 356], 0]).mean()]
    assert len(beside) >= 4
    assert weight[beside].max() < 0.05
    assert weight[RIGHT_BROW + LEFT_BROW].min() > 0.9


def test_raised_brows_leave_the_skin_over_the_lids_and_keep_their_thickness():
    """Skin that was drawn up from the lids was read as screwed up eyes."""
    points = canonical_face(ModelFolders()).points
    rest = points / face_height_of(points)
    crease, lid, brow = 222, RIGHT_UPPER_LID[4], 52  # one above the other
    for part, low, high in ((0.3, 0.0, 0.02), (0.75, 0.99, 1.0)):
        moved = rest.copy()
        moved[[crease, lid], 0] = rest[brow, 0]
        moved[crease, 1] = rest[lid, 1] + part * (rest[brow, 1] - rest[lid, 1])
        assert low <= brow_weight(moved)[crease] <= high
