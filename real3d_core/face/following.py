"""Which face of a clip's frames is the one that is followed: by place and size, by looks, and by what cuts say."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from .landmark_sets import CHIN, FOREHEAD

_REACH = 0.4  # face heights that a face may move from one frame to the next; a fast nod makes 0.2
_GROWTH = 1.3  # of its size, likewise
_PATIENCE = 50  # frames without the person followed after which somebody else is followed
_UNSEEN = 3  # frames for which a face may be followed that the detector does not see
_LOOK_SIDE, _LOOK_WIDTH = 12, 1.5  # pixels, and face heights, of the picture by which a face is recognised
_ALIKE, _ALMOST_ALIKE = 0.8, 0.55  # correlation of looks: 0.94 and more between frames of a person, 0.8 and less between people
_SAME_COLOURS = 18.0  # mean difference of looks, 0..255: 10 and less between frames of a person, 22 and more between people
_CUT, _CUT_AGAINST_BEFORE = 10.0, 3.5  # least mean change of a picture at a cut, and against the changes just before
_NEARER = 1.15  # times as large is nearer to the camera
_HAIR = 0.3  # face heights that a head reaches beyond its face's landmarks
_LEARNT = 0.1  # part of a frame's look that is remembered for long
_EYES = (33, 263)


@dataclass(frozen=True)
class Sighting:
    """What a frame shows of the person followed.

    face: [478, 3] in pixels; where there is nothing to trust, that of the frame before (of the first one found, before that).
    confidence: 0..1, that it is this person's face and where it seems to be.
    shot: number of the shot; another one begins at a cut, and when somebody else is followed.
    doubt: in two or three words why the confidence is low, else empty.
    """

    face: np.ndarray
    confidence: float
    shot: int
    doubt: str = ""


class FaceFollower:
    """Chooses frame by frame among the faces [478, 3] that were found.

    At first, and after a cut, it is the largest. Then it is the one that goes on where it was; somebody else is followed only when
    a cut leads there, or the person has been away for two seconds.
    """

    def __init__(self):
        self.shot = 0
        self.doubt = ""
        self._face: np.ndarray | None = None
        self._look: np.ndarray | None = None
        self._usual: np.ndarray | None = None  # the looks so far: the latest one may show somebody half in front
        self._others: list[np.ndarray] = []
        self._away = self._unseen = 0
        self._open = True  # whoever appears is followed
        self._picture: np.ndarray | None = None
        self._changes: deque[float] = deque(maxlen=8)

    def choose(self, faces: Sequence[np.ndarray], picture: np.ndarray | None = None) -> np.ndarray | None:
        """The person followed, or None.

        Args:
            picture: the frame, RGB uint8 [H, W, 3], if there is one: without it faces are known by their places only.
        """
        cut = self._is_cut(picture)
        chosen = self._continued(faces, picture, _ALIKE if cut else _ALMOST_ALIKE)
        if chosen is None and (cut or self._away >= _PATIENCE):
            self._open = True
        if chosen is None and faces:
            chosen = self._newcomer(faces, picture)
        self._others = [face for face in faces if face is not chosen]
        if chosen is None:
            self._away += 1
            self.doubt = "another person" if faces else "no face"
            return None
        self._unseen = 0
        self._accept(chosen, picture)
        return chosen

    def keep(self, face: np.ndarray) -> bool:
        """Whether a face that was followed, but not found anew in this frame, is still the person's."""
        if self._face is None or self._open or self._unseen >= _UNSEEN or self._others or not _near(face, self._face, 1):
            return False
        self._unseen += 1
        self._away = 0
        self._face = face
        return True

    def covered(self, face: np.ndarray) -> bool:
        """Whether somebody nearer to the camera may occlude a face."""
        low, high = face[:, :2].min(axis=0), face[:, :2].max(axis=0)
        for other in self._others:
            if face_height(other) > _NEARER * face_height(face):
                hair = _HAIR * face_height(other)
                if (other[:, :2].min(axis=0) - hair < high).all() and (other[:, :2].max(axis=0) + hair > low).all():
                    return True
        return False

    def _accept(self, face: np.ndarray, picture: np.ndarray | None) -> None:
        self._face, self._away, self._open, self.doubt = face, 0, False, ""
        if picture is not None:
            self._look = look(picture, face)
            self._usual = self._look if self._usual is None else self._usual + _LEARNT * (self._look - self._usual)

    def _continued(self, faces: Sequence[np.ndarray], picture: np.ndarray | None, alike: float) -> np.ndarray | None:
        """The face that goes on from the person's latest one."""
        if self._face is None or self._open:
            return None
        known = [self._face, *self._others]
        # somebody who reappears from behind another person may have been taken for a new one: appearance decides
        own = [
            face
            for face in faces
            if int(np.argmin([_apart(face, other) for other in known])) == 0 or (picture is not None and self._alike(face, picture, _ALIKE))
        ]
        own = [face for face in own if _near(face, self._face, 1 + self._away)]
        nearest = min(own, key=lambda face: _apart(face, self._face), default=None)
        return nearest if nearest is not None and self._alike(nearest, picture, alike) else None

    def _newcomer(self, faces: Sequence[np.ndarray], picture: np.ndarray | None) -> np.ndarray | None:
        """Anybody's face, which begins a shot, when nobody is followed; else the same person's elsewhere."""
        if self._open:
            if self._face is not None:
                self.shot += 1
                self._usual = None
            return largest_first(faces)[0]
        if picture is None or self._look is None:
            return None
        strangers = {id(face) for face in faces if any(_near(face, other, 1) for other in self._others)}
        same = [face for face in faces if id(face) not in strangers and self._alike(face, picture, _ALIKE)]
        if not same:
            return None
        return largest_first(same)[0]

    def _alike(self, face: np.ndarray, picture: np.ndarray | None, least: float) -> bool:
        if picture is None or self._look is None:
            return True
        appearance = look(picture, face)
        return any(
            np.abs(appearance - known).mean() < _SAME_COLOURS or _correlation(appearance, known) > least
            for known in (self._look, self._usual)
        )

    def _is_cut(self, picture: np.ndarray | None) -> bool:
        if picture is None:
            return False
        small = cv2.resize(picture, (32, 18), interpolation=cv2.INTER_AREA).astype(np.float32)
        before, self._picture = self._picture, small
        if before is None:
            return False
        change = float(np.abs(small - before).mean())
        usual = float(np.median(self._changes)) if self._changes else 0.0
        self._changes.append(change)
        return change > max(_CUT, _CUT_AGAINST_BEFORE * usual)


def largest_first(faces: Iterable[np.ndarray]) -> list[np.ndarray]:
    """Faces [478, 3], sorted by the area they cover."""
    return sorted(faces, key=lambda face: float(np.prod(np.ptp(face[:, :2], axis=0))), reverse=True)


def face_height(face: np.ndarray) -> float:
    """From forehead to chin, in pixels, or the face's width where that is more, as when it nods."""
    return max(float(np.linalg.norm(face[FOREHEAD, :2] - face[CHIN, :2])), float(np.ptp(face[:, 0])), 1.0)


def look(picture: np.ndarray, face: np.ndarray) -> np.ndarray:
    """A face and what is round it as a small upright picture, float32 [12, 12, 3]."""
    side = _LOOK_WIDTH * face_height(face)
    across, down = face[_EYES[1], :2] - face[_EYES[0], :2]
    angle, scale = np.arctan2(down, across), _LOOK_SIDE / side
    rotation = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]]) * scale
    affine = np.concatenate([rotation, (_LOOK_SIDE / 2 - rotation @ centre(face))[:, None]], axis=1)
    finer = 4
    large = cv2.warpAffine(picture, affine * finer, (_LOOK_SIDE * finer,) * 2, flags=cv2.INTER_AREA, borderMode=cv2.BORDER_REPLICATE)
    return cv2.resize(large, (_LOOK_SIDE,) * 2, interpolation=cv2.INTER_AREA).astype(np.float32)


def centre(face: np.ndarray) -> np.ndarray:
    """The middle of a face's landmarks, in pixels."""
    return face[:, :2].mean(axis=0)


def alone(picture: np.ndarray, face: np.ndarray) -> np.ndarray:
    """The picture with everything grey but what is about a face."""
    reach = 1.2 * face_height(face)
    x, y = centre(face)
    rows = slice(max(round(y - reach), 0), max(round(y + reach), 0))
    columns = slice(max(round(x - reach), 0), max(round(x + reach), 0))
    shown = np.full_like(picture, 127)
    shown[rows, columns] = picture[rows, columns]
    return shown


def _apart(face: np.ndarray, other: np.ndarray) -> float:
    """In face heights, a doubled size counting as one."""
    growth = abs(np.log2(face_height(face) / face_height(other)))
    return float(np.linalg.norm(centre(face) - centre(other))) / face_height(other) + growth


def _near(face: np.ndarray, other: np.ndarray, frames: int) -> bool:
    reach = _REACH * min(frames, 4)
    grown = max(face_height(face) / face_height(other), face_height(other) / face_height(face))
    return np.linalg.norm(centre(face) - centre(other)) < reach * face_height(other) and grown < _GROWTH ** min(frames, 3)


def _correlation(one: np.ndarray, other: np.ndarray) -> float:
    one, other = one - one.mean(axis=(0, 1)), other - other.mean(axis=(0, 1))
    return float((one * other).sum() / max(np.sqrt((one**2).sum() * (other**2).sum()), 1e-6))
