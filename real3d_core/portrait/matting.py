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
_FRAME = 2  # pixels around a picture: windows about its pixels reach no further
_ITSELF = 12  # number of a pixel among the 5 x 5 about it
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
    weights, reached = _matting_laplacian(image, unknown)
    guess = hint[unknown]
    firmness = np.where(guess > 0.5, _HINT_PERSON, _HINT_NONE).astype(np.float32) * (2 * guess - 1) ** 2
    known = np.pad(np.where(unknown, 0, hint), _FRAME).ravel()
    wanted = np.append(firmness * guess - np.einsum("nk,nk->n", weights, known.take(reached)), np.float32(0))
    weights[:, _ITSELF] += firmness

    count = len(guess)  # one more row, which is empty and stays zero, stands for all that is known
    number = np.full(known.size, count, np.int32)
    number[reached[:, _ITSELF]] = np.arange(count, dtype=np.int32)
    starts = np.append(np.arange(0, 25 * count + 1, 25), 25 * count).astype(np.int32)
    system = csr_matrix((weights.ravel(), number.take(reached).ravel(), starts), (count + 1, count + 1))
    diagonal = np.append(weights[:, _ITSELF], np.float32(1))
    jacobi = LinearOperator(system.shape, lambda values: values / diagonal, dtype=np.float32)
    solution, _ = cg(system, wanted, x0=np.append(start[unknown], np.float32(0)), rtol=_EXACT, maxiter=_MOST_STEPS, M=jacobi)
    matte = hint.copy()
    matte[unknown] = np.clip(solution[:-1], 0, 1)
    return matte


def _matting_laplacian(image: np.ndarray, unknown: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Weights [unknown pixels, 25] of the 5 x 5 pixels about each unknown one, whose sum with a matte is how far the pixel is off the
    affine functions of the colour that fit the matte best in the nine windows of 3 x 3 pixels about it; and the places of those pixels
    in the flattened picture with a frame of 2 pixels around it.
    """
    width = unknown.shape[1] + 2 * _FRAME
    touched = cv2.dilate(unknown.astype(np.uint8), np.ones((3, 3), np.uint8))
    touched[[0, -1]] = touched[:, [0, -1]] = 0  # where a window would leave the picture there is none
    centres = np.flatnonzero(np.pad(touched, _FRAME)).astype(np.int32)
    places = [centres + down * width + across for down, across in _AROUND]
    planes = np.pad(image.transpose(2, 0, 1), ((0, 0), (_FRAME, _FRAME), (_FRAME, _FRAME))).reshape(3, -1)
    colours = _whitened(np.stack([planes.take(place, axis=1) for place in places]))

    rows = np.zeros((13, planes.shape[1]), np.float32)  # of each pixel, the weights of itself and of those behind it: they are symmetric
    for i, (down_i, across_i) in enumerate(_AROUND):
        for j, (down_j, across_j) in enumerate(_AROUND[i:], i):
            alike = (1 + np.einsum("an,an->n", colours[i], colours[j])) / 9
            rows[5 * (down_j - down_i) + across_j - across_i][places[i]] += (i == j) - alike
    at = np.flatnonzero(np.pad(unknown, _FRAME)).astype(np.int32)
    steps = [down * width + across for down in range(-2, 3) for across in range(-2, 3)]
    behind = [row.take(at) for row in rows]
    before = [rows[k].take(at - steps[_ITSELF + k]) for k in range(12, 0, -1)]
    return np.stack(before + behind, axis=1), at[:, None] + np.array(steps, np.int32)


def _whitened(colours: np.ndarray) -> np.ndarray:
    """Colours [9, 3, windows] turned so that in each window their mean is 0 and their covariance, with _EPSILON, is 1."""
    white = colours - colours.mean(axis=0)
    spread = np.einsum("ian,ibn->nab", white, white, dtype=np.float64) / 9 + np.eye(3) * (_EPSILON / 9)
    factor = np.ascontiguousarray(np.linalg.cholesky(spread).transpose(1, 2, 0), np.float32)
    for a in range(3):
        for b in range(a):
            white[:, a] -= factor[a, b] * white[:, b]
        white[:, a] /= factor[a, a]
    return white
