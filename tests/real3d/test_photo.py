"""What the paper's avatar makes of a real photo: fit and plates, checked against the portrait's own analysis."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch

from real3d_core.mediapipe_models.model_files import ModelFolders
from real3d_core.portrait.portrait import Portrait, prepare_portrait
from real3d_core.real3d.face_model.basel import FaceModel, place, project
from real3d_core.real3d.face_model.fit import UNMATCHED, fit_picture
from real3d_core.real3d.source import BACKGROUND, BODY_SKIN, CLOTHES, FACE_SKIN, HAIR, estimated_classes, torso_plate


@pytest.fixture(scope="module")
def portrait(assets) -> Portrait:
    """A selfie with a tilted head."""
    return prepare_portrait(
        cv2.cvtColor(cv2.imread(str(assets / "portraits" / "synthetic_p009_selfie.jpg")), cv2.COLOR_BGR2RGB), ModelFolders()
    )


def test_fit_of_a_photo_agrees_with_its_landmarks_and_its_pose(face: FaceModel, portrait: Portrait):
    landmarks = portrait.landmarks.numpy() * 512
    fit = fit_picture(face, landmarks, 512)
    fitted = project(place(face.mediapipe_shape.points(fit.identity, fit.expression), fit.euler, fit.translation))[0]
    seen = torch.from_numpy(np.stack([landmarks[:468, 0], 512 - landmarks[:468, 1]], axis=1)) * 224 / 512
    matched = np.delete(np.arange(468), UNMATCHED)
    root_mean_square = (fitted - seen)[matched].square().sum(dim=1).mean().sqrt()
    assert root_mean_square < 2  # of 224; the stand-in's random bases leave about 1.3
    # two ways to one pose: landmark fit, and Procrustes onto MediaPipe's canonical face
    assert (fit.euler - portrait.euler).abs().max() < 0.12
    assert fit.euler[0, 2] > 0.1  # tilted


def test_classes_estimated_without_a_segmenter_make_whole_plates(portrait: Portrait):
    person, head = (mask[0, 0].numpy() for mask in (portrait.person_mask, portrait.head_mask))
    landmarks = portrait.landmarks.numpy() * 512
    category = estimated_classes(person, head, landmarks)
    nose, chin, forehead = (landmarks[point, :2] for point in (1, 152, 10))

    def at(point: np.ndarray) -> int:
        return category[round(float(point[1])), round(float(point[0]))]

    assert at(nose) == FACE_SKIN
    assert at(forehead + 0.3 * (forehead - chin)) == HAIR
    assert at(chin + 0.15 * (chin - forehead)) == BODY_SKIN
    assert category[505, 256] == category[490, 200] == CLOTHES
    assert category[10, 10] == BACKGROUND

    photo = ((portrait.image[0].permute(1, 2, 0).numpy() + 1) * 127.5).astype(np.uint8)
    torso, mask = torso_plate(photo, category)
    behind_chin = (chin + 0.1 * (forehead - chin)).round().astype(int)
    assert mask[behind_chin[1], behind_chin[0]] and torso[behind_chin[1], behind_chin[0]].any()
