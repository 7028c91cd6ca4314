import numpy as np
import pytest
import torch

from real3d_core.analytic.controls import BASIS, FaceControls
from real3d_core.analytic.driving import landmarks_from_motion, motion_from_landmarks, motion_from_track
from real3d_core.face.canonical_face import canonical_face
from real3d_core.face.measures import EYEBALL, closed_lids, eye_opening
from real3d_core.face.track import track_from_landmarks
from real3d_core.mediapipe_models.model_files import ModelFolders
from real3d_core.motion.gaze import FULL_GAZE
from real3d_core.render.camera import euler_to_matrix, matrix_to_euler


def filmed(displacements, euler):
    """Landmarks in pixels [T, 478, 3] of the canonical face, displaced (face heights) and turned."""
    face = canonical_face(ModelFolders())
    height = np.linalg.norm(face.points[10] - face.points[152])
    frames = []
    for shift, angles in zip(displacements, euler, strict=True):
        posed = (face.points + shift * height) @ euler_to_matrix(torch.from_numpy(angles)).numpy().T * 12
        image = posed * [1, -1, -1] + [256, 256, 0]
        frames.append(np.concatenate([image, np.zeros((10, 3))]))
    return np.stack(frames).astype(np.float32)


@pytest.fixture(scope="module")
def controls():
    points = canonical_face(ModelFolders()).points
    return FaceControls(torch.from_numpy(np.concatenate([points, np.zeros((10, 3))])))


def test_a_filmed_jaw_becomes_the_jaw_control_and_the_commanded_shape_is_the_filmed_one(controls):
    opening = np.linspace(0, 0.8, 9)
    rows = torch.zeros(9, BASIS.size)
    rows[:, BASIS.index("jaw_open")] = torch.from_numpy(opening).float()
    shifts = controls.displacements(rows).numpy()
    track = track_from_landmarks(filmed(shifts, np.zeros((9, 3))), 25.0, canonical_face(ModelFolders()))
    motion = motion_from_track(track, neutral=0, smoothing=0)
    assert np.corrcoef(motion.control("jaw_open").numpy(), opening)[0, 1] > 0.99
    commanded = controls.displacements(motion.expression).numpy()
    assert np.abs(commanded - shifts)[:, 152].max() < 0.02


def test_head_pose_is_relative_to_the_neutral_frame(controls):
    euler = np.array([[0.1, -0.2, 0.05], [0.1, 0.1, 0.05], [0.0, -0.2, 0.0]])
    track = track_from_landmarks(filmed(np.zeros((3, 468, 3)), euler), 25.0, canonical_face(ModelFolders()))
    motion = motion_from_track(track, neutral=0, smoothing=0)
    assert np.abs(motion.euler.numpy() - (euler - euler[0])).max() < 0.02
    assert motion.expression[0].abs().max() < 1e-5
    assert np.abs(matrix_to_euler(torch.from_numpy(track.rotations)).numpy() - euler).max() < 0.02


def test_a_closed_eye_blinks_without_dragging_landmarks(controls):
    shifts = np.zeros((4, 468, 3))
    face = canonical_face(ModelFolders()).points / np.linalg.norm(
        canonical_face(ModelFolders()).points[10] - canonical_face(ModelFolders()).points[152]
    )
    for upper, lower in ((386, 374), (385, 380), (387, 373)):
        shifts[2:, upper] = face[lower] - face[upper]
    track = track_from_landmarks(filmed(shifts, np.zeros((4, 3))), 25.0, canonical_face(ModelFolders()))
    motion = motion_from_track(track, neutral=0, smoothing=0)
    assert motion.control("blink_left")[2:].min() > 0.9
    assert motion.control("blink_right").max() < 0.1
    assert controls.displacements(motion.expression)[:, [386, 374]].abs().max() < 0.005


def test_a_neutral_driver_gives_a_neutral_face_though_it_mostly_smiles(controls):
    rows = torch.zeros(40, BASIS.size)
    rows[8:, BASIS.index("smile")] = 0.9
    rows[12:, BASIS.index("jaw_open")] = torch.linspace(0, 12, 28).sin().clamp_min(0) * 0.4
    track = track_from_landmarks(filmed(controls.displacements(rows).numpy(), np.zeros((40, 3))), 25.0, canonical_face(ModelFolders()))
    motion = motion_from_track(track, smoothing=0)
    assert motion.expression[:6].abs().max() < 0.1
    assert motion.control("frown").max() < 0.2 and motion.control("smile")[20:].min() > 0.5


@pytest.mark.parametrize("strength", [3.0, 1e6, float("inf"), float("nan")])
def test_no_coefficients_move_a_face_farther_than_it_goes(controls, strength):
    noise = torch.randn(3, BASIS.size, generator=torch.Generator().manual_seed(1)) * strength
    moved = controls.displacements(noise)
    assert torch.isfinite(moved).all() and moved.norm(dim=-1).max() < 0.5


def test_eyes_that_look_aside_are_followed_and_a_blink_hides_nothing(controls):
    """Irises are measured against the corners of their eyes; in a blink the gaze is carried over."""
    turned = np.radians([0, 0, 0, 10, 10, 10, 0, 0, 0, 0])
    frames = filmed(np.zeros((10, 468, 3)), np.zeros((10, 3)))
    for outer, inner, upper, lower, iris in ((33, 133, 159, 145, 468), (263, 362, 386, 374, 473)):
        corners = frames[:, [outer, inner]]
        width = np.linalg.norm(corners[:, 0] - corners[:, 1], axis=1)
        frames[:, iris] = corners.mean(axis=1)
        frames[:, iris, 2] = frames[:, [upper, lower], 2].mean(axis=1)
        frames[:, iris, 0] += EYEBALL * width * np.sin(turned)
    closed = frames[0, [159, 158, 160, 386, 385, 387]].copy()
    closed[:, :2] = frames[0, [145, 153, 144, 374, 380, 373], :2]
    frames[4, [159, 158, 160, 386, 385, 387]] = closed
    frames[4, [468, 473], 0] += 20
    track = track_from_landmarks(frames, 25.0, canonical_face(ModelFolders()))
    motion = motion_from_track(track, neutral=0, smoothing=0)
    assert np.degrees(FULL_GAZE * motion.control("gaze_x").numpy()) == pytest.approx(np.degrees(turned), abs=0.5)
    assert motion.control("gaze_y").abs().max() < 0.02
    assert motion_from_landmarks(landmarks_from_motion(motion, track.shapes[0])).control("gaze_x") == pytest.approx(
        motion.control("gaze_x")
    )


def test_a_clip_without_irises_leaves_the_gaze_alone(controls):
    track = track_from_landmarks(filmed(np.zeros((3, 468, 3)), np.zeros((3, 3))), 25.0, canonical_face(ModelFolders()))
    assert motion_from_track(track).control("gaze_x").abs().max() == 0


def test_lids_and_brows_that_only_follow_the_gaze_do_not_move_as_well(controls):
    """Drawn lids and brows follow the gaze by themselves; a blink on top would close the lids twice."""
    track = track_from_landmarks(filmed(np.zeros((2, 468, 3)), np.zeros((2, 3))), 25.0, canonical_face(ModelFolders()))
    looking_down = landmarks_from_motion(motion_from_track(track).with_controls(gaze_y=torch.tensor([0.0, -0.5])), track.shapes[0])
    assert looking_down.lids[1].min() > 0.1
    motion = motion_from_landmarks(looking_down)
    assert motion.control("blink_left").abs().max() < 1e-6
    assert motion.with_controls(gaze_y=torch.tensor(0.0)).expression.abs().max() < 1e-5
    assert landmarks_from_motion(motion, track.shapes[0]).lids == pytest.approx(looking_down.lids, abs=1e-6)


def test_a_lid_half_way_down_is_measured_as_half_closed():
    """The landmark model reports little of the first half: a line from open to shut once made small movements vanish."""
    assert closed_lids(np.array([1.2, 1.0, 0.67, 0.18, 0.05])).tolist() == [0, 0, 0.5, 1, 1]
    assert closed_lids(np.array([0.92])) > 0.1


def test_lids_that_are_apart_in_depth_alone_are_closed():
    """The landmark model leaves closed lids so: they once counted as a third open."""
    points = np.zeros((478, 3))
    points[33, 0], points[133, 0] = -0.5, 0.5
    points[[145, 153, 144], 2] = 0.07
    assert eye_opening(points, "right") == 0
