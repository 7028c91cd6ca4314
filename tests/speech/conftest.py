"""Speech of the repository, its transcripts, and when which sound is spoken in it."""

from pathlib import Path

import numpy as np
import pytest

from real3d_core.speech.phonemes import align, phoneme_source_available
from real3d_core.speech.viseme_network import viseme_posteriors


@pytest.fixture(scope="session", params=["librivox_0870_en.wav", "librivox_0880_en.wav"])
def clip(request) -> str:
    """The file name of a speech clip."""
    return request.param


@pytest.fixture(scope="session")
def transcripts(assets: Path) -> dict[str, str]:
    """What is said, by file name."""
    return lines_of(assets / "speech" / "transcripts.txt")


@pytest.fixture(scope="session")
def spoken_at(assets: Path):
    """By file name a function: which English sound (ARPAbet) is spoken at these seconds, as pocketsphinx aligned the transcript."""
    spoken = {}
    for name, line in lines_of(assets / "speech" / "phonemes.txt").items():
        symbols, starts = np.array(line.split()[::2]), np.array(line.split()[1::2], float)
        spoken[name] = lambda times, symbols=symbols, starts=starts: symbols[np.searchsorted(starts, times, side="right") - 1]
    return spoken


@pytest.fixture(scope="session")
def posteriors(speech) -> dict[str, np.ndarray]:
    """What the network hears, by file name."""
    return {name: viseme_posteriors(samples) for name, samples in speech.items()}


@pytest.fixture(scope="session")
def pocketsphinx() -> None:
    """Skips where pocketsphinx is not installed."""
    if not phoneme_source_available():
        pytest.skip("pocketsphinx is not installed")


@pytest.fixture(scope="session")
def aligned(pocketsphinx, speech, transcripts):
    """Phonemes of the transcripts, by file name."""
    return {name: align(samples, transcripts[name]) for name, samples in speech.items()}


def lines_of(path: Path) -> dict[str, str]:
    return dict(line.split(": ", 1) for line in path.read_text().splitlines() if line)
