"""What a head looks like just beyond its outline in the photo, where a turn uncovers it (spec 08 section 2)."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation
from torch import Tensor

from ..face.landmark_sets import CHIN, EARS, FOREHEAD, JAW_CORNERS
from ..face.measures import face_height_of
from ..portrait.boxes import box_about
from ..portrait.hair import hair_seen
from ..portrait.inpaint import extend_outwards
from ..portrait.plates import Plates, plate_pixels
from ..portrait.portrait import Portrait
from ..portrait.segmentation import disc, filled_face
from ..render.camera import project
from ..render.planes import Planes
from ..smooth_step import smooth_step
from .adapt import landmarks_of
from .below_jaw import with_neck
from .channels import carried_uv
from .far_side import front_surface
from .hidden_half import painted
from .solid import hidden_half, texel_centres

Picture = NDArray[np.float32]
_DARK_RIM = 0.015  # face heights along the outline of a face from the side that are darker than its skin
_REACH = 0.4  # face heights
_HIDDEN = 0.002  # crop units between where a surface would be seen and the coordinates that it carries, where the photo hides it
_OVERLAP = 12  # texels of what the photo shows, over which it passes into what it hides
_FINE = 0.03  # face heights: detail is what a blur this wide takes away
_ALIKE = 0.12  # distance of colours, each 0..1, by which hair may differ from where its detail is taken to
_BROADEST = 0.2  # face heights of hair inside of its edge that are mirrored
_TO_AND_FRO = 2  # times, how often they are
_STEPS = 10  # in which its breadth is measured
_LEAST = 0.03  # face heights: narrower hair lends no detail
_PATCH = 0.1  # face heights, the radius of a patch of detail
_SHADED = 0.6  # of the jaw's brightness is the least that the shadow below it leaves; what is darker is hair or cloth
_OF_THE_JAW = (0.08, 0.2)  # distance from the jaw's colours, below and above which a pixel at its edge is, and is not, believed
_SHADOW = 0.012  # face heights on either side of the jaw's outline in which it has its shadow, or a beard
_MIXED = 0.008  # face heights from what is not believed within which the jaw's colours are mixed with it
_STRAND = 0.08  # face heights, the side of a square as large as the least hair
_MIXED_HAIR = 0.02  # face heights from its skin within which a head's hair is mixed with it, and lends no detail
_BROAD = 0.03  # face heights, half the breadth of hair that is not mixed with what is beside it
_REDDER = 0.06  # share of red in a colour, over that of hair and face
_GREY = 0.1  # of the way from the red of hair to that of skin is still hair, however light
_APART = 0.35  # distance of the hair's colour from the face's, below which that tells hair from a bright temple less and less
_BEARD = 0.05  # face heights below the jaw, beyond which what is the head's hangs down from it
_COVERED = 0.6  # of a pixel at the outline covered is enough to tell hair from skin
_EARS = -0.3, 0.3, 0.12  # face heights above the landmarks at the ears, between which lie ears, and over which that fades
_SURELY_HAIR = 0.6  # of a colour's distance from skin is the most that it may be away from the hair's to be hair
_HANGS_BESIDE = 0.2, 0.1  # face heights from hair within which it hides a jaw, and over which that fades
_COMES_OUT = 0.25  # of the height below its corner is how much of a jaw is seen beside such hair
_HAIR = 0.15  # distance from the colour of the hair above
_HAIR_REACHES = 0.5  # face heights from hair to where it is still behind an ear
_UNDER = 0.25, 0.15  # how much darker a jaw is from below, and face heights below its edge where it is so
_EVEN = 0.06  # face heights over which the colours below a jaw are evened along it: they are drawn out from single places of its edge
_GATHERS = 0.15  # face heights below its corners over which a jaw's shadow begins
_GRAIN = 0.01  # face heights, what is texture
_BELIEVED = (0.3, 0.9)  # matte, below and above which an outline's own colours are not, and are, believed
_OF_SKIN = 0.2  # of that range, where it is skin's: what is mixed there would be a line between the photo and what goes on


def head_with_outskirts(plates: Plates, portrait: Portrait, planes: Planes) -> Tensor:
    """The head plate [1, 4, S, S] with colours to look at beyond its outline: the hidden half of a face from the side, hair, and skin.

    Args:
        plates: the portrait's, at any size.
        planes: the head at rest.
    """
    points = plate_pixels(portrait.landmarks.numpy()[:, :2], plates.side)
    face_height = float(face_height_of(points))
    matte = plates.head_mask[0, 0].numpy()
    box = box_about(matte > _BELIEVED[0], round(_REACH * face_height))
    head = plates.head.clone()
    colours = head[0, :3].permute(1, 2, 0).numpy()  # a view
    within, photo, person = points - [box[1].start, box[0].start], plates.photo[0].permute(1, 2, 0).numpy(), plates.person[0, 0].numpy()
    continued = with_outskirts(colours[box], matte[box], within, face_height)
    colours[box] = with_neck(continued, matte[box], photo[box], person[box], within, face_height)
    half = hidden_half(portrait, landmarks_of(planes))
    if half.amount:
        uv = carried_uv(planes).numpy()
        height, _, _, inside = front_surface(planes)[0].numpy()
        x, y = texel_centres()
        surface = torch.from_numpy(np.stack([x, y, height], axis=-1)).float()
        seen = project(surface, portrait.camera[0])[0].permute(2, 0, 1).numpy()
        hidden = binary_dilation((np.abs(uv - seen).max(axis=0) > _HIDDEN) & (inside > 0), iterations=_OVERLAP)
        hidden &= half.weight(len(hidden)) > 0
        places, sources = (plate_pixels(at[:, hidden].T, plates.side) for at in (uv, half.across(uv)))
        surely = cv2.erode((matte > 0.95).astype(np.uint8), disc(_DARK_RIM * face_height)) > 0
        colours[:] = painted(np.ascontiguousarray(colours), surely, places, sources, _FINE * face_height)
    return head


def with_outskirts(colours: Picture, matte: Picture, landmarks: np.ndarray, face_height: float) -> Picture:
    """Colours of a head, continued beyond its outline: smoothly, with the detail of the nearest hair that looks like it.

    Below the jaw they go on as the face's, as dark as the jaw's own edge is: not as a collar or hair beside it.

    Args:
        colours: [H, W, 3] in 0..1.
        matte: [H, W] in 0..1, how much of each pixel is head.
        landmarks: [478, 2] in pixels.
        face_height: pixels.
    """
    if not (matte > 0.95).any():
        return colours
    sure = cv2.erode((matte > 0.95).astype(np.uint8), disc(0.01 * face_height)) > 0
    if not sure.any():
        return colours
    fine = _FINE * face_height
    below = _below_jaw_corners(landmarks, matte.shape, face_height)
    face = _with_beard(filled_face(landmarks, matte.shape), sure & (below > 0) & _between_jaw_corners(landmarks, matte.shape), face_height)
    inside: np.ndarray = cv2.erode(face, disc(_SHADOW * face_height))
    lower = (below > 0) & (inside == 0)
    height = _above_ears(landmarks, matte.shape, face_height)
    seen = hair_seen(colours, matte, landmarks, face_height)
    hair, fringe = _hair(colours, seen, matte, sure, lower, inside, height, face_height)
    pure = _unmixed(colours, hair, seen, sure, inside > 0, face_height)
    inner, inner_hair = (_mean_of(colours, one, fine) for one in (sure, pure))
    rim = np.dstack([inner, hair]).astype(np.float32)
    shade = _mean_of(colours, sure, _GRAIN * face_height)  # skin goes on as dark as it is at its outline
    beside_ears = _beside_ears(height)
    head = sure & np.where(hair, pure, beside_ears < 0.5)  # behind an ear is no ear
    within = np.where(pure[..., None], inner_hair, shade)
    grown = extend_outwards(np.dstack([within, hair]).astype(np.float32), head, blur=max(1.0, fine))
    if hair.any():
        to_hair, to_skin = (cv2.distanceTransform((~one).astype(np.uint8), cv2.DIST_L2, 5) for one in (hair | fringe, sure & ~hair))
        beside_hair = ~sure * np.clip((to_skin - to_hair) / fine + 0.5, 0, 1)
        weight = np.maximum(beside_hair, beside_ears * _near(hair, face_height))
        weight = np.maximum(weight, ~sure * _under_hair(to_hair, below, face, face_height))[..., None]
        grown += (extend_outwards(np.dstack([inner_hair, pure]).astype(np.float32), pure, blur=max(1.0, fine)) - grown) * weight
    jaw = lower & (grown[..., 3] < 0.5)
    grown[jaw] = extend_outwards(rim, sure & (inside > 0), blur=max(1.0, fine))[jaw]
    smooth, hairy = np.split(_blurred(grown, fine), [3], axis=2)
    low, high = _BELIEVED
    believed = high - (high - low) * np.where(jaw, 1, _OF_SKIN + (1 - _OF_SKIN) * hairy[..., 0])
    own = np.where(sure, 1, np.clip((matte - believed) / (high - believed), 0, 1))
    smooth, own = _below_jaw(colours, smooth, own, jaw * smooth_step(below / _GATHERS), sure, face, face_height)
    if not hair.any():  # a bald head's skin has a texture, too
        pure, inner_hair = sure & (inside == 0) & (height > _EARS[1]), inner
        hairy = smooth_step((height - _EARS[0]) / _EARS[2]).astype(np.float32)[..., None]
    beyond = ~sure & (hairy[..., 0] > 0.1) & (cv2.distanceTransform((~sure).astype(np.uint8), cv2.DIST_L2, 5) < _REACH * face_height)
    detail = np.where(pure[..., None], colours - inner_hair, 0)
    mirrored, share = _mirrored(detail, smooth, beyond, pure, face_height)
    scattered = _scattered(detail, smooth, beyond & (share < 1), pure, face_height)
    continued = smooth + hairy * (mirrored + np.sqrt(1 - share * share)[..., None] * scattered)
    return np.clip(continued + (colours - continued) * own[..., None], 0, 1).astype(np.float32)


def _below_jaw(
    colours: Picture,
    smooth: Picture,
    own: np.ndarray,
    amount: np.ndarray,
    sure: NDArray[np.bool_],
    face: np.ndarray,
    face_height: float,
) -> tuple[Picture, np.ndarray]:
    """Smooth colours [H, W, 3] that go on below the jaw as dark as its edge is, and how far [H, W] the photo's own are believed there.

    How much [H, W] of that each pixel has begins softly below the corners. A light band below the jaw's shadow, or dark dots where it meets
    hair, would be seen as a line drawn along it.
    """
    shaded = smooth * _shade(colours, smooth)[..., None]
    low, high = _OF_THE_JAW
    like = np.clip((high - np.linalg.norm(colours - shaded, axis=2)) / (high - low), 0, 1)
    jaw = amount > 0
    mixed = cv2.erode(np.where(jaw, np.minimum(own, like), own).astype(np.float32), disc(_MIXED * face_height))
    own = np.where(jaw, mixed, own)
    edge = extend_outwards(shaded, (own > 0.5) & sure, blur=max(1.0, _FINE * face_height))
    edge = _mean_of(edge, ~sure, _EVEN * face_height)
    darker, reach = _UNDER
    depth = cv2.distanceTransform(1 - face, cv2.DIST_L2, 5) / (reach * face_height)
    under = smooth * (1 - darker * np.clip(depth, 0, 1))[..., None]
    return smooth + (np.minimum(edge, under) - smooth) * amount[..., None], own


def _shade(colours: Picture, smooth: Picture) -> np.ndarray:
    """[H, W] how much of the jaw's brightness there is: its own shadow is no foreign colour."""
    return np.clip(colours.sum(axis=2) / np.maximum(smooth.sum(axis=2), 1e-3), _SHADED, 1)


def _below_jaw_corners(landmarks: np.ndarray, shape: tuple[int, int], face_height: float) -> np.ndarray:
    """[H, W]: how many face heights below the corners of the jaw each pixel lies, along the head's own axis."""
    up = (landmarks[FOREHEAD] - landmarks[CHIN]) / face_height**2
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    return landmarks[JAW_CORNERS].mean(axis=0) @ up - (columns * up[0] + rows * up[1])


def _with_beard(face: np.ndarray, lower: np.ndarray, face_height: float) -> np.ndarray:
    """uint8 [H, W]: the face, and what of the head reaches so far below it that it is no edge of the jaw, but a beard."""
    beyond = cv2.distanceTransform(1 - face, cv2.DIST_L2, 5) > _BEARD * face_height
    return face | (cv2.dilate((beyond & lower).astype(np.uint8), disc(1.5 * _BEARD * face_height)) & lower)


def _between_jaw_corners(landmarks: np.ndarray, shape: tuple[int, int]) -> NDArray[np.bool_]:
    """[H, W]: whether each pixel lies between the corners of the jaw, across the head's own axis."""
    up = landmarks[FOREHEAD] - landmarks[CHIN]
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    low, high = sorted(landmarks[JAW_CORNERS] @ [-up[1], up[0]])
    across = rows * up[0] - columns * up[1]
    return (across > low) & (across < high)


def _above_ears(landmarks: np.ndarray, shape: tuple[int, int], face_height: float) -> np.ndarray:
    """[H, W]: how many face heights above the landmarks at the ears each pixel lies, along the head's own axis."""
    up = (landmarks[FOREHEAD] - landmarks[CHIN]) / face_height**2
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    return columns * up[0] + rows * up[1] - landmarks[EARS].mean(axis=0) @ up


def _beside_ears(height: np.ndarray) -> np.ndarray:
    """[H, W] in 0..1: how much at the height [H, W] above the ears' landmarks at which there are ears."""
    low, high, fading = _EARS
    return (smooth_step((height - low) / fading) * smooth_step((high - height) / fading)).astype(np.float32)


def _under_hair(to_hair: np.ndarray, below: np.ndarray, face: np.ndarray, face_height: float) -> np.ndarray:
    """[H, W] in 0..1: how much hair that hangs down beside the corner of a jaw hides what is beyond the jaw: it comes out from behind the
    hair gradually, not in a step as broad as a turned head's jaw is thick.
    """
    beside, fading = _HANGS_BESIDE
    depth = cv2.distanceTransform(1 - face, cv2.DIST_L2, 5) / face_height
    near = smooth_step((beside - to_hair / face_height) / fading)
    return (below > 0) * near * smooth_step((depth - _COMES_OUT * below) / _MIXED_HAIR)


def _near(hair: NDArray[np.bool_], face_height: float) -> np.ndarray:
    """[H, W] in 0..1: how much what goes on behind an ear is hair, although the nearest is the ear's skin."""
    away = cv2.distanceTransform((~hair).astype(np.uint8), cv2.DIST_L2, 5) / face_height
    return smooth_step((_HAIR_REACHES - away) / _EARS[2]).astype(np.float32)


def _hair(
    colours: Picture,
    seen: NDArray[np.bool_],
    matte: Picture,
    sure: NDArray[np.bool_],
    lower: NDArray[np.bool_],
    inside: np.ndarray,
    height: np.ndarray,
    face_height: float,
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Where the head shows hair or a hat: beside the face what is seen as such, beside the ears and below the mouth only what is broad
    and like hair above.

    So neither an ear's folds, the jaw's shadow nor a collar are hair. Returns also where hair, as it seems, covers the outline in part: it
    is too mixed to tell the hair's colour.
    """
    seen = seen & (inside == 0)
    broad = cv2.morphologyEx(seen.astype(np.uint8), cv2.MORPH_OPEN, disc(2 * _SHADOW * face_height)) > 0
    fringe = (matte > _COVERED) & (height > 0) & seen & ~sure
    upper = sure & seen & ~lower
    above = _large(upper & (height > _EARS[1]), face_height)
    if not above.any():
        return above, above
    skin, smooth = np.median(colours[inside > 0], axis=0), _blurred(colours, 0.01 * face_height)
    unlike_hair = np.linalg.norm(smooth - np.median(colours[above], axis=0), axis=2)
    upper &= (height > _EARS[1]) | (broad & (unlike_hair < _SURELY_HAIR * np.linalg.norm(smooth - skin, axis=2)))
    upper = _large(upper, face_height)
    like_hair = np.linalg.norm(smooth - np.median(colours[upper], axis=0), axis=2) < _HAIR
    return upper | _large(sure & lower & broad & like_hair, face_height), fringe


def _unmixed(
    colours: Picture,
    hair: NDArray[np.bool_],
    seen: NDArray[np.bool_],
    sure: NDArray[np.bool_],
    inside: NDArray[np.bool_],
    face_height: float,
) -> NDArray[np.bool_]:
    """Hair [H, W] that tells its colours: away from the head's skin, more like most of the hair than like the face, not redder than both,
    as an ear in the shade is, and broad, where there is such; else all of it.
    """
    if not hair.any():
        return hair
    skin = cv2.dilate((sure & ~hair & ~seen).astype(np.uint8), disc(_MIXED_HAIR * face_height)) > 0
    smooth, both = _blurred(colours, _GRAIN * face_height), [np.median(colours[one], axis=0) for one in (hair, inside)]
    from_hair, from_skin = (np.linalg.norm(smooth - one, axis=2) for one in both)
    apart = max(float(np.linalg.norm(both[0] - both[1])), 1e-3)
    red = smooth[..., 0] / np.maximum(smooth.sum(axis=2), 1e-3)
    red_hair, red_skin = (float(one[0] / max(one.sum(), 1e-3)) for one in both)
    grey = (red_skin - red_hair > _REDDER) & (red < red_hair + _GREY * (red_skin - red_hair))  # as light as skin, but not as red
    alike = (from_hair < from_skin * max(1, _APART / apart)) | grey
    pure = hair & ~skin & alike & (red < max(red_hair, red_skin) + _REDDER)
    broad = cv2.morphologyEx(pure.astype(np.uint8), cv2.MORPH_OPEN, disc(_BROAD * face_height)) > 0
    return next((one for one in (broad, pure) if np.count_nonzero(one) > (_STRAND * face_height) ** 2), hair)


def _large(region: NDArray[np.bool_], face_height: float) -> NDArray[np.bool_]:
    """The parts of a region [H, W] that are as large as the least hair."""
    _, labels, stats, _ = cv2.connectedComponentsWithStats(region.astype(np.uint8))
    return np.isin(labels, np.flatnonzero(stats[1:, cv2.CC_STAT_AREA] > (_STRAND * face_height) ** 2) + 1)


def _mirrored(
    detail: Picture, smooth: Picture, where: NDArray[np.bool_], hair: NDArray[np.bool_], face_height: float
) -> tuple[Picture, Picture]:
    """Detail [H, W, 3] of hair, mirrored at its edge to and fro as far as it is broad, wherever outside of it is coloured alike: strands
    along an outline go on along it. Also [H, W] in 0..1, how much of it there is: narrow hair lends little, and not far.
    """
    result, share = np.zeros_like(detail), np.zeros(hair.shape, np.float32)
    if not hair.any():
        return result, share
    edge, labels = cv2.distanceTransformWithLabels((~hair).astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)
    nearest = np.zeros((labels.max() + 1, 2), np.float32)
    nearest[labels[hair]] = np.argwhere(hair)
    places = np.argwhere(where & (edge > 0)).astype(np.float32)
    at = tuple(places.astype(int).T)
    towards = nearest[labels[at]] - places
    away = np.linalg.norm(towards, axis=1)
    towards /= away[:, None]

    steps = np.linspace(0, _BROADEST, _STEPS + 1)[1:] * face_height
    reached, breadth = np.ones(len(places), bool), np.zeros(len(places), np.float32)
    for step in steps:
        reached &= hair[tuple((places + towards * (away + step)[:, None]).round().astype(int).clip(0, np.array(hair.shape) - 1).T)]
        breadth += reached * steps[0]
    known = np.zeros(hair.shape, np.float32)
    known[at] = breadth
    evened = _blurred(known, _EVEN * face_height) / np.maximum(_blurred(where.astype(np.float32), _EVEN * face_height), 0.05)
    breadth = np.maximum(evened[at], 1.0)

    inwards = away + breadth - np.abs(away % (2 * breadth) - breadth)
    sources = np.zeros((*hair.shape, 2), np.float32)
    sources[at] = (places + towards * inwards[:, None])[:, ::-1]
    taken, there = (cv2.remap(picture, sources, None, cv2.INTER_LINEAR)[at] for picture in (detail, smooth))
    alike = np.exp(-((there - smooth[at]) ** 2).sum(axis=1) / _ALIKE**2) * np.clip(breadth / (_LEAST * face_height) - 1, 0, 1)
    alike *= np.clip(_TO_AND_FRO - 0.5 * away / breadth, 0, 1)  # more often repeated it would be a pattern
    result[at], share[at] = taken * alike[:, None], alike
    return result, share


def _scattered(detail: Picture, smooth: Picture, where: NDArray[np.bool_], hair: NDArray[np.bool_], face_height: float) -> np.ndarray:
    """Detail [H, W, 3] of round patches of hair, laid over one another along a band outside of it, wherever it is coloured alike."""
    radius = max(2, round(_PATCH * face_height))
    room = cv2.distanceTransform(hair.astype(np.uint8), cv2.DIST_L2, 5)
    total, weights = np.zeros_like(detail), np.zeros(where.shape, np.float32)
    step = max(1, radius // 3)
    sources = np.argwhere(room[::step, ::step] > 0.3 * min(room.max(), radius)) * step
    if room.max() < _LEAST * face_height or not len(sources):
        return total
    chance = np.random.default_rng(0)
    roomy = np.minimum(room[tuple(sources.T)], radius) / radius
    axis = np.arange(-radius, radius + 1)
    window = np.clip(1 - np.hypot(*np.meshgrid(axis, axis)) / (radius + 1), 0, 1).astype(np.float32)
    height, width = where.shape
    for row, column in np.argwhere(where[::radius, ::radius]) * radius:
        apart = np.hypot(*(sources - (row, column)).T) / face_height
        unlike = np.linalg.norm(smooth[tuple(sources.T)] - smooth[row, column], axis=1)
        y, x = sources[np.argmax(roomy - apart - unlike / _ALIKE + 0.5 * chance.random(len(sources)))]
        up, left = min(radius, row, y), min(radius, column, x)
        down, right = min(radius + 1, height - row, height - y), min(radius + 1, width - column, width - x)
        here, there = (np.s_[r - up : r + down, c - left : c + right] for r, c in ((row, column), (y, x)))
        alike = np.exp(-((smooth[there] - smooth[here]) ** 2).sum(axis=2) / _ALIKE**2)
        weight = window[radius - up : radius + down, radius - left : radius + right] * hair[there]
        total[here] += detail[there] * (weight * alike)[..., None]
        weights[here] += weight**2
    return total / np.sqrt(np.maximum(weights, 0.01))[..., None]


def _mean_of(colours: Picture, chosen: NDArray[np.bool_], sigma: float) -> np.ndarray:
    """[H, W, 3]: blurred colours of the chosen pixels [H, W] alone."""
    return _blurred(colours * chosen[..., None], sigma) / np.maximum(_blurred(chosen.astype(np.float32), sigma), 1e-3)[..., None]


def _blurred(picture: np.ndarray, sigma: float) -> np.ndarray:
    """A wide blur is computed on a reduced picture."""
    less = max(1, int(sigma / 3))
    few = picture if less == 1 else cv2.resize(picture, None, fx=1 / less, fy=1 / less, interpolation=cv2.INTER_AREA)
    soft = cv2.GaussianBlur(few, (0, 0), max(sigma / less, 0.5))
    return soft if less == 1 else cv2.resize(soft, picture.shape[1::-1], interpolation=cv2.INTER_LINEAR)
