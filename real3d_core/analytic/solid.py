"""The head of a photo as a closed solid over the plane of its face (DESIGN section 3, spec 08 section 2).

Everything lives on the texels of plane 0: column j at x = (j + 1/2)/256 - 1/2, row i at y = (i + 1/2)/256 - 1/2, in world units.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from scipy.interpolate import LinearNDInterpolator
from scipy.ndimage import binary_erosion, distance_transform_edt, gaussian_filter
from torch import Tensor

from ..face.landmark_sets import CHIN, EARS, FACE_OVAL, JAW_CORNERS, MESH_POINTS, MIDLINE, MOUTH_CORNERS
from ..face.measures import face_height_of
from ..portrait.plates import MARGIN
from ..portrait.portrait import Portrait
from ..portrait.segmentation import BROADEST_SEAM
from ..render.camera import FOCAL, HEAD_CENTRE, WORLD_PER_DECIMETRE, euler_to_matrix, project
from ..smooth_step import smooth_step
from .hidden_half import HiddenHalf

TEXELS = 256
NECK_BEHIND = 0.12  # how far behind the face's centre the neck is, as the photo sees it, world units
_DISTANCE = 2.7  # from the camera to the face's centre
_FINER = 3
_THIN_HAIR = 0.42  # hair must cover this much more than skin to count as solid; compose adds the strands beyond from the photo's matte
_INSET = 0.3  # texels between the photo's outline and the solid's, because rays blur it
_STEEPEST = 1.3  # of the hair's and ears' breadth in the photo is the most that they may fall off over it
_STEEPEST_RIM = 2.0  # the most that the face itself may fall off near its rim
_RIM = 0.12  # face heights, that rim
_LONG_HAIR = 0.5  # the same of a side whose hair hangs down
_WIDEST_BEHIND = 0.15  # face heights from the face's rim at the ears back to where a head is widest
_SHOWN_BEHIND = 0.5  # face heights further back that a photo from the side shows the head
_STEEPEST_BESIDE = 1.6  # how steeply that side may fall off, which faces the camera: else the back of the head is spread out beside it
_EAR, _BESIDE_EARS, _TALL = 0.1, 0.3, 0.5  # face heights: thickness of an ear, above and below its landmarks, and taller than any
_BELOW_JAW = 0.04  # face heights: a jaw's own edge
_THIN = 0.08  # face heights, the solid's thickness at its rim: thinner, and rays miss it


@dataclass(frozen=True)
class HeadSolid:
    """A head between a front and a back surface.

    landmarks: [478, 3] world.
    face_height: from forehead to chin, world units.
    front, back: [256, 256] z of the two surfaces.
    inside: [256, 256] signed distance to the silhouette in texels, positive inside.
    photo_uv: [2, 256, 256] where in the portrait's crop the front surface was seen, 0..1 inside the crop.
    """

    landmarks: Tensor
    face_height: float
    front: Tensor
    back: Tensor
    inside: Tensor
    photo_uv: Tensor


def head_solid(portrait: Portrait) -> HeadSolid:
    """Closes the face smoothly to a head: landmark depth in the face, a round fall-off to the silhouette of the head mask."""
    landmarks = landmarks_in_world(portrait)
    face_height = float(face_height_of(landmarks))
    face_depth, in_face = _face_depth(landmarks)
    camera = portrait.camera[0]
    layers = torch.cat([portrait.plates.head_mask, portrait.plates.hair], dim=1)

    half = hidden_half(portrait, torch.from_numpy(landmarks))
    broadest = landmarks[EARS, 2].mean() - _WIDEST_BEHIND * face_height
    widest = broadest - _SHOWN_BEHIND * half.amount * face_height
    front = np.where(in_face, face_depth, landmarks[FACE_OVAL, 2].mean())
    shown_face = in_face.repeat(_FINER, axis=0).repeat(_FINER, axis=1)  # its outline in the photo may be the nose's
    for _ in range(3):  # which texel is head depends on where its surface was seen, and that on the surface
        uv = _seen_at(front, camera)
        mask, beside = sample_plate(layers, _enlarged(uv))[0].numpy()
        mask = np.maximum(mask * (1 - _THIN_HAIR * beside), half.amount * shown_face)
        inside = _signed_distance(mask) - _INSET
        inside = half.mirrored(inside)
        steepest = _steepest(inside > 0, in_face, landmarks, face_height)
        steepest += (_STEEPEST_BESIDE - steepest) * half.amount
        seam = _seam_beside_face(landmarks, face_height, steepest) * (1 - half.amount)
        front = half.mirrored(_close(face_depth, in_face, inside > 0, face_height, seam, _neck_depth(camera), widest, steepest))
    return HeadSolid(
        landmarks=torch.from_numpy(landmarks).float(),
        face_height=face_height,
        front=torch.from_numpy(front).float(),
        back=torch.from_numpy(_back(front, inside > 0, in_face, landmarks, face_height, seam, broadest, steepest)).float(),
        inside=torch.from_numpy(inside).float(),
        photo_uv=torch.from_numpy(half.unrolled(*_seen(front, camera, portrait.plates.head_mask))).float(),
    )


def hidden_half(portrait: Portrait, landmarks: Tensor) -> HiddenHalf:
    """The half of the head that its photo hides, by the landmarks [478, 3] in the world."""
    return HiddenHalf.of(float(portrait.euler[0, 1]), float(landmarks[MIDLINE, 0].mean()), TEXELS)


def landmarks_in_world(portrait: Portrait) -> np.ndarray:
    """[478, 3] world: each landmark on its own viewing ray, as deep as MediaPipe sees it, the head's pose taken off."""
    points = portrait.landmarks.double().numpy()
    z_mean = points[:MESH_POINTS, 2].mean()
    depth = _DISTANCE * (1 + (points[:, 2] - z_mean) / FOCAL)
    posed = np.stack(
        [(points[:, 0] - 0.5) * depth / FOCAL, (0.5 - points[:, 1]) * depth / FOCAL, _DISTANCE - depth],
        axis=1,
    )
    posed -= WORLD_PER_DECIMETRE * portrait.translation[0].double().numpy()
    rotation = euler_to_matrix(portrait.euler[0].double()).numpy()
    return posed @ rotation + np.array(HEAD_CENTRE)


def texel_centres() -> tuple[np.ndarray, np.ndarray]:
    """x and y [256, 256] of the texels of plane 0."""
    axis = (np.arange(TEXELS) + 0.5) / TEXELS - 0.5
    y, x = np.meshgrid(axis, axis, indexing="ij")
    return x, y


def sample_plate(plate: Tensor, uv: Tensor, mode: str = "bilinear") -> Tensor:
    """Looks a plate [1, C, S, S] up at crop coordinates [N, H, W, 2] -> [N, C, H, W]; beyond the margins the border is repeated."""
    grid = (uv - 0.5) * (2 / (1 + 2 * MARGIN))
    return torch.nn.functional.grid_sample(plate.expand(len(uv), -1, -1, -1), grid, mode=mode, padding_mode="border", align_corners=False)


def sample_places(plate: Tensor, uv: Tensor) -> Tensor:
    """The same at single coordinates [K, 2] -> [K, C]."""
    return sample_plate(plate, uv[None, None])[0, :, 0].T


def _enlarged(uv: Tensor) -> Tensor:
    """The coordinates of texels [1, H, W, 2] on a grid _FINER times as fine."""
    finer = torch.nn.functional.interpolate(uv.permute(0, 3, 1, 2), scale_factor=_FINER, mode="bilinear", align_corners=False)
    return finer.permute(0, 2, 3, 1)


def _signed_distance(mask: np.ndarray) -> np.ndarray:
    """Texels from the contour of a soft mask given _FINER times as fine; smoothed so that the contour has no corners."""
    solid = (_smooth(mask, 0.7 * _FINER) > 0.5).astype(np.uint8)
    inside, outside = (cv2.distanceTransform(one, cv2.DIST_L2, cv2.DIST_MASK_PRECISE) for one in (solid, 1 - solid))
    distance = np.clip(inside - outside, -len(mask), len(mask)) / _FINER  # endless where there is no contour
    return _smooth(distance, _FINER).reshape(TEXELS, _FINER, TEXELS, _FINER).mean(axis=(1, 3))


def _smooth(values: np.ndarray, sigma: float) -> np.ndarray:
    """SciPy's gaussian_filter, faster."""
    size = (2 * int(4 * sigma + 0.5) + 1,) * 2
    return cv2.GaussianBlur(values, size, sigma, borderType=cv2.BORDER_REFLECT)


def _seen_at(front: np.ndarray, camera: Tensor) -> Tensor:
    x, y = texel_centres()
    points = torch.from_numpy(np.stack([x, y, front], axis=-1)).float()
    return project(points, camera)[0][None]


def _seen(front: np.ndarray, camera: Tensor, head_mask: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Where a surface was seen [2, 256, 256], and whether the photo shows the head there."""
    uv = _seen_at(front, camera)
    return uv[0].permute(2, 0, 1).numpy(), sample_plate(head_mask, uv)[0, 0].numpy() > 0.9


def _face_depth(landmarks: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    x, y = texel_centres()
    mesh = landmarks[:MESH_POINTS]
    depth = LinearNDInterpolator(mesh[:, :2], mesh[:, 2])(x, y)
    in_face = ~np.isnan(depth)
    filled = _nearest(depth, in_face)
    return gaussian_filter(filled, 1.2), in_face


def _close(
    face_depth: np.ndarray,
    in_face: np.ndarray,
    in_head: np.ndarray,
    face_height: float,
    seam: np.ndarray,
    neck: np.ndarray,
    widest: float,
    steepest: np.ndarray,
) -> np.ndarray:
    """Face depth, falling off roundly from the rim of the face to the rim of the head, constant beyond.

    Nowhere so steeply that a turned head would show the photo drawn out into bars; what lies behind the rim is the far side's.
    """
    head = in_head | in_face
    to_face = distance_transform_edt(~in_face)
    to_rim = distance_transform_edt(head)
    oval = gaussian_filter(_nearest(face_depth, in_face & ~binary_erosion(in_face)), 3)
    texel = 1 / TEXELS
    span = gaussian_filter((to_face + to_rim) * texel, 4)
    drop = np.clip(oval - widest, 0.03 * face_height, steepest * span)
    t = to_face / np.maximum(to_face + to_rim, 1e-6)
    outer = oval - drop * t
    rim = _nearest(outer, head)
    outside = np.where(head, outer, rim)
    outside += (neck - outside) * seam  # torso and head move alike where one goes on in the other
    surface = np.where(in_face, face_depth, outside)
    soft = gaussian_filter(surface, 2.0)
    keep = np.clip(distance_transform_edt(in_face) / 5, 0, 1)
    return _no_steeper(surface * keep + soft * (1 - keep), binary_erosion(in_face, iterations=round(_RIM * face_height * TEXELS)))


def _neck_depth(camera: Tensor) -> np.ndarray:
    """[256, 256]: z of the plane in which the torso is carried along (torso.py); it faces the photo's camera [25], not the head."""
    x, y = texel_centres()
    right, up, inwards = camera[:16].reshape(4, 4)[:3, 2].double().tolist()
    return HEAD_CENTRE[2] + (NECK_BEHIND - (x - HEAD_CENTRE[0]) * right - (y - HEAD_CENTRE[1]) * up) / inwards


def _no_steeper(surface: np.ndarray, inner_face: np.ndarray) -> np.ndarray:
    """Depth brought forward around the inner face, so that along x and y it nowhere falls off by more than _STEEPEST_RIM: MediaPipe's face
    ends in a cliff, over which a turned head would show few of the photo's pixels drawn out into bars.
    """
    raised = np.where(inner_face, -np.inf, surface)
    for axis in (1, 0):
        slope = np.moveaxis(_STEEPEST_RIM / TEXELS * np.indices(surface.shape)[axis], axis, 0)
        raised = np.moveaxis(raised, axis, 0)
        from_before = np.maximum.accumulate(raised + slope) - slope
        from_behind = np.maximum.accumulate((raised - slope)[::-1])[::-1] + slope
        raised = np.moveaxis(np.maximum(from_before, from_behind), 0, axis)
    return np.where(inner_face, surface, raised)


def _steepest(in_head: np.ndarray, in_face: np.ndarray, landmarks: np.ndarray, face_height: float) -> np.ndarray:
    """[256, 256]: how steeply each side may fall off. Hair that hangs down beside the jaw hangs beside the cheek, not behind the ear."""
    x, y = texel_centres()
    low, high = landmarks[JAW_CORNERS, 1].mean(), landmarks[MOUTH_CORNERS, 1].mean()
    beside = in_head & ~in_face & (y > low) & (y < high)
    middle, rows = landmarks[CHIN, 0], max(1, round((high - low) * TEXELS))
    breadths = [(beside & half).sum() / rows / TEXELS / face_height for half in (x < middle, x > middle)]
    left, right = (_STEEPEST + (_LONG_HAIR - _STEEPEST) * smooth_step((breadth - 0.03) / 0.07) for breadth in breadths)
    return left + (right - left) * smooth_step((x - middle) / (0.5 * face_height) + 0.5)


def _back(
    front: np.ndarray,
    in_head: np.ndarray,
    in_face: np.ndarray,
    landmarks: np.ndarray,
    face_height: float,
    seam: np.ndarray,
    broadest: float,
    steepest: np.ndarray,
) -> np.ndarray:
    """The skull: half an ellipsoid behind the rim, thinning out towards jaw and neck so that a turned face grows no jowls. Ears and
    beards are thin: a skull as broad would stand out behind them.

    Where the front was not let fall off to the depth at which heads are broadest, the skull goes back so much farther.
    """
    _, y = texel_centres()
    thin = in_head & (_ears(in_head, landmarks, face_height) | _beard(in_face, landmarks, face_height))
    skull = in_head & ~thin
    rim = gaussian_filter(_nearest(front, ~skull), 6)
    to_rim = distance_transform_edt(skull) / TEXELS
    eyes, chin = landmarks[[33, 263], 1].mean(), landmarks[CHIN, 1]
    upper = smooth_step((y - chin) / (eyes - chin))
    radius = 0.45 * face_height
    bulge = np.sqrt(np.clip(1 - (1 - np.clip(to_rim / radius, 0, 1)) ** 2, 0, 1))
    bare = (steepest - _LONG_HAIR) / (_STEEPEST - _LONG_HAIR)  # a jaw beside hair that hangs down would lie before the hair
    thickness = (face_height * (0.05 + 0.45 * upper) + upper * bare * np.maximum(rim - broadest, 0)) * (1 - seam) * bulge
    ramus = bare * smooth_step((y - chin) / (landmarks[JAW_CORNERS, 1].mean() - chin))  # above the corners of a jaw that nothing hides
    jaw = (1 - upper) * (0.06 + 0.1 * bare - 0.13 * ramus)
    inner = 0.2 - 0.12 * (1 - upper) * ramus
    least = _THIN + jaw + inner * smooth_step(to_rim / (0.15 * face_height))
    back = np.minimum(gaussian_filter(rim - thickness, 1.5), front - least * (1 - 0.6 * seam) * face_height)
    return np.where(thin, front - _EAR * face_height, back)


def _ears(in_head: np.ndarray, landmarks: np.ndarray, face_height: float) -> np.ndarray:
    """bool [256, 256]: places beside a head, at the height of its ears, whose columns are shorter than heads are there."""
    _, y = texel_centres()
    column = np.ones((round(_TALL * face_height * TEXELS), 1), np.uint8)
    tall = cv2.morphologyEx(in_head.astype(np.uint8), cv2.MORPH_OPEN, column) > 0
    return ~tall & (np.abs(y - landmarks[EARS, 1].mean()) < _BESIDE_EARS * face_height)


def _beard(in_face: np.ndarray, landmarks: np.ndarray, face_height: float) -> np.ndarray:
    """bool [256, 256]: places below a jaw where nothing of a head is but its beard, or an ear-ring."""
    _, y = texel_centres()
    below = y < landmarks[JAW_CORNERS, 1].mean()
    return below & (distance_transform_edt(~in_face) > _BELOW_JAW * face_height * TEXELS)


def _seam_beside_face(landmarks: np.ndarray, face_height: float, steepest: np.ndarray) -> np.ndarray:
    """[256, 256]: 1 where hair beside the face goes on as the torso's, falling to 0 upwards, where it hangs down above the whole seam, and
    towards the face.
    """
    x, y = texel_centres()
    corners = landmarks[JAW_CORNERS]
    beside = np.maximum(corners[:, 0].min() - x, x - corners[:, 0].max()) / face_height
    hanging = (_STEEPEST - steepest) / (_STEEPEST - _LONG_HAIR)
    above = (y - corners[:, 1].mean()) / face_height - BROADEST_SEAM * hanging
    return np.clip(beside / 0.15, 0, 1) * (1 - smooth_step(above / 0.4))


def _nearest(values: np.ndarray, known: np.ndarray) -> np.ndarray:
    rows, columns = distance_transform_edt(~known, return_distances=False, return_indices=True)
    return values[rows, columns]
