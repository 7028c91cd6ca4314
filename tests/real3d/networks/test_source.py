"""A portrait as the networks are given it."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from real3d_core.mediapipe_models.model_files import ModelFolders
from real3d_core.portrait.portrait import prepare_portrait
from real3d_core.real3d.source import prepare_source


@pytest.fixture(scope="module")
def prepared(assets, face):
    photo = cv2.cvtColor(cv2.imread(str(assets / "portraits" / "astronaut.png")), cv2.COLOR_BGR2RGB)
    portrait = prepare_portrait(photo, ModelFolders())
    return portrait, prepare_source(portrait, face, ModelFolders())


def test_layers_have_the_sizes_and_ranges_that_the_networks_want(prepared):
    _, source = prepared
    for layer in (source.head, source.torso, source.background):
        assert layer.shape == (1, 3, 512, 512) and layer.min() >= -1 and layer.max() <= 1
    assert source.classes.shape == (1, 6, 512, 512) and source.classes.sum(1).eq(1).all()


def test_the_head_is_the_photo_within_its_classes_and_black_elsewhere(prepared):
    portrait, source = prepared
    kept = source.classes[0, [1, 3, 5]].sum(0).bool()
    assert 0.05 < kept.float().mean() < 0.6
    assert (source.head[0][:, kept] - portrait.image[0][:, kept]).abs().max() < 1 / 127
    assert source.head[0][:, ~kept].eq(-1).all()


def test_the_fit_faces_the_way_the_portrait_does(prepared):
    portrait, source = prepared
    assert len(source.fit) == 1
    assert np.abs((source.fit.euler - portrait.euler).numpy()).max() < 0.3
