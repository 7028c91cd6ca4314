"""One composer for all threads: frames that are composed side by side are those composed one after the other."""

from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from real3d_core.analytic import adapt, compose
from real3d_core.analytic import avatar as analytic_avatar
from real3d_core.analytic.controls import BASIS
from real3d_core.analytic.ray_maps import blur
from real3d_core.mediapipe_models.model_files import ModelFolders
from real3d_core.motion.motion import Motion
from real3d_core.render.camera_paths import orbit_view
from real3d_core.render.head import render_head
from real3d_core.render.ray_marching import MarchSettings
from real3d_core.stream import FPS, FrameStream

FRAMES, SIZE = 6, 96
QUICK = MarchSettings(resolution=48, coarse=16, fine=4)


@pytest.fixture(scope="module")
def scene(avatar, smiling):
    """Renders of a face that talks, blinks and turns, and its motion."""
    with torch.inference_mode():
        t = torch.linspace(0, 1, FRAMES)
        motion = Motion.still(BASIS, FRAMES).with_controls(jaw_open=t, blink_left=1 - t, gaze_x=0.5 * t)
        cameras = avatar.cameras(smiling, motion, orbit_view(FRAMES, 6.0))
        renders = render_head(avatar.adapt(avatar.lift(smiling), motion), avatar.decoder, cameras, QUICK)
        kept = [renders.frames(frame, frame + 1) for frame in range(FRAMES)]
    return FrameStream(FRAMES, FPS, lambda start, stop: kept[start], keep=0), motion


@pytest.mark.parametrize("what", ["compose", "person_mask"])
def test_threads_compose_the_same_frames(avatar, smiling, scene, what):
    frames = getattr(avatar, what)(scene[0], smiling, scene[1], size=SIZE)

    def frame(number):
        with torch.inference_mode():
            return frames.frames(number, number + 1).clone()

    numbers = list(range(FRAMES))
    expected = [frame(number) for number in numbers]
    assert not torch.equal(expected[0], expected[-1])
    with ThreadPoolExecutor(4) as pool:
        for number, composed in zip(numbers * 3, pool.map(frame, numbers * 3), strict=True):
            assert torch.equal(composed, expected[number])


def test_the_avatar_computes_on_one_thread_whoever_asks(avatar, smiling, monkeypatch):
    """Several wait for one another actively: beside a busy process a portrait took thirty times as long to lift."""
    seen = []
    for module, name in ((adapt, "landmarks_of"), (analytic_avatar, "lift"), (analytic_avatar, "Composer"), (compose, "blur")):
        original = getattr(module, name)
        monkeypatch.setattr(module, name, lambda *given, one=original: seen.append(torch.get_num_threads()) or one(*given))
    torch.set_num_threads(2)
    try:
        fresh = analytic_avatar.AnalyticAvatar(ModelFolders(), QUICK)
        motion = Motion.still(BASIS, 1).with_controls(jaw_open=torch.ones(1))
        renders = render_head(fresh.adapt(fresh.lift(smiling), motion), fresh.decoder, fresh.cameras(smiling, motion), QUICK)
        fresh.compose(renders, smiling, motion, size=SIZE).frames(0, 1)
        assert len(seen) >= 4 and set(seen) == {1} and torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(1)


def test_the_outline_of_a_moved_head_is_as_sharp_as_a_pictures():
    """It passed over three rays, 12 pixels of 512, in a dark or light halo."""
    opacity = torch.zeros(1, 16, 16)
    opacity[..., 8:] = 1
    outline = compose.contoured(blur(opacity, compose.CONTOUR_BLUR)).clamp(0, 1)[0, 8]
    assert ((outline == 0) | (outline == 1)).all() and outline.sum() == 8
