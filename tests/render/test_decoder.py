"""The plane decoder against the reference vector decoder_osg."""

import numpy as np
import torch
from golden import load_vector, make_input
from scenes import noise_decoder

from real3d_core.render import PlaneDecoder


def test_density_and_colour(goldens):
    expected, meta = load_vector(goldens / "decoder_osg.npz")
    noise = meta["inputs"]["features"]
    features = torch.from_numpy(make_input(noise["label"], noise["shape"], noise["seed"], noise["low"], noise["high"]))
    density, colour = noise_decoder()(features.mean(dim=1))
    np.testing.assert_allclose(density[..., None], expected["sigma"], **meta["tolerance"])
    np.testing.assert_allclose(colour[:, ::4], expected["rgb"], **meta["tolerance"])


def test_any_hidden_width_will_do():
    stored = {"net.0.weight": (7, 32), "net.0.bias": (7,), "net.2.weight": (33, 7), "net.2.bias": (33,)}
    decoder = PlaneDecoder.from_checkpoint({key: torch.ones(shape) for key, shape in stored.items()}, prefix="")
    density, colour = decoder(torch.zeros(5, 32))
    assert colour.shape == (5, 32)
    assert torch.allclose(density, 1 + 7**0.5 * torch.nn.functional.softplus(torch.tensor(1.0)))
