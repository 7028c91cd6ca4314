"""Rows about pictures that need no second look by a detector: the frame at rest, a replaced background, turned heads.

All at 512 x 512, values in 0..1, before encoding. The photo is the portrait's crop as `Portrait.image` holds it.
"""

from __future__ import annotations

import cv2
import numpy as np

from real3d_core.media.sound import load_sound
from real3d_core.pipeline import PipelineOptions, make_motion

from .rows import Row, at_least, at_most
from .subject import ASSETS, Subject, eroded, some_of

RIM = 15  # pixels, the whole width of the band along the person's outline
_EDGE = 8  # pixels about the head mask that belong to the head's edge
_INSIDE = 3  # pixels inside of the matte's edge from which on nothing of the background may be seen
_BAND = 30  # pixels, of the person's outer band
_SHOULDERS = 0.62  # part of the frame's height above which streaks are looked for


def difference(frame: np.ndarray, photo: np.ndarray, where: np.ndarray | None = None) -> float:
    """Mean absolute difference of two pictures [H, W, 3] over the pixels of a bool mask [H, W], None: all."""
    error = np.abs(frame - photo).mean(axis=2)
    return float(error.mean() if where is None else error[where].mean())


def rim(mask: np.ndarray, width: float = RIM) -> np.ndarray:
    """bool [H, W]: the pixels nearer than half of `width` to the outline of a soft mask [H, W] at 0.5."""
    solid = mask > 0.5
    return ~eroded(solid, width / 2) & ~eroded(~solid, width / 2)


def seen_through(on_green: np.ndarray, on_magenta: np.ndarray) -> np.ndarray:
    """[H, W]: the background's share of each pixel, from frames [H, W, 3] that are alike but for their flat backgrounds.

    Pure green and pure magenta differ by 1 in every channel, so the share is the frames' own difference.
    """
    return np.abs(on_green - on_magenta).mean(axis=2)


def streakiness(frame: np.ndarray, person: np.ndarray) -> float:
    """Gradient energy along x over that along y in the person's outer band: low where texture is drawn out into horizontal bars.

    The band is the person's pixels within 30 px of its outline, in the upper 62 % of the frame. The gradients are central
    differences of the luminance, the energies the sums of their squares.

    Args:
        frame: [H, W, 3] in 0..1.
        person: bool [H, W].
    """
    band = person & ~eroded(person, _BAND)
    band[round(_SHOULDERS * len(band)) :] = False
    down, across = np.gradient(cv2.cvtColor(frame.astype(np.float32), cv2.COLOR_RGB2GRAY))
    return float((across[band] ** 2).sum() / (down[band] ** 2).sum())


def _frame(subject: Subject) -> list[float]:
    return [difference(subject.still, subject.photo)]


def _film(subject: Subject) -> list[float]:
    """With the usual options and librivox_0880_en.wav."""
    motion = make_motion(subject.avatar, PipelineOptions(), load_sound(ASSETS / "speech" / "librivox_0880_en.wav"))
    return [difference(subject.render(some_of(motion, slice(0, 1)))[0], subject.photo)]


def _outline(subject: Subject) -> list[float]:
    return [difference(subject.still, subject.photo, rim(subject.person))]


def _segmented_outline(subject: Subject) -> list[float]:
    return [difference(subject.still, subject.photo, rim(subject.segmented))]


def _head(subject: Subject) -> list[float]:
    head = subject.portrait.head_mask[0, 0].numpy() > 0.5
    return [difference(subject.still, subject.photo, ~eroded(~head, _EDGE))]


def _inner_head(subject: Subject) -> list[float]:
    head = (subject.portrait.head_mask[0, 0].numpy() > 0.5).astype(np.uint8)
    return [difference(subject.still, subject.photo, cv2.erode(head, np.ones((9, 9))) > 0)]


def shares_of_background(subject: Subject) -> np.ndarray:
    """[512, 512]: how much of a replaced background is seen in each pixel of the frame at rest."""
    return seen_through(*subject.on_flat)


def _background(subject: Subject) -> list[float]:
    """Mean over the pixels 3 px inside the portrait's own matte (above 0.98) and further."""
    return [float(shares_of_background(subject)[eroded(subject.person > 0.98, _INSIDE)].mean())]


def _segmented_background(subject: Subject) -> list[float]:
    """Mean over the pixels 6 to 30 px inside what MediaPipe's segmenter surely calls person (above 0.9): also what the matte misses."""
    surely = subject.segmented > 0.9
    return [float(shares_of_background(subject)[eroded(surely, 2 * _INSIDE) & ~eroded(surely, _BAND)].mean())]


def _streaks(subject: Subject) -> list[float]:
    """At yaw -25 and +25, over that of the frame in which nothing moves; faces within 20 degrees of frontal only."""
    if not subject.frontal:
        return []
    motion = subject.turned(0, -25, 25)
    unturned, *turned = map(streakiness, subject.render(motion), subject.person_in(motion))
    return [one / unturned for one in turned]


ROWS = (
    Row("frame", "frame 0 against the photo", at_most(0.004, mean=0.002), _frame, 4),
    Row("film", "    the first frame of a film with a voice", at_most(0.004, mean=0.002), _film, 4),
    Row("rim", "    in the 15 px rim along the outline", at_most(0.012, mean=0.006), _outline, 4),
    Row("rim_segmented", "    along the outline that a segmenter sees", at_most(0.012, mean=0.006), _segmented_outline, 4),
    Row("head", "    over the head with its edge", at_most(0.005, mean=0.003), _head, 4),
    Row("reconstruction_head", "    over the head without its edge", at_most(0.006), _inner_head, 4),
    Row("background", "replaced background seen through the person", at_most(0.03, mean=0.01), _background, 4),
    Row("background_segmented", "    through the outer person that a segmenter sees", at_most(0.03, mean=0.01), _segmented_background, 4),
    Row("streaks", "streaks at yaw +-25", at_least(0.82, mean=0.92), _streaks),
)
