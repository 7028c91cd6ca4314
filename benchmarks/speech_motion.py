"""How well lips follow speech, before any picture is drawn: python benchmarks/speech_motion.py

The gap between the lips is jaw_open * (1 - lips_press), in units of an opening of 0.12 face heights. Rows that need the development
media, or pocketsphinx to align one of their clips, say so where these are absent. The scores on voices and languages that were kept
out of training are printed by `python -m training.visemes`, which makes those voices (training/visemes/MODEL_CARD.md).
"""

from __future__ import annotations

import math
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import numpy as np  # noqa: E402
import torch  # noqa: E402

from real3d_core.face.track import track_face  # noqa: E402
from real3d_core.media.clip import open_clip  # noqa: E402
from real3d_core.media.sound import load_sound  # noqa: E402
from real3d_core.mediapipe_models.model_files import ModelFolders  # noqa: E402
from real3d_core.speech.alignment import fit_transcript  # noqa: E402
from real3d_core.speech.controls import GLIDE, speech_controls  # noqa: E402
from real3d_core.speech.phonemes import align, phoneme_source_available  # noqa: E402
from real3d_core.speech.viseme_network import WEIGHTS_FILE, VisemeNetwork, viseme_posteriors  # noqa: E402
from real3d_core.speech.visemes import NAMES, VISEME_OF_SOUND  # noqa: E402
from training.visemes.nonspeech import music, noise  # noqa: E402

FPS = 25.0
SPEECH = ROOT / "assets" / "speech"
MEDIA = ROOT.parent / "shared" / "media"
FILMED = MEDIA / "driving" / "may_5s.mp4"


def main() -> None:
    print(f"{'what':72s} {'goal':>8s} {'measured':>9s}")
    clips = recordings()
    right, closed = [], {}
    for name, (samples, transcript, spoken) in clips.items():
        posteriors = viseme_posteriors(samples)
        frames = spoken((np.arange(len(posteriors)) + 0.5) / 100)
        right.append(NAMES_ARRAY[posteriors.argmax(1)] == frames)
        row(f"{name}: viseme right per step", "", np.mean(right[-1]))
        shares, _ = fit_transcript(posteriors, transcript)
        row(f"{name}: the same with the transcript", "", np.mean(NAMES_ARRAY[shares.argmax(1)] == frames))
        for source, gap in (("heard", lip_gap(samples)), ("with transcript", lip_gap(samples, transcript))):
            shown = spoken((np.arange(len(gap)) + 0.5) / FPS)
            closing = gap[shown == "closed"] <= 0.1
            row(f"{name}, {source}: b, p, m frames closed", "", np.mean(closing))
            row(f"{name}, {source}: deviation of the gap in speech", ">= 0.22", gap[shown != "rest"].std())
            if name.startswith("librivox"):
                closed.setdefault(source, []).append(closing)
    row("mean of the clips: viseme right per step", ">= 0.80", np.mean([np.mean(one) for one in right]))
    row("all steps of the clips: viseme right", "", np.mean(np.concatenate(right)))
    for source, closings in closed.items():
        row(f"LibriVox clips, {source}: b, p, m frames closed", ">= 0.92", np.mean(np.concatenate(closings)))
    for name, make in (("music", music), ("noise", noise), ("silence", lambda _, length: np.zeros(length, np.float32))):
        row(f"{name}: frames with lips at rest", ">= 0.90", at_rest(make))
    row("network: parameters, thousands", "<= 300", sum(p.numel() for p in VisemeNetwork().parameters()) / 1000)
    row("network: file, MB", "<= 1", WEIGHTS_FILE.stat().st_size / 1e6)
    row("network: seconds of sound per second, one core", ">= 50", speed(viseme_posteriors))
    row("lips: seconds of sound per second, one core", ">= 50", speed(lip_gap))
    if not FILMED.is_file():
        print("The row about a filmed speaker needs the development media, which are not here.")
        return
    correlation, shift = filmed_correlation(FILMED)
    row(f"{FILMED.name}: correlation with the filmed gap at {shift:+.2f} s", ">= 0.55", correlation)


NAMES_ARRAY = np.array(NAMES)


def recordings() -> dict:
    """By file name: samples, transcript, and a function of seconds to the visemes that pocketsphinx's alignment tells."""
    clips = {}
    phonemes = lines_of(SPEECH / "phonemes.txt")
    for name, transcript in lines_of(SPEECH / "transcripts.txt").items():
        line = phonemes[name].split()
        spoken = visemes_at(list(zip(line[::2], map(float, line[1::2]), strict=True)))
        clips[name] = (load_sound(SPEECH / name).mono().numpy(), transcript, spoken)
    kennedy = MEDIA / "speech" / "jfk_en.wav"
    if not kennedy.is_file() or not phoneme_source_available():
        print("Rows about jfk_en.wav need the development media and pocketsphinx, which are not here.")
        return clips
    samples = load_sound(kennedy).mono(16000).numpy()
    transcript = lines_of(kennedy.with_name("transcripts.txt"))[kennedy.name]
    clips[kennedy.name] = (samples, transcript, visemes_at([(p.symbol, p.start) for p in align(samples, transcript)]))
    return clips


def lines_of(path: Path) -> dict[str, str]:
    return dict(line.split(": ", 1) for line in path.read_text().splitlines() if line)


def visemes_at(phonemes: list[tuple[str, float]]):
    """Of (sound, start in seconds) the function: seconds -> visemes."""
    starts, names = [], []
    ends = [*(start for _, start in phonemes[1:]), phonemes[-1][1] + 1.0]
    for (symbol, start), end in zip(phonemes, ends, strict=True):
        for i, name in enumerate(VISEME_OF_SOUND[symbol]):
            starts.append(start + i * GLIDE * (end - start))
            names.append(name)
    return lambda times: np.array(names)[np.searchsorted(starts, times, side="right") - 1]


def lip_gap(samples: np.ndarray, transcript: str | None = None) -> np.ndarray:
    """[T] predicted gap between the lips, 0..1, at 25 frames a second."""
    curves = speech_controls(samples, math.ceil(len(samples) / 16000 * FPS - 1e-6), FPS, transcript)
    return curves["jaw_open"] * (1.0 - curves["lips_press"])


def at_rest(make) -> float:
    """Share of frames in which no control of the mouth passes 0.05, over 20 sounds of 6 s at many levels."""
    shares = []
    for seed in range(20):
        random = np.random.default_rng(1000 + seed)
        sound = make(random, 6 * 16000)
        sound = sound / (np.abs(sound).max() + 1e-9) * 10 ** (-random.uniform(0, 40) / 20)
        curves = speech_controls(sound.astype(np.float32), 150, FPS)
        shares.append(np.max(list(curves.values()), axis=0) <= 0.05)
    return float(np.mean(shares))


def speed(work) -> float:
    """Seconds of sound worked through in a second by one core."""
    torch.set_num_threads(1)
    samples = np.tile(load_sound(SPEECH / "librivox_0870_en.wav").mono().numpy(), 9)
    work(samples)
    started = time.process_time()
    work(samples)
    return len(samples) / 16000 / (time.process_time() - started)


def filmed_correlation(clip: Path) -> tuple[float, float]:
    """Correlation of the gap predicted from a clip's sound with the gap in its picture, at the best shift within 0.2 s, and that shift."""
    seen = track_face(open_clip(clip).frames(), ModelFolders()).lip_gap
    predicted = lip_gap(load_sound(clip).mono().numpy())
    times = np.arange(len(seen)) / FPS
    shifts = np.linspace(-0.2, 0.2, 41)
    shifted = [np.interp(times + shift, np.arange(len(predicted)) / FPS, predicted) for shift in shifts]
    correlations = [np.corrcoef(curve, seen)[0, 1] for curve in shifted]
    best = int(np.argmax(correlations))
    return float(correlations[best]), float(shifts[best])


def row(what: str, goal: str, measured: float) -> None:
    print(f"{what:72s} {goal:>8s} {measured:9.2f}")


if __name__ == "__main__":
    main()
