"""Sounds in which nobody speaks: noises of many kinds and music made by rules."""

from __future__ import annotations

import numpy as np
from scipy.signal import lfilter

from real3d_core.speech.loudness import SOUND_RATE

DRUM = int(0.12 * SOUND_RATE)  # samples that a stroke sounds


def noise(random: np.random.Generator, length: int) -> np.ndarray:
    """[length] float32 of about unit power: coloured, swelling, humming or clicking."""
    spectrum = np.fft.rfft(random.standard_normal(length))
    frequency = np.maximum(np.fft.rfftfreq(length, 1 / SOUND_RATE), 20.0)
    shape = frequency ** -random.uniform(0.0, 1.2)
    for _ in range(random.integers(0, 4)):  # rooms, fans and engines have broad peaks
        centre, width = random.uniform(80, 6000), random.uniform(0.1, 0.6)
        shape *= 1.0 + random.uniform(0, 6) * np.exp(-0.5 * (np.log(frequency / centre) / width) ** 2)
    sound = np.fft.irfft(spectrum * shape, length)
    sound /= sound.std() + 1e-9
    time = np.arange(length) / SOUND_RATE
    kind = random.random()
    if kind < 0.35:  # swells: waves, wind, passing cars
        sound *= 0.15 + np.abs(_slow(random, length, random.uniform(0.2, 4.0)))
    elif kind < 0.5:  # hum
        base = random.uniform(45, 180)
        sound = 0.3 * sound + sum(np.sin(2 * np.pi * base * k * time + random.uniform(0, 6)) / k for k in range(1, random.integers(2, 9)))
    elif kind < 0.7:  # clicks, steps, typing, knocks
        sound *= 0.02
        for start in random.integers(0, length, random.integers(1, 2 + int(6 * length / SOUND_RATE))):
            burst = random.standard_normal(int(SOUND_RATE * random.uniform(0.005, 0.12)))
            burst = lfilter([1], [1, -random.uniform(0, 0.97)], burst) * np.exp(-np.linspace(0, random.uniform(3, 8), len(burst)))
            part = sound[start : start + len(burst)]
            part += burst[: len(part)] / (burst.std() + 1e-9) * random.uniform(0.3, 2)
    elif kind < 0.8:  # beeps, sirens, birds
        sound *= 0.05
        pitch = random.uniform(400, 3500) * 2.0 ** (random.uniform(0, 0.8) * _slow(random, length, random.uniform(0.5, 8)))
        sounding = np.sin(2 * np.pi * random.uniform(0.3, 5) * time) > random.uniform(-1, 0.6)
        sound += np.sin(2 * np.pi * np.cumsum(pitch) / SOUND_RATE) * sounding
    return (sound / (sound.std() + 1e-9)).astype(np.float32)


def music(random: np.random.Generator, length: int) -> np.ndarray:
    """[length] float32 of about unit power: chords, a melody, a bass and drums, in any mixture."""
    beat = 60.0 / random.uniform(60, 170)
    root = random.uniform(100, 240)
    scale = np.array([[0, 2, 4, 5, 7, 9, 11], [0, 2, 3, 5, 7, 8, 10], [0, 2, 4, 7, 9, 12, 14]][random.integers(3)])
    sound = np.zeros(length)
    parts = random.random(4) < (0.7, 0.6, 0.5, 0.5)
    if not parts.any():
        parts[random.integers(4)] = True
    timbres = [random.uniform(0.5, 2.2, 12) for _ in range(3)]
    for index, start in enumerate(np.arange(0, length, int(beat * SOUND_RATE))):
        degree = scale[random.integers(len(scale))]
        if parts[0] and index % 2 == 0:
            for third in (0, 2, 4):
                semitones = scale[(random.integers(3) + third) % len(scale)]
                _add(sound, start, _tone(random, root * 2 ** (semitones / 12), 2 * beat, timbres[0], random.uniform(0.5, 3)), 0.4)
        if parts[1]:
            for half in range(random.integers(1, 4)):
                pitch = root * 2 ** ((degree + 12 * random.integers(0, 2) + 2 * half) / 12)
                _add(sound, start + int(half * beat * SOUND_RATE / 3), _tone(random, pitch, beat, timbres[1], random.uniform(1, 6)), 0.7)
        if parts[2]:
            _add(sound, start, _tone(random, root / 2 * 2 ** (degree / 12), beat, timbres[2], 3.0), 0.7)
        if parts[3]:
            for quarter in range(4):
                if random.random() < 0.6:
                    burst = random.standard_normal(DRUM) * np.exp(-np.linspace(0, random.uniform(4, 12), DRUM))
                    burst = lfilter([1, -0.95] if random.random() < 0.5 else [0.2], [1.0] if random.random() < 0.5 else [1.0, -0.95], burst)
                    _add(sound, start + int(quarter * beat * SOUND_RATE / 4), burst, random.uniform(0.2, 1))
    sound += 0.001 * random.standard_normal(length)
    return (sound / (sound.std() + 1e-9)).astype(np.float32)


def quiet(random: np.random.Generator, length: int) -> np.ndarray:
    """[length] float32 of unit power or nothing at all: the hiss of a microphone, or digital silence."""
    return noise(random, length) if random.random() < 0.6 else np.zeros(length, np.float32)


def _tone(random: np.random.Generator, pitch: float, seconds: float, timbre: np.ndarray, decay: float) -> np.ndarray:
    time = np.arange(int(seconds * SOUND_RATE)) / SOUND_RATE
    vibrato = 1.0 + random.uniform(0, 0.006) * np.sin(2 * np.pi * random.uniform(4, 7) * time)
    phase = 2 * np.pi * pitch * np.cumsum(vibrato) / SOUND_RATE
    partials = [np.sin(k * phase) / k**slope for k, slope in enumerate(timbre, 1) if k * pitch < 7500]
    envelope = np.minimum(time / random.uniform(0.005, 0.08), 1.0) * np.exp(-decay * time)
    return np.sum(partials, axis=0) * envelope


def _add(sound: np.ndarray, start: int, tone: np.ndarray, gain: float) -> None:
    part = sound[start : start + len(tone)]
    part += gain * tone[: len(part)]


def _slow(random: np.random.Generator, length: int, rate: float) -> np.ndarray:
    """A curve of about -1..1 that changes `rate` times a second."""
    knots = random.standard_normal(int(length / SOUND_RATE * rate) + 3)
    return np.interp(np.linspace(0, len(knots) - 1, length), np.arange(len(knots)), np.clip(knots, -1.5, 1.5) / 1.5)
