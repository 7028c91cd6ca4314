"""What happens to a voice before it reaches us: rooms, microphones, codecs, noise, music, loudness."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from scipy.signal import butter, fftconvolve, resample_poly, sosfilt

from real3d_core.speech.loudness import SOUND_RATE, STEP

from .nonspeech import music, noise
from .sounds import SILENCE
from .synthesisers import Utterance


def recorded(utterance: Utterance, random: np.random.Generator) -> Utterance:
    """The same words as another recording might hold them; pauses are added around them."""
    samples, labels = _faster(utterance.samples, utterance.labels, random.uniform(0.85, 1.2))
    before, after = (int(random.uniform(0.1, 0.9) * 100) for _ in range(2))
    samples = np.pad(samples[: len(labels) * STEP], (before * STEP, after * STEP))
    labels = np.pad(labels, (before, after), constant_values=SILENCE)
    samples = samples / (samples.std() + 1e-9)
    if random.random() < 0.4:
        samples = _in_a_room(samples, random)
    if random.random() < 0.6:
        bed = music if random.random() < 0.25 else noise
        samples = samples + bed(random, len(samples)) * 10 ** (-random.uniform(4, 40) / 20)
    return Utterance(through_a_codec(_equalised(samples, random), random), labels, utterance.speaker)


def through_a_codec(samples: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Band limits, loudness, clipping and coarse steps of a recording; [L] float32 in -1..1."""
    kind = random.random()
    if kind < 0.12:
        samples = sosfilt(butter(4, (300, 3400), "bandpass", fs=SOUND_RATE, output="sos"), samples)
    elif kind < 0.4:
        samples = sosfilt(butter(6, random.uniform(3000, 7500), "lowpass", fs=SOUND_RATE, output="sos"), samples)
    loud = samples / (np.abs(samples).max() + 1e-9) * 10 ** (-random.uniform(0, 30) / 20)
    if random.random() < 0.1:
        loud = np.tanh(3 * loud / (np.abs(loud).max() + 1e-9)) * np.abs(loud).max()
    if random.random() < 0.12:  # mu-law, 8 bit
        companded = np.round(np.sign(loud) * np.log1p(255 * np.abs(loud)) / np.log(256) * 127) / 127
        loud = np.sign(companded) * np.expm1(np.abs(companded) * np.log(256)) / 255
    return (np.round(loud * 32767) / 32768).astype(np.float32)


def _faster(samples: np.ndarray, labels: np.ndarray, factor: float) -> tuple[np.ndarray, np.ndarray]:
    """Played faster, so higher, by the factor: another head, another pace."""
    ratio = Fraction(1 / factor).limit_denominator(40)
    played = resample_poly(samples, ratio.numerator, ratio.denominator)
    steps = len(played) // STEP
    places = np.minimum(((np.arange(steps) + 0.5) / float(ratio)).astype(int), len(labels) - 1)
    return played, labels[places]


def _in_a_room(samples: np.ndarray, random: np.random.Generator) -> np.ndarray:
    length = int(random.uniform(0.08, 0.6) * SOUND_RATE)
    response = random.standard_normal(length) * np.exp(-np.linspace(0, 6.9, length))
    response *= random.uniform(0.1, 1.0) / np.sqrt(np.sum(response**2))
    response[0] += 1.0
    return fftconvolve(samples, response)[: len(samples)]


def _equalised(samples: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Smooth changes of up to 8 dB over the octaves, as microphones and loudspeakers make."""
    spectrum = np.fft.rfft(samples)
    octaves = np.log2(np.fft.rfftfreq(len(samples), 1 / SOUND_RATE) / 60 + 0.5)
    gain = np.interp(octaves, np.linspace(-1, 7.2, 6), random.uniform(-8, 8, 6))
    return np.fft.irfft(spectrum * 10 ** (gain / 20), len(samples))
