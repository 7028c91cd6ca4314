"""Which pixels of a person are hair or a hat: those coloured like the head above the face rather than like its skin; and which are beard
(spec 08 section 2).
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from ..face.landmark_sets import BELOW_EAR_LOBES, CHIN, FOREHEAD, LEFT_BROW, LEFT_EYE, MOUTH_CORNERS, RIGHT_BROW, RIGHT_EYE
from ..face.measures import face_height_of
from .inpaint import extend_outwards
from .segmentation import away_from_face, disc, filled_face

_BINS = 24  # of each colour
_SPREADS = (0.8, 2.0, 5.0)  # bins: a colour that is not in the photo counts as the ones around it do
_SMOOTH = 0.01  # face heights
_AWAY = 0.08  # face heights from the face, from where on it is no forehead
_AROUND_EYES = 0.04  # face heights
_LEAST = 0.08  # face heights, the side of a square as large as what tells the hair's colours
_SEEN_AT = 120.0  # pixels of a face's height
_GAP = 0.03  # face heights between strands
_CHIN, _EDGE = 0.1, 0.07  # face heights above its tip, and within the face's edge, up to where a chin has a beard, if any
_BEARDS_BREADTH = 0.4  # face heights to either side of the face's middle
_MIXED = 0.015  # face heights at the edge of a beard that are mixed with what is beside it
_BEARDED = 0.75  # of it unlike skin
_LONGEST_BEARD = 0.45  # face heights below the chin
_LEAST_BEARD = 0.05  # of the face's area: less is stubble, or the chin's shadow
_LIKE_BEARD = 0.25  # distance of colours, each 0..1
_SMOOTHER = 0.33  # of the texture of a beard is the least that a beard has
_REDDER = -0.03, 0.06  # share of red in a colour over that of the face's: below is no skin, and above may be skin in the shade
_GREENER = 0.02  # share of green over that of the face's, above which is no skin
_DARK = 0.62  # of the face's brightness
_GRAIN = 0.01  # face heights, what is texture
_ROUGHER = 2.5  # times the texture of a face
_SMOOTHEST = 1e-4  # squared, of the brightness, is the least that a face's texture counts as


def hair_seen(photo: np.ndarray, person: np.ndarray, landmarks: np.ndarray, face_height: float) -> NDArray[np.bool_]:
    """bool [H, W]: what is coloured like hair or a hat, on the person and elsewhere; nothing on a bald head.

    Args:
        photo: float32 [H, W, 3] in 0..1.
        person: [H, W] in 0..1.
        landmarks: [478, 2] in pixels.
        face_height: pixels.
    """
    smooth = cv2.GaussianBlur(photo, (0, 0), max(0.6, _SMOOTH * face_height))
    skin = _surely_skin(landmarks, (person.shape[0], person.shape[1]), face_height)
    up = (landmarks[FOREHEAD] - landmarks[CHIN]) / face_height
    rows, columns = np.mgrid[: person.shape[0], : person.shape[1]]
    above = (columns - landmarks[FOREHEAD, 0]) * up[0] + (rows - landmarks[FOREHEAD, 1]) * up[1] > 0
    crown = above & (person > 0.95) & (away_from_face(landmarks, *person.shape) > _AWAY)
    if not crown.any() or not skin.any():
        return np.zeros(person.shape, bool)
    crown &= _unlike_skin(photo, smooth, skin, face_height)
    if np.count_nonzero(crown) < (_LEAST * face_height) ** 2:
        return np.zeros(person.shape, bool)
    like_hair = _more_frequent(smooth, crown, skin)
    return cv2.morphologyEx(like_hair.astype(np.uint8), cv2.MORPH_CLOSE, disc(_GAP * face_height / 2)) > 0


def bare_below_ears(photo: np.ndarray, person: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
    """float32 [H, W] in 0..1: what below the ears is not hair that hangs down there: jaw, neck or collar.

    Args:
        photo: float32 [H, W, 3] in 0..1.
        person: [H, W] in 0..1; beyond the person it is as at its outline.
        landmarks: [478, 2] in pixels.
    """
    height, width = person.shape
    strands = cv2.resize(_strands(photo, person, landmarks), (width, height), interpolation=cv2.INTER_LINEAR)
    up = landmarks[FOREHEAD] - landmarks[CHIN]
    levels = (landmarks[BELOW_EAR_LOBES] - landmarks[CHIN]) @ up
    rows, columns = np.arange(height)[:, None] - landmarks[CHIN, 1], np.arange(width) - landmarks[CHIN, 0]
    to_the_right = rows * up[0] - columns * up[1] > 0
    below = columns * up[0] + rows * up[1] < np.where(to_the_right, levels[1], levels[0])
    return below * (1 - strands)


def beard_below(photo: np.ndarray, person: np.ndarray, landmarks: np.ndarray) -> NDArray[np.bool_]:
    """bool [H, W]: the face with the part of a beard that hangs down below it, and goes where the chin goes; nothing without such a one.

    Args:
        photo: float32 [H, W, 3] in 0..1.
        person: [H, W] in 0..1.
        landmarks: [478, 2] in pixels.
    """
    few, covered, landmarks, face_height = _small(photo, person, landmarks)
    smooth = cv2.GaussianBlur(few, (0, 0), max(0.6, _SMOOTH * face_height))
    skin = _surely_skin(landmarks, (covered.shape[0], covered.shape[1]), face_height)
    face = filled_face(landmarks, covered.shape)
    up = (landmarks[FOREHEAD] - landmarks[CHIN]) / face_height
    rows, columns = np.mgrid[: covered.shape[0], : covered.shape[1]]
    height = ((columns - landmarks[CHIN, 0]) * up[0] + (rows - landmarks[CHIN, 1]) * up[1]) / face_height
    across = (rows * up[0] - columns * up[1]) / face_height
    beside = np.abs(across - np.median(across[face > 0])) > _BEARDS_BREADTH
    chin = (face > 0) & (cv2.distanceTransform(face, cv2.DIST_L2, 5) < _EDGE * face_height) & (height < _CHIN)
    nothing = np.zeros(person.shape, bool)
    if not chin.any() or not skin.any() or _unlike_skin(few, smooth, skin, face_height)[chin].mean() < _BEARDED:
        return nothing
    beard, face_colour = (np.median(smooth[one], axis=0) for one in (chin, skin))
    from_beard, from_skin = (np.linalg.norm(smooth - one, axis=2) for one in (beard, face_colour))
    rough = _texture(few, smooth, face_height)
    like_beard = (
        (from_beard < np.minimum(from_skin, _LIKE_BEARD)) & (rough > _SMOOTHER**2 * np.median(rough[chin])) & (covered > 0.5) & ~beside
    )
    beard = _hanging(like_beard, chin, face, height, face_height)
    return nothing if beard is None else cv2.resize(beard, person.shape[::-1], interpolation=cv2.INTER_LINEAR) > 0.5


def _hanging(
    like_beard: NDArray[np.bool_], chin: NDArray[np.bool_], face: np.ndarray, height: np.ndarray, face_height: float
) -> np.ndarray | None:
    """float32 [H, W] in 0..1: a face [H, W] and what goes on below its chin like a beard; None where that is little, or goes on and on.

    Args:
        height: [H, W] face heights above the tip of the chin.
    """
    below = ((like_beard | (face > 0)) & (height < _CHIN) & (height > -_LONGEST_BEARD)).astype(np.uint8)
    pieces = cv2.connectedComponents(cv2.morphologyEx(below, cv2.MORPH_OPEN, disc(_GAP * face_height)))[1]
    beard = np.isin(pieces, np.setdiff1d(pieces[chin], 0))
    if (beard & (height < _GAP - _LONGEST_BEARD)).any():  # cloth as dark goes on
        return None
    whole = cv2.morphologyEx((beard | (face > 0)).astype(np.uint8), cv2.MORPH_CLOSE, disc(5 * _GAP * face_height))
    if np.count_nonzero(whole) < (1 + _LEAST_BEARD) * np.count_nonzero(face):
        return None
    soft = cv2.GaussianBlur(cv2.erode(whole, disc(_MIXED * face_height)).astype(np.float32), (0, 0), _GAP * face_height)
    return np.maximum(soft, face)


def _strands(photo: np.ndarray, person: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
    """float32 [h, w] in 0..1, of a picture as small as hair is still seen in: where the person is hair, or nearest to it."""
    few, covered, landmarks, face_height = _small(photo, person, landmarks)
    hair = hair_seen(few, covered, landmarks, face_height)
    return extend_outwards(np.dstack([hair] * 3).astype(np.float32), covered > 0.5, blur=1.0)[..., 0]


def _small(photo: np.ndarray, person: np.ndarray, landmarks: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
    """A photo, its person, landmarks and face height, in a picture as small as hair is still seen in."""
    face_height = float(face_height_of(landmarks))
    scale = min(1.0, _SEEN_AT / face_height)
    size = [max(1, round(scale * side)) for side in person.shape[::-1]]
    few, covered = (cv2.resize(one, size, interpolation=cv2.INTER_AREA) for one in (photo, person))
    return few, covered, landmarks * scale, face_height * scale


def _surely_skin(landmarks: np.ndarray, shape: tuple[int, int], face_height: float) -> NDArray[np.bool_]:
    """The face between brows and mouth, without the eyes: no fringe, no beard."""
    face = cv2.erode(filled_face(landmarks, shape), disc(0.04 * face_height))
    for eye in (RIGHT_EYE + RIGHT_BROW, LEFT_EYE + LEFT_BROW):
        hull = cv2.fillConvexPoly(np.zeros_like(face), cv2.convexHull(np.round(landmarks[eye]).astype(np.int32)), 1)
        face[cv2.dilate(hull, disc(_AROUND_EYES * face_height)) > 0] = 0
    up = (landmarks[FOREHEAD] - landmarks[CHIN]) / face_height**2
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    height = columns * up[0] + rows * up[1]
    low, high = (landmarks[points].mean(axis=0) @ up for points in (MOUTH_CORNERS, RIGHT_BROW + LEFT_BROW))
    return (face > 0) & (height > low + 0.06) & (height < high - 0.04)


def _more_frequent(smooth: np.ndarray, one: NDArray[np.bool_], other: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """[H, W]: which pixels of a picture have colours that are more frequent in the one region than in the other."""
    bins = np.minimum((smooth * _BINS).astype(int), _BINS - 1)
    frequent = [_frequencies(bins[region]) for region in (one, other)]
    return (frequent[0] > frequent[1])[tuple(np.moveaxis(bins, 2, 0))]


def _frequencies(bins: np.ndarray) -> np.ndarray:
    """[_BINS, _BINS, _BINS]: how frequent colours [n, 3] of so many bins are, and those close to them."""
    counts = np.bincount(np.ravel_multi_index(tuple(bins.T), (_BINS,) * 3), minlength=_BINS**3) / len(bins)
    counts = counts.reshape((_BINS,) * 3).astype(np.float32)
    return sum(gaussian_filter(counts, spread, mode="constant") for spread in _SPREADS)


def _unlike_skin(photo: np.ndarray, smooth: np.ndarray, face: NDArray[np.bool_], face_height: float) -> NDArray[np.bool_]:
    """[H, W]: what is less red or more green than the face's skin, or dark without being redder, as skin in the shade is, or has more
    texture.

    Skin that is lit more than the face, like a forehead, is none of these, nor is a bald head.
    """
    skin = np.median(photo[face], axis=0)
    total = smooth[..., 0] + smooth[..., 1] + smooth[..., 2]
    light = total / skin.sum()
    redder, greener = (smooth[..., k] / np.maximum(total, 1e-3) - skin[k] / skin.sum() for k in (0, 1))
    texture = _texture(photo, smooth, face_height)
    low, high = _REDDER
    unlike = (redder < low) | (greener > _GREENER) | ((light < _DARK) & (redder < high))
    return unlike | (texture > _ROUGHER**2 * max(np.median(texture[face]), _SMOOTHEST))


def _texture(photo: np.ndarray, smooth: np.ndarray, face_height: float) -> np.ndarray:
    """[H, W]: how much pixels differ from those around them, squared, of their brightness."""
    grey = cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY) / np.maximum(cv2.cvtColor(smooth, cv2.COLOR_RGB2GRAY), 0.05)
    fine, wide = ((0, 0), _GRAIN * face_height), ((0, 0), 2 * _GRAIN * face_height)
    return cv2.GaussianBlur((grey - cv2.GaussianBlur(grey, *fine)) ** 2, *wide)
