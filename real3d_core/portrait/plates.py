"""The layers of a photo: head, torso and background, each complete where another one hides it (spec 08 section 5)."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import Tensor

from ..face.landmark_sets import CHIN, FOREHEAD
from ..face.measures import face_height_of
from .inpaint import extend_outwards, push_pull
from .segmentation import beside_face, disc, filled_face, head_region

MARGIN = 0.25  # the plates reach this much of the crop's side beyond each of its edges


@dataclass(frozen=True)
class Plates:
    """Square pictures about the portrait's crop, MARGIN of its side wider on each side; values in 0..1.

    photo: [1, 3, S, S], the photo itself (border colours where it ends).
    head: [1, 4, S, S], head colours continued beyond the silhouette; 4th channel: how firmly the head covers what is
        behind it, 1 everywhere but for the seam at the neck, where it fades.
    torso: [1, 4, S, S], straight colours and opacity, the part hidden by the head painted in.
    background: [1, 3, S, S], the part hidden by the person painted in.
    person, head_mask: [1, 1, S, S], soft masks of the photo.
    hair: [1, 1, S, S], the head mask where its outline is hair.
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
    region, seam, firmness = head_region(landmarks, *person.shape)
    hair = beside_face(landmarks, *person.shape)
    background = _background(photo, person, shown, face_height)
    person = _matte(photo, person, background, landmarks, face_height)
    return Plates(
        photo=_tensor(photo),
        head=_tensor(_head(photo, person, background, region, firmness, hair, face_height)),
        torso=_tensor(_torso(photo, person, region, seam, landmarks, face_height)),
        background=_tensor(background),
        person=_tensor(person[..., None]),
        head_mask=_tensor((person * region)[..., None]),
        hair=_tensor((person * region * hair)[..., None]),
    )


def _matte(photo: np.ndarray, person: np.ndarray, background: np.ndarray, landmarks: np.ndarray, face_height: float) -> np.ndarray:
    """Takes out of the mask's rim what has the background's colour: gaps between curls, strips beside hair.

    Each pixel of the rim is placed between the background behind it and the nearest colour surely inside; where the two are
    alike the mask stays as it is.
    """
    solid = (person > 0.5).astype(np.uint8)
    inner = cv2.distanceTransform(solid, cv2.DIST_L2, 5)
    outer = cv2.distanceTransform(1 - solid, cv2.DIST_L2, 5)
    reach = 0.10 * face_height
    deep = inner > reach
    if not deep.any():
        return person
    foreground = extend_outwards(photo, deep, blur=max(1.0, 0.02 * face_height))
    apart = foreground - background
    share = ((photo - background) * apart).sum(2) / np.maximum((apart**2).sum(2), 1e-4)
    certain = np.clip((np.sqrt((apart**2).sum(2)) - 0.15) / 0.25, 0, 1)
    certain *= np.clip(cv2.distanceTransform(1 - filled_face(landmarks, person.shape), cv2.DIST_L2, 5) / (0.03 * face_height), 0, 1)
    certain *= np.clip(2 - 2 * np.maximum(inner, outer) / reach, 0, 1)
    believable = np.maximum(np.clip(2 * person, 0, 1), _evenness(photo, outer > reach / 2, face_height))
    return (person + (np.minimum(np.clip(1.2 * share - 0.1, 0, 1), believable) - person) * certain).astype(np.float32)


def _evenness(photo: np.ndarray, known: np.ndarray, face_height: float) -> np.ndarray:
    """[S, S]: 1 where the background nearby is so even that whatever differs from it must be the person, 0 where it is busy."""
    weight = known.astype(np.float32)[..., None]
    sigma = 0.08 * face_height

    def local(values: np.ndarray) -> np.ndarray:
        blurred = cv2.GaussianBlur(values, (0, 0), sigma)
        return blurred if blurred.ndim == 3 else blurred[..., None]

    amount = np.maximum(local(weight), 1e-4)
    mean = local(photo * weight) / amount
    deviation = np.sqrt(np.maximum(local(photo**2 * weight) / amount - mean**2, 0).mean(axis=2))
    return np.clip(1.5 - deviation / 0.03, 0, 1) * np.clip(amount[..., 0] * 100, 0, 1)


def _head(
    photo: np.ndarray,
    person: np.ndarray,
    background: np.ndarray,
    region: np.ndarray,
    firmness: np.ndarray,
    hair: np.ndarray,
    face_height: float,
) -> np.ndarray:
    sure = cv2.erode(((person > 0.9) & (region > 0.5)).astype(np.uint8), disc(0.008 * face_height)) > 0
    beside = (person > 0.9) & (region < 0.5)  # skin and hair just below the seam: the head fades there over its own continuation
    nearest = extend_outwards(photo, sure | beside, blur=max(1.0, 0.016 * face_height))
    share = person[..., None]
    unmixed = np.clip((photo - (1 - share) * background) / np.maximum(share, 0.1), 0, 1)  # the rim without the background in it
    trust = np.clip((share - 0.3) / 0.4, 0, 1) * hair[..., None]  # the jaw's matte is not fine enough to divide by
    colours = np.where((sure | beside)[..., None], photo, nearest + (unmixed - nearest) * trust)
    return np.concatenate([colours, firmness[..., None]], axis=2)


def _torso(
    photo: np.ndarray, person: np.ndarray, region: np.ndarray, seam: np.ndarray, landmarks: np.ndarray, face_height: float
) -> np.ndarray:
    """Torso, neck and the hair below the seam, continued upwards behind the head as far as the head surely hides it."""
    surely = cv2.erode((person > 0.9).astype(np.uint8), disc(0.015 * face_height)) > 0  # keeps background colour out of the neck's edge
    unmixed = extend_outwards(photo, surely, blur=max(1.0, 0.01 * face_height))
    head = (person * region) > 0.5
    visible = (person > 0.9) & (seam < 0.5) & ~head
    neck, goes_on = _continue_upwards(unmixed, visible, person > 0.5, face_height)
    below = cv2.distanceTransform((~visible).astype(np.uint8), cv2.DIST_L2, 5)
    neck = neck * np.clip(1 - 0.8 * below / face_height, 0.7, 1)[..., None]  # it lies in the chin's shadow

    depth_inside = cv2.distanceTransform((person > 0.5).astype(np.uint8), cv2.DIST_L2, 5)
    hidden = head & _below_mouth(landmarks, person.shape) & (depth_inside > 0.05 * face_height) & goes_on
    near_face = cv2.dilate(filled_face(landmarks, person.shape), disc(0.05 * face_height)) > 0
    painted = (region > 0.5) & ((seam > 0.999) | near_face)  # but for the seam beside the face, where the photo's own hair goes on
    soft = cv2.GaussianBlur(painted.astype(np.float32), (0, 0), max(0.8, 0.012 * face_height))
    share = np.where(painted, 1, soft * (near_face & goes_on))[..., None]
    colours = extend_outwards(photo + (neck - photo) * share, hidden | (surely & ~painted), blur=max(1.0, 0.01 * face_height))
    solid = np.where(painted, hidden, person).astype(np.float32)
    opacity = np.where(region > 0.5, cv2.GaussianBlur(solid, (0, 0), max(0.8, 0.008 * face_height)), solid)
    return np.concatenate([colours, opacity[..., None]], axis=2)


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


def _first_below(mask: np.ndarray) -> np.ndarray:
    """[H, W]: number of the first row at or below each pixel where the mask is set; H where there is none."""
    rows = np.where(mask, np.arange(len(mask))[:, None], len(mask))
    return np.minimum.accumulate(rows[::-1], axis=0)[::-1]


def _background(photo: np.ndarray, person: np.ndarray, shown: np.ndarray, face_height: float) -> np.ndarray:
    """What lies behind the person: sure background kept, the rest filled from around it."""
    person_and_rim = cv2.dilate((person > 0.05).astype(np.uint8), disc(0.03 * face_height))
    known = ((1 - person_and_rim) * shown).astype(np.float32)
    if known.max() == 0:
        return np.zeros_like(photo)
    return push_pull(photo, known)


def _tensor(image: np.ndarray) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1), dtype=np.float32)).clamp(0, 1)[None]


def _resize(plate: Tensor, side: int) -> Tensor:
    return torch.nn.functional.interpolate(plate, size=(side, side), mode="bilinear", align_corners=False, antialias=True).clamp(0, 1)
