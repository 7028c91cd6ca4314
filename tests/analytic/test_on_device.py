"""What any device computes is what the fast path of processors computes: here on a processor, since the mathematics are the same."""

from contextlib import nullcontext

import cv2
import pytest
import torch
import torch.nn.functional as F
from exact_remap import exact_remap
from float32_only import float32_only

from real3d_core.analytic import compose
from real3d_core.analytic.adapt import CHANGED, PlaneBender
from real3d_core.analytic.avatar import AnalyticAvatar
from real3d_core.analytic.channels import STEEPNESS
from real3d_core.analytic.compose import Layers
from real3d_core.analytic.controls import BASIS, CONTROLS
from real3d_core.analytic.eyes import looks
from real3d_core.analytic.on_device import bending, composer
from real3d_core.analytic.on_device.bending import DeviceBender
from real3d_core.analytic.on_device.composer import DeviceComposer
from real3d_core.analytic.painting import IN_TORCH
from real3d_core.mediapipe_models.model_files import ModelFolders
from real3d_core.motion.motion import Motion
from real3d_core.motion.pose import turn_about_neck
from real3d_core.render import dense_marching
from real3d_core.render.dense_marching import march_dense
from real3d_core.render.head import render_head
from real3d_core.render.passes import replace_colour
from real3d_core.render.ray_marching import HeadRender, MarchSettings, march
from real3d_core.render.table_marching import march_table
from real3d_core.stream import FPS, FrameStream

FRAMES, SIZE = 3, 96
RAYS = MarchSettings(resolution=48, coarse=20, fine=8)
EQUAL = 1e-4


def difference(found, expected):
    return (found - expected).abs().max().item()


@pytest.fixture(params=["portrait", "smiling"])
def someone(request):
    return request.getfixturevalue(request.param)


@pytest.fixture(scope="session")
def acted():
    """Rest, and then a face that does everything at once while its head turns."""
    t = torch.linspace(0, 1, FRAMES)
    euler = torch.stack([0.1 * t, 0.6 * t, -0.1 * t], dim=1)
    controls = {"jaw_open": t, "lips_wide": -t, "smile": t / 2, "speaking": t, "brow_raise": t, "lids_wide": (9 * t).sin()}
    lids = {"blink_left": t, "blink_right": (5 * t).sin().clamp(0, 1), "gaze_x": (7 * t).sin(), "gaze_y": -t / 2}
    return Motion.still(BASIS, FRAMES).with_controls(**controls, **lids).with_pose(euler, turn_about_neck(euler))


@pytest.fixture
def exact_eyes(monkeypatch):
    monkeypatch.setattr(cv2, "remap", exact_remap)


def made_by(device, someone, acted):
    """Frames before the photo's background and another one, masks, restyled frames. Marched plainly: fast marchers differ more."""
    avatar = AnalyticAvatar(ModelFolders(), RAYS, device=device)
    planes, cameras = avatar.adapt(avatar.lift(someone), acted), avatar.cameras(someone, acted)
    render = render_head(planes, avatar.decoder, cameras, RAYS, march if device is None else march_dense).frames(0, FRAMES)
    renders = FrameStream(FRAMES, FPS, lambda *_: render, parallel=device is None)
    backdrop = torch.rand(2, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(0))
    restyled = renders.map(lambda render, *_: replace_colour(render, backdrop[:1].permute(0, 2, 3, 1).expand(FRAMES, -1, -1, -1)))
    streams = [avatar.compose(renders, someone, acted, None, SIZE), avatar.compose(renders, someone, acted, backdrop, SIZE)]
    streams += [avatar.person_mask(renders, someone, acted, SIZE), avatar.compose(restyled, someone, acted, None, SIZE)]
    assert all(stream.parallel is (device is None) for stream in (planes, *streams)), "a device's chunks are halved where memory lacks"
    return [stream.frames(0, FRAMES) for stream in streams]


def test_frames_are_made_alike(someone, acted, exact_eyes):
    usual, there = made_by(None, someone, acted), made_by("cpu", someone, acted)
    assert difference(usual[0][-1], usual[0][0]) > 0.3
    assert all(difference(*pair) < EQUAL for pair in zip(there, usual, strict=True))
    plates = someone.plates.resized(SIZE)
    photo = compose._fit(plates.crop(plates.photo), SIZE)[0].permute(1, 2, 0)
    assert difference(there[0][0], photo) < 2e-5, "frame 0 is the photo"


def test_planes_are_bent_alike_whatever_is_asked_for(avatar, smiling):
    """Fields that fold, that Newton's rounds must invert, and that are no sums of usual ones."""
    dice = torch.Generator().manual_seed(1)
    wild = Motion.still(BASIS, 3).expression
    wild[1:, : len(CONTROLS)] = 2 * torch.randn(2, len(CONTROLS), generator=dice)
    wild[2, len(CONTROLS) :] = 0.03 * torch.randn(BASIS.size - len(CONTROLS), generator=dice)
    rest = avatar.lift(smiling)
    usual = PlaneBender(rest)
    there = DeviceBender(rest, usual.sheets, torch.device("cpu"))
    for few in (wild[:2], wild):
        expected, found = usual(few).features, there(few).features
        assert difference(expected[-1], expected[0]) > 100
        off = (found - expected)[:, 0, CHANGED].abs()
        assert off.mean() < 1e-5
        assert (off[:, :2] > 1e-6 * 3 * STEEPNESS).float().mean() < 1e-4, "but where skin folds, which a rounding may decide"
        assert torch.equal(found[0], rest.features[0])


@pytest.fixture
def loop_on(avatar, smiling):
    """A function that makes ready on a device what makes a portrait's frames: (device) -> ((motion) -> frames and masks)."""
    rest = avatar.lift(smiling)
    at_rest = march_table(rest, avatar.decoder, smiling.camera, RAYS)
    layers, sheets = Layers.of(smiling, rest, at_rest, SIZE, IN_TORCH), PlaneBender(rest).sheets

    def ready(device):
        there, decoder = at_rest.to(device), avatar.decoder.to(device)
        bend, composer = DeviceBender(rest, sheets, device), DeviceComposer(layers, there)

        def loop(motion):
            planes = bend(motion.expression)
            frames = [dense_marching._marched(planes.frame(i), decoder, there.cameras, RAYS, i) for i in range(len(motion))]
            parts = (torch.cat(part) for part in zip(*frames, strict=True))
            render = HeadRender(*parts, there.cameras.repeat(len(motion), 1))
            return composer(render, looks(motion), None, 0, 0.9), composer.person(render, looks(motion), 0.9)

        return loop

    return ready


def test_nothing_waits_for_a_number_and_all_is_on_the_device(loop_on, monkeypatch):
    """On the device "meta" there are no numbers: whatever looks at one fails, and so does what mixes tensors of two devices."""
    for module in (bending, composer):
        monkeypatch.setattr(module, "full_float32", lambda device: nullcontext())  # autocast does not know it
    shaped = lambda maps, grid, **_: maps.new_empty(*maps.shape[:2], *grid.shape[1:-1]) + 0 * grid[:, None, ..., 0]  # noqa: E731
    monkeypatch.setattr(F, "grid_sample", shaped)  # PyTorch's takes a second there
    monkeypatch.setattr(F, "interpolate", lambda maps, size, **_: maps.new_empty(*maps.shape[:2], *size))
    frames, masks = loop_on(torch.device("meta"))(Motion.still(BASIS, 1))
    assert frames.device.type == masks.device.type == "meta"
    assert frames.shape == (1, SIZE, SIZE, 3) and masks.shape == (1, SIZE, SIZE)


def test_a_device_without_float64_will_do(loop_on, acted):
    loop = loop_on(torch.device("cpu"))
    with float32_only():
        frames, _ = loop(acted)
    assert frames.isfinite().all()


@pytest.mark.parametrize("fault", ["lacks an operator", "computes wrongly"])
def test_the_processor_does_what_a_device_cannot(smiling, acted, monkeypatch, caplog, fault):
    def bent(self, shares, unusual):
        if fault == "lacks an operator":
            raise NotImplementedError("grid_sampler_2d")
        return torch.zeros_like(self._rest[:, 0, CHANGED])

    monkeypatch.setattr(DeviceBender, "_bent", bent)
    avatar = AnalyticAvatar(ModelFolders(), RAYS, device="cpu")
    found = avatar.adapt(avatar.lift(smiling), acted).frames(1, 2)
    assert torch.equal(found.features, PlaneBender(avatar.lift(smiling))(acted.expression[1:2]).features)
    assert ("grid_sampler_2d" if fault == "lacks an operator" else "off by") in caplog.text
