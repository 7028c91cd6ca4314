"""What face and head do beside the lips."""

import numpy as np
import pytest

from real3d_core.speech.acting import ACTED, acted_face, acted_head, asked
from real3d_core.speech.controls import SPEECH_CONTROLS, speech_controls
from real3d_core.speech.prosody import Prosody, Stress, prosody
from real3d_core.speech.spelling import questions_of

FPS = 25.0
BROWS = ("brow_raise", "brow_inner_raise", "brow_outer_left", "brow_outer_right", "brow_furrow")
SILENT = Prosody(np.zeros(500), (), ())


def times(seconds: float, fps: float = FPS) -> np.ndarray:
    return (np.arange(round(seconds * fps)) + 0.5) / fps


def face(spoken: Prosody, seconds: float = 5.0, **options) -> dict[str, np.ndarray]:
    return acted_face(spoken, times(seconds), np.zeros(round(seconds * FPS)), **options)


def test_without_acting_only_the_lips_speak(speech, clip):
    frames = int(np.ceil(len(speech[clip]) / 640))
    plain, acted, none = (speech_controls(speech[clip], frames, FPS, **options) for options in ({}, {"acting": 1.0}, {"acting": 0.0}))
    assert tuple(none) == SPEECH_CONTROLS and not set(SPEECH_CONTROLS) & set(ACTED)
    for name in SPEECH_CONTROLS:
        assert np.array_equal(none[name], plain[name]) and np.array_equal(acted[name], plain[name])
    assert set(acted) == {*SPEECH_CONTROLS, *ACTED}


def test_the_amount_scales_the_acting(speech):
    samples = speech["librivox_0880_en.wav"]
    half, whole = (speech_controls(samples, 75, FPS, acting=amount) for amount in (0.5, 1.0))
    assert np.allclose(half["lids_wide"], 0.5 * whole["lids_wide"], atol=1e-6) and whole["lids_wide"].max() > 0.05


def test_nobody_acts_in_silence_or_noise():
    assert not any(curve.any() for curve in face(SILENT).values())
    for samples in (np.zeros(48000), 0.001 * np.random.default_rng(0).standard_normal(48000)):
        spoken = prosody(samples.astype(np.float32))
        assert max(curve.max() for curve in face(spoken, 3.0).values()) < 0.2
        assert np.degrees(np.abs(acted_head(spoken, times(3.0))[0])).max() < 1.0


@pytest.mark.parametrize("seed", range(4))
def test_brows_rise_with_what_is_stressed_and_not_alike(seed):
    spoken = Prosody(np.zeros(2000), tuple(Stress(2.0 * n + 1.0, 1.0, 1.0) for n in range(9)), ())
    curves = acted_face(spoken, times(20.0, 100.0), np.zeros(2000), seed)
    peaks = curves["brow_raise"].reshape(-1, 200).argmax(1)[:9] / 100
    lifted = curves["brow_raise"].reshape(-1, 200).max(1)[:9]
    assert (np.abs(peaks[lifted > 0.05] - 1.0) < 0.1).all() and 5 <= (lifted > 0.05).sum() <= 9
    assert len(set(lifted.round(3))) > 4 and lifted.max() < 0.5
    assert np.abs(curves["brow_outer_left"] - curves["brow_outer_right"]).max() > 0.02


def test_a_low_loud_syllable_is_driven_home_by_lowered_brows():
    spoken = Prosody(np.zeros(4000), tuple(Stress(2.0 * n + 1.0, 1.0, -1.0) for n in range(19)), ())
    curves = face(spoken, 40.0)
    assert curves["brow_furrow"].max() > 0.15 and curves["lids_tight"].max() > 0.1


def test_a_question_lifts_the_brows_over_its_last_words():
    question = ((2.0, 2.9), (2.5, 2.9))
    curves = face(SILENT, questions=[question])
    time = times(5.0)
    assert curves["brow_raise"][(time > 2.5) & (time < 3.0)].min() > 0.3
    assert not curves["brow_raise"][(time < 1.7) | (time > 4.0)].any()


def test_a_question_mark_in_the_transcript_is_acted(speech, transcripts):
    name = "librivox_0880_en.wav"
    said, asking = (speech_controls(speech[name], 75, FPS, transcripts[name] + mark, acting=1.0) for mark in (".", "?"))
    rise = asking["brow_raise"] - said["brow_raise"]
    assert rise[60:68].min() > 0.1 and not rise[:38].any()
    assert all(np.array_equal(said[control], asking[control]) for control in SPEECH_CONTROLS)


def test_the_last_words_of_each_question_are_found():
    words = {n: (0.5 * n, 0.5 * n + 0.4) for n in range(10)}
    assert questions_of("You? Oh yes. Do you really mean it?") == [0, 7]
    assert asked(words, [0, 7]) == [((0.0, 0.4), (0.0, 0.4)), ((3.0, 3.9), (3.5, 3.9))]
    assert asked({}, [3]) == [] and questions_of("? No.") == [] and questions_of("¿Qué? ¡No!") == [0]


@pytest.mark.parametrize("fps", [25.0, 60.0])
def test_it_begins_at_rest_and_never_jerks(speech, fps):
    spoken = prosody(np.tile(speech["librivox_0870_en.wav"], 3))
    time = times(20.0, fps)
    curves = acted_face(spoken, time, np.zeros(len(time)))
    euler, lift = acted_head(spoken, time)
    assert not any(curve[0] for curve in curves.values()) and not euler[0].any() and not lift[0].any()
    for name, curve in curves.items():
        assert curve.min() >= 0 and curve.max() <= 1, name
        assert np.abs(np.diff(curve, 2)).max() * fps**2 < 60, f"{name} jerks"
    degrees = np.degrees(euler)
    assert (np.abs(degrees).max(0) < 4).all() and np.ptp(degrees[:, 0]) > 1
    assert np.abs(np.diff(degrees, axis=0)).max() * fps < 15


def test_the_same_seed_acts_the_same_and_another_seed_otherwise(speech):
    spoken = prosody(speech["librivox_0870_en.wav"])
    first, same, other = (face(spoken, 7.0, seed=seed) for seed in (3, 3, 4))
    assert all(np.array_equal(first[name], same[name]) for name in ACTED)
    assert any(not np.allclose(first[name], other[name]) for name in BROWS)
    assert not np.allclose(acted_head(spoken, times(7.0), 3)[0], acted_head(spoken, times(7.0), 4)[0])


def test_a_longer_sound_is_acted_like_a_shorter_one(speech):
    samples = np.tile(speech["librivox_0870_en.wav"], 4)
    short, long = prosody(samples[: 21 * 16000]), prosody(samples)
    for name in ACTED:
        assert np.allclose(face(short, 12.0)[name], face(long, 20.0)[name][:300], atol=1e-9)
    assert np.allclose(acted_head(short, times(12.0))[0], acted_head(long, times(20.0))[0][:300], atol=1e-9)


def test_a_speaker_breathes_in_pauses():
    spoken = Prosody(np.zeros(500), (), ((2.0, 2.8),))
    _, lift = acted_head(spoken, times(5.0))
    middle, before = round(2.5 * FPS), round(1.9 * FPS)
    assert lift[middle, 1] > 0.01 and not lift[before, 1] and not lift[-1, 1]
    assert face(spoken)["brow_raise"][middle] > 0.05
