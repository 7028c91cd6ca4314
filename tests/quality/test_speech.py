"""What the benchmark makes of a voice."""

import numpy as np
import pytest

from benchmarks.quality.speech import level_of_frames
from benchmarks.quality.sung import sung_line
from real3d_core.speech.controls import speech_controls


def test_each_frame_has_its_own_level_and_silence_ends_50_db_down():
    time = np.arange(16000) / 16000
    samples = np.sin(2 * np.pi * 400 * time) * np.where(time < 0.4, 1.0, np.where(time < 0.8, 0.1, 0.0))
    level = level_of_frames(samples, 25)
    assert level[5] - level[15] == pytest.approx(20, abs=0.5)
    assert level[5] - level[22] == pytest.approx(50)


def test_the_sung_line_opens_lips_and_is_always_the_same():
    sound = sung_line()
    assert np.array_equal(sound.samples, sung_line().samples)
    curves = speech_controls(sound.mono(16000).numpy(), int(sound.duration * 25), 25.0)
    assert curves["jaw_open"].max() > 0.5 and curves["lips_press"].max() > 0.9
