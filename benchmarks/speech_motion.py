"""How well lips follow speech, before any picture is drawn: python benchmarks/speech_motion.py

The gap between the lips is jaw_open * (1 - lips_press), in units of an opening of 0.12 face heights. The filmed speaker belongs
to the development media; without them that row is left out.
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import numpy as np  # noqa: E402

from real3d_core.motion import speech  # noqa: E402
from real3d_core.motion.face_track import track_face  # noqa: E402
from real3d_core.motion.phonemes import Phoneme, align  # noqa: E402
from real3d_core.motion.speech import speech_controls  # noqa: E402
from real3d_core.sound import load_sound  # noqa: E402
from real3d_core.video import open_clip  # noqa: E402

FPS = 25.0
FILMED = ROOT.parent / "shared" / "media" / "driving" / "may_5s.mp4"


def main() -> None:
    clips = ROOT / "assets" / "speech"
    transcripts = dict(line.split(": ", 1) for line in (clips / "transcripts.txt").read_text().splitlines() if line)
    print(f"{'what':72s} {'goal':>8s} {'measured':>9s}")
    for name, transcript in transcripts.items():
        samples = load_sound(clips / name).mono().numpy()
        phonemes = align(samples, transcript)
        aligned = lip_gap(samples, transcript)
        cpu = time.process_time()
        heard = lip_gap(samples)
        cpu = (time.process_time() - cpu) * 16000 / len(samples)
        guessed = lip_gap_from_spectrum(samples)
        labial, voiced = frames_of(phonemes, ("B", "P", "M"), len(aligned)), ~frames_of(phonemes, ("SIL",), len(aligned))
        for source, gap, goal in (("transcript", aligned, "1"), ("recognised", heard, ""), ("spectrum only", guessed, "")):
            row(f"{name}, {source}: b, p, m frames closed", goal, np.mean(gap[labial] <= 0.1))
            row(f"{name}, {source}: deviation of the gap", ">= 0.22" if goal else "", gap[voiced].std())
        row(f"{name}: recognised against transcript, correlation", "", np.corrcoef(aligned[voiced], heard[voiced])[0, 1])
        row(f"{name}: spectrum only against transcript", "", np.corrcoef(aligned[voiced], guessed[voiced])[0, 1])
        row(f"{name}: processor seconds per second, recognised", "", cpu)
    if not FILMED.is_file():
        print("The row about a filmed speaker needs the development media, which are not here.")
        return
    for source, predict, goal in (("recognised", lip_gap, ">= 0.5"), ("spectrum only", lip_gap_from_spectrum, "")):
        correlation, shift = filmed_correlation(FILMED, predict)
        row(f"{FILMED.name}, {source}: correlation at {shift:+.2f} s", goal, correlation)


def lip_gap(samples: np.ndarray, transcript: str | None = None) -> np.ndarray:
    """[T] predicted gap between the lips, 0..1, at 25 frames a second."""
    curves = speech_controls(samples, math.ceil(len(samples) / 16000 * FPS - 1e-6), FPS, transcript)
    return curves["jaw_open"] * (1.0 - curves["lips_press"])


def lip_gap_from_spectrum(samples: np.ndarray) -> np.ndarray:
    """The same as where pocketsphinx is missing."""
    available = speech.phoneme_source_available
    speech.phoneme_source_available = lambda: False
    try:
        return lip_gap(samples)
    finally:
        speech.phoneme_source_available = available


def frames_of(phonemes: list[Phoneme], symbols: tuple[str, ...], frames: int) -> np.ndarray:
    """[T] whether the middle of a frame lies in one of these phonemes."""
    middle = (np.arange(frames) + 0.5) / FPS
    return np.any([(middle >= p.start) & (middle < p.end) for p in phonemes if p.symbol in symbols], axis=0)


def filmed_correlation(clip: Path, predict: Callable[[np.ndarray], np.ndarray] = lip_gap) -> tuple[float, float]:
    """Correlation of the gap predicted from a clip's sound with the gap in its picture, at the best shift within 0.2 s, and that shift."""
    seen = track_face(open_clip(clip).frames()).lip_gap
    predicted = predict(load_sound(clip).mono().numpy())
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
