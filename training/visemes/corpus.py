"""All the sound that the network learns from and is judged by: synthesisers of Debian and free recordings (see MODEL_CARD.md)."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from real3d_core.errors import SoundError
from real3d_core.media.sound import load_sound
from real3d_core.speech.loudness import SOUND_RATE, STEP
from real3d_core.speech.phonemes import align
from real3d_core.speech.viseme_network import log_mel

from .augment import recorded, through_a_codec
from .nonspeech import music, noise, quiet
from .sounds import SILENCE, parts_of_arpabet, parts_of_festival
from .synthesisers import Espeak, Utterance, festival, flite, labelled, spans_of
from .texts import english_sentences, invented_sentences

# Scripts of the languages that espeak-ng reads.
_LATIN = """
en en-us en-gb-scotland en-029 de fr es es-419 pt-br ca nl sv da nb fi hu cs sk hr ro et lv lt is cy sq eo id sw vi az
"""
LANGUAGES = {
    **dict.fromkeys(_LATIN.split(), "latin"), **dict.fromkeys(("ru", "uk", "bg"), "cyrillic"), "el": "greek", "hi": "devanagari",
    "ar": "arabic", "ko": "hangul", "ja": "kana", "ka": "georgian", "ta": "tamil",
}  # fmt: skip
HELD_LANGUAGES = {"it": "latin", "tr": "latin", "pl": "latin"}
VARIANTS = [
    "m1", "m2", "m3", "m4", "m6", "m7", "f1", "f2", "f4", "f5", "klatt", "klatt2", "klatt4", "klatt6", "Andy", "Annie", "Alicia",
    "Belinda", "Denis", "Linda", "Michael", "Mr_Serious", "Marco", "Steph",
]  # fmt: skip
HELD_VARIANTS = ["m5", "f3", "klatt3", "Gene", "Jacky"]
FLITE, HELD_FLITE = ("slt", "awb", "kal16"), "rms"
FESTIVAL = {  # part, language and encoding of each voice
    "cmu_us_slt_arctic_hts": ("train", "en", "latin-1"),
    "ked_diphone": ("held voice", "en", "latin-1"),
    "czech_dita": ("train", "cs", "iso-8859-2"),
    "czech_machac": ("held voice", "cs", "iso-8859-2"),
    "suo_fi_lj_diphone": ("train", "fi", "latin-1"),
    "hy_fi_mv_diphone": ("train", "fi", "latin-1"),
    "lp_diphone": ("held language", "it", "latin-1"),
}
FESTIVAL_ENGLISH = "cmu_us_slt_arctic_hts"  # also reads real texts, like flite's voices, in English of
ACCENTS = ("en", "en-us", "en-us-nyc", "en-gb-x-rp", "en-gb-scotland", "en-029")  # from espeak-ng
LIBRIVOX = Path("/usr/share/pocketsphinx/test/data/librivox")
TESTED_CLIPS = ("0870", "0880")  # also in assets/speech

# Path in the folder of recordings, without its ending | reader | words. Two collections bring their own words.
RECORDINGS = Path(__file__).with_name("recordings.txt")
LJ_SPEECH, LEARNERS = "LJSpeech-1.1", "speechocean762"
NOBODY = "nobody"  # whose voice noise and music are
LONGEST_OF_EACH = 3  # recordings of a learner of English, who reads two or three words in most
PIECES = 24
HELD_READERS = ("VCTK p228", "VCTK p287", "LibriSpeech 61", "LibriSpeech 2414", "LibriSpeech 3005", "LibriSpeech 4507", "LibriSpeech 8224")


@dataclass(frozen=True)
class Heard:
    """mel: [T, BANDS] float16; labels: [T] uint8, places in SOUNDS; speaker; part: "train", or kept out: "held voice", "held language",
    "held reader"."""

    mel: np.ndarray
    labels: np.ndarray
    speaker: str
    part: str


def make_corpus(recordings: Path, processes: int = 2, scale: float = 1.0) -> list[Heard]:
    """All parts; the same for the same packages and recordings.

    Args:
        recordings: folder with what recordings.txt names, and LJ Speech.
        processes: how many work at it.
        scale: how much of it, 1 for what the shipped weights were made with.
    """
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn"), initializer=os.nice, initargs=(10,)) as pool:
        results = [pool.submit(job, *arguments) for job, arguments in _jobs(scale, recordings)]
        return [heard for result in results for heard in result.result()]


def _jobs(scale: float, recordings: Path) -> list[tuple[Callable, tuple]]:
    count = lambda number: max(round(scale * number), 1)  # noqa: E731
    jobs: list[tuple[Callable, tuple]] = []
    for voice in (*FLITE, HELD_FLITE):
        for piece in range(4):
            jobs.append((_flite, (voice, count(30), piece)))
    for voice in FESTIVAL:
        jobs.append((_festival, (voice, count(40))))
    for language in LANGUAGES:
        for piece in range(4 if language.startswith("en") else 1):
            jobs.append((_espeak, (language, count(20), piece)))
    jobs += [(_espeak, (language, count(24), 0)) for language in HELD_LANGUAGES]
    jobs += [(_read_aloud, (voice, texts)) for voice, texts in _read_texts(recordings, count(90)).items()]
    jobs += [(_nonspeech, (count(60), piece)) for piece in range(8)]
    jobs.append((_librivox, ()))
    listed = sorted(_listed(recordings))
    jobs += [(_recordings, (listed[piece::PIECES], count(2), piece)) for piece in range(PIECES)]
    return jobs


def _random(*key: object) -> np.random.Generator:
    return np.random.default_rng(list(repr(key).encode()))


def _heard(utterance: Utterance, part: str) -> Heard:
    steps = len(utterance.labels)
    return Heard(log_mel(utterance.samples, 0, steps).astype(np.float16), utterance.labels, utterance.speaker, part)


def _copies(utterance: Utterance, part: str, random: np.random.Generator, copies: int = 2) -> list[Heard]:
    """What is trained with comes in several recordings, what is judged with as the synthesiser said it."""
    if part != "train":
        return [_heard(utterance, part)]
    return [_heard(recorded(utterance, random), part) for _ in range(copies)]


@cache
def _espeak_library() -> Espeak:
    return Espeak()


def _read_texts(folder: Path, count: int) -> dict[str, list[str]]:
    """Sentences of LJ Speech for every English voice that is trained with: real English has more words than ours."""
    sentences = [words for _, words in _lj_speech(folder) if 30 < len(words) < 120 and words.isascii() and '"' not in words]
    order = _random("texts").permutation(len(sentences))
    voices = [*(f"flite {voice}" for voice in FLITE), f"festival {FESTIVAL_ENGLISH}", *(f"espeak-ng {accent}" for accent in ACCENTS)]
    return {voice: [sentences[i] for i in order[k * count : (k + 1) * count]] for k, voice in enumerate(voices)}


def _read_aloud(name: str, texts: list[str]) -> list[Heard]:
    random = _random("read aloud", name)
    synthesiser, voice = name.split()
    if synthesiser == "flite":
        said = [flite(text, voice, float(random.uniform(0.8, 1.25))) for text in texts]
    elif synthesiser == "festival":
        said = festival(texts, voice, 1.0)
    else:
        said = [_said_by_espeak(text, voice, VARIANTS, random) for text in texts]
    return [heard for utterance in said if utterance is not None for heard in _copies(utterance, "train", random)]


def _said_by_espeak(text: str, language: str, variants: list[str], random: np.random.Generator) -> Utterance | None:
    variant = str(random.choice(variants))
    settings = (int(random.integers(120, 230)), int(random.integers(25, 80)), int(random.integers(20, 90)))
    utterance = _espeak_library().say(text, language, variant, *settings)
    return utterance if utterance is not None and len(utterance.samples) > SOUND_RATE else None


def _espeak(language: str, count: int, piece: int) -> list[Heard]:
    random = _random("espeak", language, piece)
    script = LANGUAGES.get(language) or HELD_LANGUAGES[language]
    texts = english_sentences(count, piece + 1) if language.startswith("en") else invented_sentences(language, script, count, piece)
    heard = []
    for i, text in enumerate(texts):
        held_voice = i % 6 == 5
        part = "held language" if language in HELD_LANGUAGES else "held voice" if held_voice else "train"
        utterance = _said_by_espeak(text, language, HELD_VARIANTS if part == "held voice" else VARIANTS, random)
        if utterance is not None:
            heard += _copies(utterance, part, random)
    return heard


def _flite(voice: str, count: int, piece: int) -> list[Heard]:
    random = _random("flite", voice, piece)
    part = "held voice" if voice == HELD_FLITE else "train"
    if part == "held voice":
        count = count // 4
    texts = english_sentences(count, 100 + 10 * piece + len(voice))
    return [h for text in texts for h in _copies(flite(text, voice, float(random.uniform(0.8, 1.25))), part, random, 3)]


def _festival(voice: str, count: int) -> list[Heard]:
    random = _random("festival", voice)
    part, language, encoding = FESTIVAL[voice]
    if part != "train":
        count = max(count // 3, 1)
    english = language == "en"
    texts = english_sentences(count, 7) if english else invented_sentences(language, "latin", count, 7)
    stretch = float(random.uniform(0.85, 1.2))
    said = festival(texts, voice, stretch, parts_of_arpabet if english else parts_of_festival, encoding)
    return [heard for utterance in said for heard in _copies(utterance, part, random)]


def _nonspeech(count: int, piece: int) -> list[Heard]:
    random = _random("nonspeech", piece)
    heard = []
    for _ in range(count):
        length = int(random.uniform(4, 8) * SOUND_RATE)
        kind = random.choice(3, p=(0.4, 0.45, 0.15))
        samples = (noise, music, quiet)[kind](random, length)
        samples = through_a_codec(samples, random) if kind < 2 else samples * np.float32(10 ** -random.uniform(2.5, 4.5))
        heard.append(_heard(Utterance(samples, np.full(-(-length // STEP), SILENCE, np.uint8), NOBODY), "train"))
    return heard


def _librivox() -> list[Heard]:
    """The clips of Debian's pocketsphinx-testdata by the reader of the tested ones: to see how well the network does before a test."""
    heard = []
    for line in (LIBRIVOX / "transcription").read_text().splitlines():
        words, _, name = line.rpartition("(")
        name = name.rstrip(")").strip()
        if not name.endswith(TESTED_CLIPS):
            words = words.replace("<s>", "").replace("</s>", "").strip()
            heard.append(_heard(aligned_recording(_loaded(LIBRIVOX / f"{name}.wav"), words, "LibriVox Austen"), "held reader"))
    return heard


def _recordings(listed: list[tuple[Path, str, str]], copies: int, piece: int) -> list[Heard]:
    """Those of the recordings (file, reader, words) whose words fit what is said."""
    random = _random("recordings", piece)
    heard = []
    for path, speaker, words in listed:
        try:
            utterance = aligned_recording(_loaded(path), words, speaker)
        except SoundError:
            print(f"{path} does not fit its words and is left out.", flush=True)
            continue
        part = "held reader" if speaker in HELD_READERS else "train"
        heard.append(_heard(utterance, part))
        if part == "train":
            heard += _copies(utterance, part, random, copies)
    return heard


def _listed(folder: Path) -> list[tuple[Path, str, str]]:
    """(file, reader, words) of all that is in the folder."""
    found = []
    for line in RECORDINGS.read_text(encoding="utf-8").splitlines():
        path, speaker, words = line.split(" | ")
        files = sorted((folder / path).parent.glob(f"{Path(path).name}.*"))
        found += [(file, speaker, words) for file in files[:1]]
        if not files:
            print(f"{path} is not there.", flush=True)
    for name, words in _lj_speech(folder):
        file = folder / LJ_SPEECH / "wavs" / f"{name}.wav"
        if file.is_file():
            found.append((file, "LJ Speech reader", words))
    return found + _learners(folder)


def _lj_speech(folder: Path) -> list[tuple[str, str]]:
    """(name, words) of all of LJ Speech, also of what is not in the folder."""
    lines = (folder / LJ_SPEECH / "metadata.csv").read_text(encoding="utf-8").splitlines()
    return [(name, words) for name, _, words in (line.split("|") for line in lines)]


def _learners(folder: Path) -> list[tuple[Path, str, str]]:
    """(file, reader, words) of the longest sentences of each speaker of speechocean762."""
    of_reader: dict[str, list[tuple[Path, str, str]]] = {}
    for text in sorted((folder / LEARNERS).glob("t*/text")):
        for name, words in (line.split(maxsplit=1) for line in text.read_text().splitlines()):
            reader = name[1:5]
            file = folder / LEARNERS / "WAVE" / f"SPEAKER{reader}" / f"{name}.WAV"
            of_reader.setdefault(f"{LEARNERS} {reader}", []).append((file, f"{LEARNERS} {reader}", words))
    longest = [sorted(said, key=lambda one: -len(one[2]))[:LONGEST_OF_EACH] for said in of_reader.values()]
    return [one for said in longest for one in said if one[0].is_file()]


def _loaded(path: Path) -> np.ndarray:
    return load_sound(path).mono(SOUND_RATE).numpy()


def aligned_recording(samples: np.ndarray, transcript: str, speaker: str) -> Utterance:
    """Recorded English at 16 kHz with the sounds of its transcript."""
    sounds = [(p.start, p.end, p.symbol) for p in align(samples, transcript)]
    return labelled(samples, SOUND_RATE, spans_of(sounds, parts_of_arpabet), speaker)
