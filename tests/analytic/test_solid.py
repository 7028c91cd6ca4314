"""The shape of a head beside and above the face."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from real3d_core.analytic.controls import BASIS
from real3d_core.analytic.solid import NECK_BEHIND, TEXELS, head_solid, texel_centres
from real3d_core.face.landmark_sets import EARS, FACE_OVAL, JAW_CORNERS, MIDLINE, MOUTH_CORNERS
from real3d_core.face.measures import face_height_of
from real3d_core.mediapipe_models.model_files import ModelFolders
from real3d_core.motion.motion import Motion
from real3d_core.motion.pose import turn_about_neck
from real3d_core.pipeline import render_frames
from real3d_core.portrait.plates import plate_pixels
from real3d_core.portrait.portrait import prepare_portrait
from real3d_core.portrait.segmentation import BROADEST_SEAM
from real3d_core.render.camera import HEAD_CENTRE, camera_from_pose

LEVEL = 0.15  # face heights above the ears' landmarks: temples


@pytest.fixture(scope="module")
def solids(portrait, smiling, long_haired):
    return {"curls": head_solid(portrait), "smiling": head_solid(smiling), "long": head_solid(long_haired)}


def at_rim(solid, height):
    """Depth at both sides of the silhouette, in face heights from the edge of the face at the ears, at this height above it."""
    landmarks = solid.landmarks.numpy()[EARS]
    _, y = texel_centres()
    row = int(np.argmin(np.abs(y[:, 0] - landmarks[:, 1].mean() - height * solid.face_height)))
    inside = np.flatnonzero(solid.inside.numpy()[row] > 0)
    return [(float(solid.front[row, k]) - landmarks[:, 2].mean()) / solid.face_height for k in (inside[0], inside[-1])]


@pytest.mark.parametrize("who", ["curls", "smiling"])
def test_the_sides_of_a_head_lie_behind_the_face(solids, who):
    """They stood beside the brows: on the far side of a turned head hair stuck out, on the near one the side had to be invented."""
    assert max(at_rim(solids[who], LEVEL)) < -0.06


def test_hair_that_hangs_down_hangs_beside_the_cheek(solids):
    """Else there would be a gap in it on the far side, between what moves with the head and what lies on the shoulder."""
    assert min(at_rim(solids["long"], 0.0)) > max(at_rim(solids["curls"], 0.0))


@pytest.mark.parametrize("degrees", [0, 10])
def test_hair_that_hangs_down_moves_as_the_torso_does_along_the_whole_seam(long_haired, degrees):
    """Only its lower end did, and in a photo from the front: above it, or from the side, a turned head had a step in its hair."""
    euler = long_haired.euler + torch.tensor([[0.0, math.radians(degrees), 0.0]])
    camera = camera_from_pose(euler, long_haired.translation).float()
    solid = head_solid(replace(long_haired, euler=euler, camera=camera))
    x, y = texel_centres()
    top = solid.landmarks.numpy()[JAW_CORNERS, 1].mean() + 0.9 * BROADEST_SEAM * solid.face_height
    row = int(np.argmin(np.abs(y[:, 0] - top)))
    ends = np.flatnonzero(solid.inside.numpy()[row] > 0)[[0, -1]]
    rim = np.stack([x[row, ends], y[row, ends], solid.front.numpy()[row, ends]], axis=1) - HEAD_CENTRE
    behind = rim @ camera[0, :16].reshape(4, 4)[:3, 2].numpy()  # in the photo's direction of sight: there torso.py has the torso
    assert np.abs(behind - NECK_BEHIND).max() < 0.01 * solid.face_height


@pytest.mark.parametrize("who", ["curls", "smiling", "long"])
def test_a_face_does_not_end_in_a_cliff(solids, who):
    """Few of the photo's pixels lay on it, so a turned head drew them out into bars along the near cheek, with a comb where hair begins."""
    solid = solids[who]
    landmarks, (x, y) = solid.landmarks.numpy(), texel_centres()
    face = landmarks[FACE_OVAL]
    beside = np.abs(x - landmarks[MIDLINE, 0].mean()) > 0.4 * np.ptp(face[:, 0])
    level = (y < landmarks[EARS, 1].mean()) & (y > landmarks[MOUTH_CORNERS, 1].mean()) & (solid.inside.numpy() > 1)
    slope = np.abs(np.gradient(solid.front.numpy(), axis=1)) * TEXELS
    assert (beside & level).sum() > 200
    assert slope[beside & level].max() < 2.1


@pytest.mark.parametrize("who", ["curls", "smiling"])
def test_the_back_of_a_skull_lies_as_far_behind_the_ears_as_heads_are_deep(solids, who):
    """Where temples were not let fall off to the ears' depth, the skull ended sooner: turned, a head was hollow behind its ears."""
    solid = solids[who]
    ears = solid.landmarks.numpy()[EARS]
    x, y = texel_centres()
    level = np.abs(y - ears[:, 1].mean() - LEVEL * solid.face_height) < 0.05 * solid.face_height
    inner = (np.abs(x - ears[:, 0].mean()) < 0.1 * solid.face_height) & level
    assert solid.back.numpy()[inner].max() < ears[:, 2].mean() - 0.55 * solid.face_height


def test_ears_are_thin(smiling):
    """There was a skull as broad behind them: from the ears of a turned head horns stood out behind."""
    points = plate_pixels(smiling.landmarks.numpy()[:, :2], smiling.plates.side)
    face_height, middle = float(face_height_of(points)), points[MIDLINE, 0].mean()
    level = points[EARS, 1].mean()
    rows, columns = np.mgrid[: smiling.plates.side, : smiling.plates.side]
    beside, below = np.abs(columns - middle) / face_height, (rows - level) / face_height
    skull = np.hypot(beside / 0.42, (below + 0.15) / 0.7) < 1
    ear = (beside < 0.5) & (np.abs(below) < 0.17)
    mask = torch.from_numpy((skull | ear).astype(np.float32))[None, None]
    solid = head_solid(replace(smiling, plates=replace(smiling.plates, head_mask=mask)))
    thick = ((solid.front - solid.back) / solid.face_height).numpy()
    row = round((float(solid.landmarks[EARS, 1].mean()) + 0.5) * TEXELS - 0.5)
    inside = np.flatnonzero(solid.inside.numpy()[row] > 0)
    texel = 1 / TEXELS / solid.face_height
    outer, inner = (round(at / texel) for at in (0.03, 0.17))
    assert thick[row, [inside[outer], inside[-1 - outer]]].max() < 0.12
    assert thick[row, [inside[inner], inside[-1 - inner]]].min() > 0.2


@pytest.mark.parametrize("who", ["curls", "smiling"])
def test_a_jaw_has_no_jowls_behind_it(solids, who):
    """Between its corner and the ear it was as thick as along the chin: turned, it hung out over the neck."""
    solid = solids[who]
    landmarks = solid.landmarks.numpy()
    _, y = texel_centres()
    corners, ears = landmarks[JAW_CORNERS, 1].mean(), landmarks[EARS, 1].mean()
    rows = np.flatnonzero((y[:, 0] > corners) & (y[:, 0] < corners + (ears - corners) / 4))
    inside = solid.inside.numpy()[rows] > 0
    thick = (solid.front - solid.back).numpy()[rows]
    at_rim = np.concatenate([[row[k][0], row[k][-1]] for row, k in ((t, np.flatnonzero(i)) for t, i in zip(thick, inside, strict=True))])
    assert at_rim.max() < 0.12 * solid.face_height


def test_a_photo_from_the_side_does_not_spread_the_back_of_the_head_out(avatar, portrait, solids):
    """It shows the head behind the ear, which was laid out beside the face and mirrored: a second ear stood there."""
    euler = torch.tensor([[0.0, math.radians(40), 0.0]])
    motion = Motion.still(BASIS, 1).with_pose(euler, turn_about_neck(euler))
    picture = render_frames(avatar, portrait, motion).frames(0, 1)[0]
    beside = prepare_portrait((picture * 255).round().byte().numpy(), ModelFolders())
    assert width(head_solid(beside)) < 1.2 * width(solids["curls"])


def width(solid):
    """Of the head beside the ears' landmarks, in face heights."""
    row = round((float(solid.landmarks[EARS, 1].mean()) + 0.5) * TEXELS - 0.5)
    return int((solid.inside[row] > 0).sum()) / TEXELS / solid.face_height
