"""The layers of a photo: head, torso and background, each complete where another one hides it (spec 08 section 5)."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import Tensor

from ..face.landmark_sets import CHIN, FOREHEAD
from ..face.measures import face_height_of
from .inpaint import extend_outwards
from .matting import unmixed
from .segmentation import beside_face, disc, filled_face, head_region

_NECK_INSET = 0.015  # face heights by which a neck hidden by the head stays inside of the person's outline
_SKIN_LIKE = 0.04  # chromaticity
_HAIR_LIKE = 0.25  # distance of colours, each 0..1
_LONG_HAIR = 0.1  # face heights, the side of a square as large as the hair below the mouth that is no mere ear lobe
MARGIN = 0.25  # the plates reach this much of the crop's side beyond each of its edges


def plate_pixels(points, side: int):
    """Crop coordinates to pixels of a plate with `side` pixels, of arrays or tensors; pixel 0 lies at 0."""
    return (points + MARGIN) * (side / (1 + 2 * MARGIN)) - 0.5


@dataclass(frozen=True)
class Plates:
    """Square pictures about the portrait's crop, MARGIN of its side wider on each side; values in 0..1.

    photo: [1, 3, S, S], the photo itself (border colours where it ends).
    head: [1, 4, S, S], head colours continued beyond the silhouette; 4th channel: how firmly the head covers what is
        behind it, 1 everywhere but for the seam at the neck, where it fades.
    torso: [1, 4, S, S], straight colours and opacity, the part hidden by the head painted in.
    background: [1, 3, S, S], the part hidden by the person painted in.
    person, head_mask: [1, 1, S, S], mattes of the photo.
    hair: [1, 1, S, S], where the head's outline is hair, not skin: away from the face.
    """

    photo: Tensor
    head: Tensor
    torso: Tensor
    background: Tensor
    person: Tensor
    head_mask: Tensor
    hair: Tensor

    @property
    def side(self) -> int:
        """S, pixels."""
        return self.photo.shape[-1]

    @property
    def crop_side(self) -> int:
        """Pixels of the portrait's crop within the plates."""
        return round(self.side / (1 + 2 * MARGIN))

    def resized(self, crop_side: int) -> Plates:
        """The same plates with a crop of another size, antialiased."""
        if crop_side == self.crop_side:
            return self
        side = round(crop_side * (1 + 2 * MARGIN))
        return Plates(**{name: _resize(plate, side) for name, plate in self.__dict__.items()})

    def crop(self, plate: Tensor) -> Tensor:
        """The part of a plate that is the portrait's crop."""
        edge = (plate.shape[-1] - round(plate.shape[-1] / (1 + 2 * MARGIN))) // 2
        size = plate.shape[-1] - 2 * edge
        return plate[..., edge : edge + size, edge : edge + size]


def make_plates(photo: np.ndarray, person: np.ndarray, landmarks: np.ndarray, shown: np.ndarray) -> Plates:
    """Cuts a picture into layers.

    Args:
        photo: RGB float32 [S, S, 3] in 0..1, the crop with its margins.
        person: float32 [S, S] in 0..1.
        landmarks: [478, 3] in pixels of `photo`.
        shown: bool [S, S], which pixels the photo really has; the others repeat its border.
    """
    face_height = float(face_height_of(landmarks[:, :2]))
    region, seam, firmness = head_region(landmarks, person)
    foreground, background = unmixed(photo, person, shown, 0.02 * face_height)
    hair = beside_face(landmarks, *person.shape)
    return Plates(
        photo=_tensor(photo),
        head=_tensor(_head(photo, foreground, person, region, firmness, hair, face_height)),
        torso=_tensor(_torso(foreground, person, region, seam, firmness, landmarks, face_height)),
        background=_tensor(background),
        person=_tensor(person[..., None]),
        head_mask=_tensor((person * region)[..., None]),
        hair=_tensor(hair[..., None]),
    )


def _head(
    photo: np.ndarray,
    foreground: np.ndarray,
    person: np.ndarray,
    region: np.ndarray,
    firmness: np.ndarray,
    hair: np.ndarray,
    face_height: float,
) -> np.ndarray:
    """The head's colours: the photo's, at the outline without the background in them, and below the jaw continued from above it."""
    beside_jaw = hair > 0.5
    within = (cv2.erode((region > 0.5).astype(np.uint8), disc(0.01 * face_height)) > 0) | (beside_jaw & (region > 0.5))
    sure = (person > 0.99) & within  # a turned jaw shows neither collar nor the shadow below it
    beside = (person > 0.99) & (region < 0.5) & beside_jaw  # hair just below the seam: the head fades there over its own continuation
    nearest = extend_outwards(photo, sure | beside, blur=max(1.0, 0.016 * face_height))
    outline = np.clip(person / 0.1, 0, 1)[..., None]
    colours = np.where((sure | beside)[..., None], photo, nearest + (foreground - nearest) * outline)
    return np.concatenate([colours, firmness[..., None]], axis=2)


def _torso(
    foreground: np.ndarray,
    person: np.ndarray,
    region: np.ndarray,
    seam: np.ndarray,
    firmness: np.ndarray,
    landmarks: np.ndarray,
    face_height: float,
) -> np.ndarray:
    """Torso, neck and the hair below the seam, continued upwards behind the head as far as the head surely hides it."""
    head = (person * region) > 0.5
    visible = (person > 0.9) & (seam < 0.5) & ~head
    neck, goes_on = _continue_upwards(foreground, visible, person > 0.5, face_height)
    behind = head & goes_on & _below_mouth(landmarks, person.shape)
    neck, bare = _bare_neck(neck, foreground, head, behind, landmarks)
    below = cv2.distanceTransform((~visible).astype(np.uint8), cv2.DIST_L2, 5)
    neck = neck * np.clip(1 - 0.8 * below / face_height, 0.7, 1)[..., None]  # it lies in the chin's shadow

    depth_inside = cv2.distanceTransform((person > 0.5).astype(np.uint8), cv2.DIST_L2, 5)
    hidden = behind & (depth_inside > _NECK_INSET * face_height)
    near_face = cv2.dilate(filled_face(landmarks, person.shape), disc(0.05 * face_height)) > 0
    painted = (region > 0) & (
        (seam > 0.999) | near_face | (bare & hidden)
    )  # but for the seam beside the face, where the photo's own hair goes on
    colours = np.where(painted[..., None], neck, foreground)
    colours = extend_outwards(colours, hidden | ~painted, blur=max(1.0, 0.01 * face_height))
    soft = cv2.GaussianBlur(np.where(painted & head, hidden, person).astype(np.float32), (0, 0), max(0.8, 0.008 * face_height))
    covered = painted & (hidden | (person * region > 0.995))
    opacity = np.where(covered, soft, _beside_the_head(person, person * region, firmness))
    return np.concatenate([colours, opacity[..., None]], axis=2)


def _beside_the_head(person: np.ndarray, head: np.ndarray, firmness: np.ndarray) -> np.ndarray:
    """How opaque the torso is where the head does not hide it, so that the two together are as opaque as the person.

    The head gives way to the torso as far as it is not firm (compose), so the torso's opacity t solves
    (1 - head (1 - (1 - firmness) t)) (1 - t) = 1 - person.
    """
    giving, left = head * (1 - firmness), person - head
    slope = 1 - head - giving
    root = np.sqrt(slope**2 + 4 * giving * left)
    by_quotient = 2 * left / np.maximum(root + slope, 1e-6)
    by_root = (root - slope) / np.maximum(2 * giving, 1e-6)
    return np.clip(np.where(slope > 0, by_quotient, by_root), 0, 1)


def _below_mouth(landmarks: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Which pixels lie in the lower half of the face or below it, seen along the head's own axis."""
    up = landmarks[FOREHEAD, :2] - landmarks[CHIN, :2]
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    height = (columns - landmarks[CHIN, 0]) * up[0] + (rows - landmarks[CHIN, 1]) * up[1]
    return height < 0.45 * (up**2).sum()


def _continue_upwards(photo: np.ndarray, visible: np.ndarray, person: np.ndarray, face_height: float) -> tuple[np.ndarray, np.ndarray]:
    """Every hidden pixel takes the colour of the first visible one below it, softened: a neck goes on as a neck, hair as hair.

    Returns also where the person reaches down to that visible pixel without a gap: only there the torso really goes on.
    """
    height = len(visible)
    first_below = _first_below(visible)
    reach = max(1, round(0.03 * face_height))
    smooth = cv2.blur(photo, (1, reach))
    colours = np.take_along_axis(smooth, np.minimum(first_below + reach, height - 1)[..., None], axis=0)
    return cv2.GaussianBlur(colours, (0, 0), max(0.8, 0.02 * face_height)), first_below < _first_below(~person)


def _bare_neck(
    neck: np.ndarray, picture: np.ndarray, head: np.ndarray, behind: np.ndarray, landmarks: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """What goes on behind the head, without cloth: a collar ends at the chin, so there the bare neck beside it goes on instead.

    Returns also where it is bare, not hair.
    """
    face, face_height = filled_face(landmarks, head.shape), float(face_height_of(landmarks[:, :2]))
    hair = head & _below_mouth(landmarks, head.shape) & (cv2.dilate(face, disc(0.05 * face_height)) == 0)
    skin = np.median(picture[face > 0], axis=0)
    bare = behind & (np.abs(_chromaticity(neck) - _chromaticity(skin)).max(axis=2) < _SKIN_LIKE) & (neck.mean(axis=2) < 1.15 * skin.mean())
    other = behind & ~bare
    if hair.sum() > (_LONG_HAIR * face_height) ** 2:
        other &= np.linalg.norm(neck - np.median(picture[hair], axis=0), axis=2) > _HAIR_LIKE
    surely = cv2.erode(bare.astype(np.uint8), disc(0.03 * face_height)) > 0
    if not surely.any():
        return neck, bare | other
    other |= bare & ~surely
    box = tuple(slice(int(places.min()), int(places.max()) + 1) for places in np.nonzero(behind))
    neck = neck.copy()
    neck[box][other[box]] = extend_outwards(neck[box], surely[box], blur=2.0)[other[box]]
    return neck, bare | other


def _chromaticity(colours: np.ndarray) -> np.ndarray:
    return colours / np.maximum(colours.sum(axis=-1, keepdims=True), 0.05)


def _first_below(mask: np.ndarray) -> np.ndarray:
    """[H, W]: number of the first row at or below each pixel where the mask is set; H where there is none."""
    rows = np.where(mask, np.arange(len(mask))[:, None], len(mask))
    return np.minimum.accumulate(rows[::-1], axis=0)[::-1]


def _tensor(image: np.ndarray) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1), dtype=np.float32)).clamp(0, 1)[None]


def _resize(plate: Tensor, side: int) -> Tensor:
    return torch.nn.functional.interpolate(plate, size=(side, side), mode="bilinear", align_corners=False, antialias=True).clamp(0, 1)
