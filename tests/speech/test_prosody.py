"""Melody, stress and pauses, on made and on real voices."""

import numpy as np
import pytest

from real3d_core.speech.prosody import LOWEST, pitch, prosody

RATE = 16000


def voice(hertz: np.ndarray, loudness: np.ndarray) -> np.ndarray:
    """A buzz with falling harmonics, one value of pitch and loudness per sample."""
    phase = 2 * np.pi * np.cumsum(hertz) / RATE
    return 0.2 * loudness * sum(np.sin(k * phase) / k for k in range(1, 9))


def syllables(stressed: dict[int, tuple[float, float]], count: int = 12) -> np.ndarray:
    """Syllables of 0.2 s every 0.3 s at 120 Hz; the stressed ones are so many times louder and higher."""
    time = np.arange(int(0.3 * RATE)) / RATE
    each = []
    for number in range(count):
        louder, higher = stressed.get(number, (1.0, 1.0))
        each.append(voice(np.full(len(time), 120.0 * higher), louder * 0.4 * np.sin(np.pi * time / 0.2).clip(0) ** 0.5 * (time < 0.2)))
    return np.concatenate(each).astype(np.float32)


@pytest.mark.parametrize("hertz", [80.0, 130.0, 220.0, 380.0])
def test_the_pitch_of_a_buzz_is_its_own(hertz):
    time = np.arange(RATE) / RATE
    found = LOWEST * 2 ** (pitch(voice(np.full(RATE, hertz), np.ones(RATE))) / 12)
    assert np.abs(found[5:-5] / hertz - 1).max() < 0.01
    gliding = hertz * 2 ** (0.5 * time)
    semitones = pitch(voice(gliding, np.ones(RATE)))[5:-5]
    wanted = 12 * np.log2(gliding[80::160] / LOWEST)[5:-5]
    assert np.nanmax(np.abs(semitones - wanted)[wanted < 12 * np.log2(440 / LOWEST)]) < 0.6


def test_noise_and_silence_have_no_pitch():
    noise = 0.1 * np.random.default_rng(0).standard_normal(RATE)
    assert np.isnan(pitch(noise)).mean() > 0.9
    assert np.isnan(pitch(np.zeros(RATE))).all() and len(pitch(np.zeros(100))) == 1


@pytest.mark.parametrize("stressed", [(2.5, 1.0), (1.0, 1.3), (2.0, 1.2)])
def test_a_louder_or_higher_syllable_is_stressed(stressed):
    found = prosody(syllables({5: stressed})).stresses
    assert [round(one.time, 1) for one in found] == [1.6]
    assert (found[0].melody > 0.5) == (stressed[1] > 1)


def test_a_breath_between_words_is_a_pause_and_the_ends_are_none():
    spoken = syllables({}, 6)
    still = np.zeros(int(0.5 * RATE), np.float32)
    ((start, end),) = prosody(np.concatenate([still, spoken, still, spoken, still])).pauses
    assert abs(start - 2.3) < 0.15 and abs(end - 2.8) < 0.1


def test_a_longer_sound_begins_like_a_shorter_one(speech):
    samples = np.tile(speech["librivox_0870_en.wav"], 4)
    short, long = prosody(samples[: 21 * RATE]), prosody(samples)
    assert len(short.stresses) > 10
    assert [one for one in long.stresses if one.time < 12] == [one for one in short.stresses if one.time < 12]
    assert [one for one in long.pauses if one[1] < 12] == [one for one in short.pauses if one[1] < 12]


def test_reading_aloud_stresses_a_syllable_every_second_or_so(speech, clip):
    found = prosody(speech[clip]).stresses
    assert 0.3 < len(found) / (len(speech[clip]) / RATE) < 2.0
    assert all(0 < one.strength <= 1 and -1 <= one.melody <= 1 for one in found)
