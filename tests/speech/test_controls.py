"""From real speech to control curves."""

import numpy as np
import pytest

from benchmarks.speech_motion import filmed_correlation
from real3d_core.errors import SoundError
from real3d_core.speech import controls as module
from real3d_core.speech.articulation import Articulation
from real3d_core.speech.controls import SPEECH_CONTROLS, speech_controls

FPS = 25.0


def gap(curves: dict[str, np.ndarray]) -> np.ndarray:
    return curves["jaw_open"] * (1 - curves["lips_press"])


def centres(frames: int, fps: float = FPS) -> np.ndarray:
    return (np.arange(frames) + 0.5) / fps


@pytest.fixture
def spoken(speech, transcripts, clip):
    """The curves of a clip with and without its transcript, by whether it is known."""
    frames = int(np.ceil(len(speech[clip]) / 640))
    return {known: speech_controls(speech[clip], frames, FPS, transcripts[clip] if known else None) for known in (True, False)}


def test_every_control_has_one_value_a_frame_in_0_to_1(spoken, speech, clip):
    for curves in spoken.values():
        assert tuple(curves) == SPEECH_CONTROLS
        for name, curve in curves.items():
            assert curve.shape == (np.ceil(len(speech[clip]) / 640),), name
            assert curve.dtype == np.float32 and curve.min() >= 0 and curve.max() <= 1, name


@pytest.mark.parametrize("known", [True, False])
def test_lips_are_closed_on_b_p_and_m(speech, transcripts, spoken_at, known):
    """All frames of both clips with their words; 16 of the 17 by ear."""
    closed = []
    for name, samples in speech.items():
        frames = int(np.ceil(len(samples) / 640))
        labial = np.isin(spoken_at[name](centres(frames)), ["B", "P", "M"])
        closed += list(gap(speech_controls(samples, frames, FPS, transcripts[name] if known else None))[labial] <= 0.1)
    assert len(closed) == 17
    assert np.mean(closed) >= (1.0 if known else 0.92)


def test_the_mouth_is_lively(spoken, spoken_at, clip):
    """0.18 of an opening of 0.12 face heights are 0.022; issue 2 asks for more than 0.02."""
    voiced = spoken_at[clip](centres(len(spoken[True]["jaw_open"]))) != "SIL"
    for curves in spoken.values():
        assert gap(curves)[voiced].std() >= 0.18


def test_a_transcript_changes_little_where_hearing_is_good(spoken):
    assert np.corrcoef(gap(spoken[True]), gap(spoken[False]))[0, 1] >= 0.75


def test_digital_silence_is_rest(speech):
    samples = np.concatenate([speech["librivox_0880_en.wav"][:24000], np.zeros(16000, np.float32)])
    curves = speech_controls(samples, 70, FPS)
    assert gap(curves)[:37].max() > 0.4
    for name, curve in curves.items():
        assert not curve[45:].any(), name


def test_noise_is_rest():
    noise = 0.1 * np.random.default_rng(0).standard_normal(48000).astype(np.float32)
    curves = speech_controls(noise, 75, FPS)
    assert np.mean([max(curve[i] for curve in curves.values()) <= 0.05 for i in range(75)]) >= 0.9


def test_the_same_sound_gives_the_same_curves(speech):
    samples = speech["librivox_0880_en.wav"][4000:14000]
    first, second = (speech_controls(samples, 16, FPS) for _ in range(2))
    assert all(np.array_equal(first[name], second[name]) for name in SPEECH_CONTROLS)


@pytest.mark.parametrize("fps", [12.5, 24.0, 25.0, 30.0, 60.0])
def test_a_closure_is_never_missed_between_frames(monkeypatch, fps):
    """However short the closure and wherever it falls: shut in at least two frames, or in one where frames are very long."""
    wanted = 2 if fps >= 24 else 1
    for start in np.linspace(0.5, 0.6, 23):
        curves = {name: np.full(200, 0.5) for name in SPEECH_CONTROLS}
        shown = Articulation(curves, ((start, start + 0.02, 1.0),), ())
        monkeypatch.setattr(module, "_articulation", lambda samples, transcript, shown=shown: shown)
        press = speech_controls(np.zeros(32000, np.float32), int(2 * fps), fps)["lips_press"]
        assert (press == 1).sum() >= wanted
        assert press.max() == 1 and press[0] == 0 and press[-1] == 0


def test_amplitude_scales_the_opening_but_never_a_closure(speech):
    name = "librivox_0880_en.wav"
    small, usual = (speech_controls(speech[name], 75, FPS, amplitude=amplitude) for amplitude in (0.5, 1.0))
    assert np.allclose(small["jaw_open"], 0.5 * usual["jaw_open"], atol=1e-6)
    assert np.array_equal(small["lips_press"], usual["lips_press"])


def test_frames_after_the_sound_rest(speech):
    name = "librivox_0880_en.wav"
    short, long = (speech_controls(speech[name], frames, FPS) for frames in (70, 100))
    for control in SPEECH_CONTROLS:
        assert np.array_equal(short[control], long[control][:70])
        assert not long[control][76:].any()


@pytest.mark.parametrize("seconds", [0.2, 0.37])
def test_a_fifth_of_a_second_is_enough(speech, seconds):
    samples = speech["librivox_0880_en.wav"][12000 : 12000 + int(seconds * 16000)]
    frames = int(np.ceil(seconds * FPS))
    assert all(curve.shape == (frames,) and np.isfinite(curve).all() for curve in speech_controls(samples, frames, FPS).values())


def test_a_sound_without_samples_is_refused():
    with pytest.raises(SoundError, match="no samples"):
        speech_controls(np.zeros(0, np.float32), 5)


def test_lips_of_a_filmed_speaker_are_predicted_from_her_voice(shared_media):
    """Measured 0.545; the sound of this clip lags its picture by about 0.1 s."""
    assert filmed_correlation(shared_media / "driving" / "may_5s.mp4")[0] >= 0.54
