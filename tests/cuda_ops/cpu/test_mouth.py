"""The compiled inside of a mouth is the readable one, whatever the photo shows between its lips."""

import logging
from dataclasses import replace

import pytest
import torch

from cuda_ops import composing
from cuda_ops.cpu import mouth_extension
from real3d_core.analytic.mouth import MouthInterior
from real3d_core.analytic.painting import IN_TORCH
from real3d_core.face.canonical_face import canonical_face
from real3d_core.face.landmark_sets import LOWER_INNER_LIP, LOWER_OUTER_LIP
from real3d_core.mediapipe_models.model_files import ModelFolders


@pytest.fixture(scope="module")
def twin(or_skipped):
    return or_skipped(mouth_extension.load)


def mouth(parted=False, teeth=0.0, colours=True, lower_teeth=False):
    """Of the canonical face on a photo of noise."""
    points = torch.from_numpy(canonical_face(ModelFolders()).points).float()
    landmarks = torch.zeros(478, 3)
    landmarks[: len(points), :2] = points[:, :2] * torch.tensor([0.03, -0.03]) + 0.5
    if parted:
        landmarks[[*LOWER_INNER_LIP[1:-1], *LOWER_OUTER_LIP[1:-1]], 1] += 0.04
    photo = 0.3 * torch.rand(1, 3 if colours else 1, 200, 200, generator=torch.Generator().manual_seed(0)) + 0.2
    photo = photo.expand(-1, 3, -1, -1).contiguous()
    made = MouthInterior(photo, landmarks, 0.0055)
    down, across = (axis.flatten() for axis in torch.meshgrid(torch.linspace(0, 0.03, 30), torch.linspace(-0.05, 0.05, 60), indexing="ij"))
    x, y = ((made._own.back(torch.stack([across, made._own.upper_middle + down], dim=1)) - 0.5) / 1.25 * 200 + 100).long().T
    photo[:, :, y, x] += teeth
    made = MouthInterior(photo, landmarks, 0.0055)
    made._own.has_lower_teeth |= lower_teeth
    return made


KINDS = {
    "closed": {},
    "grey": {"colours": False},
    "open, without teeth": {"parted": True},
    "with teeth": {"parted": True, "teeth": 0.5},
    "with both rows": {"parted": True, "teeth": 0.5, "lower_teeth": True},
    "grey with teeth": {"parted": True, "teeth": 0.5, "colours": False},
}


@pytest.mark.parametrize("kind", KINDS)
def test_mouths_of_every_kind(twin, kind):
    readable = mouth(**KINDS[kind])
    assert readable._own.has_teeth or "teeth" not in KINDS[kind]
    given = readable.some_places()
    found, expected = twin(readable)(*given), readable(*given)
    assert (found - expected).abs().max() < 1e-4
    assert expected.std(dim=0).min() > 0.02  # there is something to see


def test_no_pixel_and_places_that_are_no_numbers(twin):
    readable = mouth(parted=True, teeth=0.5)
    skull, jaw, below, slant = readable.some_places()
    assert twin(readable)(skull[:0], jaw[:0], below[:0], slant).shape == (0, 3)
    skull = skull.clone()
    skull[3] = float("nan")
    assert torch.isfinite(twin(readable)(skull, jaw, below, slant)[4:]).all()


def test_what_differs_from_the_readable_one_is_not_used(monkeypatch, caplog):
    readable = mouth()
    wrong = replace(IN_TORCH, between_lips=lambda readable: lambda *given: readable(*given) + 0.01)
    monkeypatch.setattr(composing, "chosen", lambda: ("cpu-ext", wrong))
    with caplog.at_level(logging.INFO):
        assert composing.painting().between_lips(readable) is readable
    assert "differs" in caplog.text
