import dataclasses

import numpy as np
import pytest
import torch

from real3d_core import pipeline
from real3d_core.analytic import avatar as analytic_avatar
from real3d_core.analytic.avatar import AnalyticAvatar
from real3d_core.analytic.controls import BASIS
from real3d_core.analytic.lift import lift
from real3d_core.avatar import SpeechStyle
from real3d_core.avatar_kinds import AvatarOptions
from real3d_core.errors import ClipError, MotionMismatchError, Real3DError, SoundError
from real3d_core.face.canonical_face import canonical_face
from real3d_core.face.track import FaceTrack
from real3d_core.media.pictures import load_picture
from real3d_core.media.sound import Sound, load_sound
from real3d_core.mediapipe_models.model_files import ModelFolders
from real3d_core.motion.gaze import gaze_of
from real3d_core.motion.motion import Motion, MotionBasis
from real3d_core.pipeline import PipelineOptions, make_motion, refuse_impossible, with_head_pose
from real3d_core.portrait import remembered
from real3d_core.stream import exact_rate


@pytest.fixture(scope="module")
def avatar():
    return AnalyticAvatar(ModelFolders())


@pytest.fixture(scope="module")
def track():
    """Ten frames of a still face that turns its head a little and closes its eyes in the last two."""
    face = canonical_face(ModelFolders())
    shape = face.points / np.linalg.norm(face.points[10] - face.points[152])
    turn = np.linspace(0, 0.2, 10)
    rotations = np.stack([[[np.cos(a), 0, np.sin(a)], [0, 1, 0], [-np.sin(a), 0, np.cos(a)]] for a in turn])
    opening = np.full((10, 2), 0.3)
    opening[8:] = 0.05
    shapes = np.repeat(shape[None], 10, axis=0)
    seen = {"confidence": np.ones(10), "shots": np.zeros(10, int)}
    return FaceTrack(np.zeros((10, 478, 3)), shapes, rotations, np.zeros((10, 3)), np.zeros(10), opening, **seen)


def silence(seconds):
    return Sound(torch.zeros(1, round(16000 * seconds)), 16000)


def test_silence_leaves_the_face_at_rest_for_as_long_as_it_lasts(avatar):
    motion = make_motion(avatar, PipelineOptions(pose="static", blink="none"), silence(1.01))
    assert len(motion) == 26  # ceil(1.01 * 25): the last frame is not lost
    assert motion.expression.abs().max() == 0
    assert motion.euler.abs().max() == 0


def test_a_clip_lends_its_pose_and_blinks_to_a_voice(avatar, track):
    motion = make_motion(avatar, PipelineOptions(pose="driving", blink="driving", smoothing=0), silence(1.0), track)
    assert len(motion) == 25  # the ten frames are played to and fro
    yaw = motion.euler[:, 1]
    assert yaw[9] == pytest.approx(float(yaw[10])) and yaw[18] == pytest.approx(float(yaw[21]))
    assert motion.control("blink_left")[[8, 11]].min() > 0.9
    assert motion.control("blink_left")[:7].max() == 0


@pytest.mark.parametrize("spoken", [True, False])
def test_a_film_begins_with_the_photo_and_is_in_motion_a_fifth_of_a_second_later(avatar, track, spoken):
    """Whatever its driver does in the clip's first frame."""
    options = PipelineOptions(pose="driving", blink="driving", neutral=6, smoothing=0)
    shut = dataclasses.replace(track, eye_opening=np.where(np.arange(10)[:, None] == 6, [0.3, 0.3], 0.05))
    motion = make_motion(avatar, options, silence(0.4) if spoken else None, shut)
    assert not any(part[0].any() for part in (motion.expression, motion.euler, motion.translation))
    assert motion.euler[5, 1] == pytest.approx(-0.2 / 9)


def test_speech_that_begins_at_once_begins_with_the_photo_too(avatar, assets):
    spoken = load_sound(assets / "speech" / "librivox_0880_en.wav").samples[:, 40000:]
    motion = make_motion(avatar, PipelineOptions(), Sound(spoken, 16000))
    assert not motion.expression[0].any() and motion.control("speaking")[5] > 0.5


def test_a_clip_alone_drives_everything(avatar, track):
    motion = make_motion(avatar, PipelineOptions(pose="driving", blink="driving"), None, track)
    assert len(motion) == 10


def test_a_clip_whose_movement_is_not_wanted_is_not_fitted(avatar, track, monkeypatch):
    lent = make_motion(avatar, PipelineOptions(pose="sway", blink="driving"), silence(1.0), track)
    monkeypatch.setattr(avatar, "video_to_motion", None)
    again = make_motion(avatar, PipelineOptions(pose="sway", blink="driving"), silence(1.0), track)
    assert torch.equal(again.expression, lent.expression) and torch.equal(again.euler, lent.euler)


def test_every_portrait_of_a_batch_is_lifted_once(avatar, assets, monkeypatch):
    lifted = []
    monkeypatch.setattr(analytic_avatar, "lift", lambda portrait: lifted.append(portrait) or lift(portrait))
    photos = [load_picture(assets / "portraits" / f"synthetic_p00{number}.jpg") for number in (2, 9)]
    made = pipeline.talking_portraits(avatar, photos, PipelineOptions(size=64), ModelFolders(), silence(0.5))
    assert list(map(id, lifted)) == list(map(id, made.portraits))
    assert torch.equal(made.rest.features, lift(made.portraits[0]).features)


def test_the_next_film_of_a_photo_prepares_nothing_again(avatar, assets, monkeypatch):
    work = []

    def counted(module, name):
        real = getattr(module, name)
        monkeypatch.setattr(module, name, lambda *given: work.append(name) or real(*given))

    counted(remembered, "prepare_portrait")
    counted(analytic_avatar, "lift")
    counted(analytic_avatar, "PlaneBender")
    monkeypatch.setattr(remembered, "_PREPARED", remembered.OrderedDict())
    photo = load_picture(assets / "portraits" / "synthetic_p002.jpg")

    def film(seconds, picture=photo, **chosen):
        return pipeline.talking_portraits(avatar, [picture], PipelineOptions(size=64, **chosen), ModelFolders(), silence(seconds))

    one, other = film(0.5), film(0.8, fps=30.0)
    assert work == ["prepare_portrait", "lift", "PlaneBender"] and one.portraits == other.portraits
    for changed in ({"picture": photo[:-1]}, {"face_area": 0.3}):
        work.clear()
        film(0.5, **changed)
        assert work == ["prepare_portrait", "lift", "PlaneBender"]
    assert len(remembered._PREPARED) == 2


@pytest.mark.parametrize(("fps", "frames"), [(30.0, 60), (23.976, 48), (29.97, 60), (59.94, 120), (1.0, 2), (120.0, 240)])
def test_another_frame_rate_keeps_the_duration(avatar, fps, frames):
    motion = make_motion(avatar, PipelineOptions(pose="orbit", fps=fps), silence(2.0))
    assert len(motion) == frames and motion.fps == float(exact_rate(fps))
    assert 0 <= frames / exact_rate(fps) - 2 < 1 / exact_rate(fps)


@pytest.mark.parametrize(
    ("direction", "word"),
    [({}, "Nothing drives"), ({"pose": "driving"}, "no clip|clip"), ({"blink": "driving"}, "clip")],
)
def test_what_is_missing_is_told(avatar, direction, word):
    sound = silence(1.0) if direction else None
    with pytest.raises(Real3DError, match=word):
        make_motion(avatar, PipelineOptions(**direction), sound)


NAN, INFINITE = float("nan"), float("inf")


@pytest.mark.parametrize(
    "wrong",
    [
        *({"pose": "dance"}, {"blink": "wink"}),
        *({"fps": fps} for fps in (0, NAN, INFINITE, 1000, -25, "25")),
        *({"pose_amount": amount} for amount in (NAN, INFINITE, -INFINITE, 1e9)),
        *({"smoothing": smoothing} for smoothing in (NAN, INFINITE, -0.1, 99)),
        *({"neutral": frame} for frame in (-1, 10**12, 1.5)),
    ],
)
def test_a_direction_out_of_range_is_one_sentence(wrong):
    with pytest.raises(Real3DError) as failure:
        PipelineOptions(**wrong)
    assert len(str(failure.value)) < 120 and str(failure.value).endswith(".")


@pytest.mark.parametrize(
    "wrong",
    [
        *({"amplitude": amplitude} for amplitude in (NAN, INFINITE, -1, 99)),
        *({"temperature": temperature} for temperature in (NAN, INFINITE, -0.1, 1.1)),
        *({"acting": acting} for acting in (NAN, INFINITE, -0.1, 2.1)),
        *({"seed": seed} for seed in (-1, 2**63, 10**40, 1.5)),
        *({"transcript": transcript} for transcript in ("", " ", "?!", "你好")),
    ],
)
def test_a_style_of_speech_out_of_range_is_one_sentence(wrong):
    with pytest.raises(Real3DError) as failure:
        SpeechStyle(**wrong)
    assert len(str(failure.value)) < 160 and str(failure.value).endswith(".")


@pytest.mark.parametrize("device", ["banana", "", "meta", "cuda:99", "xla"])
def test_a_device_that_is_not_there_is_named(device):
    with pytest.raises(Real3DError, match=f"no device '{device}' here: choose cpu"):
        AvatarOptions(ModelFolders(), device=device)


def test_a_size_out_of_range_is_refused_before_anything_is_computed():
    for size in (0, -8, 63, 2**40, NAN, 512.0):
        with pytest.raises(Real3DError, match="The size is"):
            PipelineOptions(size=size)


def test_the_extremes_of_every_range_can_be_performed(avatar, track):
    for seed, amount in ((0, -3), (2**63 - 1, 3)):
        for blink in ("natural", "periodic"):
            style = SpeechStyle(amplitude=3, seed=seed)
            direction = PipelineOptions(pose_amount=amount, blink=blink, speech=style, smoothing=5, neutral=9, fps=120)
            assert len(make_motion(avatar, direction, silence(0.5), track)) == 60


def test_a_neutral_frame_must_be_one_of_the_clip(avatar, track):
    with pytest.raises(ClipError, match=r"neutral frame is 10, but the driving clip has 10"):
        make_motion(avatar, PipelineOptions(pose="driving", blink="driving", neutral=10), None, track)
    with pytest.raises(Real3DError, match="no driving clip"):
        make_motion(avatar, PipelineOptions(neutral=0), silence(1.0))


def test_more_words_than_the_sound_has_time_for_are_known_at_once():
    many = PipelineOptions(speech=SpeechStyle(transcript="hello " * 500))
    with pytest.raises(SoundError, match="does not fit the sound"):
        refuse_impossible(many, silence(2.0), None)
    refuse_impossible(many, silence(200.0), None)


def test_following_a_clip_never_shows_more_than_all(monkeypatch):
    """Its length is an estimate."""

    class Clip:
        duration = 0.08

        def frames(self):
            return iter([None] * 3)

    def followed(frames, models, progress):
        for number, _ in enumerate(frames, 1):
            progress(number)

    shown = []
    monkeypatch.setattr(pipeline, "track_face", followed)
    pipeline.follow(Clip(), ModelFolders(), lambda *step: shown.append(step))
    assert shown == [("Following the face", done, 2) for done in (1, 2, 2)]


def test_acting_leaves_a_static_head_alone_and_moves_one_that_sways(avatar, speech):
    voice = Sound(torch.from_numpy(speech["librivox_0880_en.wav"])[None], 16000)
    lips, acted = (
        {pose: make_motion(avatar, PipelineOptions(pose=pose, speech=SpeechStyle(acting=amount)), voice) for pose in ("static", "sway")}
        for amount in (0.0, 1.0)
    )
    assert not acted["static"].euler.any() and not acted["static"].translation.any()
    assert not torch.allclose(acted["sway"].euler, lips["sway"].euler, atol=0.005)
    assert acted["static"].control("lids_wide").any() and not lips["static"].control("lids_wide").any()


def test_a_head_whose_face_cannot_act_does_not_act_either(speech):
    voice = Sound(torch.from_numpy(speech["librivox_0880_en.wav"])[None], 16000)
    still = Motion.still(MotionBasis("official", (), 64), 75)
    lips, acted = (with_head_pose(still, "sway", sound=voice, acting=amount) for amount in (0.0, 1.0))
    assert torch.equal(lips.euler, acted.euler)


def test_the_same_seed_blinks_the_same_and_another_seed_otherwise(avatar):
    first, again, other = (
        make_motion(avatar, PipelineOptions(pose="static", speech=SpeechStyle(seed=seed)), silence(12.0)) for seed in (3, 3, 4)
    )
    assert torch.equal(first.expression, again.expression)
    assert not torch.equal(first.expression, other.expression)


def test_a_motion_of_another_avatar_is_refused():
    motion = Motion.still(MotionBasis("someone-else", (), 4), 3)
    with pytest.raises(MotionMismatchError, match="someone-else"):
        motion.require_basis(BASIS)


def test_eyes_look_about_by_themselves_and_stay_with_the_viewer(avatar):
    spoken = make_motion(avatar, PipelineOptions(pose="orbit", blink="none"), silence(4.0))
    gaze, yaw = torch.rad2deg(gaze_of(spoken)), torch.rad2deg(spoken.euler[:, 1])
    assert np.corrcoef(gaze[:, 0], -yaw)[0, 1] > 0.9
    assert torch.equal(spoken.expression, make_motion(avatar, PipelineOptions(pose="orbit", blink="none"), silence(4.0)).expression)
    still = make_motion(avatar, PipelineOptions(pose="orbit", blink="none", gaze=0.0), silence(4.0))
    assert gaze_of(still).abs().max() == 0


def test_eyes_look_where_the_clip_does_where_the_head_follows_it(avatar, track):
    driven = avatar.video_to_motion(track)
    spoken = make_motion(avatar, PipelineOptions(pose="driving", gaze=0.5), silence(1.0), track)
    assert torch.equal(gaze_of(spoken), 0.5 * gaze_of(driven.fitted(len(spoken))))
