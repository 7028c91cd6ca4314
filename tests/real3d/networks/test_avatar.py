"""The paper's avatar: its verbs on the reference inputs, and what drives them."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from golden import make_input

from real3d_core.avatar import SpeechStyle
from real3d_core.errors import MissingModelError, MotionMismatchError, Real3DError
from real3d_core.media.sound import Sound
from real3d_core.motion.motion import Motion, MotionBasis
from real3d_core.pipeline import PipelineOptions, make_motion
from real3d_core.real3d.avatar import BASIS, Real3DAvatar
from real3d_core.real3d.face_model.driven import DrivenFace
from real3d_core.real3d.face_model.eyelids import blink_schedule
from real3d_core.real3d.face_model.fit import FaceFit
from real3d_core.real3d.layers import resize_smooth
from real3d_core.real3d.source import Source
from real3d_core.render.planes import Planes
from real3d_core.render.ray_marching import HeadRender, march
from real3d_core.stream import FrameStream

FIT = FaceFit(torch.zeros(1, 80), torch.zeros(1, 64), torch.zeros(1, 3), torch.zeros(1, 3))
PORTRAIT = object()  # what it holds matters only to whoever prepares it


class GivenFace:
    """In place of a face model: the reference's PNCC pictures and key points, told apart by the expression that is asked for."""

    device = torch.device("cpu")

    def __init__(self, pictures: dict[float, torch.Tensor], source: torch.Tensor, driven: torch.Tensor):
        self._pictures, self._source, self._driven = pictures, source, driven

    def pictures(self, fit):
        return lambda expression: torch.cat([self._pictures[round(float(row[0]), 3)] for row in expression])

    def source_key_points(self, fit):
        return self._source

    def driving_key_points(self, fit, expression, trajectory):
        return self._driven


UNSEEN = GivenFace({}, torch.zeros(1, 68, 3), torch.zeros(1, 68, 3))  # where no face is drawn


def motion_of(*expressions: float) -> Motion:
    """Frames told apart by their first expression coefficient."""
    motion = Motion.still(BASIS, len(expressions))
    motion.expression[:, 1] = torch.tensor(expressions)
    return motion


def given(label: str, *shape: int) -> torch.Tensor:
    return torch.from_numpy(make_input(label, shape))


@pytest.fixture(scope="module")
def avatar(networks, canonical, scene_inputs) -> Real3DAvatar:
    """On the inputs of frame_512: canonical, source and target picture belong to the expressions 0, 1 and 2."""
    pictures = {float(i): given(f"secc.{which}", 1, 3, 512, 512) for i, which in enumerate(("cano", "src", "tgt"))}
    head = given("i2p.image", 1, 3, 512, 512)
    source = Source(head, scene_inputs.torso, scene_inputs.background, scene_inputs.segmentation, FIT)
    driven = torch.cat((scene_inputs.source_keypoints, scene_inputs.driven_keypoints))

    def lifted_before(image):
        assert torch.equal(image, head)
        return canonical.planes  # lifting takes many seconds and is tested with its network

    face = GivenFace(pictures, scene_inputs.source_keypoints, driven)
    return Real3DAvatar(replace(networks, image_to_plane=lifted_before), face, prepare=lambda portrait: source)


@pytest.fixture(scope="module")
def driven(avatar, small_networks, face) -> Real3DAvatar:
    """With small networks and the synthetic face model."""
    return Real3DAvatar(small_networks, DrivenFace(face), prepare=avatar.source)


@pytest.fixture(scope="module")
def second_frame(avatar, golden) -> SimpleNamespace:
    """Planes and head of the second of two frames, which is the reference's frame_512."""
    planes = avatar.adapt(avatar.lift(PORTRAIT), motion_of(1.0, 2.0)).frames(1, 2)
    camera = torch.from_numpy(golden("frame_512").arrays["camera"])
    return SimpleNamespace(planes=planes, render=march(planes, avatar.decoder, camera, avatar.march_settings))


def renders_of(render) -> FrameStream:
    """The same head at either frame of a motion of two."""
    return FrameStream(2, 25.0, lambda start, stop: render)


def test_the_verbs_draw_the_references_frame(avatar, second_frame, golden):
    golden("i2p_512").compare("planes", avatar.lift(PORTRAIT).features)
    reference = golden("frame_512")
    reference.compare("planes", second_frame.planes.features)
    render = second_frame.render
    reference.compare("feature_image", torch.cat((render.features[:, :3].clamp(-1, 1), render.features[:, 3:]), dim=1))
    reference.compare("depth_image", render.depth)
    reference.compare("weights_image", render.opacity)
    frames = avatar.compose(renders_of(second_frame.render), PORTRAIT, motion_of(1.0, 2.0)).frames(1, 2)
    assert frames.shape == (1, 512, 512, 3) and frames.min() >= 0 and frames.max() <= 1
    reference.compare("image", frames.permute(0, 3, 1, 2) * 2 - 1)


def test_the_persons_mask_is_what_the_frame_was_fused_with(avatar, second_frame, golden):
    masks = avatar.person_mask(renders_of(second_frame.render), PORTRAIT, motion_of(1.0, 2.0), size=256).frames(1, 2)
    # with nothing above the threshold, the person is the torso's opacity and the head's
    torso = golden("frame_512").arrays["torso_occlusion_256"].reshape(-1)
    head = resize_smooth(second_frame.render.opacity, 256)[0, 0].flatten()[::3]
    np.testing.assert_allclose(masks[0].flatten()[::3].numpy(), (torso + head.numpy()).clip(0, 1), atol=1e-4)


def test_lids_close_only_what_they_have_to(driven):
    """A blink changes the conditioning of its own frame and leaves the other frames' planes."""
    planes, motion = driven.lift(PORTRAIT), Motion.still(BASIS, 3)
    blinking = driven.with_blinks(motion, torch.tensor([0.0, 0.7, 0.0]))
    open_eyes, blink = driven.adapt(planes, motion), driven.adapt(planes, blinking)
    assert torch.equal(open_eyes.frames(2, 3).features, blink.frames(2, 3).features)
    assert not torch.equal(open_eyes.frames(1, 2).features, blink.frames(1, 2).features)


def test_periodic_blinks_are_the_published_ones(avatar, face):
    """Where one begins, the picture is quantised though its lids are open (spec 06 section 12, item 14)."""
    driven = Real3DAvatar(avatar.networks, DrivenFace(face), avatar.source, speech=lambda sound, style, progress: torch.zeros(14, 64))
    motion = make_motion(
        driven, PipelineOptions(pose="static", blink="periodic", speech=SpeechStyle(seed=5)), Sound(torch.zeros(1, 8960), 16000)
    )
    assert torch.equal(motion.control("eyelids"), blink_schedule(14, 5)) and motion.control("eyelids").max() > 0.9
    open_eyes = driven.condition(PORTRAIT, Motion.still(BASIS, 14))
    shown = driven.condition(PORTRAIT, motion)
    first, closed, last = (shown.frames(frame, frame + 1) for frame in (0, 5, 13))
    still = open_eyes.frames(0, 1)
    assert not torch.equal(first, still) and (first - still).abs().max() < 1.01 / 255
    assert (closed - still).abs().max() > 0.1
    assert torch.equal(last, still)
    assert driven.blinks(400, "none").max() == 0 and not torch.equal(driven.blinks(400, "natural"), driven.blinks(400, "periodic"))


def test_any_chunking_gives_the_same_planes(driven):
    stream = driven.adapt(driven.lift(PORTRAIT), motion_of(0.0, 0.3))
    together = stream.frames(0, 2).features
    assert torch.equal(together, torch.cat([stream.frames(0, 1).features, stream.frames(1, 2).features]))
    assert not torch.equal(together[0], together[1])


def test_another_avatars_motion_and_planes_are_refused(avatar):
    with pytest.raises(MotionMismatchError, match="real3d"):
        avatar.adapt(avatar.lift(PORTRAIT), Motion.still(MotionBasis("analytic", (), 3), 1))
    with pytest.raises(Real3DError, match="real3d"):
        avatar.adapt(Planes(torch.zeros(1, 3, 32, 4, 4)), motion_of(1.0))
    deeper = replace(avatar.lift(PORTRAIT), features=torch.zeros(1, 3, 96, 256, 256))
    with pytest.raises(Real3DError, match=r"depth 3 do not go with .* depth 1"):
        avatar.adapt(deeper, motion_of(1.0))


def test_resized_planes_are_refused(driven):
    planes = driven.lift(PORTRAIT)
    resized = replace(planes, features=torch.nn.functional.interpolate(planes.features.flatten(1, 2), scale_factor=2).unflatten(1, (3, -1)))
    with pytest.raises(Real3DError, match="only: leave their size"):
        driven.adapt(resized, motion_of(0.0)).frames(0, 1)


def test_a_voice_needs_the_model_that_hears_it(avatar):
    sound = Sound(torch.zeros(1, 16000), 16000)
    with pytest.raises(MissingModelError, match="audio-to-motion"):
        avatar.audio_to_motion(sound)
    listening = Real3DAvatar(
        avatar.networks, UNSEEN, prepare=avatar.source, speech=lambda sound, style, progress: torch.full((28, 64), style.amplitude)
    )
    motion = listening.audio_to_motion(sound, SpeechStyle(amplitude=0.5))
    assert motion.expression.shape == (25, 65)
    assert motion.control("eyelids").eq(0).all() and motion.expression[:, 1:].eq(0.5).all()


def test_rays_that_miss_the_cube_are_masked_only_where_the_configuration_says_so(avatar, second_frame):
    masking = replace(avatar.networks, config=replace(avatar.networks.config, mask_invalid_rays=True, box_side=0.3))
    render = second_frame.render
    masked = Real3DAvatar(masking, UNSEEN, prepare=avatar.source)._features(render, 0)
    assert avatar._features(render, 0) is not masked
    assert (masked[:, :, 0] == -1).all() and torch.equal(masked[:, :, 64, 64], render.features[:, :, 64, 64])
    assert torch.equal(avatar._features(render, 0), render.features)


class RecordedNetwork:
    """In place of the super-resolution: a scene is its background's mean, a frame shows it, and what was asked is written down."""

    def __init__(self):
        self.encoded, self.thresholds = 0, []

    def encode(self, torso, background, classes, keypoints):
        self.encoded += 1
        return float(background.mean())

    def with_background(self, scene, background):
        assert background.shape == (1, 3, 512, 512)
        return float(background.mean())

    def __call__(self, features, opacity, keypoints, scene, threshold):
        self.thresholds.append(threshold)
        return torch.full((1, 3, 512, 512), scene)


def composed(avatar, frames: int, **options) -> tuple[torch.Tensor, RecordedNetwork]:
    """Frames of a recorded network, asked for in chunks of two."""
    network = RecordedNetwork()
    recording = replace(avatar.networks, super_resolution=network)
    face = GivenFace({}, torch.zeros(1, 68, 3), torch.zeros(frames, 68, 3))
    render = HeadRender(torch.zeros(2, 32, 4, 4), torch.zeros(2, 1, 4, 4), torch.zeros(2, 1, 4, 4), torch.zeros(2, 25))
    renders = FrameStream(frames, 25.0, lambda start, stop: render)
    stream = Real3DAvatar(recording, face, prepare=avatar.source).compose(renders, PORTRAIT, motion_of(*[0.0] * frames), **options)
    return torch.cat(list(stream.chunks(2))), network


def test_backgrounds_are_taken_in_turn_and_the_portrait_is_encoded_once(avatar):
    grey = torch.tensor([0.0, 0.5, 1.0]).view(3, 1, 1, 1).expand(-1, 3, 64, 64)
    frames, network = composed(avatar, 4, background=grey, size=64)
    assert frames.shape == (4, 64, 64, 3)
    np.testing.assert_allclose(frames.mean((1, 2, 3)).numpy(), [0.0, 0.5, 1.0, 0.0], atol=1e-6)
    assert network.encoded == 1


def test_the_threshold_is_the_configurations_unless_given(avatar):
    assert composed(avatar, 2)[1].thresholds == [0.9, 0.9]
    assert composed(avatar, 2, head_threshold=0.5)[1].thresholds == [0.5, 0.5]
