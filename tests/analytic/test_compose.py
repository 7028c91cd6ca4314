"""One composer for all threads: frames that are composed side by side are those composed one after the other."""

from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from real3d_core.analytic.controls import BASIS
from real3d_core.motion.motion import Motion
from real3d_core.render.camera_paths import orbit_view
from real3d_core.render.head import render_head
from real3d_core.render.ray_marching import MarchSettings

FRAMES, SIZE = 6, 96
QUICK = MarchSettings(resolution=48, coarse=16, fine=4)


@pytest.fixture(scope="module")
def scene(avatar, smiling):
    """Renders of a face that talks, blinks and turns, and its motion."""
    with torch.inference_mode():
        t = torch.linspace(0, 1, FRAMES)
        motion = Motion.still(BASIS, FRAMES).with_controls(jaw_open=t, blink_left=1 - t, gaze_x=0.5 * t)
        cameras = avatar.cameras(smiling, motion, orbit_view(FRAMES, 6.0))
        return render_head(avatar.adapt(avatar.lift(smiling), motion), avatar.decoder, cameras, QUICK), motion


def side_by_side(compute):
    def in_a_thread(frame):
        with torch.inference_mode():
            return compute(frame)

    with ThreadPoolExecutor(4) as pool:
        return list(pool.map(in_a_thread, list(range(FRAMES)) * 3))


@pytest.mark.parametrize("what", ["frames", "masks"])
def test_threads_compose_the_same_frames(avatar, smiling, scene, what):
    renders, motion = scene
    kept = [renders.frames(frame, frame + 1) for frame in range(FRAMES)]
    compose = avatar.compose if what == "frames" else avatar.person_mask

    def frame(number):
        one = renders.part(number, number + 1).map(lambda *_: kept[number])
        return compose(one, smiling, motion.frames(number, number + 1) if False else motion, size=SIZE).frames(0, 1)

    expected = [frame(number) for number in range(FRAMES)]
    for number, composed in zip(list(range(FRAMES)) * 3, side_by_side(frame), strict=True):
        assert torch.equal(composed, expected[number])
