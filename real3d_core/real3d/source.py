"""What the networks are given of a portrait: its layers by classes and the face model fitted to it (spec 06 section 1)."""

from __future__ import annotations

import logging
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from scipy.ndimage import binary_dilation, distance_transform_edt
from torch import Tensor

from ..errors import MissingModelError
from ..face.landmark_sets import CHIN, FACE_OVAL, FOREHEAD, JAW_CORNERS
from ..mediapipe_models.model_files import ModelFile, ModelFolders
from ..mediapipe_models.runner import segmenter
from ..portrait.portrait import SIDE, Portrait
from .face_model.basel import FaceModel
from .face_model.fit import FaceFit, fit_picture

_LOG = logging.getLogger("real3d")
BACKGROUND, HAIR, BODY_SKIN, FACE_SKIN, CLOTHES, OTHERS = range(6)
HEAD = (HAIR, FACE_SKIN, OTHERS)
SEGMENTER = ModelFile(
    "selfie_multiclass_256x256.tflite",
    None,
    "https://storage.googleapis.com/mediapipe-models/image_segmenter/selfie_multiclass_256x256/float32/latest/selfie_multiclass_256x256.tflite",
)
_SHADE = 0.98  # each painted row is this much darker than the one below it
_CLOTHES_ROWS, _NECK_ROWS = 9, 53
_NECK_GROWTH = 3  # pixels by which the neck is taken to reach further up and down than segmented
_NECK_INSET = 4  # rows below the neck's upper edge from which its colour is taken
_BACKGROUND_MARGIN = 10.0  # pixels from the person within which the background is not trusted


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
    torso, _ = torso_plate(photo, classes)
    return Source(
        head=network_image(head_plate(photo, classes)),
        torso=network_image(torso),
        background=network_image(background_plate(photo, classes)),
        classes=class_map(classes)[None],
        fit=fit_picture(face, landmarks, SIDE),
    )


def _bytes(image: Tensor) -> np.ndarray:
    """[3, H, W] in -1..1 -> uint8 [H, W, 3]."""
    return ((image.permute(1, 2, 0) + 1) * 127.5).round().clamp(0, 255).byte().cpu().numpy()


def head_plate(portrait: np.ndarray, category: np.ndarray) -> np.ndarray:
    """The head, uint8 [H, W, 3], black elsewhere."""
    return np.where(np.isin(category, HEAD)[..., None], portrait, 0).astype(np.uint8)


def network_image(picture: np.ndarray) -> Tensor:
    """uint8 [H, W, 3] -> [1, 3, H, W] float32 in -1..1."""
    return ((torch.from_numpy(np.ascontiguousarray(picture)).float() - 127.5) / 127.5).permute(2, 0, 1)[None]


def class_map(category: np.ndarray) -> Tensor:
    """[H, W] class numbers -> [6, H, W] float32, 1 in the channel of the class."""
    return torch.from_numpy(np.stack([category == number for number in range(6)])).float()


def segment_classes(portrait: np.ndarray, models: ModelFolders) -> np.ndarray:
    """[H, W] uint8 class numbers of an RGB uint8 portrait, by MediaPipe's six-class selfie segmenter.

    Raises: MissingModelError where the user has not brought the segmenter's file, or nothing here can run it.
    """
    with segmenter(models.find(SEGMENTER)) as opened:
        return opened.categories(portrait)


def estimated_classes(person: np.ndarray, head: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
    """[H, W] uint8 class numbers where the user has no six-class segmenter: from masks and landmarks alone.

    Within the face's outline is face skin, the head beyond it hair; below the jaw, as broad as the jaw and a good third of the
    face's height deep, is the neck; the rest of the person is clothes. Glasses and hats count as what they lie on.

    Args:
        person, head: [H, W] in 0..1, all of the person and the part that moves with the head (`Portrait`).
        landmarks: [478, >= 2] in pixels.
    """
    outline, neck = np.zeros(person.shape, np.uint8), np.zeros(person.shape, np.uint8)
    points = landmarks[:, :2]
    cv2.fillPoly(outline, [np.round(points[FACE_OVAL]).astype(np.int32)], 1)
    down = 0.35 * (points[CHIN] - points[FOREHEAD])
    left, right = (points[corner] for corner in JAW_CORNERS)
    cv2.fillConvexPoly(
        neck,
        np.round([left, right, points[CHIN] + down + (right - left) / 2, points[CHIN] + down - (right - left) / 2]).astype(np.int32),
        1,
    )

    category = np.full(person.shape, CLOTHES, np.uint8)
    category[neck > 0] = BODY_SKIN
    category[head >= 0.5] = HAIR
    category[outline > 0] = FACE_SKIN
    category[person < 0.5] = BACKGROUND
    return category


def torso_plate(portrait: np.ndarray, category: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The torso, continued upwards behind the head: uint8 [H, W, 3], black elsewhere, and its mask, bool [H, W].

    Clothes go on for a few rows, the neck for many, each row a little darker than the one below. All colours come from the
    untouched portrait. Rows above the picture are left out, where the published code wraps to the bottom (spec 06 section 12, item 9).
    """
    head = np.isin(category, HEAD)
    clothes = category == CLOTHES
    neck = binary_dilation(category == BODY_SKIN, np.ones((3, 1), bool), iterations=_NECK_GROWTH)
    painted = np.where(head[..., None], 0, portrait).astype(np.uint8)

    column, row = _tops_below_head(clothes, head)
    over_clothes = _paint_upwards(painted, portrait, column, row, _CLOTHES_ROWS)

    column, row = _tops_below_head(neck, head)
    row = row + np.minimum(neck[:, column].sum(axis=0) - 1, _NECK_INSET)
    over_neck = _paint_upwards(painted, portrait, column, row, _NECK_ROWS)
    # sigma 4 (spec 06 section 12, item 10)
    blurred = cv2.GaussianBlur(painted, (5, 5), sigmaX=4, sigmaY=4)
    painted[over_neck] = blurred[over_neck]

    mask = neck | clothes | over_clothes | over_neck
    return np.where(mask[..., None], painted, 0).astype(np.uint8), mask


def background_plate(portrait: np.ndarray, category: np.ndarray) -> np.ndarray:
    """What lies behind the person, uint8 [H, W, 3]: every pixel takes the colour of the nearest one surely of the background.

    Without a person it is the portrait itself; without a sure pixel the mean colour of the background, black if there is none.
    """
    behind = category == BACKGROUND
    if behind.all():
        return portrait.copy()
    sure = distance_transform_edt(behind) > _BACKGROUND_MARGIN
    if not sure.any():
        mean = portrait[behind].mean(axis=0) if behind.any() else np.zeros(3)
        return np.broadcast_to(mean, portrait.shape).astype(np.uint8)
    row, column = distance_transform_edt(~sure, return_distances=False, return_indices=True)
    return portrait[row, column]


def _tops_below_head(part: np.ndarray, head: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Columns in which the topmost pixel of a part lies right below the head, and the row of that pixel."""
    column = np.nonzero(part.any(axis=0))[0]
    row = part[:, column].argmax(axis=0)
    below_head = (row > 0) & head[row - 1, column]
    return column[below_head], row[below_head]


def _paint_upwards(painted: np.ndarray, portrait: np.ndarray, column: np.ndarray, row: np.ndarray, rows: int) -> np.ndarray:
    """Repeats the portrait's colour at (row, column) over `rows` rows upwards, darkening; returns the mask of what it painted."""
    step = np.arange(rows)[:, None]
    target = row - step
    colours = (portrait[row, column] * (_SHADE**step)[..., None]).astype(np.uint8)
    kept = target >= 0
    target, across = target[kept], np.broadcast_to(column, target.shape)[kept]
    painted[target, across] = colours[kept]
    mask = np.zeros(painted.shape[:2], dtype=bool)
    mask[target, across] = True
    return mask
