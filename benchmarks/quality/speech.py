"""Rows about what a voice does to the lips.

Every third frame is rendered and looked at again, or those in which the voice opens the jaw farthest; the head is still and the eyes
stay open. The voices are the two LibriVox clips, those that --voices names (a non-English one, say) and, where the gap alone matters, a
sung line made by rule.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import torch

from real3d_core.avatar import SpeechStyle
from real3d_core.face.measures import face_height_of, lip_gap
from real3d_core.media.sound import Sound, load_sound
from real3d_core.pipeline import PipelineOptions, make_motion
from real3d_core.speech.loudness import SOUND_RATE, STEP_RATE, loudness
from real3d_core.stream import FPS

from .rows import Row, at_least, at_most, within
from .subject import ASSETS, Media, Subject, some_of
from .sung import sung_line

TRANSCRIPTS, PHONEMES = (  # sounds (ARPAbet) with their starts in seconds, as pocketsphinx aligned the transcripts
    dict(line.split(": ", 1) for line in (ASSETS / "speech" / f"{what}.txt").read_text().splitlines() if line)
    for what in ("transcripts", "phonemes")
)
CLOSED_GAP = 0.012  # face heights: what MediaPipe still reports for lips that touch
LIPS_ALONE = PipelineOptions(pose="static", blink="none")
_FILMED = "may_5s.mp4"
_EVERY = 3  # how many frames of a voice stand for one that is looked at
_WIDE = 8  # frames of a voice among which the widest mouth is looked for
_OPEN_GAP = 0.018  # face heights: lips farther apart than this in the photo show teeth
_BROAD_MOUTH = 0.67  # of the distance between the outer corners of the eyes: a mouth broader than this smiles
_SUNG = "sung line"
_CLOSED_MOUTHS = ("p002", "p009")  # of the repository's portraits, which every checkout has
_DYNAMICS = 50.0  # dB below the loudest frame at which loudness ends: what is quieter is silence


def _speaking_and_silent(subject: Subject) -> tuple[float, float]:
    """Largest distance of the lip gap from rest in digital silence, and the gap's standard deviation in speech."""
    spoken = load_sound(ASSETS / "speech" / "librivox_0880_en.wav")
    silence = torch.zeros(1, spoken.rate)
    sound = Sound(torch.cat([spoken.samples[:1], silence], dim=1), spoken.rate)
    gap = subject.measure(some_of(make_motion(subject.avatar, LIPS_ALONE, sound), slice(None, None, _EVERY))).lip_gap
    time = np.arange(len(gap)) * _EVERY / FPS
    quiet = np.abs(gap[time > spoken.duration + 0.2] - subject.rest.lip_gap[0]).max()
    return float(quiet), float(gap[time < spoken.duration].std())


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
        track = subject.measure(some_of(motion, np.flatnonzero(labial)))
        closed += list(track.lip_gap <= CLOSED_GAP)
    return [float(np.mean(closed))]


def shows_teeth(subject: Subject) -> bool:
    """Whether the inner lips are apart in the photo, by more than 0.018 of the face's height."""
    points = subject.portrait.landmarks.numpy()[:, :2]
    return bool(lip_gap(points) > _OPEN_GAP * face_height_of(points))


def smiles(subject: Subject) -> bool:
    """Whether the mouth is broader than 0.67 of the distance between the outer corners of the eyes."""
    points = subject.portrait.landmarks.numpy()[:, :2]
    return bool(np.linalg.norm(points[61] - points[291]) > _BROAD_MOUTH * np.linalg.norm(points[33] - points[263]))


def voices(media: Media) -> dict[str, Sound]:
    """By name: the LibriVox clips, the voices that were asked for, and the sung line."""
    files = (*(ASSETS / "speech" / name for name in TRANSCRIPTS), *media.voices)
    return {**{file.stem: load_sound(file) for file in files}, _SUNG: sung_line()}


def gaps(subject: Subject, voice: str) -> np.ndarray:
    """[ceil(T / 3)] face heights: the gap between the lips that is seen in every third frame."""
    motion = make_motion(subject.avatar, LIPS_ALONE, subject.media.once(voices)[voice])
    return subject.measure(some_of(motion, slice(None, None, _EVERY))).lip_gap


def level_of_frames(samples: np.ndarray, frames: int) -> np.ndarray:
    """[frames] dB: the mean level during each frame, nothing lower than 50 dB below the loudest.

    Args:
        samples: [L] at 16 kHz.
    """
    steps = loudness(samples)
    edges = np.round(np.arange(frames + 1) * STEP_RATE / FPS).astype(int)
    level = np.array([steps[start:stop].mean() if start < len(steps) else -120.0 for start, stop in pairwise(edges)])
    return np.maximum(level, level.max() - _DYNAMICS)


def _loudness(subject: Subject) -> list[float]:
    """Correlation over the frames of each spoken voice; photos that show teeth only. No shift in time is allowed for."""
    if not shows_teeth(subject):
        return []
    return [_follows(subject.once(gaps, name), sound) for name, sound in subject.media.once(voices).items() if name != _SUNG]


def _follows(seen: np.ndarray, sound: Sound) -> float:
    level = level_of_frames(sound.mono(SOUND_RATE).numpy(), _EVERY * len(seen))
    return float(np.corrcoef(level[::_EVERY], seen)[0, 1])


def _widest(subject: Subject) -> list[float]:
    """For each voice the largest gap, over the mean largest gap of p002 and p009, whose mouths are closed; other photos only."""
    if not shows_teeth(subject) and not smiles(subject):
        return []
    return [widest_gap(subject, voice) / widest for voice, widest in subject.media.once(_widest_of_closed).items()]


def widest_gap(subject: Subject, voice: str) -> float:
    """Face heights: the largest gap seen in the eight frames in which the voice opens the jaw farthest, the same for every portrait."""
    motion = make_motion(subject.avatar, LIPS_ALONE, subject.media.once(voices)[voice])
    opening = motion.control("jaw_open") * (1 - motion.control("lips_press"))
    return float(subject.measure(some_of(motion, opening.topk(_WIDE).indices.sort().values.numpy())).lip_gap.max())


def _widest_of_closed(media: Media) -> dict[str, float]:
    """By voice."""
    closed = [Subject(name, media.portraits()[name], media) for name in _CLOSED_MOUTHS]
    return {name: float(np.mean([widest_gap(one, name) for one in closed])) for name in media.once(voices)}


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
    Row("loudness", "loudness against lip gap, teeth in the photo", at_least(0.45), _loudness, 2),
    Row("widest", "widest lip gap, smiling or open over closed", within(0.85, 1.2), _widest, 2),
    Row("filmed", "may_5s.mp4, gap from sound against picture", at_least(0.5), _filmed, 2),
)
