"""Speech with its phoneme times from the speech synthesisers of Debian: espeak-ng, flite, festival."""

from __future__ import annotations

import ctypes
import math
import re
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.io import wavfile
from scipy.signal import resample_poly

from real3d_core.speech.loudness import SOUND_RATE, STEP, STEP_RATE

from .sounds import SILENCE, SOUNDS, parts_of_arpabet, parts_of_ipa

# Seconds by which the reference, pocketsphinx, puts its borders before those of the synthesisers: its step i is the 25 ms after 10 i ms.
EARLY = 0.0075


@dataclass(frozen=True)
class Utterance:
    """samples: [L] float32 at 16 kHz; labels: [ceil(L / 160)] uint8, the places in SOUNDS, by steps of 10 ms; speaker: whose voice."""

    samples: np.ndarray
    labels: np.ndarray
    speaker: str


def labelled(samples: np.ndarray, rate: int, spans: list[tuple[float, float, str]], speaker: str) -> Utterance:
    """An utterance of spans (start, end, one of SOUNDS) in seconds; silence between them."""
    common = math.gcd(rate, SOUND_RATE)
    resampled = resample_poly(samples, SOUND_RATE // common, rate // common).astype(np.float32)
    steps = -(-len(resampled) // STEP)
    labels = np.full(steps, SILENCE, np.uint8)
    for start, end, name in spans:
        labels[max(round(start * STEP_RATE), 0) : max(round(end * STEP_RATE), 0)] = SOUNDS.index(name)
    return Utterance(resampled, labels, speaker)


def spans_of(sounds: list[tuple[float, float, str]], parts_of) -> list[tuple[float, float, str]]:
    """What synthesisers call sounds, (start, end, name), told in SOUNDS by `parts_of`."""
    spans = []
    for start, end, sound in sounds:
        begin = start
        for name, share in parts_of(sound):
            spans.append((begin, begin + share * (end - start), name))
            begin += share * (end - start)
    return spans


def _following(ends: list[tuple[str, float]]) -> list[tuple[float, float, str]]:
    """Sounds (start, end, name) of names and their ends."""
    starts = [0.0, *(end for _, end in ends)]
    return [(start - EARLY, end - EARLY, name) for (name, end), start in zip(ends, starts, strict=False)]


class Espeak:
    """espeak-ng through its library, which tells when each phoneme starts."""

    _PHONEME, _END = 7, 0
    _RATE, _PITCH, _RANGE = 1, 3, 4

    class _Name(ctypes.Union):
        _fields_ = [("number", ctypes.c_int), ("name", ctypes.c_char_p), ("string", ctypes.c_char * 8)]

    def __init__(self):
        class Event(ctypes.Structure):
            _fields_ = [
                ("type", ctypes.c_int), ("uid", ctypes.c_uint), ("text", ctypes.c_int), ("length", ctypes.c_int),
                ("milliseconds", ctypes.c_int), ("sample", ctypes.c_int), ("user", ctypes.c_void_p), ("id", self._Name),
            ]  # fmt: skip

        self._library = ctypes.CDLL("libespeak-ng.so.1")
        retrieve, phonemes_in_ipa = 1, 1 | 2
        self._sample_rate = self._library.espeak_Initialize(retrieve, 0, None, phonemes_in_ipa)
        self._pcm: list[np.ndarray] = []
        self._events: list[tuple[float, str]] = []

        def heard(wave, count, events):
            if count > 0:
                self._pcm.append(np.ctypeslib.as_array(wave, (count,)).copy())
            i = 0
            while events[i].type != self._END:
                if events[i].type == self._PHONEME:
                    name = bytes(events[i].id.string).decode("utf-8", "ignore")
                    self._events.append((events[i].sample / self._sample_rate, name))
                i += 1
            return 0

        kind = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(Event))
        self._callback = kind(heard)
        self._library.espeak_SetSynthCallback(self._callback)

    def say(self, text: str, language: str, variant: str, words_per_minute: int, pitch: int, liveliness: int) -> Utterance | None:
        """None where the voice cannot read this text."""
        self._pcm, self._events = [], []
        if self._library.espeak_SetVoiceByName(f"{language}+{variant}".encode()):
            return None
        for parameter, value in ((self._RATE, words_per_minute), (self._PITCH, pitch), (self._RANGE, liveliness)):
            self._library.espeak_SetParameter(parameter, value, 0)
        spoken, utf8 = text.encode(), 1
        self._library.espeak_Synth(spoken, len(spoken) + 1, 0, 1, 0, utf8, None, None)
        self._library.espeak_Synchronize()
        if not self._pcm or len(self._events) < 8:
            return None
        samples = np.concatenate(self._pcm).astype(np.float32) / 32768.0
        starts = [start - EARLY for start, _ in self._events]
        ends = [*starts[1:], len(samples) / self._sample_rate]
        sounds = [(start, end, name) for start, end, (_, name) in zip(starts, ends, self._events, strict=True)]
        return labelled(samples, self._sample_rate, spans_of(sounds, parts_of_ipa), f"espeak-ng {language}+{variant}")


def flite(text: str, voice: str, stretch: float) -> Utterance:
    """An English voice of flite; stretch > 1 speaks slowly."""
    with tempfile.TemporaryDirectory() as folder:
        wave = f"{folder}/said.wav"
        command = ["flite", "-voice", voice, "--setf", f"duration_stretch={stretch}", "-psdur", "-o", wave, "-t", f" {text}"]
        said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        rate, samples = wavfile.read(wave)
    ends = [(name, float(end)) for name, end in re.findall(r"(\S+):([\d.]+)", said)]
    sounds = _following(ends)
    return labelled(samples.astype(np.float32) / 32768.0, rate, spans_of(sounds, parts_of_arpabet), f"flite {voice}")


def festival(texts: list[str], voice: str, stretch: float, parts_of=parts_of_arpabet, encoding: str = "latin-1") -> list[Utterance]:
    """A voice of festival reads several texts; those it fails at are left out."""
    with tempfile.TemporaryDirectory() as folder:
        lines = [f"(voice_{voice})", f"(Parameter.set 'Duration_Stretch {stretch})"]
        for i, text in enumerate(texts):
            quoted = text.replace('"', "")
            lines.append(
                f'(unwind-protect (begin (set! u (utt.synth (Utterance Text "{quoted}")))'
                f' (utt.save.segs u "{folder}/{i}.lab") (utt.save.wave u "{folder}/{i}.wav" \'riff)) (print "failed"))'
            )
        script = Path(folder) / "say.scm"
        script.write_bytes("\n".join(lines).encode(encoding, "replace"))
        subprocess.run(["festival", "-b", str(script)], capture_output=True)
        utterances = []
        for i in range(len(texts)):
            wave, segments = Path(folder) / f"{i}.wav", Path(folder) / f"{i}.lab"
            if not wave.is_file() or not segments.is_file():
                continue
            rate, samples = wavfile.read(wave)
            lines = [line.split() for line in segments.read_text("latin-1").splitlines()]
            ends = [(line[2], float(line[0])) for line in lines if len(line) == 3]
            sounds = _following(ends)
            try:
                spans = spans_of(sounds, parts_of)
            except KeyError:
                continue
            utterances.append(labelled(samples.astype(np.float32) / 32768.0, rate, spans, f"festival {voice}"))
    return utterances
