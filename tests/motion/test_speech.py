"""From real speech to control curves."""

import logging

import numpy as np
import pytest

from benchmarks.speech_motion import filmed_correlation
from real3d_core.errors import SoundError
from real3d_core.motion import speech as module
from real3d_core.motion.articulation import Articulation
from real3d_core.motion.speech import SPEECH_CONTROLS, speech_controls

FPS = 25.0


def gap(curves: dict[str, np.ndarray]) -> np.ndarray:
    return curves["jaw_open"] * (1 - curves["lips_press"])


def centres(frames: int, fps: float = FPS) -> np.ndarray:
    return (np.arange(frames) + 0.5) / fps


@pytest.fixture
def spoken(monkeypatch, recognised, aligned, speech, clip):
    """The curves of a clip with and without its transcript, by `bool(transcript)`; its phonemes are not looked for again."""
    monkeypatch.setattr(module, "recognise", lambda samples: recognised[clip])
    monkeypatch.setattr(module, "align", lambda samples, transcript: aligned[clip])
    frames = int(np.ceil(len(speech[clip]) / 640))
    return {known: speech_controls(speech[clip], frames, FPS, "known" if known else None) for known in (True, False)}


def test_every_control_has_one_value_a_frame_in_0_to_1(spoken, speech, clip):
    for curves in spoken.values():
        assert tuple(curves) == SPEECH_CONTROLS
        for name, curve in curves.items():
            assert curve.shape == (np.ceil(len(speech[clip]) / 640),), name
            assert curve.dtype == np.float32 and curve.min() >= 0 and curve.max() <= 1, name


def test_lips_are_closed_in_every_frame_of_b_p_and_m(spoken, aligned, clip):
    """The whole bound of issue 2 is 90 %; nothing may be lost before the picture is drawn."""
    times = centres(len(spoken[True]["jaw_open"]))
    labial = [(times >= p.start) & (times < p.end) for p in aligned[clip] if p.symbol in ("B", "P", "M")]
    assert len(labial) >= 2
    assert gap(spoken[True])[np.any(labial, axis=0)].max() <= 0.1


def test_closures_are_found_without_a_transcript(spoken, aligned, clip):
    """Recognition may lose one: with the clips of this repository four of five are the least that is usable."""
    times = centres(len(spoken[False]["jaw_open"]))
    labial = np.any([(times >= p.start) & (times < p.end) for p in aligned[clip] if p.symbol in ("B", "P", "M")], axis=0)
    assert np.mean(gap(spoken[False])[labial] <= 0.1) >= 0.8


def test_the_mouth_is_lively(spoken, aligned, clip):
    """0.22 of an opening of 0.12 face heights are 0.026; issue 2 asks for more than 0.02."""
    times = centres(len(spoken[True]["jaw_open"]))
    voiced = np.any([(times >= p.start) & (times < p.end) for p in aligned[clip] if p.symbol != "SIL"], axis=0)
    for curves in spoken.values():
        assert gap(curves)[voiced].std() >= 0.22


def test_recognised_lips_move_like_aligned_ones(spoken):
    assert np.corrcoef(gap(spoken[True]), gap(spoken[False]))[0, 1] >= 0.85


def test_digital_silence_is_rest(pocketsphinx, speech):
    samples = np.concatenate([speech["librivox_0880_en.wav"][:24000], np.zeros(16000, np.float32)])
    curves = speech_controls(samples, 70, FPS)
    assert gap(curves)[:37].max() > 0.4
    for name, curve in curves.items():
        assert not curve[45:].any(), name


def test_the_same_sound_gives_the_same_curves(pocketsphinx, speech):
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


def test_amplitude_scales_the_opening_but_never_a_closure(monkeypatch, recognised, speech):
    name = "librivox_0880_en.wav"
    monkeypatch.setattr(module, "recognise", lambda samples: recognised[name])
    small, usual = (speech_controls(speech[name], 75, FPS, amplitude=amplitude) for amplitude in (0.5, 1.0))
    assert np.allclose(small["jaw_open"], 0.5 * usual["jaw_open"], atol=1e-6)
    assert np.array_equal(small["lips_press"], usual["lips_press"])


def test_frames_after_the_sound_rest(monkeypatch, recognised, speech):
    name = "librivox_0880_en.wav"
    monkeypatch.setattr(module, "recognise", lambda samples: recognised[name])
    short, long = (speech_controls(speech[name], frames, FPS) for frames in (70, 100))
    for control in SPEECH_CONTROLS:
        assert np.array_equal(short[control], long[control][:70])
        assert not long[control][76:].any()


@pytest.mark.parametrize("seconds", [0.2, 0.37])
def test_a_fifth_of_a_second_is_enough(pocketsphinx, speech, seconds):
    samples = speech["librivox_0880_en.wav"][12000 : 12000 + int(seconds * 16000)]
    frames = int(np.ceil(seconds * FPS))
    assert all(curve.shape == (frames,) and np.isfinite(curve).all() for curve in speech_controls(samples, frames, FPS).values())


def test_a_sound_without_samples_is_refused():
    with pytest.raises(SoundError, match="no samples"):
        speech_controls(np.zeros(0, np.float32), 5)


def test_without_pocketsphinx_the_spectrum_is_followed_and_a_note_says_so(monkeypatch, caplog, speech):
    monkeypatch.setattr(module, "phoneme_source_available", lambda: False)
    samples = speech["librivox_0880_en.wav"]
    with caplog.at_level(logging.WARNING, logger="real3d"):
        curves = speech_controls(samples, 75, FPS, transcript="he was not an ill disposed young man")
    assert [record.name for record in caplog.records] == ["real3d"] and "pocketsphinx" in caplog.text
    assert tuple(curves) == SPEECH_CONTROLS
    assert gap(curves)[10:65].std() >= 0.2


def test_lips_of_a_filmed_speaker_are_predicted_from_her_voice(pocketsphinx, shared_media):
    """The bound of issue 2; the sound of this clip lags its picture by about 0.1 s."""
    assert filmed_correlation(shared_media / "driving" / "may_5s.mp4")[0] >= 0.5
