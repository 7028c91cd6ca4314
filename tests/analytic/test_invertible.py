"""Nothing that drives the built-in avatar folds or tears its face."""

import math
from dataclasses import replace

import pytest
import torch
from wild_motions import WILD, wild_motion

from real3d_core.analytic.controls import BASIS, FaceControls
from real3d_core.analytic.invertible import unfolded
from real3d_core.analytic.sheets import LATTICE, Sheets
from real3d_core.face.landmarks import FaceLandmarks
from real3d_core.mediapipe_models.model_files import ModelFolders
from real3d_core.motion.motion import Motion
from real3d_core.pipeline import PipelineOptions, render_frames
from real3d_core.render.camera import camera_from_pose, farthest_turn
from real3d_core.render.camera_paths import static_view


@pytest.fixture(scope="module")
def sheets(avatar, smiling):
    landmarks = avatar.lift(smiling).landmarks
    return Sheets(landmarks, FaceControls(landmarks))


def areas(sources: torch.Tensor, sheets: Sheets) -> torch.Tensor:
    """[N, L - 1, L - 1]: the source area of each patch of the lattice, 1 at rest; below 0 where it is turned over."""
    across, down = sources[..., :-1, 1:] - sources[..., :-1, :-1], sources[..., 1:, :-1] - sources[..., :-1, :-1]
    cell = sheets.side / (LATTICE - 1)
    return (across[:, 0] * down[:, 1] - across[:, 1] * down[:, 0]) / cell**2


@pytest.mark.parametrize("name", WILD)
def test_no_motion_turns_a_patch_of_skin_over(sheets, name):
    bent = sheets.bend(wild_motion(name, BASIS).expression)
    for sources in (bent.face, bent.jaw):
        assert areas(sources, sheets).min() > 0 and areas(sources, sheets).max() < 10
    assert bent.depth.abs().max() < 0.32 * sheets.face_height


@pytest.mark.parametrize("control", BASIS.controls)
@pytest.mark.parametrize("strength", [1.0, 1.5])
def test_a_controls_inverse_is_one(sheets, control, strength):
    """Raised brows and a dropped jaw stretch skin to more than double."""
    motion = Motion.still(BASIS, 1).with_controls(**{control: torch.tensor(strength)})
    bent = sheets.bend(motion.expression)
    assert min(areas(bent.face, sheets).min(), areas(bent.jaw, sheets).min()) > 0.1


@pytest.fixture(scope="module")
def bump():
    """A field [1, 3, 50, 50] that rises gently in one place, and its lattice's cell."""
    axis = torch.linspace(-1, 1, 50)
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    rise = torch.exp(-8 * (x**2 + y**2))
    return torch.stack([0.05 * rise, 0.1 * rise, 0.1 * rise])[None], float(axis[1] - axis[0])


def test_what_faces_do_is_not_held_back(bump):
    field, cell = bump
    (same,) = unfolded(field, cell=cell)
    assert torch.equal(same, field)
    (less,) = unfolded(20 * field, cell=cell)
    assert 0.5 * field.abs().max() < less.abs().max() < 10 * field.abs().max()


def test_one_spot_is_smoothed_and_the_rest_stays(bump):
    field, cell = bump
    spoiled = field.clone()
    spoiled[0, :2, 10, 10] += 5 * cell
    (mended,) = unfolded(spoiled, cell=cell)
    assert torch.equal(mended[..., 25:, 25:], field[..., 25:, 25:])
    assert (mended - field)[0, :2].norm(dim=0).max() < 0.8 * cell


def test_a_head_stays_on_its_neck(avatar, portrait):
    for name in WILD:
        motion = wild_motion(name, BASIS, 4)
        poses = avatar.cameras(portrait, motion).cameras
        assert torch.isfinite(poses).all()
        still = avatar.cameras(portrait, Motion.still(BASIS, 4), static_view(4)).cameras
        to_world, rest = poses[:, :16].view(-1, 4, 4)[:, :3, :3], still[:, :16].view(-1, 4, 4)[:, :3, :3]
        turned = torch.einsum("nij,nij->n", to_world, rest)
        assert turned.min() > 1 + 2 * math.cos(math.radians(90))


def test_a_head_is_seen_no_farther_from_the_side_than_its_photo_shows_it(avatar, portrait, caplog):
    """A near profile that turned on ended in a pulled nose and smeared hair."""
    pose = portrait.euler + torch.tensor([[0.0, math.radians(50), 0.0]])
    beside = replace(portrait, euler=pose, camera=camera_from_pose(pose, portrait.translation).float())
    motion = Motion.still(BASIS, 3).with_pose(torch.deg2rad(torch.tensor([[0.0, -40, 0], [0.0, 5, 0], [0.0, 40, 0]])), torch.zeros(3, 3))
    with caplog.at_level("INFO"):
        asked, near, far = (math.degrees(farthest_turn(one[None], beside.camera)) for one in avatar.cameras(beside, motion).cameras)
    assert asked == pytest.approx(40, abs=0.1) and near == pytest.approx(5, abs=0.1) and 10 < far < 21
    assert sum("as far as its photo can show it" in line for line in caplog.messages) == 1


def test_a_face_is_still_seen(avatar, portrait):
    finder = FaceLandmarks(ModelFolders())
    for name in ("noise", "to and fro", "fifty times", "thrown"):
        frame = render_frames(avatar, portrait, wild_motion(name, BASIS, 1), PipelineOptions(size=192)).frames(0, 1)[0]
        assert finder.in_picture((frame * 255).byte().numpy()), name
