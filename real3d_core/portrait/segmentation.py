"""Which pixels are the person, and which of them move with the head (DESIGN section 3, spec 08 sections 2 and 6)."""

from __future__ import annotations

import logging

import cv2
import numpy as np
from scipy.spatial import cKDTree

from ..errors import MissingModelError
from ..face.landmark_sets import CHIN, EAR_LOBES, FACE_OVAL, FOREHEAD, JAW, JAW_CORNERS
from ..face.measures import face_height_of
from ..mediapipe_models.model_files import SELFIE_SEGMENTER, ModelFolders
from ..mediapipe_models.runner import segmenter
from ..smooth_step import smooth_step
from .boxes import box_about
from .inpaint import push_pull
from .matting import closed_form_matte

_LOG = logging.getLogger("real3d")
SEGMENTERS_BAND = 0.07  # face heights: the curls, ears and caps that a segmenter misses
_GRABCUT_SIDE = 384
_MATTE_SIDE = 640  # the matte is solved in a picture of at most this many pixels
_FACE_RIM = 0.03  # face heights; the rest of the face is surely person
_NOISE = 0.06  # a difference from an even background that says nothing
_FLAT = 1e-4  # variance of a luminance that tells nothing
_JAW_EDGE = 0.012  # face heights: the jaw's own edge lies this far outside of the landmarks
_JAW_FADE = 0.02  # face heights below that in which the jaw's edge, with its shadow, fades into the neck
BROADEST_SEAM, _THIN_SEAM = 0.152, 0.012  # face heights over which the head's lower border fades: beside the face, and along the chin
_FAR = 0.11  # face heights from the face, from where on nothing depends on how far it is
_EARRING = (0.15, 0.45, 0.25)  # face heights above, below and beside an ear lobe within which ear-rings hang
_AROUND = 0.6  # face heights about that in which the background is looked at
_UNLIKE = 0.1  # distance of colours, each 0..1
_CRISP = 0.06  # steps of a colour from one pixel to the next
_WIRE = 0.02  # face heights: gaps as wide are bridged
_BELOW_CHIN = 0.05  # face heights that an ear-ring may reach
_LEAST, _CRUMB = 0.05, 0.15  # matte of what counts, and face heights, the side of a square as large as what is a mere remainder
_FACE_SEEN = 0.7  # a segmenter that covers less of the face than this has failed


def person_mask(image: np.ndarray, landmarks: np.ndarray, models: ModelFolders) -> np.ndarray:
    """Roughly how much each pixel belongs to the person: float32 [h, w] in 0..1, of the picture at a moderate size.

    By MediaPipe's selfie segmenter; by GrabCut seeded with the landmarks where its model file is missing (with a log line).

    Args:
        image: RGB uint8 [H, W, 3].
        landmarks: [478, 3] in pixels of the image.
    """
    image, scale = _reduced(image)
    landmarks = landmarks * scale
    face = filled_face(landmarks, image.shape[:2])
    try:
        with segmenter(models.find(SELFIE_SEGMENTER)) as opened:
            mask = opened.confidences(image)[..., 0]
    except MissingModelError as missing:
        _LOG.info("The person is cut out with GrabCut. %s", missing)
        mask = grabcut_mask(image, landmarks)
    if (mask * face).sum() < _FACE_SEEN * face.sum():
        _LOG.info("The segmenter does not see the person in this picture; GrabCut cuts the person out instead.")
        mask = grabcut_mask(image, landmarks)
    return mask


def person_matte(mask: np.ndarray, image: np.ndarray, landmarks: np.ndarray, band: float = SEGMENTERS_BAND) -> np.ndarray:
    """A rough mask made exact along the outline: float32 [H, W] in 0..1.

    Solved at a moderate size and brought up to the picture's along its edges.

    Args:
        mask: float32 [h, w] in 0..1, of the picture at any size.
        image: RGB uint8 [H, W, 3].
        landmarks: [478, 3] in pixels of the image.
        band: face heights on either side of the mask's edge in which the colours decide.
    """
    small, scale = _reduced(image)
    face_height = scale * float(face_height_of(landmarks[:, :2]))
    mask = cv2.resize(mask.astype(np.float32), small.shape[1::-1], interpolation=cv2.INTER_AREA)
    hint, unknown = _trimap(mask, landmarks * scale, face_height, band)
    picture = small / np.float32(255)
    matte = closed_form_matte(picture, hint, unknown)
    matte[unknown] = np.maximum(matte[unknown], _unlike_the_background(picture, matte, unknown, face_height))
    matte = np.maximum(matte, _ear_rings(picture, matte, landmarks * scale, face_height))
    return matte if scale == 1 else _enlarged(matte, small, image)


def _reduced(image: np.ndarray) -> tuple[np.ndarray, float]:
    """A picture no larger than the matte is solved for, and its scale."""
    scale = min(1.0, _MATTE_SIDE / max(image.shape))
    size = [max(1, round(scale * side)) for side in image.shape[1::-1]]
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA), scale


def _trimap(mask: np.ndarray, landmarks: np.ndarray, face_height: float, band: float) -> tuple[np.ndarray, np.ndarray]:
    """The mask where it is a hint and 0 or 1 elsewhere, [H, W]; and where it is no more than a hint.

    The person is the component that holds the face. What the mask leaves out within it is a gap only if it is as wide as the band.
    """
    band = band * face_height
    face = filled_face(landmarks, mask.shape)
    solid: np.ndarray = ((mask > 0.5) | (face > 0)).astype(np.uint8)
    _, labels = cv2.connectedComponents(solid)
    kept = (labels == _label_of(face, labels)).astype(np.uint8)
    _, labels, stats, _ = cv2.connectedComponentsWithStats(1 - kept)
    holes = np.isin(labels, [k for k in range(1, len(stats)) if stats[k, cv2.CC_STAT_AREA] < (2 * band) ** 2])
    kept[holes] = 1
    inner, outer = (cv2.distanceTransform(one, cv2.DIST_L2, 5) for one in (kept, 1 - kept))
    sure = (inner > band) & ((mask > 0.9) | holes) | (cv2.erode(face, disc(_FACE_RIM * face_height)) > 0)
    nothing = (outer > band) & ((mask < 0.1) | (outer > 2 * band))
    unknown = ~sure & ~nothing
    return np.where(unknown, np.clip(mask, 0, 1), sure).astype(np.float32), unknown


def _unlike_the_background(image: np.ndarray, matte: np.ndarray, unknown: np.ndarray, face_height: float) -> np.ndarray:
    """[unknown pixels]: the least that must be person for the picture to differ as it does from what is behind, where that is even: fine
    curls.
    """
    known = matte < 0.02
    if not known.any():
        return np.zeros(np.count_nonzero(unknown), np.float32)
    size = (2 * round(0.15 * face_height) + 1,) * 2
    background = cv2.copyTo(image, known.astype(np.uint8))
    amount, mean, squares = (cv2.blur(one, size)[unknown] for one in (known.astype(np.float32), background, background**2))
    amount = np.maximum(amount, 1e-3)[:, None]
    variance = squares / amount - (mean / amount) ** 2
    even = np.clip(1.5 - np.sqrt(np.maximum(variance, 0).mean(axis=1)) / 0.03, 0, 1)
    behind, seen = push_pull(image, known)[unknown], image[unknown]
    least = np.maximum((behind - seen) / np.maximum(behind, 0.05), (seen - behind) / np.maximum(1 - behind, 0.05)).max(axis=1)
    return even * np.clip((least - _NOISE) / (1 - _NOISE), 0, 1)


def _ear_rings(image: np.ndarray, matte: np.ndarray, landmarks: np.ndarray, face_height: float) -> np.ndarray:
    """float32 [H, W]: what hangs from an ear, and ends there."""
    rings = np.zeros(matte.shape, np.float32)
    down = landmarks[CHIN, :2] - landmarks[FOREHEAD, :2]
    down = down / np.linalg.norm(down)
    above, below, beside = (reach * face_height for reach in _EARRING)
    across = beside * np.array([-down[1], down[0]])
    for lobe in landmarks[EAR_LOBES, :2]:
        top, bottom = (lobe + reach * down for reach in (-above, below))
        corners = np.stack([top - across, top + across, bottom + across, bottom - across])
        zone = cv2.fillConvexPoly(np.zeros(matte.shape, np.uint8), np.round(corners).astype(np.int32), 1)
        ear = cv2.circle(np.zeros(matte.shape, np.uint8), np.round(lobe).astype(int).tolist(), round(above), 1, -1)
        if zone.any():
            np.maximum(rings, _hanging(image, matte, zone, ear > 0, face_height), out=rings)
    return rings


def _hanging(image: np.ndarray, matte: np.ndarray, zone: np.ndarray, ear: np.ndarray, face_height: float) -> np.ndarray:
    """float32 [H, W]: what joins an ear within a zone, is like nothing in the background around that, and does not leave it."""
    opacity = np.zeros(matte.shape, np.float32)
    box = box_about(zone > 0, round(_AROUND * face_height))
    image, matte, zone, ear = image[box], matte[box], zone[box], ear[box]
    around, person, wire = (matte < 0.02) & (zone == 0), matte > 0.5, disc(_WIRE * face_height)
    if np.count_nonzero(around) < np.count_nonzero(zone) / 4:
        return opacity
    open_ = (zone > 0) & ~person
    unlike = np.zeros(matte.shape, np.float32)
    colours = image[around]
    unlike[open_] = cKDTree(colours[:: 1 + len(colours) // 8000]).query(image[open_])[0]
    pieces = cv2.morphologyEx((unlike > _UNLIKE).astype(np.uint8), cv2.MORPH_CLOSE, wire)
    _, labels = cv2.connectedComponents(pieces)
    joined = np.unique(labels[cv2.dilate((person & ear).astype(np.uint8), wire) > 0])
    leaving = np.unique(labels[(zone > 0) & (cv2.erode(zone, disc(1)) == 0)])
    hanging = np.setdiff1d(joined, np.append(leaving, 0))
    opacity[box] = np.isin(labels, _crisp(image, labels, hanging, person)) & ~person
    return cv2.GaussianBlur(opacity, (3, 3), 0)


def _crisp(image: np.ndarray, labels: np.ndarray, pieces: np.ndarray, person: np.ndarray) -> list[int]:
    """The numbers of the pieces that are as sharply drawn as what is in focus; behind a person things mostly are not."""
    if not len(pieces):
        return []
    beyond = cv2.dilate(person.astype(np.uint8), disc(3)) == 0
    steep = np.hypot(cv2.Sobel(image, cv2.CV_32F, 1, 0), cv2.Sobel(image, cv2.CV_32F, 0, 1)).max(axis=2) / 8

    def is_crisp(piece: np.ndarray) -> bool:
        rim = (cv2.dilate(piece, disc(1)) > cv2.erode(piece, disc(1))) & beyond
        return bool(rim.any() and steep[rim].mean() > _CRISP)

    return [number for number in pieces if is_crisp((labels == number).astype(np.uint8))]


def _enlarged(matte: np.ndarray, small: np.ndarray, image: np.ndarray) -> np.ndarray:
    """A matte of the small picture [h, w], brought up to the large one's size along its edges (He et al.'s guided filter)."""
    slope, offset = _guided(matte, _luminance(small))
    size = image.shape[1::-1]
    slope, offset, smooth = (cv2.resize(one, size, interpolation=cv2.INTER_LINEAR) for one in (slope, offset, matte))
    edge = np.flatnonzero((smooth > 0) & (smooth < 1))  # in the flat the matte stays as it is
    slope, offset, soft, guide = (one.take(edge) for one in (slope, offset, smooth, cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)))
    sharp = np.clip(slope * (guide / np.float32(255)) + offset, 0, 1)
    smooth.ravel()[edge] = soft + (sharp - soft) * np.minimum(4 * soft * (1 - soft) / 0.2, 1)
    return smooth


def head_region(landmarks: np.ndarray, person: np.ndarray, away: np.ndarray, bare: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What moves with the head: float32 masks [H, W] in 0..1, (region, seam, firmness).

    The region is everything above the jaw and, beside the face, above the level of the jaw's corners; at the jaw it ends softly, below
    the line that the jaw's shadow draws on the neck. What hangs down from there and ends above the shoulders belongs to it. A part of
    the person that does not hang together with the face within it, such as a raised collar, is left to the torso. The seam is 1 well
    inside the region and fades to 0 at its lower border: thinly along the chin, broadly beside the face, where hair goes on below.
    Firmness is the seam, but for the chin, whose edge is as firm as the rest of the head's outline.

    Args:
        landmarks: [478, 3] in pixels.
        person: float32 [H, W] in 0..1.
        away: [H, W], see `away_from_face`.
        bare: [H, W] in 0..1, what below the ears is not hair: beside the jaw it is neck or collar, left to the torso.
    """
    height, width = person.shape
    face_height = float(face_height_of(landmarks[:, :2]))
    up = landmarks[FOREHEAD, :2] - landmarks[CHIN, :2]
    up = up / np.linalg.norm(up)
    right = np.array([-up[1], up[0]])
    far = 4 * max(height, width)
    jaw = landmarks[JAW, :2]
    corner_left, corner_right = (JAW.index(corner) for corner in JAW_CORNERS)
    lower = jaw[corner_left : corner_right + 1]
    beside_left, beside_right = lower[0] - far * right, lower[-1] + far * right
    region = np.concatenate([[beside_left + far * up, beside_left], lower, [beside_right, beside_right + far * up]])
    hard: np.ndarray = np.zeros((height, width), np.uint8)
    cv2.fillPoly(hard, [np.round(region).astype(np.int32)], 1)
    face = (away == 0).astype(np.uint8)
    rim = box_about(face, round(_JAW_EDGE * face_height) + 1)
    hard[rim] |= cv2.dilate(face[rim], disc(_JAW_EDGE * face_height))
    distance = cv2.distanceTransform(np.pad(hard, 1, constant_values=1), cv2.DIST_L2, 5)[1:-1, 1:-1]

    seam, firmness, region = (hard.astype(np.float32) for _ in range(3))
    box = box_about((away < _FAR) | ((distance > 0) & (distance < BROADEST_SEAM * face_height)))  # elsewhere each is 0 or 1
    near = away[box]
    reach = face_height * (_THIN_SEAM + (BROADEST_SEAM - _THIN_SEAM) * _smooth_step(near / 0.10))
    seam[box] = _smooth_step(distance[box] / reach)
    firmness[box] = np.maximum(seam[box], 1 - _smooth_step((near - 0.03) / 0.08))
    below = cv2.distanceTransform(1 - hard[box], cv2.DIST_L2, 5)
    fading = _smooth_step(1 - below / (_JAW_FADE * face_height)) * (near < 0.06)
    region[box] = np.maximum(region[box], fading)
    solid = person > 0.5
    hanging = _hangs_down(solid, seam, landmarks[CHIN, :2] @ up - _BELOW_CHIN * face_height, up)
    bare = bare * _smooth_step((away - _JAW_EDGE) / _JAW_EDGE - 1)
    apart = ~_hangs_together(hard & solid & (bare < 0.5), seam, landmarks, face_height)
    _, pieces = cv2.connectedComponents(((apart & solid) | hanging).astype(np.uint8))
    hanging = np.isin(pieces, np.unique(pieces[hanging]))
    for mask in (region, seam, firmness):
        mask *= 1 - bare
    region[apart] = 0
    region[_left_over(person, region, away, face_height)] = 1
    for mask in (region, seam, firmness):
        mask[hanging] = 1
    return region, seam, firmness


def _hangs_down(person: np.ndarray, seam: np.ndarray, lowest: float, up: np.ndarray) -> np.ndarray:
    """bool [H, W]: what hangs down from the head and ends above the shoulders, such as an ear-ring.

    Args:
        person: bool [H, W].
        lowest: how far `up` it ends at least.
        up: [2] the head's own axis.
    """
    below = person & (seam < 1)
    rows, columns = np.nonzero(below)
    _, labels = cv2.connectedComponents(below.astype(np.uint8))
    found = labels[rows, columns].astype(np.intp)
    ends = np.full(labels.max() + 1, np.inf)
    np.minimum.at(ends, found, columns * up[0] + rows * up[1])
    joined = np.unique(labels[cv2.dilate((person & (seam == 1)).astype(np.uint8), disc(1)) > 0])
    hanging = np.isin(labels, joined[(joined > 0) & (ends[joined] > lowest)])
    return cv2.dilate(hanging.astype(np.uint8), disc(2)) > 0


def _hangs_together(head: np.ndarray, seam: np.ndarray, landmarks: np.ndarray, face_height: float) -> np.ndarray:
    """bool [H, W]: False on what thin bridges at most join to the face, such as a collar; strands of hair above the seam stay."""
    apart = disc(0.015 * face_height)
    filled = filled_face(landmarks, head.shape)
    box = box_about((head > 0) | (filled > 0), 2 * len(apart))
    within = head[box]
    _, labels, stats, _ = cv2.connectedComponentsWithStats(cv2.erode(within, apart, borderValue=1))
    face = _label_of(filled[box], labels)
    large = stats[:, cv2.CC_STAT_AREA] > (0.1 * face_height) ** 2
    large[[0, face]] = False
    others = large[labels] | ((within > 0) & (labels != face) & (seam[box] < 0.999))
    kept = cv2.dilate((labels == face).astype(np.uint8), disc(len(apart)))
    joined = np.ones(head.shape, bool)
    joined[box] = (kept > 0) | (cv2.dilate(others.astype(np.uint8), apart) == 0)
    return joined


def _left_over(person: np.ndarray, region: np.ndarray, away: np.ndarray, face_height: float) -> np.ndarray:
    """bool [H, W]: small parts of the person beside the face that hang together with nothing but the region: a profile's lips, say, which
    reach beyond the landmarks. They would stay behind when the head turns.
    """
    beside = (person > _LEAST) & (region < 0.5) & (away < _FAR)
    _, labels, stats, _ = cv2.connectedComponentsWithStats(beside.astype(np.uint8), connectivity=8)
    small = stats[:, cv2.CC_STAT_AREA] < (_CRUMB * face_height) ** 2
    solid = np.zeros(len(small), bool)
    solid[labels[beside & (person > 0.5)]] = True
    crumbs = (small & solid)[labels]
    others = beside & ~crumbs
    return (cv2.dilate(crumbs.astype(np.uint8), disc(_JAW_FADE * face_height)) > 0) & ~others


def away_from_face(landmarks: np.ndarray, height: int, width: int, *, beard: np.ndarray | None = None) -> np.ndarray:
    """float32 [H, W]: face heights from each pixel to the face, 0 in it and in what hangs down from it as its beard (bool [H, W])."""
    face = filled_face(landmarks, (height, width))
    if beard is not None:
        face |= beard
    return cv2.distanceTransform(1 - face, cv2.DIST_L2, 5) / float(face_height_of(landmarks[:, :2]))


def where_hair(away: np.ndarray) -> np.ndarray:
    """How much an outline is hair's, not skin's, so many face heights away from the face."""
    return smooth_step((away - 0.015) / 0.04)


def filled_face(landmarks: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """uint8 of this shape: 1 inside the hull of the face's rim."""
    face = np.zeros(shape, np.uint8)
    return cv2.fillConvexPoly(face, cv2.convexHull(np.round(landmarks[FACE_OVAL, :2]).astype(np.int32)), 1)


def grabcut_mask(image: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
    """The person by OpenCV's GrabCut, seeded with the face, a box about head and shoulders, and the rows above the head."""
    height, width = image.shape[:2]
    scale = _GRABCUT_SIDE / max(height, width)
    small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    points = landmarks[:, :2] * scale
    low, high = points[FACE_OVAL].min(0), points[FACE_OVAL].max(0)
    face_width, face_height = high - low
    rows, columns = np.mgrid[: small.shape[0], : small.shape[1]]
    seeds = np.full(small.shape[:2], cv2.GC_PR_BGD, np.uint8)
    beside = np.abs(columns - (low[0] + high[0]) / 2)
    head = (rows > low[1] - 0.45 * face_height) & (rows < high[1]) & (beside < 0.9 * face_width)
    body = (rows >= high[1]) & (beside < face_width * (0.45 + 1.4 * np.clip((rows - high[1]) / (0.7 * face_height), 0, 1)))
    seeds[head | body] = cv2.GC_PR_FGD
    seeds[rows < low[1] - 0.6 * face_height] = cv2.GC_BGD
    seeds[(rows < high[1]) & (beside > 1.6 * face_width)] = cv2.GC_BGD
    neck = (rows >= high[1]) & (rows < high[1] + 0.5 * face_height) & (beside < 0.25 * face_width)
    seeds[neck] = cv2.GC_FGD
    cv2.fillConvexPoly(seeds, cv2.convexHull(points[FACE_OVAL].astype(np.int32)), int(cv2.GC_FGD))
    cv2.setRNGSeed(0)
    cv2.grabCut(np.ascontiguousarray(small[..., ::-1]), seeds, (0, 0, 0, 0), np.zeros((1, 65)), np.zeros((1, 65)), 4, cv2.GC_INIT_WITH_MASK)
    mask = np.isin(seeds, (cv2.GC_FGD, cv2.GC_PR_FGD)).astype(np.float32)
    return cv2.resize(cv2.GaussianBlur(mask, (0, 0), 1.0), (width, height), interpolation=cv2.INTER_LINEAR)


def _guided(mask: np.ndarray, guide: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The slope and offset [H, W] with which the guide predicts the mask about each pixel."""
    size = (5, 5)
    mean_guide, mean_mask = cv2.blur(guide, size), cv2.blur(mask, size)
    variance = cv2.blur(guide * guide, size) - mean_guide**2
    slope = (cv2.blur(guide * mask, size) - mean_guide * mean_mask) / (variance + _FLAT)
    return cv2.blur(slope, size), cv2.blur(mean_mask - slope * mean_guide, size)


def _luminance(image: np.ndarray) -> np.ndarray:
    return cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32) / 255


def disc(radius: float) -> np.ndarray:
    """A structuring element of this radius, at least one pixel."""
    side = 2 * max(1, round(radius)) + 1
    return cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))


def _label_of(face: np.ndarray, labels: np.ndarray) -> int:
    """The number of the component that most of a face lies in, 0 where none does: no single landmark is sure to, as on a profile."""
    held = np.bincount(labels[face > 0], minlength=2)
    return int(held[1:].argmax()) + 1 if held[1:].any() else 0


def _smooth_step(x: np.ndarray) -> np.ndarray:
    return smooth_step(x).astype(np.float32)
