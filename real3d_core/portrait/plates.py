"""The layers of a photo: head, torso and background, each complete where another one hides it (spec 08 section 5)."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import Tensor

from ..face.landmark_sets import CHIN, FOREHEAD
from ..face.measures import face_height_of
from ..memory import give_back
from ..smooth_step import smooth_step
from .boxes import Box, box_about
from .hair import bare_below_ears, beard_below
from .inpaint import extend_outwards
from .matting import unmixed
from .segmentation import BROADEST_SEAM, away_from_face, disc, head_region, where_hair

_NECK_INSET = 0.015  # face heights by which a neck hidden by the head stays inside of the person's outline
_BESIDE = 0.04  # face heights that a jaw moves in speech
_SKIN_LIKE = 0.04  # chromaticity
_WARMER = 0.6  # of it counts where skin is redder: a neck mostly is, under make-up and in what light comes from the chest
_IN_SHADOW = 0.7  # of the skin's brightness
_HAIR_LIKE = 0.25  # distance of colours, each 0..1
_SPARSE = 4  # pixels
_SHADOW_REACHES = 0.03  # face heights behind the jaw over which the neck's edge passes into what is behind it
_DARKEST = 0.5  # of the neck's brightness that its edge in the jaw's shadow may have, and what goes on from there
_FINE = 0.02  # face heights: what a blur this wide takes away is detail
_LONGEST = 0.3  # face heights of visible neck that are repeated, in turn upwards and downwards
_UNLIKE = 0.2  # distance of colours, each 0..1, between a neck and what is no longer the neck
_BESIDE_FACE = 0.05  # face heights from the face, from which on hair is no rim of it
_TAPER = 1.5  # face heights that hanging hair draws back from its outline for each one that it goes on behind the head
_SLOPE_FADES = 0.1  # face heights over which the head fades along that slope
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
    away = away_from_face(landmarks, *person.shape, beard=beard_below(photo, person, landmarks[:, :2]))
    bare = bare_below_ears(photo, person, landmarks[:, :2])
    region, seam, firmness = head_region(landmarks, person, away, bare)
    firmness = _firm_along_hanging_hair(firmness, person, away, face_height)
    head = person * region
    foreground, behind = unmixed(photo, person, shown, 0.02 * face_height)
    background = _tensor(behind)
    del behind
    hair = where_hair(away) * (1 - bare)
    colours = _head_colours(photo, foreground, person, region, hair, face_height)
    give_back()  # pictures in between are large
    return Plates(
        photo=_tensor(photo),
        head=_tensor(colours, firmness),
        torso=_torso(foreground, person, head, region, seam, firmness, away, landmarks),
        background=background,
        person=_tensor(person),
        head_mask=_tensor(head),
        hair=_tensor(hair),
    )


def _firm_along_hanging_hair(firmness: np.ndarray, person: np.ndarray, away: np.ndarray, face_height: float) -> np.ndarray:
    """Firmness with which hair that hangs down beside the face passes from the head to the torso along a slope, the torso's ending inside
    of it: across the whole of it the torso's would end in a step, which a turned head bares.
    """
    fading = (firmness > 0) & (firmness < 1) & (away > _BESIDE_FACE)
    if not fading.any():
        return firmness
    box = box_about(fading, round(_TAPER * BROADEST_SEAM * face_height))
    depth = cv2.distanceTransform(np.pad((person[box] > 0.5).astype(np.uint8), 1, mode="edge"), cv2.DIST_L2, 5)[1:-1, 1:-1] / face_height
    firm = 1 - smooth_step((depth - _TAPER * BROADEST_SEAM * firmness[box]) / _SLOPE_FADES + 1)
    sloping = firmness.copy()
    sloping[box] = np.where(fading[box], np.maximum(firmness[box], firm), firmness[box])
    return sloping


def _head_colours(
    photo: np.ndarray, foreground: np.ndarray, person: np.ndarray, region: np.ndarray, hair: np.ndarray, face_height: float
) -> np.ndarray:
    """The photo's, at the outline without the background in them, and below the jaw continued from above it."""
    head, beside_jaw, surely = region > 0.5, hair > 0.5, person > 0.99
    within = (cv2.erode(head.astype(np.uint8), disc(0.01 * face_height)) > 0) | (beside_jaw & head)
    sure = surely & within  # a turned jaw shows neither collar nor the shadow below it
    beside = surely & (region < 0.5) & beside_jaw  # hair just below the seam: the head fades there over its own continuation
    known = sure | beside
    colours = extend_outwards(photo, known, blur=max(1.0, 0.016 * face_height))
    outline = np.flatnonzero((person > 0) & ~known)
    extended, own = (picture.reshape(-1, 3).take(outline, axis=0) for picture in (colours, foreground))
    colours.reshape(-1, 3)[outline] = extended + (own - extended) * np.minimum(person.take(outline) / 0.1, 1)[:, None]
    return colours


def _torso(
    foreground: np.ndarray,
    person: np.ndarray,
    head: np.ndarray,
    region: np.ndarray,
    seam: np.ndarray,
    firmness: np.ndarray,
    away: np.ndarray,
    landmarks: np.ndarray,
) -> Tensor:
    """Torso, neck and the hair below the seam, continued upwards as far as the head surely hides them."""
    face_height = float(face_height_of(landmarks[:, :2]))
    painted = (region > 0) & ((seam > 0.999) | (away < 0.05))  # but for the seam beside the face, where the photo's own hair goes on
    box = box_about((painted & (person > 0)) | (away == 0), round(0.05 * face_height))
    below = slice(box[0].start, None), box[1]
    visible = (person[below] > 0.9) & (seam[below] < 0.5) & (head[below] <= 0.5)
    first_below = _first_below(visible)[: box[0].stop - box[0].start]
    neck = _continued_upwards(foreground[below], first_below, visible, face_height)
    goes_on = first_below < _first_below(~(person[below] > 0.5))[: len(first_below)]  # only there the torso really goes on

    inside, within = person[box], painted[box]
    depth_inside = cv2.distanceTransform((inside > 0.5).astype(np.uint8), cv2.DIST_L2, 5)
    covered = head[box] > 0.5
    behind = covered & _below_mouth(landmarks, box) & goes_on
    well_behind = behind & _away_from_hair(covered, inside, foreground[box], away[box], face_height)
    continued, (neck, bare) = neck, _bare_neck(neck, foreground[box], well_behind, covered, away[box], face_height)
    first_row = int(behind.any(axis=1).argmax())
    lower = slice(first_row, None)
    as_below = (neck[lower] == continued[lower]).all(axis=2, keepdims=True)
    neck = neck.copy()
    neck[lower] += as_below * _mirrored_detail(foreground[below], first_below[lower], visible, first_row, face_height)
    hair_behind = ~bare & (away[box] > _BESIDE_FACE)
    behind_edge = first_below - np.arange(len(first_below))[:, None]
    hidden = behind & (depth_inside > _NECK_INSET * face_height + _TAPER * behind_edge * hair_behind)
    within |= bare & hidden & (firmness[box] > 0.8)
    inpainted = cv2.copyTo(neck, within.astype(np.uint8), foreground[box].copy())
    inpainted = extend_outwards(inpainted, hidden | ~within, blur=max(1.0, 0.01 * face_height))

    opacity = _beside_the_head(person, head, firmness)
    soft = cv2.GaussianBlur(np.where(within & covered, hidden, inside).astype(np.float32), (0, 0), max(0.8, 0.008 * face_height))
    opacity[box] = np.where(within & (hidden | (head[box] > 0.995)), soft, opacity[box])
    torso = _tensor(foreground, opacity)
    torso[:, :3, box[0], box[1]] = _tensor(inpainted)
    return torso.contiguous(memory_format=torch.channels_last)  # as it is looked up, which would need a copy


def _beside_the_head(person: np.ndarray, head: np.ndarray, firmness: np.ndarray) -> np.ndarray:
    """How opaque the torso is where the head does not hide it, so that the two together are as opaque as the person.

    The head gives way to the torso as far as it is not firm (compose), so the torso's opacity t solves
    (1 - head (1 - (1 - firmness) t)) (1 - t) = 1 - person.
    """
    opacity = person.copy()
    both = np.flatnonzero(head > 0)
    person, head, firmness = (mask.take(both) for mask in (person, head, firmness))
    giving, left = head * (1 - firmness), person - head
    slope = 1 - head - giving
    root = np.sqrt(slope**2 + 4 * giving * left)
    by_quotient = 2 * left / np.maximum(root + slope, 1e-6)
    by_root = (root - slope) / np.maximum(2 * giving, 1e-6)
    opacity.ravel()[both] = np.clip(np.where(slope > 0, by_quotient, by_root), 0, 1)
    return opacity


def _below_mouth(landmarks: np.ndarray, box: Box) -> np.ndarray:
    """Which pixels of a box lie in the lower half of the face or below it, seen along the head's own axis."""
    up = landmarks[FOREHEAD, :2] - landmarks[CHIN, :2]
    rows, columns = (np.arange(one.start, one.stop) for one in box)
    height = (columns - landmarks[CHIN, 0]) * up[0] + (rows - landmarks[CHIN, 1])[:, None] * up[1]
    return height < 0.45 * (up**2).sum()


def _continued_upwards(photo: np.ndarray, first_below: np.ndarray, visible: np.ndarray, face_height: float) -> np.ndarray:
    """The upper rows of a picture in which every hidden pixel goes on from the first visible one below it, softened: a neck goes on as a
    neck, hair as hair.

    It lies in the chin's shadow, and where that has begun already, it is as dark from there on.
    """
    reach = max(1, round(0.03 * face_height))
    smooth = cv2.blur(photo, (1, reach))
    neck, edge = (_softly_below(smooth, first_below + down, max(0.8, 0.02 * face_height)) for down in (reach, reach // 2))
    away = cv2.distanceTransform((~visible).astype(np.uint8), cv2.DIST_L2, 5)[: len(first_below)] / face_height
    shaded = edge.sum(axis=2) / np.maximum(neck.sum(axis=2), 0.05)
    shade = np.minimum(np.clip(1 - 0.8 * away, 0.7, 1), np.maximum(shaded, _DARKEST))
    continued = neck * shade[..., None]
    continued += (edge - continued) * np.exp(-away / _SHADOW_REACHES)[..., None]
    return continued


def _mirrored_detail(photo: np.ndarray, first_below: np.ndarray, visible: np.ndarray, first_row: int, face_height: float) -> np.ndarray:
    """What each hidden pixel has in place of texture: that of the visible rows below it, repeated upside down and up.

    Args:
        photo, visible: [H, W, 3], [H, W].
        first_below: [h, W] for the hidden pixels, the number of the first visible row below each.
        first_row: of the hidden pixels.
    """
    fine, margin, longest = max(0.8, _FINE * face_height), round(_FINE * face_height), round(_LONGEST * face_height)
    top = first_below[0] + margin
    reached = top[top < len(visible)]
    if not len(reached):
        return np.zeros((*first_below.shape, 3), np.float32)
    used = slice(max(int(reached.min()) - 3 * margin, 0), int(reached.max()) + longest + 3 * margin)
    photo, visible, top = photo[used], visible[used], top - used.start
    weight = cv2.GaussianBlur(visible.astype(np.float32), (0, 0), fine)
    smooth = cv2.GaussianBlur(cv2.copyTo(photo, visible.astype(np.uint8)), (0, 0), fine) / np.maximum(weight, 0.05)[..., None]
    other = np.abs(smooth - _below(smooth, top[None])).max(axis=2) > _UNLIKE
    ends = _first_below(other | ~visible)[np.minimum(top, len(visible) - 1), np.arange(len(top))]
    rows = np.clip(ends - top - margin, 0, longest).astype(np.float32)
    rows = cv2.blur(cv2.erode(rows[None], np.ones((1, 2 * margin + 1))), (2 * margin + 1, 1))[0]
    steps = (first_below - first_row - np.arange(len(first_below))[:, None]) % np.maximum(2 * rows, 1)
    places = (top + np.minimum(steps, 2 * rows - steps).clip(0)).astype(int)
    return _below(photo - smooth, places) * (rows > 2 * margin)[None, :, None]


def _softly_below(picture: np.ndarray, rows: np.ndarray, sigma: float) -> np.ndarray:
    """`_below`, blurred; computed for as few pixels as the blur allows."""
    less = max(1, int(sigma / 2))
    columns = np.arange(0, rows.shape[1], less)
    few = picture[np.minimum(rows[::less, ::less], len(picture) - 1), columns]
    return cv2.resize(cv2.GaussianBlur(few, (0, 0), sigma / less), rows.shape[::-1], interpolation=cv2.INTER_LINEAR)


def _below(picture: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Pixels [h, W, C] of a picture [H, W, C], each in its own column, in these rows [h, W]."""
    height, width, channels = picture.shape
    return picture.reshape(-1, channels).take(np.minimum(rows, height - 1) * width + np.arange(width), axis=0)


def _bare_neck(
    neck: np.ndarray, picture: np.ndarray, behind: np.ndarray, head: np.ndarray, away: np.ndarray, face_height: float
) -> tuple[np.ndarray, np.ndarray]:
    """What goes on behind the head, without cloth: a collar ends at the chin, so there the bare neck beside it goes on instead.

    Returns also where it is bare, not hair.
    """
    bare = np.zeros_like(behind)
    if not behind.any():
        return neck, bare
    box = box_about(behind, 0)
    part, wanted = neck[box], behind[box]
    face = picture[::_SPARSE, ::_SPARSE][away[::_SPARSE, ::_SPARSE] == 0]
    skin, lit = np.median(face, axis=0), np.quantile(face.mean(axis=1), 0.9)
    like_skin = _like_skin(part, skin)
    is_skin = wanted & like_skin & (part.mean(axis=2) < max(1.15 * skin.mean(), lit))
    other = wanted & ~is_skin
    hair = head[box] & (away[box] > 0.05)
    if _is_broad(hair, face_height):
        other &= ~_like(part, picture[box][hair])
    bare[box] = is_skin | other
    surely = is_skin & (cv2.dilate(other.astype(np.uint8), disc(0.03 * face_height)) == 0)
    if surely.any():
        unsure = other | (is_skin & ~surely)
        neck = neck.copy()
        neck[box][unsure] = extend_outwards(part, surely, blur=2.0)[unsure]
    return neck, bare


def _away_from_hair(head: np.ndarray, person: np.ndarray, picture: np.ndarray, away: np.ndarray, face_height: float) -> np.ndarray:
    """Which pixels lie apart from hair beside the head: there a face that moves a little bares no neck."""
    above = head & (away > 0.05)
    if not _is_broad(above, face_height):
        return np.ones(head.shape, bool)
    like_hair = (person > 0.5) & _like(picture, picture[above])
    count, labels = cv2.connectedComponents(like_hair.astype(np.uint8))
    reaches_up = np.zeros(count, bool)
    reaches_up[labels[above & like_hair]] = True
    beside = reaches_up[labels] & like_hair & ~head  # a dark suit is not
    return cv2.dilate(beside.astype(np.uint8), disc(_BESIDE * face_height)) == 0


def _is_broad(hair: np.ndarray, face_height: float) -> bool:
    """Whether a mask holds more than ear lobes."""
    return bool(np.count_nonzero(hair) > (_LONG_HAIR * face_height) ** 2)


def _like(picture: np.ndarray, hair: np.ndarray) -> np.ndarray:
    """[H, W]: which pixels have about the colour of some hair [n, 3]."""
    return np.linalg.norm(picture - np.median(hair, axis=0), axis=2) <= _HAIR_LIKE


def _like_skin(colours: np.ndarray, skin: np.ndarray) -> np.ndarray:
    """[H, W]: which colours have the chromaticity of some skin, or are redder because they lie in shadow."""
    off = _chromaticity(colours) - _chromaticity(skin)
    in_shadow = (colours.sum(axis=2) < _IN_SHADOW * skin.sum()) & (off[..., 0] > 0) & (off[..., 2] < _SKIN_LIKE)
    as_warm = off * np.where(off[..., :1] > 0, _WARMER, 1)
    return (np.abs(as_warm).max(axis=2) < _SKIN_LIKE) | in_shadow


def _chromaticity(colours: np.ndarray) -> np.ndarray:
    return colours / np.maximum(colours.sum(axis=-1, keepdims=True), 0.05)


def _first_below(mask: np.ndarray) -> np.ndarray:
    """[H, W]: number of the first row at or below each pixel where the mask is set; H where there is none."""
    below = np.empty(mask.shape, np.int32)
    found = np.full(mask.shape[1], len(mask), np.int32)
    for row in range(len(mask) - 1, -1, -1):
        found[mask[row]] = row
        below[row] = found
    return below


def _tensor(*layers: np.ndarray) -> Tensor:
    """[1, C, S, S] in 0..1 of pictures [S, S, 3] and masks [S, S], one after the other."""
    ends = np.cumsum([layer[0, 0].size for layer in layers])
    plate = np.empty((ends[-1], *layers[0].shape[:2]), np.float32)
    for layer, end in zip(layers, ends, strict=True):
        cv2.split(layer, list(plate[end - layer[0, 0].size : end]))
    return torch.from_numpy(plate).clamp_(0, 1)[None]


def _resize(plate: Tensor, side: int) -> Tensor:
    return torch.nn.functional.interpolate(plate, size=(side, side), mode="bilinear", align_corners=False, antialias=True).clamp(0, 1)
