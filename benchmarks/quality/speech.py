"""Rows about what a voice does to the lips."""

from __future__ import annotations

import numpy as np
import torch

from real3d_core.analytic.controls import BASIS
from real3d_core.avatar import SpeechStyle
from real3d_core.face.measures import lip_gap
from real3d_core.media.sound import Sound, load_sound
from real3d_core.motion.motion import Motion
from real3d_core.pipeline import PipelineOptions, make_motion
from real3d_core.stream import FPS

from .rows import Row, at_least, at_most
from .subject import ASSETS, Subject

TRANSCRIPTS, PHONEMES = (  # sounds (ARPAbet) with their starts in seconds, as pocketsphinx aligned the transcripts
    dict(line.split(": ", 1) for line in (ASSETS / "speech" / f"{what}.txt").read_text().splitlines() if line)
    for what in ("transcripts", "phonemes")
)
CLOSED_GAP = 0.012  # face heights: what MediaPipe still reports for lips that touch
LIPS_ALONE = PipelineOptions(pose="static", blink="none")
_FILMED = "may_5s.mp4"


def _speaking_and_silent(subject: Subject) -> tuple[float, float]:
    """Largest distance of the lip gap from rest in digital silence, and the gap's standard deviation in speech."""
    spoken = load_sound(ASSETS / "speech" / "librivox_0880_en.wav")
    silence = torch.zeros(1, spoken.rate)
    sound = Sound(torch.cat([spoken.samples[:1], silence], dim=1), spoken.rate)
    track = subject.measure(make_motion(subject.avatar, LIPS_ALONE, sound))
    speaking = int(spoken.duration * FPS)
    quiet = np.abs(track.lip_gap[speaking + 5 :] - subject.rest.lip_gap[0]).max()
    return float(quiet), float(track.lip_gap[:speaking].std())


def _silent(subject: Subject) -> list[float]:
    return [subject.once(_speaking_and_silent)[0]]


def _lively(subject: Subject) -> list[float]:
    return [subject.once(_speaking_and_silent)[1]]


def _closures(subject: Subject) -> list[float]:
    """Share of the frames of b, p and m in which the lips are seen closed, over both LibriVox clips."""
    closed = []
    for name, transcript in TRANSCRIPTS.items():
        sound = load_sound(ASSETS / "speech" / name)
        options = PipelineOptions(pose="static", blink="none", speech=SpeechStyle(transcript=transcript))
        motion = make_motion(subject.avatar, options, sound)
        times = (np.arange(len(motion)) + 0.5) / FPS
        symbols, starts = PHONEMES[name].split()[::2], np.array(PHONEMES[name].split()[1::2], float)
        labial = np.isin(np.array(symbols)[np.searchsorted(starts, times, side="right") - 1], ["B", "P", "M"])
        chosen = torch.from_numpy(np.flatnonzero(labial))
        track = subject.measure(Motion(BASIS, motion.expression[chosen], motion.euler[chosen], motion.translation[chosen]))
        closed += list(track.lip_gap <= CLOSED_GAP)
    return [float(np.mean(closed))]


def _filmed(subject: Subject) -> list[float]:
    """Correlation of the gap commanded by may_5s.mp4's sound with the gap in its picture, best shift within 0.2 s."""
    if not subject.media.present:
        return []
    motion = make_motion(subject.avatar, LIPS_ALONE, load_sound(subject.media.folder / "driving" / _FILMED))
    moved = subject.controls.rest + subject.controls.displacements(motion.expression)
    predicted, real = lip_gap(moved.numpy()), subject.media.track(_FILMED).lip_gap
    length = min(len(predicted), len(real))
    pairs = [(predicted[max(0, shift) : length + min(0, shift)], real[max(0, -shift) : length - max(0, shift)]) for shift in range(-5, 6)]
    return [max(float(np.corrcoef(pair)[0, 1]) for pair in pairs)]


ROWS = (
    Row("silence", "lip gap off rest in silence", at_most(0.01), _silent, 4),
    Row("lively", "lip gap deviation in speech", at_least(0.02), _lively, 4),
    Row("closures", "b, p, m frames with closed lips", at_least(0.9), _closures, 2),
    Row("filmed", "may_5s.mp4, gap from sound against picture", at_least(0.5), _filmed, 2),
)
