import numpy as np
import pytest
import torch

from real3d_core.analytic.avatar import AnalyticAvatar
from real3d_core.analytic.controls import BASIS
from real3d_core.errors import MotionMismatchError, Real3DError
from real3d_core.motion.face_track import FaceTrack
from real3d_core.motion.motion import Motion, MotionBasis
from real3d_core.performance import Direction, direct
from real3d_core.portrait.canonical_face import canonical_face
from real3d_core.sound import Sound


@pytest.fixture(scope="module")
def avatar():
    return AnalyticAvatar()


@pytest.fixture(scope="module")
def track():
    """Ten frames of a still face that turns its head a little and closes its eyes in the last two."""
    face = canonical_face()
    shape = face.points / np.linalg.norm(face.points[10] - face.points[152])
    turn = np.linspace(0, 0.2, 10)
    rotations = np.stack([[[np.cos(a), 0, np.sin(a)], [0, 1, 0], [-np.sin(a), 0, np.cos(a)]] for a in turn])
    opening = np.full((10, 2), 0.3)
    opening[8:] = 0.05
    return FaceTrack(np.zeros((10, 478, 3)), np.repeat(shape[None], 10, axis=0), rotations, np.zeros((10, 3)), np.zeros(10), opening)


def silence(seconds):
    return Sound(torch.zeros(1, round(16000 * seconds)), 16000)


def test_silence_leaves_the_face_at_rest_for_as_long_as_it_lasts(avatar):
    motion = direct(avatar, Direction(pose="static", blink="none"), silence(1.01))
    assert len(motion) == 26  # ceil(1.01 * 25): the last frame is not lost
    assert motion.expression.abs().max() == 0
    assert motion.euler.abs().max() == 0


def test_a_clip_lends_its_pose_and_blinks_to_a_voice(avatar, track):
    motion = direct(avatar, Direction(pose="driving", blink="driving", smoothing=0), silence(1.0), track)
    assert len(motion) == 25  # the ten frames are played to and fro
    yaw = motion.euler[:, 1]
    assert yaw[9] == pytest.approx(float(yaw[10])) and yaw[19] == pytest.approx(float(yaw[0]))
    assert motion.control("blink_left")[[8, 11]].min() > 0.9
    assert motion.control("blink_left")[:7].max() == 0


def test_a_clip_alone_drives_everything(avatar, track):
    motion = direct(avatar, Direction(pose="driving", blink="driving"), None, track)
    assert len(motion) == 10


def test_another_frame_rate_keeps_the_duration(avatar):
    motion = direct(avatar, Direction(pose="orbit", fps=30.0), silence(2.0))
    assert len(motion) == 60 and motion.fps == 30.0
    film = direct(avatar, Direction(pose="orbit", fps=23.976), silence(2.0))
    assert len(film) == 48 and film.fps == 24000 / 1001


@pytest.mark.parametrize(
    ("direction", "word"),
    [({}, "Nothing drives"), ({"pose": "driving"}, "no clip|clip"), ({"blink": "driving"}, "clip")],
)
def test_what_is_missing_is_told(avatar, direction, word):
    sound = silence(1.0) if direction else None
    with pytest.raises(Real3DError, match=word):
        direct(avatar, Direction(**direction), sound)


def test_nonsense_is_refused_by_name():
    for wrong in ({"pose": "dance"}, {"blink": "wink"}, {"fps": 0}):
        with pytest.raises(Real3DError):
            Direction(**wrong)


def test_the_same_seed_blinks_the_same_and_another_seed_otherwise(avatar):
    first, again, other = (
        direct(avatar, Direction(pose="static", speech=type(Direction().speech)(seed=seed)), silence(12.0)) for seed in (3, 3, 4)
    )
    assert torch.equal(first.expression, again.expression)
    assert not torch.equal(first.expression, other.expression)


def test_a_motion_of_another_avatar_is_refused():
    motion = Motion.still(MotionBasis("someone-else", (), 4), 3)
    with pytest.raises(MotionMismatchError, match="someone-else"):
        motion.require_basis(BASIS)
