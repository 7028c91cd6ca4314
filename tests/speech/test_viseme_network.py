"""What the network hears in speech, and in everything that is none."""

import numpy as np
import pytest
import torch

from real3d_core.errors import MissingModelError
from real3d_core.speech import viseme_network as module
from real3d_core.speech.viseme_network import WEIGHTS_FILE, VisemeNetwork, log_mel, viseme_posteriors
from real3d_core.speech.visemes import CLOSED, NAMES, REST, VISEME_OF_SOUND


def test_the_network_is_small():
    """The bounds of issue 8."""
    assert sum(parameter.numel() for parameter in VisemeNetwork().parameters()) <= 300_000
    assert WEIGHTS_FILE.stat().st_size <= 1_000_000


def test_every_step_has_likelihoods(clip, speech, posteriors):
    assert posteriors[clip].shape == (-(-len(speech[clip]) // 160), len(NAMES))
    assert np.allclose(posteriors[clip].sum(1), 1, atol=1e-5)


@pytest.mark.parametrize("chunk", [1, 37, 100, 10_000])
def test_chunks_do_not_matter(speech, posteriors, chunk):
    name = "librivox_0880_en.wav"
    assert np.abs(viseme_posteriors(speech[name], chunk) - posteriors[name]).max() <= 1e-5


def test_nothing_but_the_nearby_sound_matters(speech):
    """What is heard in a piece is what is heard there in the whole, from the network's reach on."""
    sound = speech["librivox_0870_en.wav"]
    piece = viseme_posteriors(sound[160 * 100 : 160 * 700])
    reach = VisemeNetwork().reach + 2  # two steps more, whose spectra reach beyond the piece
    assert np.abs(piece[reach:-reach] - viseme_posteriors(sound)[100 + reach : 700 - reach]).max() <= 1e-5


def test_what_is_louder_or_brighter_throughout_is_heard_the_same(speech):
    """The mean over some seconds is taken away band by band."""
    mel = torch.from_numpy(log_mel(speech["librivox_0870_en.wav"], 100, 700).T[None].copy())
    tone = torch.linspace(-0.2, 0.2, 40)[None, :, None]
    seen, brighter = (module._against_the_mean(spectra)[0] for spectra in (mel, mel + tone))
    assert seen.shape == (1, 40, 600 - 2 * module.NEARBY)
    assert (seen - brighter).abs().max() <= 1e-4


def test_memory_does_not_grow_with_the_sound(speech, monkeypatch):
    lengths = []
    forward = VisemeNetwork.forward
    monkeypatch.setattr(VisemeNetwork, "forward", lambda self, mel: lengths.append(mel.shape[-1]) or forward(self, mel))
    viseme_posteriors(np.tile(speech["librivox_0880_en.wav"], 20))
    assert len(lengths) == 3
    assert max(lengths) <= module.CHUNK + 2 * VisemeNetwork().reach


@pytest.mark.parametrize("length", [1, 159, 160, 161, 3200])
def test_the_shortest_sounds_are_no_trouble(speech, length):
    heard = viseme_posteriors(speech["librivox_0880_en.wav"][8000 : 8000 + length])
    assert heard.shape == (-(-length // 160), len(NAMES)) and np.isfinite(heard).all()


def test_the_right_viseme_is_heard(clip, posteriors, spoken_at):
    """Measured 85 and 87 %; a guess would be right in a fifth of the time."""
    symbols = spoken_at[clip]((np.arange(len(posteriors[clip])) + 0.5) / 100)
    heard = posteriors[clip].argmax(1)
    right = [NAMES[h] in VISEME_OF_SOUND[symbol] for h, symbol in zip(heard, symbols, strict=True)]
    assert np.mean(right) >= 0.8


@pytest.mark.parametrize("decibels", [-45, -30, -15])
def test_nobody_speaks_in_noise(decibels):
    noise = np.random.default_rng(0).standard_normal(5 * 16000).astype(np.float32)
    heard = viseme_posteriors(np.clip(noise * 10 ** (decibels / 20), -1, 1)).argmax(1)
    assert np.mean(heard == REST) >= 0.9


def test_silence_is_rest():
    assert (viseme_posteriors(np.zeros(16000, np.float32)).argmax(1) == REST).all()


def test_loudness_does_not_matter_much(speech, posteriors):
    name = "librivox_0870_en.wav"
    quiet = viseme_posteriors(0.2 * speech[name])
    assert np.mean(quiet.argmax(1) == posteriors[name].argmax(1)) >= 0.8


def test_spectra_outside_the_sound_are_silent():
    mel = log_mel(np.full(1600, 0.5, np.float32), -5, 15)
    assert mel.shape == (20, 40)
    assert np.allclose(mel[:3], -1) and np.allclose(mel[-3:], -1) and mel[8:12].max() > 0


def test_weights_fit_the_table_of_visemes():
    assert module.load_network(WEIGHTS_FILE)(torch.zeros(1, 40, 700)).shape == (1, len(NAMES), 700 - 2 * VisemeNetwork().reach)
    assert NAMES[CLOSED] == "closed"


def test_weights_that_were_written_are_read(tmp_path):
    network = module.load_network(WEIGHTS_FILE)
    module.save_network(network, tmp_path / "own.safetensors")
    again = module.load_network(tmp_path / "own.safetensors")
    assert all(torch.equal(value, again.state_dict()[name]) for name, value in network.state_dict().items())


@pytest.mark.parametrize("rows", [tuple(sorted(NAMES)), (*NAMES, "new"), NAMES[:-1], (*NAMES[:-1], "other")])
def test_a_table_with_other_rows_than_the_weights_were_trained_for_is_refused(monkeypatch, rows):
    """The order of its rows is that of the network's outputs; sorted by name they scrambled the lips without a word."""
    monkeypatch.setattr(module, "NAMES", rows)
    with pytest.raises(
        MissingModelError, match=rf"'rest closed teeth .* visemes\.json has '{rows[0]} .*: give its rows those names"
    ) as failure:
        module.load_network(WEIGHTS_FILE)
    assert "\n" not in str(failure.value)


def test_weights_that_do_not_say_their_visemes_are_refused(tmp_path):
    from safetensors.torch import load_file, save_file

    save_file(load_file(WEIGHTS_FILE), tmp_path / "old.safetensors")
    with pytest.raises(MissingModelError, match="do not state the names of their visemes"):
        module.load_network(tmp_path / "old.safetensors")
