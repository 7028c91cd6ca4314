"""What the nodes promise beyond a picture: batches, streams, cancel, caching of nothing wrong, sounds and pictures of all kinds."""

import importlib
import json
import sys
import types
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from pack_host import VideoFromComponents, VideoFromFile, interrupted


@pytest.fixture(scope="module")
def stages(host):
    """One portrait through all stages, small."""
    avatar = host.execute("Real3DLoadAvatar", avatar="analytic (built in)")[0]
    portrait, *layers = host.execute("Real3DPreparePortrait", image=host.inputs["portrait.png"])
    planes = host.execute("Real3DImageToPlane", avatar=avatar, portrait=portrait)[0]
    motion = host.execute("Real3DAudioToMotion", avatar=avatar, audio=host.inputs["voice.wav"])[0]
    motion = host.execute("Real3DEditMotion", motion=motion, end=0.24)[0]
    camera = host.execute("Real3DCameraPath", portrait=portrait, motion=motion)[0]
    moving = host.execute("Real3DMotionAdapter", avatar=avatar, planes=planes, motion=motion)[0]
    render = host.execute("Real3DRenderHead", avatar=avatar, planes=moving, camera=camera, resolution=64)[0]
    return {
        **{"avatar": avatar, "portrait": portrait, "layers": layers, "planes": planes, "motion": motion},
        **{"camera": camera, "moving": moving, "render": render},
    }


@pytest.fixture
def simple(host):
    """Runs the simple node, small; its results."""

    def run(**inputs) -> tuple:
        given = {"image": host.inputs["portrait.png"], "audio": host.inputs["voice.wav"], "head_pose": "static", "size": 64}
        return host.execute("Real3DTalkingPortrait", **{**given, **inputs})

    return run


def composing(stages: dict, **others) -> dict:
    return {**{name: stages[name] for name in ("avatar", "render", "portrait", "motion")}, "size": 128, **others}


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


def test_frames_go_back_into_the_photo(host, stages):
    frames, *_ = host.execute("Real3DSuperResolution", **composing(stages))
    photo = host.inputs["portrait.png"]
    whole = host.execute("Real3DPasteBack", frames=frames, portrait=stages["portrait"], original=photo)[0]
    assert whole.shape == (6, *photo.shape[1:])
    window = stages["portrait"].items[0].window
    outside = torch.ones(photo.shape[1:3], dtype=torch.bool)
    outside[int(window.top) : int(window.top + window.side), int(window.left) : int(window.left + window.side)] = False
    assert torch.equal(whole[0][outside], photo[0][outside])
    part = host.execute("Real3DPasteBack", frames=frames, portrait=stages["portrait"], original=photo, framing="around the portrait")[0]
    assert part.shape[1] <= photo.shape[1] and part.shape[0] == 6


def test_a_batch_of_photos_with_faces_of_different_size_goes_back_around_each(host):
    photo = host.inputs["portrait.png"]
    small = torch.nn.functional.interpolate(photo.movedim(-1, 1), scale_factor=0.6, mode="area").movedim(1, -1)
    farther = photo[:, :1, :1].expand_as(photo).clone()
    farther[:, -small.shape[1] :, 40 : 40 + small.shape[2]] = small
    batch = torch.cat([photo, farther])
    portrait = host.execute("Real3DPreparePortrait", image=batch)[0]
    assert portrait.items[0].window.side != portrait.items[1].window.side
    frames = torch.rand(4, 64, 64, 3)
    part = host.execute("Real3DPasteBack", frames=frames, portrait=portrait, original=batch, framing="around the portrait")[0]
    assert len(part) == 4 and part.shape[1] <= photo.shape[1]


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


@pytest.fixture(scope="module")
def counting_clip(host, tmp_path_factory):
    """A film without sound of five frames at 12.5 a second, 0.4 s, each of its own grey."""
    path = tmp_path_factory.mktemp("clips") / "counting.mp4"
    greys = torch.linspace(0.2, 0.8, 5)[:, None, None, None].expand(5, 48, 96, 3)
    stream = host.core("stream").FrameStream(5, 12.5, lambda start, stop: greys[start:stop])
    host.core("media.video").write_video(path, stream, None)
    return path


class TestBackgroundVideo:
    """A clip behind the person."""

    @pytest.fixture(params=["file", "frames in memory"])
    def clip(self, request, counting_clip):
        greys = torch.linspace(0.2, 0.8, 5)[:, None, None, None].expand(5, 48, 96, 3)
        parts = types.SimpleNamespace(images=greys, audio=None, frame_rate=Fraction(25, 2))
        return VideoFromFile(str(counting_clip), 0.4) if request.param == "file" else VideoFromComponents(parts)

    def test_it_goes_by_its_own_time(self, host, stages, clip):
        frames = host.execute("Real3DSuperResolution", **composing(stages, background_video=clip))[0]
        wanted = torch.linspace(0.2, 0.8, 5)[[0, 0, 1, 1, 2, 2]]  # 12.5 a second shown at 25
        seen = frames[:, 1, 1].mean(-1)
        assert torch.allclose(seen, wanted, atol=0.16) and (seen[1:] - seen[:-1] > -0.01).all() and seen[-1] - seen[0] > 0.2

    def test_it_begins_again_when_it_ends(self, host, stages, clip):
        backdrop = host.part("backdrop").backdrop(None, clip, 64, 25.0)
        behind = host.core("portrait.framing").behind
        assert len(backdrop) == 10 and behind(backdrop, 0, 1).shape == (1, 3, 64, 64)
        assert torch.equal(behind(backdrop, 8, 13)[2:], behind(backdrop, 0, 3)) and not torch.equal(*behind(backdrop, 9, 11))

    def test_two_backgrounds_are_refused(self, host, stages, simple, clip):
        for make in (simple, lambda **inputs: host.execute("Real3DTalkingPortraitToVideo", **composing(stages, **inputs))):
            with pytest.raises(host.core("errors").Real3DError, match="Two backgrounds are connected"):
                make(background=torch.zeros(1, 64, 64, 3), background_video=clip)

    def test_every_node_that_makes_frames_shows_it(self, host, stages, simple, clip, tmp_path):
        lit = simple(background_video=clip, framing="crop")[1]
        assert lit[0, 1, 1].mean() == pytest.approx(0.5, abs=0.02)  # frame 14 is frame 4 of the second round, at 0.16 s
        film = host.execute("Real3DTalkingPortraitToVideo", **composing(stages, background_video=clip))[0][0]
        frames = host.execute("Real3DSuperResolution", **composing(stages, background_video=clip))[0]
        assert (film.get_components().images - frames).abs().max() <= 0.501 / 255, "a film has 8 bits per colour"
        beside = host.execute("Real3DSideBySide", **composing(stages, background_video=clip))[0]
        assert torch.equal(beside[:, :, 4 * 128 :], frames)


class TestPlanesAsLatent:
    """Planes for nodes that calculate with latents."""

    @pytest.fixture
    def latent(self, host, stages):
        return host.execute("Real3DPlanesToTensor", planes=stages["planes"])[1]

    def back(self, host, planes, latent):
        return host.execute("Real3DPlanesFromTensor", planes=planes, tensor=latent)[0]

    @pytest.mark.parametrize("kind", ["planes", "moving"])
    def test_they_come_back_exactly(self, host, stages, kind):
        planes = stages[kind]
        latent = host.execute("Real3DPlanesToTensor", planes=planes)[1]
        own = planes.streams[0].frames(0, len(planes.streams[0]))
        assert latent["samples"].shape == (len(own), 96, 256, 256)
        assert torch.equal(latent["samples"][:, 32:64], own.features[:, 1]), "plane after plane"
        again = self.back(host, planes, latent)
        assert again.moving == planes.moving and again.streams[0].fps == planes.streams[0].fps
        assert torch.equal(again.streams[0].frames(0, len(own)).features, own.features)

    def test_what_others_calculate_is_what_is_rendered(self, host, stages, latent):
        changed = latent.copy()
        changed["samples"] = torch.nn.functional.interpolate(
            latent["samples"] * 0.5 + latent["samples"] * 0.5, size=(128, 128), mode="area"
        )
        planes = self.back(host, stages["planes"], changed)
        camera = host.execute("Real3DCameraPath", frames=1, portrait=stages["portrait"])[0]
        whole, half = (
            host.execute("Real3DRenderHead", avatar=stages["avatar"], planes=one, camera=camera, resolution=32)[0].streams[0].frames(0, 1)
            for one in (stages["planes"], planes)
        )
        assert (whole.opacity - half.opacity).abs().mean() < 0.05 < half.opacity.mean()

    def test_resized_planes_are_refused_where_they_would_be_moved(self, host, stages, latent):
        latent["samples"] = torch.nn.functional.interpolate(latent["samples"], scale_factor=2)
        planes = self.back(host, stages["planes"], latent)
        with pytest.raises(host.core("errors").Real3DError, match="512 x 512, the avatar moves planes of 256 x 256"):
            host.execute("Real3DMotionAdapter", avatar=stages["avatar"], planes=planes, motion=stages["motion"])

    def test_two_portraits_are_two_rows(self, host, stages, latent):
        heads = host.part("sockets").Heads
        two = heads.at_rest("analytic", stages["planes"].still("") * 2)
        both = host.execute("Real3DPlanesToTensor", planes=two)[1]
        assert torch.equal(both["samples"], torch.cat([latent["samples"]] * 2))
        assert len(self.back(host, two, both).streams) == 2

    @pytest.mark.parametrize("shape", [(1, 4, 64, 64), (2, 96, 256, 256), (1, 96, 8, 8, 8)], ids=str)
    def test_another_latent_is_refused(self, host, stages, shape):
        with pytest.raises(host.core("errors").Real3DError, match=r"these planes are \[1, 96, 256, 256\] as a latent"):
            self.back(host, stages["planes"], {"samples": torch.zeros(shape)})

    def test_numbers_of_another_avatar_are_refused(self, host, stages, latent):
        tensor = host.execute("Real3DPlanesToTensor", planes=stages["planes"])[0]
        for other in (replace(tensor, avatar="real3d"), {**latent, "real3d_avatar": "real3d"}):
            with pytest.raises(host.core("errors").Real3DError, match="belongs to the avatar 'real3d', the planes to 'analytic'"):
                self.back(host, stages["planes"], other)

    def test_numbers_that_are_none_are_refused(self, host, stages, latent):
        broken = {"samples": latent["samples"] / 0}
        with pytest.raises(host.core("errors").Real3DError, match="not finite"):
            self.back(host, stages["planes"], broken).streams[0].frames(0, 1)

    def test_a_long_film_of_planes_stops_the_nodes_behind_the_latent_only(self, host, stages, monkeypatch):
        blocker = types.SimpleNamespace(ExecutionBlocker=lambda sentence: types.SimpleNamespace(message=sentence))
        monkeypatch.setitem(sys.modules, "comfy_execution.graph_utils", blocker)
        frames = host.core("stream").FrameStream(33, 25.0, lambda start, stop: pytest.fail("computed"))
        tensor, latent = host.execute("Real3DPlanesToTensor", planes=replace(stages["moving"], streams=(frames,)))
        assert len(tensor.streams[0]) == 33 and "33 frames of planes are too many for a latent" in latent.message


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


class TestSimple:
    """The one node that does everything."""

    def test_it_makes_films_of_another_rate(self, host, simple, tmp_path):
        videos, last, fps = simple(fps=23.976)
        assert fps == 24000 / 1001 and videos[0].get_frame_rate() == Fraction(24000, 1001)
        assert videos[0].get_frame_count() == 15 and last.shape == (1, 64, 64, 3)  # 0.6 s
        videos[0].save_to(str(tmp_path / "film.mp4"))
        assert host.core("media.video").open_clip(tmp_path / "film.mp4").fps == pytest.approx(24000 / 1001, abs=1e-6)
        assert simple()[2] == 25.0

    def test_its_options_are_those_of_the_stages(self, host):
        def described(node_id: str, name: str) -> dict:
            socket = next(one for one in host.nodes[node_id].GET_SCHEMA().inputs if one.id == name)
            return {**socket.as_dict(), "optional": None}

        for stage, name in (("PreparePortrait", "face_index"), ("PreparePortrait", "face_area"), ("AudioToMotion", "transcript")):
            assert described("Real3DTalkingPortrait", name) == described(f"Real3D{stage}", name)

    def test_it_takes_the_face_that_is_asked_for(self, host, simple):
        with pytest.raises(host.core("errors").NoFaceError, match="shows 1"):
            simple(face_index=1)
        with pytest.raises(host.core("errors").Real3DError, match=r"'face_area' is 0\.9"):
            simple(face_area=0.9)
        wide, close = (simple(face_area=area, framing="crop")[1] for area in (0.2, 0.5))
        assert (wide - close).abs().mean() > 0.02

    def test_it_times_the_lips_by_the_words(self, host, simple, monkeypatch):
        styles = []
        analytic = host.core("analytic.avatar").AnalyticAvatar
        real = analytic.audio_to_motion
        monkeypatch.setattr(
            analytic, "audio_to_motion", lambda self, sound, style, *more: (styles.append(style), real(self, sound, style, *more))[1]
        )
        simple(transcript=" oh no ")
        simple()
        assert [style.transcript for style in styles] == ["oh no", None]


def test_a_cancelled_film_leaves_no_file(host, stages, tmp_path):
    film = host.execute("Real3DTalkingPortraitToVideo", **composing(stages, audio=host.inputs["voice.wav"]))[0][0]
    restore = interrupted(host, after=0)
    try:
        with pytest.raises(InterruptedError):
            film.save_to(str(tmp_path / "film.mp4"))
    finally:
        restore()
    assert not list(tmp_path.iterdir())
    film.save_to(str(tmp_path / "film.mp4"))
    assert [path.name for path in tmp_path.iterdir()] == ["film.mp4"]


def test_a_film_can_be_read_as_a_stream_and_as_frames(host, stages):
    film = host.execute("Real3DTalkingPortraitToVideo", **composing(stages))[0][0]
    assert (film.get_dimensions(), film.get_frame_count(), film.get_duration()) == ((128, 128), 6, 0.24)
    assert Path(film.get_stream_source()).read_bytes()[4:8] == b"ftyp"
    frames, *_ = host.execute("Real3DSuperResolution", **composing(stages))
    assert (film.get_components().images - frames).abs().max() <= 0.501 / 255, "a film has 8 bits per colour"


def test_pictures_that_do_not_fit_into_memory_are_refused_before_they_are_made(host, stages, monkeypatch):
    monkeypatch.setattr(host.part("runtime.progress").model_management, "get_free_memory", lambda *_: 1e5)
    with pytest.raises(host.core("errors").Real3DError, match="Talking portrait to video"):
        host.execute("Real3DSuperResolution", **composing(stages))


def test_kept_planes_and_motions_come_back_as_they_were(host, stages):
    file = host.execute("Real3DSavePlanes", planes=stages["planes"])[0]
    loaded = host.execute("Real3DLoadPlanes", file=file)[0]
    assert torch.equal(loaded.streams[0].frames(0, 1).features, stages["planes"].streams[0].frames(0, 1).features)
    assert file in host.nodes["Real3DLoadPlanes"].GET_SCHEMA().inputs[0].options
    file = host.execute("Real3DSaveMotion", motion=stages["motion"], filename_prefix="real3d/a b \u8bed")[0]
    again = host.execute("Real3DLoadMotion", file=file)[0]
    assert again.basis == stages["motion"].basis and torch.equal(again.expression, stages["motion"].expression)
    with pytest.raises(host.core("errors").Real3DError, match="holds no planes"):
        host.execute("Real3DLoadPlanes", file=file)


def test_each_loader_lists_its_own_kind(host, stages):
    """Other files in the folders, broken ones too, are in neither list."""
    from safetensors.torch import save_file

    planes = host.execute("Real3DSavePlanes", planes=stages["planes"], filename_prefix="kinds/head")[0]
    motion = host.execute("Real3DSaveMotion", motion=stages["motion"], filename_prefix="kinds/nod")[0]
    folder = host.folder / "output" / "kinds"
    save_file({"weight": torch.zeros(2)}, folder / "checkpoint.safetensors")
    save_file({"weight": torch.zeros(2)}, folder / "converted.safetensors", metadata={"real3d": '{"audio_dim": 64}'})
    save_file({"weight": torch.zeros(2)}, folder / "listed.safetensors", metadata={"real3d": "[1]"})
    for name, content in (
        ("empty", b""),
        ("long", b"\xff" * 64),
        ("text", b"\x04\0\0\0\0\0\0\0[1]{"),
        ("deep", b"\0\0\x08\0\0\0\0\0" + b"[" * 2**19),
    ):
        (folder / f"{name}.safetensors").write_bytes(content)
    (folder / "folder.safetensors").mkdir(exist_ok=True)

    def listed(node: str) -> list[str]:
        return [name for name in host.nodes[node].GET_SCHEMA().inputs[0].options if name.startswith("kinds/")]

    assert listed("Real3DLoadPlanes") == [planes] and listed("Real3DLoadMotion") == [motion]
    whole = (folder / motion.removesuffix(" [output]").removeprefix("kinds/")).read_bytes()
    (folder / "cut.safetensors").write_bytes(whole[:20])
    assert listed("Real3DLoadMotion") == [motion]
    (folder / "cut.safetensors").write_bytes(whole)
    assert len(listed("Real3DLoadMotion")) == 2, "a file that changes is read again"


def test_a_checkpoint_that_is_none_is_refused_in_one_sentence(host):
    (host.folder / "models" / "real3d" / "wrong.safetensors").write_bytes(b"not a checkpoint")
    assert host.nodes["Real3DLoadAvatar"].validate_inputs(avatar="wrong.safetensors") is True
    with pytest.raises(host.core("errors").Real3DError) as caught:
        host.execute("Real3DLoadAvatar", avatar="wrong.safetensors")
    assert "wrong.safetensors" in str(caught.value) and "\n" not in str(caught.value)


def test_model_files_are_also_looked_for_where_the_host_keeps_its_own_landmarker(host, monkeypatch):
    runtime = host.part("runtime.folders")
    models = host.folder / "models"
    assert list(runtime.model_folders().paths) == [models / "real3d", models / "detection"], (
        "also where the host knows no such kind, as 0.3.64"
    )
    own = {"real3d": [models / "real3d"], "detection": ["there", "elsewhere"]}
    monkeypatch.setattr(runtime.folder_paths, "get_folder_paths", own.__getitem__)
    assert [folder.name for folder in runtime.model_folders().paths] == ["real3d", "there", "elsewhere"]
    assert runtime.detection_folder().name == "there"


def test_a_checkpoint_is_not_taken_from_the_host_s_folder_of_detection_models(host, monkeypatch, tmp_path):
    runtime = host.part("runtime.folders")
    (tmp_path / "face.safetensors").write_bytes(b"a detector")
    folders = {"real3d": [host.folder / "models" / "real3d"], "detection": [tmp_path]}
    monkeypatch.setattr(runtime.folder_paths, "get_folder_paths", folders.__getitem__)
    with pytest.raises(host.core("errors").MissingModelError, match="no checkpoint 'face"):
        host.execute("Real3DLoadAvatar", avatar="face.safetensors")


def test_a_face_that_is_not_there_is_one_sentence(host):
    with pytest.raises(host.core("errors").NoFaceError, match="No face was found"):
        host.execute("Real3DPreparePortrait", image=torch.rand(1, 256, 256, 3))


class TestConversions:
    """Pictures, masks and sounds as other nodes hand them over."""

    @pytest.mark.parametrize("mask", [torch.zeros(1, 64, 64), torch.ones(64, 64)], ids=["empty", "inverted empty"])
    def test_a_mask_that_is_the_same_all_over_means_none(self, host, mask):
        assert host.part("conversions").person_masks(mask, 2) == [None, None]

    @pytest.mark.parametrize("shape", [(20, 30), (1, 20, 30), (1, 1, 20, 30), (1, 20, 30, 1)], ids=str)
    def test_one_mask_serves_a_batch(self, host, shape):
        masks = host.part("conversions").person_masks(torch.linspace(0, 1, 600).reshape(shape), 2)
        assert len(masks) == 2 and masks[1].shape == (20, 30)

    def test_one_small_mask_of_two_axes_serves_a_batch_of_photos(self, host):
        photo = host.inputs["portrait.png"].expand(2, -1, -1, -1)
        mask = torch.zeros(48, 64)
        mask[8:, 12:52] = 1
        person = host.execute("Real3DPreparePortrait", image=photo, person_mask=mask)[5]
        assert person.shape == (2, 512, 512) and torch.equal(person[0], person[1]) and 0.3 < person[0].mean() < 0.7

    @pytest.mark.parametrize("channels", [1, 4])
    def test_pictures_of_one_or_four_channels_do_everywhere(self, host, stages, channels):
        grey = torch.rand(1, 40, 60, 1).expand(-1, -1, -1, 3)
        other = grey[..., :1] if channels == 1 else torch.cat([grey, torch.ones(1, 40, 60, 1)], dim=-1)
        wanted, frames = (host.execute("Real3DSuperResolution", **composing(stages, background=one))[0] for one in (grey, other))
        assert torch.equal(wanted, frames)
        photo = host.inputs["portrait.png"].mean(-1, keepdim=True).expand(-1, -1, -1, 3)
        alike = photo[..., :1] if channels == 1 else torch.cat([photo, torch.ones_like(photo[..., :1])], dim=-1)
        wanted, pasted = (
            host.execute("Real3DPasteBack", frames=frames[..., :channels], portrait=stages["portrait"], original=one)[0]
            for one in (photo, alike)
        )
        assert torch.equal(wanted, pasted) and pasted.shape[-1] == 3
        square = other[:, :, :40]
        recoloured = host.execute("Real3DReplaceRenderColour", render=stages["render"], image=square)[0]
        assert recoloured.streams[0].frames(0, 1).features.shape[1] == 32

    def test_transparent_parts_of_a_picture_are_background(self, host):
        picture = host.inputs["portrait.png"]
        alpha = torch.zeros(*picture.shape[:3], 1)
        alpha[:, :190, 130:330] = 1  # head without shoulders
        cut = host.execute("Real3DPreparePortrait", image=torch.cat([picture, alpha], dim=-1))[5]
        whole = host.execute("Real3DPreparePortrait", image=picture)[5]
        assert cut[0, -8:].mean() < 0.1 < whole[0, -8:].mean()

    def test_what_hides_under_transparency_does_not_show(self, host):
        picture = torch.tensor([[[[0.2, 0.4, 0.6, 1.0], [0.9, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.5]]]])
        colours = host.part("conversions").colours
        assert torch.allclose(colours(picture), torch.tensor([[[[0.2, 0.4, 0.6], [1.0, 1.0, 1.0], [0.5, 0.5, 0.5]]]]))
        assert torch.equal(colours(picture[..., :3]), picture[..., :3])

    @pytest.mark.parametrize("channels", ["one", "equal", "unlike"])
    def test_whole_numbers_with_interleaved_channels_are_sorted_out(self, host, channels):
        voice = host.inputs["voice.wav"]["waveform"][0, 0]
        other = voice if channels == "equal" else voice.roll(3000) * 0.7
        pair = voice[None] if channels == "one" else torch.stack([voice, other])
        row = (pair.T.reshape(1, 1, -1) * 32767).to(torch.int16)
        heard = host.part("conversions").sound({"waveform": row, "sample_rate": 16000})
        assert heard.samples.shape == pair.shape
        assert torch.allclose(heard.samples, pair, atol=2e-4)

    @pytest.mark.parametrize(
        "audio",
        [
            None,
            {"waveform": None, "sample_rate": 16000},
            {"waveform": torch.zeros(1, 1, 0), "sample_rate": 16000},
            {"waveform": torch.zeros(1, 1, 160), "sample_rate": 16000},
            {"waveform": torch.zeros(1, 1, 16000), "sample_rate": 0},
        ],
        ids=["none", "silent video", "empty", "too short", "no rate"],
    )
    def test_a_sound_that_can_not_move_a_face_is_one_sentence(self, host, audio):
        with pytest.raises(host.core("errors").SoundError) as caught:
            host.part("conversions").sound(audio)
        assert "\n" not in str(caught.value)

    def test_a_part_of_a_file_drives_alone(self, host, stages, tmp_path):
        film = host.execute("Real3DTalkingPortraitToVideo", **composing(stages))[0][0]
        film.save_to(str(tmp_path / "film.mp4"))
        parts = types.SimpleNamespace(images=torch.zeros(2, 8, 8, 3), frame_rate=25)
        whole, part = (VideoFromFile(str(tmp_path / "film.mp4"), seconds, parts) for seconds in (0.24, 0.08))
        expected, clip = host.core("pipeline").clip_frames, host.part("conversions").driving_clip
        assert (expected(clip(whole)), expected(clip(part))) == (6, 2)

    def test_a_batch_of_images_drives_at_its_own_rate(self, host):
        frames = torch.arange(12.0)[:, None, None, None].expand(12, 4, 4, 3) / 255
        clip = host.part("conversions").driving_clip(None, frames, 12.5)
        pictures = [picture[0, 0, 0] for picture in clip.frames()]
        assert host.core("pipeline").clip_frames(clip) == 24 and np.array_equal(pictures, np.repeat(np.arange(12), 2))


class TestOffloading:
    """Avatars with networks, which ComfyUI moves to the device and away again."""

    class Trained:
        """Stands for an avatar with networks."""

        def __init__(self, stream):
            self.video, self.audio, self.stream = (torch.nn.Linear(2, 2), torch.nn.Linear(2, 2)), (torch.nn.Linear(3, 3),), stream

        def __getattr__(self, name):
            return lambda *arguments, **named: self.stream

        def video_networks(self):
            return self.video

        def audio_networks(self):
            return self.audio

    @pytest.fixture
    def trained(self, host):
        return self.Trained(host.core("stream").FrameStream(5, 25.0, lambda start, stop: torch.arange(start, stop)))

    @pytest.fixture
    def brought(self, host, monkeypatch):
        """The networks that ComfyUI is asked for, call by call."""
        calls, management = [], host.part("runtime.device").model_management
        monkeypatch.setattr(management, "load_models_gpu", lambda models, **_: calls.append(tuple(one.model for one in models)))
        return calls

    @pytest.mark.parametrize(("verb", "networks"), [("lift", "video"), ("audio_to_motion", "audio")])
    def test_networks_are_there_when_a_verb_needs_them(self, host, trained, brought, verb, networks):
        getattr(host.part("runtime.device").HostedAvatar(trained), verb)(None)
        assert brought == [getattr(trained, networks)]

    @pytest.mark.parametrize(("verb", "inputs"), [("adapt", 2), ("compose", 3), ("person_mask", 3)])
    def test_networks_are_called_back_for_every_chunk(self, host, trained, brought, verb, inputs):
        stream = getattr(host.part("runtime.device").HostedAvatar(trained), verb)(*[None] * inputs)
        assert torch.cat(list(stream.chunks(2))).tolist() == [0, 1, 2, 3, 4] and brought == [trained.video] * 3

    def test_the_built_in_avatar_needs_no_device(self, host, stages, brought):
        host.execute("Real3DImageToPlane", avatar=stages["avatar"], portrait=stages["portrait"])
        assert brought == []

    def test_networks_are_loaded_to_where_the_host_keeps_idle_models(self, host, monkeypatch):
        """Never straight to the graphics card: ComfyUI makes room first."""
        kind, runtime, given = host.core("real3d.kind"), host.part("runtime.device"), []
        monkeypatch.setattr(
            host.core("real3d.official_files"), "load_real3d_avatar", lambda options: given.append(options) or self.Trained(None)
        )
        monkeypatch.setattr(runtime.model_management, "unet_offload_device", lambda: torch.device("meta"))
        monkeypatch.setattr(runtime, "_model_path", Path)
        runtime.load_avatar("networks.ckpt", half=True)
        (options,) = given
        assert options.offload_device == torch.device("meta") and options.half and kind.KIND.name == "real3d"


def marching(host, stages, backend, monkeypatch):
    """What 'Render head' writes below itself, and the picture it makes."""
    server = importlib.import_module("server")
    shown = []
    monkeypatch.setattr(server.PromptServer.instance, "send_progress_text", lambda text, node: shown.append((node, text)), raising=False)
    monkeypatch.setattr(host.nodes["Real3DRenderHead"], "hidden", types.SimpleNamespace(unique_id="7"))
    inputs = {"avatar": stages["avatar"], "planes": stages["moving"], "camera": stages["camera"], "resolution": 16}
    render = host.execute("Real3DRenderHead", **inputs, backend=backend)[0]
    (line,) = shown
    return line, render.streams[0].frames(0, 1).features


def test_every_back_end_is_offered_and_the_one_in_use_is_shown(host, stages, monkeypatch):
    cuda_ops = importlib.import_module(f"{host.module.__name__}.cuda_ops")
    (widget,) = [one for one in host.nodes["Real3DRenderHead"].GET_SCHEMA().inputs if one.id == "backend"]
    assert widget.options == ["auto", *cuda_ops.NAMES, "reference"]
    line, expected = marching(host, stages, "reference", monkeypatch)
    assert line == ("7", "Ray marching: reference")
    line, found = marching(host, stages, "torch", monkeypatch)
    assert line == ("7", "Ray marching: torch") and torch.allclose(found, expected, atol=1e-3)
    line, found = marching(host, stages, "auto", monkeypatch)
    assert line == ("7", f"Ray marching: {cuda_ops.chosen('cpu').name}") and torch.allclose(found, expected, atol=1e-3)
    if not torch.cuda.is_available():
        line, found = marching(host, stages, "cuda-nvrtc", monkeypatch)
        assert line[1] == f"Ray marching: {cuda_ops.chosen('cpu').name} (cuda-nvrtc cannot be used here: see the log)"


@pytest.mark.parametrize("backend", ["abacus", "../torch", "", "cpu-ext\0", 7, None, ["torch"]])
def test_a_back_end_that_there_is_not_is_refused_in_words(host, stages, backend):
    inputs = {"avatar": stages["avatar"], "planes": stages["moving"], "camera": stages["camera"]}
    with pytest.raises(host.core("errors").Real3DError, match=r"is not a choice of the input 'backend': choose one of auto, cuda-nvrtc, "):
        host.execute("Real3DRenderHead", **inputs, backend=backend)


@pytest.mark.parametrize("provenance", [True, False])
def test_a_film_says_that_it_is_generated_unless_that_is_switched_off(host, stages, tmp_path, provenance):
    film = host.execute("Real3DTalkingPortraitToVideo", **composing(stages), provenance=provenance)[0][0]
    film.save_to(str(tmp_path / "film.mp4"), metadata={"workflow": {"nodes": []}})
    with av.open(str(tmp_path / "film.mp4")) as container:
        metadata = dict(container.metadata)
    assert json.loads(metadata["workflow"]) == {"nodes": []}
    assert metadata.get("DigitalSourceType", "").endswith("algorithmicMedia") == provenance
    assert ("avatar analytic" in metadata.get("comment", "")) == provenance
