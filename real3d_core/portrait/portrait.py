"""A photo becomes a Portrait: everything that the avatars need to know about it (DESIGN section 2)."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import Tensor

from ..errors import NoFaceError
from ..face.canonical_face import canonical_face, head_pose
from ..face.landmarks import FaceLandmarks, largest_first
from ..media.pictures import opaque
from ..mediapipe_models.model_files import ModelFolders
from ..memory import give_back
from ..one_thread import blas_on_one_thread
from ..ranges import DEFAULT_FACE_AREA, FACE_AREA, FACE_INDEX
from ..render.camera import FACE_MODEL_CAMERA_DISTANCE, FOCAL, camera_from_pose, matrix_to_euler
from .crop import CropWindow, crop_window
from .plates import MARGIN, Plates, make_plates
from .segmentation import person_mask, person_matte

_LOG = logging.getLogger("real3d")
SIDE = 512
_CENTIMETRES_PER_DECIMETRE = 10.0
_MOST_DETAIL = 1280  # pixels of the crop's side that the plates keep at most
_SMALLEST_FACE = 28  # pixels
_CUT_OUT = 0.85  # share of opaque pixels that are person: measured 96 % and more in cut-outs, 82 % and less in round pictures
_GIVEN_BAND = 0.02  # face heights about the edge of a given hard mask in which the colours decide
_SOFT_EDGE = 1.5  # a mask's soft pixels over the pixels of its edge, two wide: resizing a hard mask leaves fewer
_MOST_TURNED = np.radians(60)


@dataclass(frozen=True, eq=False)
class Portrait:
    """Everything known about the source photo.

    image: [1, 3, 512, 512] in [-1, 1], the aligned crop.
    landmarks: [478, 3] in units of the crop's side: x right and y down from its upper left corner, z away from the viewer.
    euler, translation: [1, 3] the head's pose, radians and decimetres (spec 06 section 6); translation z is 0.
    scale: size of the head in the world against a real one; motion in decimetres shrinks by it.
    camera: [1, 25] the viewer, in the head's frame (spec 06 section 8).
    plates: head, torso and background layers, wider than the crop and as detailed as the photo.
    window: the crop's place in the photo.
    photo_size: (width, height) of the photo.
    """

    image: Tensor
    landmarks: Tensor
    euler: Tensor
    translation: Tensor
    scale: float
    camera: Tensor
    plates: Plates
    window: CropWindow
    photo_size: tuple[int, int]

    @property
    def head(self) -> Tensor:
        """[1, 3, 512, 512] in [-1, 1]: the head alone, black elsewhere."""
        return self._layer(self.plates.photo * self.plates.head_mask)

    @property
    def torso(self) -> Tensor:
        """[1, 3, 512, 512] in [-1, 1]: the torso with its hidden part painted in, black elsewhere."""
        return self._layer(self.plates.torso[:, :3] * self.plates.torso[:, 3:])

    @property
    def background(self) -> Tensor:
        """[1, 3, 512, 512] in [-1, 1]: what is behind the person."""
        return self._layer(self.plates.background)

    @property
    def head_mask(self) -> Tensor:
        """[1, 1, 512, 512] in [0, 1]."""
        return self._layer(self.plates.head_mask) / 2 + 0.5

    @property
    def person_mask(self) -> Tensor:
        """[1, 1, 512, 512] in [0, 1]."""
        return self._layer(self.plates.person) / 2 + 0.5

    def _layer(self, plate: Tensor) -> Tensor:
        plates = self.plates
        small = torch.nn.functional.interpolate(plates.crop(plate), size=(SIDE, SIDE), mode="bilinear", align_corners=False, antialias=True)
        return small.clamp(0, 1) * 2 - 1


@blas_on_one_thread()
def prepare_portrait(
    photo: np.ndarray,
    models: ModelFolders,
    mask: np.ndarray | None = None,
    face_index: int = 0,
    face_area: float = DEFAULT_FACE_AREA,
    faces: Sequence[np.ndarray] | None = None,
) -> Portrait:
    """Finds the face in a photo, crops it and takes the photo apart into layers.

    Args:
        photo: uint8 [H, W, 3] RGB or [H, W, 4] RGBA, upright; transparent parts count as background and are white.
        models: where the user keeps MediaPipe's model files.
        mask: float [h, w] in 0..1, where the person is; takes precedence over the alpha channel and the segmenter. Another size is
            stretched over the photo.
        face_index: which face, counted from the largest (0).
        face_area: the least fraction of the picture that the face fills, 0.02..0.5 (spec 06 section 2).
        faces: the landmarks of all faces [478, 3], in pixels of the photo (x right, y down, z away), if they were found elsewhere.

    Raises:
        NoFaceError: no face, too few faces for `face_index`, a face too small or turned away.
        Real3DError: a number out of range.
        MissingModelError: the landmark model is missing.
    """
    FACE_INDEX.check(face_index)
    FACE_AREA.check(face_area)
    visible = photo[..., 3].astype(np.float32) / 255 if photo.shape[2] == 4 and photo[..., 3].min() < 128 else None
    if mask is not None and mask.shape != photo.shape[:2]:
        shrinks = mask.size > photo.shape[0] * photo.shape[1]
        mask = cv2.resize(mask, photo.shape[1::-1], interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
    photo = np.ascontiguousarray(opaque(photo))
    if faces is None:
        finder = FaceLandmarks(models)
        found = finder.in_picture(photo)
    else:
        finder, found = None, largest_first(faces)
    face = _choose(found, face_index)
    height, width = photo.shape[:2]
    window = _whole(crop_window(width, height, face, face_area))
    canvas, valid = _cut(photo, window)
    landmarks = _on_canvas(canvas.shape[0], face, window)
    landmarks = _refine(finder, canvas, landmarks) if finder else landmarks
    pose = head_pose(landmarks, canonical_face(models))
    euler = matrix_to_euler(torch.from_numpy(pose.rotation).float())
    if abs(float(euler[1])) > _MOST_TURNED:
        raise NoFaceError(
            f"The face is turned {np.degrees(float(euler[1])):.0f} degrees away: use a photo in which it looks towards the camera."
        )
    given, opacity = (None if one is None else _cut(one.astype(np.float32), window)[0] for one in (mask, visible))
    person = _person(canvas, landmarks, valid, given, opacity, models)
    shown = np.zeros(person.shape, bool)
    shown[valid] = True
    give_back()
    plates = make_plates(canvas / np.float32(255), person, landmarks, shown)
    give_back()
    crop_side = plates.crop_side
    points = (landmarks / crop_side - np.array([MARGIN, MARGIN, 0])).astype(np.float32)
    centre = points[:468].mean(0)
    translation = torch.tensor([[(centre[0] - 0.5) * 10 / FOCAL, (0.5 - centre[1]) * 10 / FOCAL, 0.0]], dtype=torch.float32)
    return Portrait(
        image=torch.nn.functional.interpolate(
            plates.crop(plates.photo), size=(SIDE, SIDE), mode="bilinear", align_corners=False, antialias=True
        )
        * 2
        - 1,
        landmarks=torch.from_numpy(points),
        euler=euler[None],
        translation=translation,
        scale=pose.scale / crop_side * _CENTIMETRES_PER_DECIMETRE * FACE_MODEL_CAMERA_DISTANCE / FOCAL,
        camera=camera_from_pose(euler[None], translation).float(),
        plates=plates,
        window=window,
        photo_size=(width, height),
    )


def _choose(faces: list[np.ndarray], index: int) -> np.ndarray:
    if not faces:
        raise NoFaceError(
            "No face was found in the portrait: use a photo that shows one face from the front, not too small and not covered."
        )
    if index >= len(faces):
        raise NoFaceError(f"Face number {index} was requested, but the portrait shows {len(faces)}: count from 0, the largest face.")
    if len(faces) > 1:
        _LOG.info("The portrait shows %d faces; number %d, counted from the largest, is taken.", len(faces), index)
    face = faces[index]
    width = float(np.ptp(face[:, 0]))
    if width < _SMALLEST_FACE:
        raise NoFaceError(f"The face is only {width:.0f} pixels wide: use a larger photo (at least {_SMALLEST_FACE}, better 200 pixels).")
    return face


def _whole(window: CropWindow) -> CropWindow:
    return CropWindow(round(window.left), round(window.top), round(window.side))


def _cut(picture: np.ndarray, window: CropWindow) -> tuple[np.ndarray, tuple[slice, slice]]:
    """The window with its margins, resized to the plates' resolution, and the part of it that the picture really shows."""
    edge = round(MARGIN * window.side)
    left, top, size = int(window.left) - edge, int(window.top) - edge, int(window.side) + 2 * edge
    height, width = picture.shape[:2]
    x0, y0, x1, y1 = max(left, 0), max(top, 0), min(left + size, width), min(top + size, height)
    cut = cv2.copyMakeBorder(picture[y0:y1, x0:x1], y0 - top, top + size - y1, x0 - left, left + size - x1, cv2.BORDER_REPLICATE)
    crop_side = int(np.clip(window.side, SIDE, _MOST_DETAIL)) // 4 * 4
    side = round(crop_side * (1 + 2 * MARGIN))
    scale = side / size
    canvas = cv2.resize(cut, (side, side), interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
    rows = slice(int(np.ceil((y0 - top) * scale)), int(np.floor((y1 - top) * scale)))
    columns = slice(int(np.ceil((x0 - left) * scale)), int(np.floor((x1 - left) * scale)))
    return canvas, (rows, columns)


def _on_canvas(side: int, face: np.ndarray, window: CropWindow) -> np.ndarray:
    """Landmarks in pixels of the photo -> in pixels of the canvas that `_cut` made."""
    scale = side / (1 + 2 * MARGIN) / window.side
    moved = face * scale
    moved[:, :2] += MARGIN * window.side * scale - np.array([window.left, window.top]) * scale
    return moved


def _refine(finder: FaceLandmarks, canvas: np.ndarray, rough: np.ndarray) -> np.ndarray:
    """Landmarks found once more on the crop, where the face is large; pixels of the canvas."""
    side = canvas.shape[0]
    edge = round(MARGIN * side / (1 + 2 * MARGIN))
    corner = np.array([edge, edge, 0], np.float32)
    found = finder.once_more(np.ascontiguousarray(canvas[edge : side - edge, edge : side - edge]), rough - corner)
    return rough if found is None else found + corner


def _person(
    canvas: np.ndarray,
    landmarks: np.ndarray,
    valid: tuple[slice, slice],
    given: np.ndarray | None,
    opacity: np.ndarray | None,
    models: ModelFolders,
) -> np.ndarray:
    """The person mask of the canvas: found where the photo is, continued into the margins that it does not show."""
    shown = np.ascontiguousarray(canvas[valid])
    local = landmarks - np.array([valid[1].start, valid[0].start, 0], np.float32)
    if given is not None:
        mask = _as_given(np.ascontiguousarray(given[valid]), shown, local)
    else:
        mask = person_mask(shown, local, models)
        visible = None if opacity is None else np.ascontiguousarray(opacity[valid])
        if visible is not None and _shows_only(mask, visible):
            mask = _as_given(visible, shown, local)  # transparency around a person cuts the person out exactly
        else:
            mask = person_matte(mask, shown, local)
            mask = mask if visible is None else np.minimum(mask, visible)  # as a picture's frame, such as a circle, it hides some of it
    rows, columns = valid
    height, width = canvas.shape[:2]
    whole = cv2.copyMakeBorder(mask, rows.start, height - rows.stop, columns.start, width - columns.stop, cv2.BORDER_REPLICATE)
    whole[: rows.start] *= _cap(mask, rows.start, columns.start, width)
    return whole.astype(np.float32)


def _shows_only(person: np.ndarray, visible: np.ndarray) -> bool:
    """Whether nearly all that is visible is person, who is thus cut out."""
    visible = cv2.resize(visible, person.shape[::-1], interpolation=cv2.INTER_AREA)
    return bool((person * visible).sum() > _CUT_OUT * visible.sum())


def _as_given(mask: np.ndarray, shown: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
    """A soft mask is taken as it is; a hard one says nothing about its edge, which is drawn along the picture's own."""
    soft = np.count_nonzero((mask > 0.02) & (mask < 0.98))
    edge = np.count_nonzero(cv2.morphologyEx((mask > 0.5).astype(np.uint8), cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8)))
    return mask if soft > _SOFT_EDGE * edge else person_matte(mask, shown, landmarks, _GIVEN_BAND)


def _cap(mask: np.ndarray, rows: int, offset: int, width: int) -> np.ndarray:
    """[rows, width]: rounds off a head that the photo's upper edge cuts, as the circle through its outline just below goes on."""
    step = max(1, len(mask) // 25)
    (left, right), (left_below, right_below) = _extent(mask[0]), _extent(mask[step])
    if rows == 0 or right <= left:
        return np.zeros((rows, width), np.float32)
    half, half_below = (right - left) / 2, (right_below - left_below) / 2
    slope = (half_below**2 - half**2 + step**2) / step
    above = (np.sqrt(slope**2 + 4 * half**2) - slope) / 2  # height of the circle's top over the edge
    diameter = half**2 / above + above
    height = np.clip(above - (rows - np.arange(rows) - 0.5), 0, None)[:, None]
    half_at = np.sqrt(np.clip(height * (diameter - height), 0, None))
    beside = np.abs(np.arange(width)[None] - offset - (left + right) / 2)
    return ((height > 0) * np.clip(half_at - beside + 0.5, 0, 1)).astype(np.float32)


def _extent(row: np.ndarray) -> tuple[int, int]:
    inside = np.flatnonzero(row > 0.5)
    return (int(inside[0]), int(inside[-1])) if len(inside) else (0, 0)
