"""What the stages promise beyond a picture: batches, streams, cancel, caching of nothing wrong, one rate from end to end."""

import types
from fractions import Fraction

import pytest
import torch
from pack_host import VideoFromFile, composing, interrupted


def test_a_portrait_comes_apart_into_layers_and_masks(stages):
    head, torso, background, head_mask, person_mask = stages["layers"]
    assert all(layer.shape == (1, 512, 512, 3) and layer.min() >= 0 and layer.max() <= 1 for layer in (head, torso, background))
    assert head_mask.shape == person_mask.shape == (1, 512, 512)
    assert 0.05 < head_mask.mean() < person_mask.mean() < 0.9


def test_frames_and_person_mask_cover_each_other(host, stages):
    white = torch.ones(1, 40, 60, 3)
    frames, mask, _ = host.execute("Real3DSuperResolution", **composing(stages, background=white))
    black, *_ = host.execute("Real3DSuperResolution", **composing(stages, background=torch.zeros(1, 40, 60, 3)))
    assert frames.shape == (6, 128, 128, 3) and mask.shape == (6, 128, 128)
    assert mask.min() >= 0 and mask.max() <= 1
    assert torch.allclose(1 - (frames - black).mean(-1), mask, atol=2e-3)


def test_a_batch_of_backgrounds_goes_by_frame(host, stages):
    colours = torch.tensor([[1.0, 0, 0], [0, 1, 0]])[:, None, None].expand(2, 32, 32, 3)
    frames, *_ = host.execute("Real3DSuperResolution", **composing(stages, background=colours))
    corner = frames[:, 1, 1]
    assert torch.equal(corner.argmax(-1), torch.tensor([0, 1, 0, 1, 0, 1]))


def test_pictures_equal_to_the_raw_colour_change_nothing_and_others_do(host, stages):
    before, *_ = host.execute("Real3DSuperResolution", **composing(stages))
    raw, opacity, depth, normals, features, _ = host.execute("Real3DRenderPasses", render=stages["render"])
    assert raw.shape == depth.shape == normals.shape == (6, 64, 64, 3) and opacity.shape == (6, 64, 64)
    assert features.streams[0].frames(0, 2).shape == (2, 32, 64, 64)
    same = host.execute("Real3DReplaceRenderColour", render=stages["render"], image=raw)[0]
    assert torch.allclose(host.execute("Real3DSuperResolution", **composing(stages, render=same))[0], before, atol=1e-5)
    red = host.execute("Real3DReplaceRenderColour", render=stages["render"], image=raw * torch.tensor([1.0, 0.3, 0.3]))[0]
    after, mask, _ = host.execute("Real3DSuperResolution", **composing(stages, render=red))
    head = torch.nn.functional.interpolate(opacity[:, None], size=(128, 128), mode="bilinear")[:, 0] > 0.99
    assert ((after - before)[..., 1][head].mean() < -0.1) and torch.allclose(after[~(mask > 0)], before[~(mask > 0)])


def test_colours_of_another_number_of_frames_are_refused(host, stages):
    with pytest.raises(host.core("errors").Real3DError, match="3 images cannot replace the colours of 6 frames"):
        host.execute("Real3DReplaceRenderColour", render=stages["render"], image=torch.zeros(3, 64, 64, 3))


def test_a_batch_of_portraits_gives_a_batch_of_results(host, stages):
    one = host.inputs["portrait.png"]
    two = torch.cat([one, one.flip(2)])
    portrait, head, *_ = host.execute("Real3DPreparePortrait", image=two)
    assert len(portrait.items) == len(head) == 2
    planes = host.execute("Real3DImageToPlane", avatar=stages["avatar"], portrait=portrait)[0]
    moving = host.execute("Real3DMotionAdapter", avatar=stages["avatar"], planes=planes, motion=stages["motion"])[0]
    camera = host.execute("Real3DCameraPath", portrait=portrait, motion=stages["motion"])[0]
    render = host.execute("Real3DRenderHead", avatar=stages["avatar"], planes=moving, camera=camera, resolution=32)[0]
    frames, *_ = host.execute("Real3DSuperResolution", **composing(stages, render=render, portrait=portrait, size=64))
    assert frames.shape == (12, 64, 64, 3)
    assert (frames[:6] - frames[6:].flip(2)).abs().mean() < 0.05  # mirrored photos, mirrored films
    videos = host.execute("Real3DTalkingPortraitToVideo", **composing(stages, render=render, portrait=portrait, size=64))[0]
    assert len(videos) == 2 and videos[1].get_dimensions() == (64, 64)


def test_the_head_threshold_is_the_avatar_s_own_unless_given(host, stages, monkeypatch):
    seen = []
    analytic = host.core("analytic.avatar").AnalyticAvatar
    real = analytic.compose

    def recorded(self, renders, portrait, motion, background, size, head_threshold):
        seen.append(head_threshold)
        return real(self, renders, portrait, motion, background, size, head_threshold)

    monkeypatch.setattr(analytic, "compose", recorded)
    own = host.execute("Real3DSuperResolution", **composing(stages))[0]
    given, other = (host.execute("Real3DSuperResolution", **composing(stages, head_threshold=value))[0] for value in (0.9, 0.1))
    assert seen == [None, 0.9, 0.1] and torch.equal(own, given) and not torch.equal(own, other)


def test_a_motion_is_converted_with_the_models_in_the_users_folders(host, stages, monkeypatch):
    given = []
    real = host.core("mediapipe_models.model_files").ModelFolders.find
    monkeypatch.setattr(
        host.core("mediapipe_models.model_files").ModelFolders, "find", lambda self, model: (given.append(self), real(self, model))[1]
    )
    other = types.SimpleNamespace(motion_basis=types.SimpleNamespace(name="other"), from_landmarks=lambda landmarks: landmarks)
    converted = host.execute("Real3DConvertMotion", motion=stages["motion"], avatar=host.part("runtime.device").HostedAvatar(other))[0]
    assert len(converted.euler) == 6 and given and set(given) == {host.part("runtime.folders").model_folders()}


def test_the_same_motion_for_another_avatar_is_refused(host, stages):
    motion_module = host.core("motion.motion")
    other = motion_module.Motion.still(motion_module.MotionBasis("someone-else", (), 64), 6)
    with pytest.raises(host.core("errors").MotionMismatchError, match="someone-else"):
        host.execute("Real3DMotionAdapter", avatar=stages["avatar"], planes=stages["planes"], motion=other)


def test_a_static_camera_path_is_the_one_of_the_simple_node(host, stages):
    motion = host.execute("Real3DHeadPose", motion=stages["motion"], mode="sway", amount=3.0)[0]
    path = host.execute("Real3DCameraPath", portrait=stages["portrait"], motion=motion)[0].seen_by(stages["avatar"])[0]
    one = stages["portrait"].items[0]
    wanted = host.core("render.camera").camera_from_pose(one.euler + motion.euler, one.translation + one.scale * motion.translation)
    assert torch.equal(path.cameras, wanted.float()) and path.cameras.std(dim=0).max() > 1e-5


def test_a_still_head_is_seen_by_every_camera_and_a_moving_one_must_match(host, stages):
    camera = host.execute("Real3DCameraPath", mode="orbit", frames=4, portrait=stages["portrait"])[0]
    render = host.execute("Real3DRenderHead", avatar=stages["avatar"], planes=stages["planes"], camera=camera, resolution=32)[0]
    assert len(render.streams[0]) == 4
    with pytest.raises(host.core("errors").Real3DError, match="6 frames of planes cannot be seen by a camera path of 4"):
        host.execute("Real3DRenderHead", avatar=stages["avatar"], planes=stages["moving"], camera=camera)


def test_cancel_stops_within_a_chunk_and_the_next_run_works(host, stages):
    restore = interrupted(host, after=1)
    try:
        with pytest.raises(InterruptedError):
            host.execute("Real3DSuperResolution", **composing(stages))
    finally:
        restore()
    assert len(host.execute("Real3DSuperResolution", **composing(stages))[0]) == 6


def test_the_rate_of_a_motion_is_the_rate_of_frames_and_films(host, stages):
    """What 'Create Video' needs, from every node that gives frames."""
    motion = host.execute("Real3DEditMotion", motion=stages["motion"], fps=29.97)[0]
    assert motion.fps == 30000 / 1001 and len(motion) == 8
    camera = host.execute("Real3DCameraPath", portrait=stages["portrait"], motion=motion)[0]
    moving = host.execute("Real3DMotionAdapter", avatar=stages["avatar"], planes=stages["planes"], motion=motion)[0]
    render = host.execute("Real3DRenderHead", avatar=stages["avatar"], planes=moving, camera=camera, resolution=32)[0]
    inputs = composing(stages, render=render, motion=motion, size=64)
    for node in ("Real3DSuperResolution", "Real3DSideBySide"):
        assert host.execute(node, **inputs)[-1] == motion.fps
    assert host.execute("Real3DRenderPasses", render=render)[-1] == motion.fps
    film = host.execute("Real3DTalkingPortraitToVideo", **inputs)[0][0]
    assert film.get_frame_rate() == Fraction(30000, 1001) and film.get_frame_count() == 8
    same = host.execute("Real3DEditMotion", motion=motion)[0]
    assert same.fps == motion.fps and torch.equal(same.expression, motion.expression)
    with pytest.raises(host.core("errors").Real3DError, match=r"frames per second is 0\.5: choose 1 to 120"):
        host.execute("Real3DEditMotion", motion=motion, fps=0.5)


def test_a_clip_lends_its_sound_wherever_a_sound_is_asked_for(host, stages, simple, counting_clip, tmp_path):
    film = host.execute("Real3DTalkingPortraitToVideo", **composing(stages, audio=host.inputs["voice.wav"]))[0][0]
    film.save_to(str(tmp_path / "film.mp4"))
    talking = VideoFromFile(str(tmp_path / "film.mp4"), 0.6)
    sound = host.part("conversions").sound(talking)
    audio = {"waveform": sound.samples[None], "sample_rate": sound.rate}
    for make in (
        lambda one: host.execute("Real3DAudioToMotion", avatar=stages["avatar"], audio=one)[0].expression,
        lambda one: host.execute("Real3DHeadPose", motion=stages["motion"], audio=one)[0].euler,
        lambda one: simple(audio=one)[1],
        lambda one: host.execute("Real3DTalkingPortraitToVideo", **composing(stages, audio=one))[0][0].get_components().audio["waveform"],
    ):
        assert torch.equal(make(audio), make(talking))
    with pytest.raises(host.core("errors").SoundError, match="There is no sound"):
        simple(audio=VideoFromFile(str(counting_clip), 0.4))


def test_pictures_that_do_not_fit_into_memory_are_refused_before_they_are_made(host, stages, monkeypatch):
    monkeypatch.setattr(host.part("runtime.progress").model_management, "get_free_memory", lambda *_: 1e5)
    with pytest.raises(host.core("errors").Real3DError, match="Talking portrait to video"):
        host.execute("Real3DSuperResolution", **composing(stages))


def test_a_face_that_is_not_there_is_one_sentence(host):
    with pytest.raises(host.core("errors").NoFaceError, match="No face was found"):
        host.execute("Real3DPreparePortrait", image=torch.rand(1, 256, 256, 3))
