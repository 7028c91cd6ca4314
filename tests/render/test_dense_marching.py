"""The marcher that never waits draws, frame by frame, what the plain one draws of that frame alone."""

from dataclasses import replace

import pytest
import torch
from scenes import denser, soft_scene, solid_scene, trigrid_scene

from real3d_core.errors import Real3DError
from real3d_core.render import MarchSettings, dense_marching, march, march_dense

QUICK = MarchSettings(resolution=16, coarse=8, fine=8)


def two_frames(scene):
    """Two heads, seen from two sides."""
    planes = replace(scene.planes, features=torch.cat([scene.planes.features, 0.5 * scene.planes.features]))
    turned = scene.cameras.clone()
    turned[:, 3] += 0.4
    return replace(scene, planes=planes, cameras=torch.cat([scene.cameras, turned]))


SCENES = {
    "soft": lambda: soft_scene(QUICK),
    "within bounds": lambda: bounded(soft_scene(QUICK), 0.2),
    "out of sight": lambda: bounded(soft_scene(QUICK), 0.001),
    "solid": lambda: solid_scene(QUICK),
    "trigrid": lambda: trigrid_scene(QUICK, 3),
    "one pass": lambda: soft_scene(replace(QUICK, fine=0)),
    "drawn at random": lambda: soft_scene(replace(QUICK, seed=3)),
    "empty": lambda: denser(soft_scene(QUICK), -100.0),
    "broken": lambda: broken(soft_scene(QUICK)),
}


def bounded(scene, half):
    corner = torch.tensor([half, half, half])
    return replace(scene, planes=replace(scene.planes, bounds=torch.stack([-corner, corner])))


def broken(scene):
    features = scene.planes.features.clone()
    features[..., :10, :] = torch.nan
    return replace(scene, planes=replace(scene.planes, features=features))


@pytest.mark.parametrize("name", SCENES)
def test_each_frame_is_what_the_plain_marcher_draws_of_it_alone(name, monkeypatch):
    monkeypatch.setattr(dense_marching, "_AT_ONCE", 1000)  # several chunks of rays
    scene = two_frames(SCENES[name]())
    together = march_dense(scene.planes, scene.decoder, scene.cameras, scene.settings, 5)
    for frame in range(2):
        alone = march(scene.planes.frame(frame), scene.decoder, scene.cameras[frame : frame + 1], scene.settings, 5 + frame)
        for part in ("features", "depth", "opacity"):
            torch.testing.assert_close(getattr(together, part)[frame], getattr(alone, part)[0], rtol=0, atol=1e-6)


def test_a_camera_without_rays_is_refused_while_it_is_on_the_processor():
    scene = two_frames(soft_scene(QUICK))
    scene.cameras[1, :16] = 0
    with pytest.raises(Real3DError, match="The camera of frame 8 sees nothing"):
        march_dense(scene.planes, scene.decoder, scene.cameras, scene.settings, 7)


def test_gradients_are_left_to_the_plain_marcher():
    scene = soft_scene(QUICK)
    features = scene.planes.features.clone().requires_grad_()
    march_dense(replace(scene.planes, features=features), scene.decoder, scene.cameras, scene.settings).features.sum().backward()
    assert features.grad.abs().sum() > 0
