"""A photo taken apart: how much of each pixel is person, and the colours of the person and of what is behind.

The matte is closed-form matting (Levin, Lischinski and Weiss 2008), solved only in the band about the outline.
"""

from __future__ import annotations

import cv2
import numpy as np
from scipy.sparse import csr_matrix
from scipy.sparse.linalg import LinearOperator, cg

from .inpaint import push_pull

_SIZES = 3  # solved at this many sizes, each half the next one's
_EPSILON = 1e-5  # variance of a colour that counts as none
_HINT_PERSON, _HINT_NONE = 1e-2, 1e-3  # how firmly the hint is kept where the colours do not tell; ears and caps are left out easily
_EXACT = 1e-4  # part of the residual that is left
_MOST_STEPS = 200
_LEAST_CHANGE = 0.1
_LEAST_SHARE = 0.01  # of a layer whose colour the photo says something about
_SURE = 0.97  # a pixel with this much of a layer shows that layer's colour
_AROUND = [(row, column) for row in (-1, 0, 1) for column in (-1, 0, 1)]


def closed_form_matte(image: np.ndarray, hint: np.ndarray, unknown: np.ndarray) -> np.ndarray:
    """The matte [H, W] float32 in 0..1: the hint where it is known, elsewhere what the colours say.

    Solved on smaller pictures first, so that few steps are left for the larger ones.

    Args:
        image: float32 [H, W, 3] in 0..1.
        hint: float32 [H, W] in 0..1.
        unknown: bool [H, W], where the hint is no more than that.
    """
    if min(unknown.shape) < 2**_SIZES or not unknown.any():
        return hint
    sizes = [(image, hint, unknown)]
    for _ in range(_SIZES - 1):
        picture, guess, open_ = sizes[-1]
        sizes.append((cv2.pyrDown(picture), cv2.pyrDown(guess), cv2.pyrDown(open_.astype(np.uint8) * 255) > 0))
    matte = sizes[-1][1]
    for picture, guess, open_ in reversed(sizes):
        matte = _solved(picture, guess, open_, cv2.resize(matte, guess.shape[::-1], interpolation=cv2.INTER_LINEAR))
    return matte


def unmixed(photo: np.ndarray, matte: np.ndarray, shown: np.ndarray, rim: float) -> tuple[np.ndarray, np.ndarray]:
    """The colours of the person and of what is behind, each complete: matte * person + (1 - matte) * behind is the photo.

    What lies behind is filled in smoothly from around the person: it is seen again without the person and must keep no trace of it. The
    person's colours take what that leaves, as far as it is believable.

    Args:
        photo: float32 [H, W, 3] in 0..1.
        matte: float32 [H, W] in 0..1.
        shown: bool [H, W], where the photo is; elsewhere nothing is known of what is behind.
        rim: pixels beyond the person that may still show some of it.
    """
    away = cv2.distanceTransform((matte < 1 - _SURE).astype(np.uint8), cv2.DIST_L2, 5) > rim
    behind = push_pull(photo, away & shown)
    person = push_pull(photo, np.clip((matte - _SURE) / (1 - _SURE), 0, 1).astype(np.float32))
    mixed = np.flatnonzero((matte < 1) & ((matte > 0) | ~away))  # elsewhere the photo is the one or the other
    share = matte.take(mixed)[:, None]
    seen, filled, beyond = (picture.reshape(-1, 3).take(mixed, axis=0) for picture in (photo, person, behind))
    missing = (seen - share * filled - (1 - share) * beyond) / np.maximum(share, _LEAST_SHARE)
    believable = _LEAST_CHANGE + (1 - _LEAST_CHANGE) * share  # where little of the person is seen, little is known of its colours
    person.reshape(-1, 3)[mixed] = np.clip(filled + np.clip(missing, -believable, believable), 0, 1)
    return person, behind


def _solved(image: np.ndarray, hint: np.ndarray, unknown: np.ndarray, start: np.ndarray) -> np.ndarray:
    laplacian = _matting_laplacian(image, unknown)
    firmness = np.where(hint[unknown] > 0.5, _HINT_PERSON, _HINT_NONE) * (2 * hint[unknown] - 1.0) ** 2
    matte = hint.copy()
    known = np.where(unknown, 0, hint).ravel()
    within = laplacian[:, np.flatnonzero(unknown)]
    diagonal = within.diagonal() + firmness
    system = LinearOperator(within.shape, lambda values: within @ values + firmness * values)
    jacobi = LinearOperator(within.shape, lambda values: values / diagonal)
    wanted = firmness * hint[unknown] - laplacian @ known
    solution, _ = cg(system, wanted, x0=start[unknown].astype(np.float64), rtol=_EXACT, maxiter=_MOST_STEPS, M=jacobi)
    matte[unknown] = np.clip(solution, 0, 1)
    return matte


def _matting_laplacian(image: np.ndarray, unknown: np.ndarray) -> csr_matrix:
    """[unknown pixels, all pixels]: its product with a matte is how far each pixel is off the affine functions of the colour that fit
    the matte best in the nine windows of 3 x 3 pixels about it.
    """
    height, width = unknown.shape
    touched = cv2.dilate(unknown.astype(np.uint8), np.ones((3, 3), np.uint8))
    rows, columns = np.nonzero(touched[1:-1, 1:-1])
    pixels = np.stack([(rows + 1 + down) * width + columns + 1 + across for down, across in _AROUND], axis=1)  # [windows, 9]
    colours = image.reshape(-1, 3)[pixels].astype(np.float64)
    colours -= colours.mean(axis=1, keepdims=True)
    spread = colours.transpose(0, 2, 1) @ colours / 9 + np.eye(3) * (_EPSILON / 9)
    alike = (1 + colours @ np.linalg.inv(spread) @ colours.transpose(0, 2, 1)) / 9  # [windows, 9, 9]

    number = np.full(height * width, -1)
    number[np.flatnonzero(unknown)] = np.arange(np.count_nonzero(unknown))
    stencil = np.zeros((number.max() + 2, 5, 5))  # the last row collects what is known
    for i, (down_i, across_i) in enumerate(_AROUND):
        row = number[pixels[:, i]]
        for j, (down_j, across_j) in enumerate(_AROUND):
            stencil[row, down_j - down_i + 2, across_j - across_i + 2] += (i == j) - alike[:, i, j]
    at = np.flatnonzero(unknown)[:, None, None]
    reached = at + np.arange(-2, 3)[:, None] * width + np.arange(-2, 3)
    inside = reached.clip(0, height * width - 1)  # where a window would leave the picture there is none, and the entry is zero
    starts = np.arange(0, 25 * len(at) + 1, 25)
    return csr_matrix((stencil[:-1].ravel(), inside.ravel(), starts), (len(at), height * width))
