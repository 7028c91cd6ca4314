"""Clips that nobody planned for give a film that tears nothing, or one sentence."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import torch
from driving_clips import FRAMES, actor
from motion.test_driving_clips import driver_steps, film_steps
from strange_clips import STRANGE

from real3d_core.analytic.avatar import AnalyticAvatar
from real3d_core.errors import NoFaceError
from real3d_core.face.track import FaceTrack, track_face
from real3d_core.mediapipe_models.model_files import ModelFolders

BRIDGED = {"a fade to black and back": (20, 28), "a spinning face": (15, 36)}


@pytest.fixture(scope="module")
def track(assets):
    """A function from the name of a clip to its face."""

    @cache
    def tracked(name: str) -> FaceTrack:
        folder = assets / "portraits"
        return track_face(iter(STRANGE[name](actor(folder, "synthetic_p002.jpg"), actor(folder, "synthetic_p009.jpg"))), ModelFolders())

    return tracked


@pytest.mark.parametrize("name", [name for name in STRANGE if name != "a face upside down"])
def test_nothing_jumps(track, name):
    found = track(name)
    if name in BRIDGED:
        assert not found.trusted[slice(*BRIDGED[name])].any()
    else:
        assert found.trusted.mean() > 0.9
    motion = AnalyticAvatar(ModelFolders()).video_to_motion(found)
    steps, both = film_steps(motion), found.trusted[1:] & found.trusted[:-1]
    same_shot = both & (found.shots[1:] == found.shots[:-1])
    assert len(motion) == FRAMES and steps[same_shot].max() <= 1.5 * driver_steps(found)[same_shot].max()
    assert steps[~both].max(initial=0) <= 0.02


def test_a_face_upside_down_is_one_sentence(track):
    with pytest.raises(NoFaceError, match=r"in the driving clip.*: use a clip .*\.$"):
        track("a face upside down")


def test_a_head_that_span_is_upright_again(track):
    """After the gap it comes from the other side; it has not turned once round."""
    motion = AnalyticAvatar(ModelFolders()).video_to_motion(track("a spinning face"))
    assert motion.euler.abs().max() < np.radians(100) and torch.diff(motion.euler[:, 2]).abs().max() < 0.2


def test_a_small_face_moves_the_lips_as_a_large_one(track, assets):
    far, near = track("a small face in a wide room"), track_face(iter(actor(assets / "portraits", "synthetic_p002.jpg")), ModelFolders())
    assert np.corrcoef(far.lip_gap, near.lip_gap)[0, 1] > 0.9
