"""Clips in which things happen: nobody else is followed, nothing jumps, and the film still shows a face."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import torch
from driving_clips import FRAMES, HAPPENINGS, actor, film_of

from cuda_ops import painting
from real3d_core.analytic.avatar import AnalyticAvatar
from real3d_core.analytic.controls import FaceControls
from real3d_core.errors import NoFaceError
from real3d_core.face.canonical_face import canonical_face
from real3d_core.face.landmarks import FaceLandmarks
from real3d_core.face.track import FaceTrack, track_face
from real3d_core.media.pictures import load_picture
from real3d_core.mediapipe_models.model_files import ModelFolders
from real3d_core.motion.anatomy import bounded_pose
from real3d_core.motion.motion import Motion
from real3d_core.portrait.portrait import prepare_portrait
from real3d_core.render.camera import euler_to_matrix

BRIDGED = {
    "a face leaves and returns": (12, 34),
    "a second person passes": (20, 28),
    "a cut to another person": None,
    "a face comes late": (0, 20),
    "a hand over the mouth": None,
    "heavily compressed": None,
    "a head turns to profile and back": (20, 27),
}


@pytest.fixture(scope="module")
def clip(assets):
    """A function from a happening to its frames."""
    folder = assets / "portraits"

    def frames(name: str) -> np.ndarray:
        if name not in HAPPENINGS:
            return actor(folder, "synthetic_p009_selfie.jpg", 1.35)
        return HAPPENINGS[name](actor(folder, "synthetic_p002.jpg"), actor(folder, "synthetic_p009.jpg"))

    return frames


@pytest.fixture(scope="module")
def track_of(clip):
    """A function from the name of a clip to its face."""
    return cache(lambda name: track_face(iter(clip(name)), ModelFolders()))


@pytest.fixture(scope="module")
def avatar():
    return AnalyticAvatar(ModelFolders(), painting=painting())


@pytest.fixture(scope="module")
def portrait(assets):
    return prepare_portrait(load_picture(assets / "portraits" / "astronaut.png"), ModelFolders())


def driver_steps(track: FaceTrack) -> np.ndarray:
    """[T - 1]: how far any landmark moves from a frame to the next, in face heights."""
    height = np.median(np.linalg.norm(track.landmarks[:, 10, :2] - track.landmarks[:, 152, :2], axis=1))
    return np.linalg.norm(np.diff(track.landmarks[:, :468, :2], axis=0), axis=2).max(axis=1) / height


def film_steps(motion: Motion) -> np.ndarray:
    """The same of a face that moves like this."""
    points = canonical_face(ModelFolders()).points
    controls = FaceControls(torch.from_numpy(points))
    moved = controls.rest + controls.displacements(motion.expression)
    euler, translation = bounded_pose(motion.euler, motion.translation, 0.7, 0.8)
    posed = torch.einsum("tij,tpj->tpi", euler_to_matrix(euler), moved) + translation[:, None] / 1.75
    return posed[..., :2].diff(dim=0).norm(dim=-1).amax(dim=1).numpy()


@pytest.mark.parametrize("name", BRIDGED)
def test_what_happens_in_a_clip_tears_nothing(name, track_of, avatar, portrait):
    track = track_of(name)
    gap = BRIDGED[name]
    assert len(track) == FRAMES
    if gap is None:
        assert track.trusted.all()
    else:
        assert not track.trusted[slice(*gap)].any() and track.trusted[max(gap[0] - 10, 0)] == (gap[0] > 0) and track.trusted[-3:].all()
        assert "frames" in track.gaps()
    motion = avatar.video_to_motion(track)
    steps, both = film_steps(motion), track.trusted[1:] & track.trusted[:-1]
    same_shot = both & (track.shots[1:] == track.shots[:-1])
    assert steps[same_shot].max() <= 1.5 * driver_steps(track)[same_shot].max()
    assert steps[~both].max(initial=0) <= 0.02
    sampled = torch.arange(2, FRAMES, 15)
    some = Motion(motion.basis, motion.expression[sampled], motion.euler[sampled], motion.translation[sampled])
    finder = FaceLandmarks(ModelFolders())
    assert all(map(finder.in_picture, film_of(avatar, portrait, some, 192)))


def test_the_neutral_face_is_shown_until_a_face_comes(track_of, avatar):
    motion = avatar.video_to_motion(track_of("a face comes late"))
    # smoothed like the frames around it, the neutral frame is not quite at rest
    assert motion.euler[:20].abs().max() < 0.02 and motion.expression[:20].abs().max() < 0.25


def test_after_a_cut_the_head_is_neutral_again(clip, avatar):
    """The second person sits elsewhere: that is no movement of the head."""
    frames = clip("a cut to another person").copy()
    track = track_face(iter(np.concatenate([frames[:28], np.roll(frames[28:], 25, axis=2)])), ModelFolders())
    assert len(np.unique(track.shots)) == 2
    assert avatar.video_to_motion(track).translation[-10:, 0].abs().max() < 0.15


def test_a_clip_without_a_face_is_one_sentence():
    with pytest.raises(NoFaceError, match=r"^No face was found in the driving clip: .*\.$"):
        track_face((np.full((64, 64, 3), 128, np.uint8) for _ in range(3)), ModelFolders())
