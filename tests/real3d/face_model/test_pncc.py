"""PNCC pictures against the reference rasteriser's (spec 06 section 9)."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from golden import load_vector, make_input

from real3d_core.errors import MotionMismatchError
from real3d_core.real3d.face_model.basel import FaceModel
from real3d_core.real3d.face_model.pncc import PnccRenderer

POSE = torch.tensor([[0.1, 0.5, -0.1]]), torch.tensor([[0.1, -0.1, 0.2]])


@pytest.fixture(scope="module")
def renderer(face: FaceModel) -> PnccRenderer:
    return PnccRenderer(face)


@pytest.fixture(scope="module")
def people(face: FaceModel) -> torch.Tensor:
    """[3, N, 3]: two people with expressions, and the first without."""
    identity = torch.from_numpy(make_input("portrait.secc.id", (2, 80), 0, -0.5, 0.5))
    expression = torch.from_numpy(make_input("portrait.secc.exp", (2, 64), 0, -0.5, 0.5))
    points = face.shape.points(identity, expression)
    return torch.cat([points, face.shape.points(identity[:1], torch.zeros(1, 64))])


def _covered(pictures: torch.Tensor) -> np.ndarray:
    return (pictures > -1).any(dim=1).numpy()


def test_pictures_match_reference(renderer: PnccRenderer, people: torch.Tensor, goldens):
    expected, _ = load_vector(goldens / "06_secc.npz")
    pictures = torch.cat([renderer(people), renderer(people[:1], *POSE)])
    mask = np.unpackbits(expected["mask_bits"], axis=-1).astype(bool)
    assert (_covered(pictures) != mask).sum(axis=(1, 2)).max() <= 1

    sampled, reference = pictures[:, :, 1::4, 1::4].numpy(), expected["secc_s"]
    both = _covered(pictures)[:, 1::4, 1::4] & (reference > -1).any(axis=1)
    difference = np.abs(sampled - reference).max(axis=1)[both]
    assert (difference > 2e-5).mean() <= 5e-4  # at silhouettes two surfaces may be equally near
    assert np.median(difference) < 1e-6
    np.testing.assert_allclose(pictures.mean(dim=(1, 2, 3)), expected["stat"][:, 0], atol=1e-4)


def test_a_small_posed_picture_hides_what_is_behind(renderer: PnccRenderer, people: torch.Tensor, goldens):
    expected, _ = load_vector(goldens / "06_secc.npz")
    picture = renderer(people[1:2], *POSE, side=128)
    mask = expected["mask_128"].astype(bool)[:, 0]
    assert (_covered(picture) == mask).all()
    difference = np.abs(picture.numpy() - expected["secc_128"]).max(axis=1)
    assert (difference > 2e-5).sum() <= 8  # 0.05 % of the pixels


def test_a_batch_is_its_pictures(renderer: PnccRenderer, people: torch.Tensor):
    batch = renderer(people, side=96)
    assert torch.equal(batch, torch.cat([renderer(one[None], side=96) for one in people]))


def test_faces_partly_or_wholly_outside_the_picture_are_cut(renderer: PnccRenderer, people: torch.Tensor):
    still = torch.zeros(1, 3)
    centred = renderer(people[:1], side=64)
    aside = renderer(people[:1], still, torch.tensor([[0.9, 0.0, 0.0]]), side=64)
    away = renderer(people[:1], still, torch.tensor([[9.0, 0.0, 0.0]]), side=64)
    assert 0 < _covered(aside).sum() < _covered(centred).sum()
    assert (away == -1).all()


def test_coefficients_of_something_else_are_refused_before_they_fill_the_memory(face: FaceModel, renderer: PnccRenderer):
    with pytest.raises(MotionMismatchError, match="far outside of what a face can do"):
        renderer(face.shape.points(torch.zeros(1, 80), torch.full((1, 64), 300.0)))
