"""What the networks are given of a portrait: its layers by classes and the face model fitted to it (spec 06 section 1)."""

from __future__ import annotations

import logging
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from ..errors import MissingModelError
from ..mediapipe_models.model_files import ModelFolders
from ..portrait.portrait import SIDE, Portrait
from .face_model.fit import FaceFit, fit_picture
from .face_model.basel import FaceModel
from .plates import estimated_classes, make_reference_plates, network_image, segment_classes

_LOG = logging.getLogger("real3d")


@dataclass(frozen=True)
class Source:
    """head, torso, background: [1, 3, 512, 512] in -1..1, black where the layer is not; hidden parts of the last two painted in.
    classes: [1, 6, 512, 512], 0 or 1: background, hair, body skin, face skin, clothes, others.
    fit: the face model as fitted to the portrait, one frame.
    """

    head: Tensor
    torso: Tensor
    background: Tensor
    classes: Tensor
    fit: FaceFit


def prepare_source(portrait: Portrait, face: FaceModel, models: ModelFolders) -> Source:
    """Takes a portrait apart as the reference does, and fits the face model to its landmarks.

    Args:
        models: where the user keeps MediaPipe's six-class segmenter; without it the classes are estimated, with a note.
    """
    photo = _bytes(portrait.image[0])
    landmarks = portrait.landmarks.numpy() * SIDE
    try:
        classes = segment_classes(photo, models)
    except MissingModelError as missing:
        _LOG.warning("The classes of the portrait's pixels are only estimated. %s", missing)
        classes = estimated_classes(portrait.person_mask[0, 0].numpy(), portrait.head_mask[0, 0].numpy(), landmarks)
    plates = make_reference_plates(photo, classes)
    return Source(
        head=network_image(plates.head),
        torso=network_image(plates.torso),
        background=network_image(plates.background),
        classes=plates.classes[None],
        fit=fit_picture(face, landmarks, SIDE),
    )


def _bytes(image: Tensor) -> np.ndarray:
    """[3, H, W] in -1..1 -> uint8 [H, W, 3]."""
    return ((image.permute(1, 2, 0) + 1) * 127.5).round().clamp(0, 255).byte().cpu().numpy()
