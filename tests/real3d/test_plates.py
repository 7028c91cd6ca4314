"""Head, torso and background pictures against the reference's (spec 06 section 4)."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from golden import load_vector, make_input

from real3d_core.errors import MissingModelError
from real3d_core.mediapipe_models.model_files import ModelFolders
from real3d_core.real3d.source import (
    BODY_SKIN,
    CLOTHES,
    FACE_SKIN,
    background_plate,
    class_map,
    head_plate,
    network_image,
    segment_classes,
    torso_plate,
)


@pytest.fixture(scope="module")
def expected(goldens) -> dict[str, np.ndarray]:
    return load_vector(goldens / "06_torso.npz")[0]


@pytest.fixture(scope="module")
def portrait() -> np.ndarray:
    return np.floor((make_input("portrait.seg.img", (512, 512, 3)) + 1) * 127.5).astype(np.uint8)


def _bits(packed: np.ndarray) -> np.ndarray:
    return np.unpackbits(packed, axis=-1).astype(bool)


def test_torso_is_continued_upwards_as_by_the_reference(expected, portrait):
    torso, mask = torso_plate(portrait, expected["category"])
    assert (mask == _bits(expected["torso_mask_bits"])).all()
    assert (mask | (expected["category"] == 0) == _bits(expected["torso_bg_mask_bits"])).all()
    assert not torso[:232].any()
    assert np.abs(torso[232:].astype(int) - expected["torso_img"]).max() <= 1


def test_without_a_neck_the_clothes_go_on(expected, portrait):
    category = np.where(expected["category"] == BODY_SKIN, CLOTHES, expected["category"])
    torso, mask = torso_plate(portrait, category)
    pixels, total = expected["no_neck_stat"]
    assert mask.sum() == pixels
    assert abs(int(torso.sum()) - total) <= pixels // 100


def test_head_and_class_map_keep_the_classes_of_the_reference(expected, portrait):
    classes = class_map(expected["category"])
    assert classes.shape == (6, 512, 512) and (classes.sum(dim=0) == 1).all()

    def stat(*numbers: int) -> list[int]:
        mask = classes[list(numbers)].sum(dim=0).numpy() > 0
        return [int(mask.sum()), int((portrait * mask[..., None]).sum())]

    assert [stat(1, 3, 5)[0], int(head_plate(portrait, expected["category"]).sum())] == expected["head_stat"].tolist()
    assert stat(2, 4) == expected["torso_stat"].tolist()
    assert stat(1, 2, 3, 4, 5) == expected["person_stat"].tolist()
    assert stat(0) == expected["bg_stat"].tolist()


def test_background_is_filled_from_the_nearest_sure_pixels(expected):
    y, x = np.mgrid[:512, :512]
    ramp = np.stack([x // 2, y // 2, (x + y) // 4], axis=-1).astype(np.uint8)
    filled = background_plate(ramp, expected["category"])
    sure = _bits(expected["sure_bits"])
    assert (filled[sure] == ramp[sure]).all()
    difference = np.abs(filled[::2, ::2].astype(int) - expected["bg_ramp_s"]).max(axis=-1)
    assert (difference <= 3).mean() >= 0.99


def test_backgrounds_that_say_nothing(portrait):
    nobody = np.zeros((512, 512), np.uint8)
    assert (background_plate(portrait, nobody) == portrait).all()
    assert not background_plate(portrait, np.full_like(nobody, CLOTHES)).any()
    strip = np.full_like(nobody, CLOTHES)
    strip[:, :8] = 0
    filled = background_plate(portrait, strip)
    assert np.abs(filled.mean(axis=(0, 1)) - portrait[:, :8].mean(axis=(0, 1))).max() < 1 and filled.std(axis=(0, 1)).max() == 0


def test_a_head_at_the_upper_edge_wraps_nowhere(portrait):
    category = np.zeros((512, 512), np.uint8)
    category[:20, 200:300] = FACE_SKIN
    category[20:400, 200:300] = BODY_SKIN
    torso, mask = torso_plate(portrait, category)
    assert mask[:20, 200:300].all()
    assert not mask[410:].any() and not torso[410:].any()


def test_network_images_run_from_minus_one_to_one():
    picture = np.array([[[0, 255, 127]]], np.uint8)
    torch.testing.assert_close(network_image(picture)[0, :, 0, 0], torch.tensor([-1.0, 1.0, -0.5 / 127.5]))


def test_a_missing_segmenter_is_named(portrait, tmp_path):
    with pytest.raises(MissingModelError, match=r"selfie_multiclass_256x256\.tflite.*storage\.googleapis\.com"):
        segment_classes(portrait, ModelFolders((tmp_path,)))
