"""The code that makes the viseme network's weights, on sounds made here."""

import numpy as np
import pytest
import torch

from real3d_core.speech.viseme_network import BANDS
from real3d_core.speech.visemes import NAMES, VISEME_OF_SOUND
from training.visemes.augment import recorded
from training.visemes.corpus import NOBODY, RECORDINGS, Heard
from training.visemes.muon import Muon
from training.visemes.scores import predicted
from training.visemes.sounds import SOUNDS, VISEME_OF, parts_of_arpabet, parts_of_ipa
from training.visemes.synthesisers import labelled, spans_of
from training.visemes.train import train


def visemes(parts):
    return tuple(NAMES[VISEME_OF[SOUNDS.index(sound)]] for sound, _ in parts)


def test_sounds_are_told_alike_in_both_alphabets():
    assert parts_of_arpabet("P") == parts_of_ipa("pʰ") == [("p", 1.0)]
    assert [sound for sound, _ in parts_of_arpabet("ay")] == [sound for sound, _ in parts_of_ipa("aɪ")] == ["a", "ɪ"]
    assert parts_of_ipa("tʃ") == [("ʃ", 1.0)]  # lips take the shape of an affricate's second half from the start
    assert parts_of_ipa("ˈuː") == [("u", 1.0)]
    with pytest.raises(KeyError):
        parts_of_arpabet("XX")


@pytest.mark.parametrize("sound", VISEME_OF_SOUND)
def test_sounds_have_the_visemes_of_the_artists_table(sound):
    assert visemes(parts_of_arpabet(sound)) == VISEME_OF_SOUND[sound]


def test_labels_follow_the_times_of_the_sounds():
    utterance = labelled(np.zeros(22050, np.float32), 22050, spans_of([(0.2, 0.4, "m"), (0.4, 0.6, "ay")], parts_of_arpabet), "x")
    assert len(utterance.samples) == 16000 and len(utterance.labels) == 100
    changes = np.flatnonzero(np.diff(utterance.labels.astype(int))) + 1
    assert changes.tolist() == [20, 40, 51, 60]
    assert [SOUNDS[utterance.labels[step]] for step in (10, 30, 45, 55, 70)] == ["_", "m", "a", "ɪ", "_"]


def test_another_recording_keeps_labels_with_their_sounds():
    """A noise between two silences is still where its labels say, at any pace, in any room."""
    samples = np.zeros(16000, np.float32)
    samples[4800:9600] = np.random.default_rng(0).standard_normal(4800)
    utterance = labelled(samples, 16000, [(0.3, 0.6, "s")], "x")
    for seed in range(8):
        again = recorded(utterance, np.random.default_rng(seed))
        loud = np.array([again.samples[160 * step : 160 * step + 160].std() for step in range(len(again.labels))])
        hiss = again.labels == SOUNDS.index("s")
        assert 0.3 / 1.25 < hiss.sum() / 100 < 0.3 / 0.8
        assert loud[hiss].mean() > 1.4 * loud[: np.flatnonzero(hiss)[0]].mean()


def test_muon_turns_a_matrix_alike_in_all_directions():
    torch.manual_seed(0)
    weight = torch.nn.Parameter(torch.zeros(12, 5, 3))
    weight.grad = torch.randn(12, 5, 3) * torch.logspace(0, -2, 12)[:, None, None]
    Muon([weight], rate=0.1, weight_decay=0.0).step()
    turned = torch.linalg.svdvals(weight.detach().flatten(1))
    assert turned.max() < 0.13 and turned.min() > 0.04
    assert (weight * weight.grad).sum() < 0


def test_training_learns_to_tell_a_hiss_from_a_hum(monkeypatch):
    monkeypatch.setattr("training.visemes.train.BATCH", 2)
    monkeypatch.setattr("training.visemes.train.LENGTH", 150)
    random = np.random.default_rng(0)
    heard = []
    for speaker in ("flite one", "reader two", NOBODY):
        labels = np.repeat(random.integers(0, 2, 60), 20) * (speaker != NOBODY)
        mel = 0.1 * random.standard_normal((len(labels), BANDS))
        mel[:, :20] += (labels == 0)[:, None] * 0.5
        mel[:, 20:] += (labels == 1)[:, None] * 0.5
        sounds = np.array([SOUNDS.index("a"), SOUNDS.index("s")] if speaker != NOBODY else [0, 0], np.uint8)
        heard.append(Heard(mel.astype(np.float16), sounds[labels], speaker, "train"))
    kept = []
    network = train(heard, steps=30, keep=kept.append, tell=lambda line: None)
    assert np.mean(predicted(network, heard[0].mel) == VISEME_OF[heard[0].labels]) > 0.9
    assert kept == []  # too short a run for a state on the way


def test_every_recording_is_listed_once_with_its_words():
    lines = [line.split(" | ") for line in RECORDINGS.read_text(encoding="utf-8").splitlines()]
    assert all(len(line) == 3 and all(line) for line in lines)
    assert len({path for path, _, _ in lines}) == len(lines)
