"""The built-in avatar's motion basis: named controls on top of landmark displacements (DESIGN section 3).

A coefficient vector is the controls, each 0 at rest and 1 at full strength (gaze_x and gaze_y: 30 degrees to the picture's right and up,
below 0 to its left and down), then the displacements of the 468 mesh landmarks
in the head's own frame (x right, y up, z to the viewer), in units of the face's height, that the controls leave over. Sound and
hands use the controls only; a driving clip uses both.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from ..face.landmark_sets import (
    CHIN,
    FACE_OVAL,
    FOREHEAD,
    INNER_LIP,
    LOWER_INNER_LIP,
    LOWER_OUTER_LIP,
    MESH_POINTS,
    MOUTH_CORNERS,
    OUTER_LIP,
    UPPER_INNER_LIP,
    UPPER_OUTER_LIP,
    WITHIN_MOUTH,
)
from ..face.measures import face_height_of, lip_gap, parted
from ..motion.anatomy import soft_length, soft_limit
from ..motion.gaze import GAZE_CONTROLS
from ..motion.motion import MotionBasis
from ..smooth_step import eased, smooth_step
from .glasses import held_by_glasses
from .kind import KIND
from .upper_face import UPPER_FACE, brow_weight, upper_face_directions

CONTROLS = (
    "jaw_open",
    "lips_wide",
    "lips_round",
    "lips_press",
    "lip_lower_tuck",
    "lip_upper_raise",
    "lip_lower_drop",
    "smile",
    "frown",
    "brow_raise",
    "brow_furrow",
    "blink_left",
    "blink_right",
    *GAZE_CONTROLS,
    "speaking",
    *UPPER_FACE,
)
HIDDEN = "hidden"  # the name of what `Planes.person` knows of the half that a photo hides
PAINTED = ("lids_wide", "lids_tight")
"""What eyes.py paints: the eyeball lies still behind such lids. Only where nothing is painted do they move landmarks."""
BASIS = MotionBasis(KIND.basis, CONTROLS, len(CONTROLS) + 3 * MESH_POINTS)
JAW_GAP = 0.12  # lip gap at jaw_open = 1, in face heights
_FIRMLY = 0.08  # part of their gap that pressed lips overlap by: lips that only touch still look parted
_CLOSE_UPPER = 0.5  # the upper lip's part of the way when lips close; a lower one that goes farther is pushed up as in a pout
_LIP_LINE = 0.4  # of the way from the upper lip down to the lower one, above which corners count as raised
_OVER_TEETH = 0.2  # likewise from a photo's own parted lips: who smiles shows the upper teeth while speaking, too
_RELAXED = 0.3  # part of a photo's smile that is gone while it speaks: without any of it, it would be another face
_BROADEST_SMILE = 1.5
_FROWN_TAKES = (4.9, 1.25, 1.0)  # as many times the control a frown takes of a photo's smile: real ones are far broader
_FROWN_CLOSES_UPPER = 0.53  # likewise when a frown closes them: a lip that stayed raised over the teeth would sneer
_SMILES_LESS = 0.15  # for each 1 of a photo's own smile, a further one is so much smaller: broad ones have not far to go
_SINKS = 0.55  # of the way that a brow rises it can sink: the eye is below
_WITH_GAZE = 0.006  # face heights that brows rise by with eyes that look up: lids that follow alone would make them do the opposite
_PROFILE = (math.radians(38), math.radians(50))  # yaw of a photo's head from which on its far half is hidden, and at which wholly
_MIDDLE = (0.33, 0.06)  # of the second, in face heights, the way on which the near half passes into the far one lies before the middle
_BESIDE_OUTLINE = 0.35  # of the way from a face's outline to its middle, over which what a mouth moves comes to lie still
_BY_LIPS = 0.35  # part of a spoken opening that lips make without the chin: talking clips have 0.5 and more
_HANGING = 0.09  # face heights; of a wider gap, the jaw takes up the rest

_STRENGTH = (1.6, 2.2)  # of a control: what faces do, and what is never passed
_OPPOSITE = (0.7, 1.2)  # likewise below rest, where most controls mean little
_LEFT_OVER = (0.08, 0.14)  # face heights, of the displacements that controls leave over: 0.04 and less in clear clips
_ROUGH = (0.010, 0.015)  # face heights that a landmark lies off its neighbours by, of these: clips have 0.01, noise 0.04 and more
_NEIGHBOURS = 6
_NOTHING = 1e-6
_MOVED = (0.22, 0.32)  # face heights, of both together: a yawn moves the chin by 0.2

_LOWER_EDGE = 17  # the middle of the lower lip's outer edge
_THIN = 0.035  # face heights: lips that are not thicker do not grow thinner when they are drawn out
_LIP_TO_CHIN = 0.7  # of the way from there to the tip of the chin, skin passes over from moving with the lip to moving with the chin

_BROWS = [CONTROLS.index(name) for name in ("brow_raise", "brow_inner_raise", "brow_outer_left", "brow_outer_right")]
_SMILE = CONTROLS.index("smile")

_CORNERS = {61, 291, 76, 306, 62, 292, 78, 308}
_UPPER_WITHIN = WITHIN_MOUTH[2:20]
_LOWER_WITHIN = WITHIN_MOUTH[22:]
UPPER_LIP = sorted({*UPPER_INNER_LIP, *UPPER_OUTER_LIP, *_UPPER_WITHIN} - _CORNERS)
LOWER_LIP = sorted({*LOWER_INNER_LIP, *LOWER_OUTER_LIP, *_LOWER_WITHIN} - _CORNERS)


class FaceControls:
    """Turns coefficients into landmark displacements for one face.

    Args:
        landmarks: [>= 468, 3] at rest in the head's own frame, x right, y up, z to the viewer; any unit.
        glasses: 0..1, how surely the face wears them: they stay as they are on the nose.
        hidden: -1..1, how far the photo hides the half of the face at greater x (below 0: at smaller x), see `hidden_side`. It lies still:
            what moves there would be drawn across the outline of nose and lips.
    """

    def __init__(self, landmarks: Tensor, glasses: float = 0.0, hidden: float = 0.0):
        rest = landmarks[:MESH_POINTS].double().numpy()
        self.face_height = float(face_height_of(rest))
        self.rest = torch.from_numpy(rest / self.face_height).float()
        self.directions = torch.from_numpy(control_directions(rest / self.face_height)).float()
        self._neighbours = torch.cdist(self.rest, self.rest).topk(_NEIGHBOURS + 1, largest=False).indices[:, 1:]
        held = 1 - (1 - glasses * held_by_glasses(self.rest.double().numpy())) * (1 - abs(hidden) * self._beyond_middle(hidden > 0))
        self._free = 1 - torch.from_numpy(held).float()[:, None]
        self._lips = _LipClosing(self.rest)
        self._smile, frown = (self.directions[CONTROLS.index(name)] for name in ("smile", "frown"))
        self._sinks = self._smile + frown * torch.tensor([0.0, 1.0, 0.0])
        self._smiles = self._smile_of_rest()
        self._spoken_from = self._lips_together(_RELAXED, _OVER_TEETH)
        self._frown_from = self._lips_together(torch.tensor(_FROWN_TAKES), _FROWN_CLOSES_UPPER)
        self._apart = min(float(lip_gap(self.rest.numpy())), _HANGING) if parted(self.rest.numpy()) else 0.0
        self._chin = _below_lower_lip(self.rest)[:, None] * self.directions[CONTROLS.index("jaw_open")]

    def displacements(self, coefficients: Tensor) -> Tensor:
        """[N, K] coefficients of BASIS -> [N, 468, 3] displacements in face heights.

        All controls add up but three. `speaking` is how far they start from relaxed lips that touch, rather than from this face's own
        mouth: at 1 the others alone decide how far the lips are apart. Its chin then moves less for a mouth that is parted in the photo,
        whose lips close over what they show and open again. `frown` takes away the photo's smile, with what it shows, most of it
        in its first half. `lips_press` takes away its part of whatever gap the others leave between the lips, and `lip_lower_tuck`
        brings the lower lip up through most of what is left. Eyes are painted (eyes.py): blinks move no landmark here, and
        gaze the brows alone. Whatever the coefficients are, nothing moves farther than a face can.
        """
        controls = self._as_far_as_faces_go(within_strength(coefficients[:, : len(CONTROLS)]))
        press = controls[:, CONTROLS.index("lips_press")].clamp(0, 1)
        tuck = controls[:, CONTROLS.index("lip_lower_tuck")].clamp(0, 1)
        controls[:, CONTROLS.index("jaw_open")] *= 1 - press  # a closing mouth lifts its jaw rather than stretching its lips
        moved = torch.einsum("nc,cpd->npd", controls, self.directions)
        speaking = controls[:, CONTROLS.index("speaking"), None, None].clamp(0, 1)
        frown = 1 - (1 - controls[:, CONTROLS.index("frown"), None, None].clamp(0, 1)).square()  # a smile goes before corners sink
        moved = moved - speaking * self._opened_by_lips(controls)[:, None, None] * self._chin
        moved = moved + frown * self._frown_from + (1 - frown) * speaking * self._spoken_from
        sinks = (controls[:, CONTROLS.index("smile")] + self._smiles).clamp_max(0)  # below a mouth that does not smile
        moved = moved - sinks[:, None, None] * self._sinks  # there the corners sink as those of a frown do, and that is all
        moved = soft_length(moved + self._left_over(coefficients), *_MOVED)
        return self._lips.close(moved, press, tuck) * self._free

    def _as_far_as_faces_go(self, controls: Tensor) -> Tensor:
        """[N, C] controls: brows sink less than they rise, and who smiles has less of a smile left."""
        sinking, smile = controls[:, _BROWS], controls[:, _SMILE]
        controls[:, _BROWS] = torch.where(sinking < 0, _SINKS * sinking, sinking)
        controls[:, _SMILE] = torch.where(smile > 0, smile / (1 + _SMILES_LESS * self._smiles), smile)
        return controls

    def usual_displacements(self) -> Tensor:
        """[B, 468], orthonormal: along each axis, all displacements are sums of these but for what is held back or left over."""
        along_axes = [*self.directions.mT, self._spoken_from.T, self._frown_from.T, self._chin.T]
        together = torch.cat([*along_axes, *self._lips.directions()]) * self._free.T
        _, strengths, usual = torch.linalg.svd(together.double(), full_matrices=False)
        return usual[strengths > _NOTHING * strengths[0]].float()

    def _beyond_middle(self, right: bool) -> np.ndarray:
        """[468] in 0..1: 1 in the half of the face at greater x, or at smaller x, down to the lower lip; a chin moves as a whole."""
        x, y = self.rest[:, :2].double().numpy().T
        away = x - x[[FOREHEAD, CHIN]].mean()
        above_chin = smooth_step((y - y[_LOWER_EDGE]) / (y[MOUTH_CORNERS].mean() - y[_LOWER_EDGE]))
        return smooth_step((away if right else -away) / _MIDDLE[1] + _MIDDLE[0]) * above_chin

    def _smile_of_rest(self) -> float:
        """How much of the control `smile` this face's own is."""
        line = torch.lerp(self.rest[13, 1], self.rest[14, 1], _LIP_LINE)
        raised = float(self.rest[MOUTH_CORNERS, 1].mean() - line)
        full = float(self._smile[MOUTH_CORNERS, 1].mean() - self._smile[[13, 14], 1].mean())
        return min(max(raised / full, 0.0), _BROADEST_SMILE)

    def _lips_together(self, smile: Tensor | float, by_upper: float) -> Tensor:
        """[468, 3] displacements that take this face's own mouth to relaxed lips that touch.

        Args:
            smile: part of the photo's own that is taken away, or one part for each axis.
            by_upper: the upper lip's part of the way.
        """
        moved = -smile * self._smiles * self._smile
        if not parted(self.rest.numpy()):
            return moved
        hanging = max(float(lip_gap(self.rest.numpy())) - _HANGING, 0.0) / JAW_GAP
        moved = moved - hanging * self.directions[CONTROLS.index("jaw_open")]
        return self._lips.levelled(self._lips.close(moved[None], torch.ones(1), torch.zeros(1), firmly=0.0, by_upper=by_upper))[0]

    def _opened_by_lips(self, controls: Tensor) -> Tensor:
        """[N] the part of `jaw_open` that lips open without the chin; those that the photo shows apart first go back there."""
        opened = controls[:, CONTROLS.index("jaw_open")].clamp_min(0)
        gap = JAW_GAP * opened
        return opened * (1 - (1 - _BY_LIPS) * gap / (self._apart + gap).clamp_min(1e-6))

    def _left_over(self, coefficients: Tensor) -> Tensor:
        """What the controls leave over [N, 468, 3] (0 if nothing), as far as it is movement of skin: noise is held back as a whole."""
        shifts = coefficients[:, len(CONTROLS) :].reshape(-1, MESH_POINTS, 3)
        if not shifts.any():
            return shifts.new_zeros(())
        shifts = soft_length(shifts, *_LEFT_OVER)
        off = (shifts - shifts[:, self._neighbours].mean(dim=2)).square().sum(dim=2).mean(dim=1).sqrt()[:, None, None]
        return torch.where(off > _ROUGH[0], shifts * (soft_limit(off, *_ROUGH) / off), shifts)


def hidden_side(yaw: float) -> float:
    """-1..1, how far a photo hides the half of a face at greater x (below 0: at smaller x); the yaw of the head in it is in radians."""
    return math.copysign(float(smooth_step((abs(yaw) - _PROFILE[0]) / (_PROFILE[1] - _PROFILE[0]))), yaw)


def within_strength(controls: Tensor) -> Tensor:
    """Controls of any shape, none farther than a face can go."""
    return torch.where(controls < 0, soft_limit(controls, *_OPPOSITE), soft_limit(controls, *_STRENGTH))


def control_directions(rest: np.ndarray) -> np.ndarray:
    """[controls, 468, 3]: how each control at 1 moves each landmark, in face heights.

    Args:
        rest: [468, 3] in face heights.
    """
    x, y, z = rest.T
    corner_right, corner_left = rest[61], rest[291]
    middle = (corner_right + corner_left) / 2
    half_width = np.linalg.norm(corner_left - corner_right) / 2
    across = (x - middle[0]) / half_width  # -1 and 1 at the mouth's corners
    lip_line = middle[1]
    lens = np.sqrt(np.clip(1 - across**2, 0, 1))
    upper, lower, inner, outer = (_membership(points) for points in (UPPER_LIP, LOWER_LIP, INNER_LIP, OUTER_LIP))
    rim = 1 - inner
    inside = _within_outline(rest)
    near_mouth = np.exp(-(((x - middle[0]) / (1.7 * half_width)) ** 2) - ((y - lip_line) / 0.16) ** 2) * inside
    side = np.sign(across) * np.minimum(np.abs(across), 1)
    corner = side**2 * near_mouth
    directions = {name: np.zeros((MESH_POINTS, 3)) for name in CONTROLS} | upper_face_directions(rest)

    hinge_z = rest[[234, 454], 2].mean()
    forward = np.clip((z - hinge_z) / (rest[CHIN, 2] - hinge_z), 0, 1)
    below = smooth_step((lip_line + 0.10 - y) / 0.24)
    lateral = np.where(np.abs(across) < 1, 1.0, np.exp(-(((np.abs(across) - 1) / 0.7) ** 2)))
    skin = -0.90 * forward * below * lateral
    almond = 1 - np.clip(across, -1, 1) ** 2
    corner_drop = 0.44
    lower_lip = -corner_drop - (0.88 - corner_drop) * almond
    upper_lip = -corner_drop * (1 - almond) ** 2 + 0.12 * almond * (1 - 0.6 * rim)  # its outer edge hardly rises
    philtrum = (y > lip_line) & (np.abs(across) < 0.9)
    corners = np.isin(np.arange(MESH_POINTS), list(_CORNERS))
    jaw = np.select([corners, lower > 0, upper > 0, philtrum], [-corner_drop, lower_lip, upper_lip, 0], skin)
    directions["jaw_open"][:, 1] = JAW_GAP * jaw
    directions["jaw_open"][:, 0] = -0.09 * half_width * side * near_mouth
    directions["jaw_open"][:, 2] = -0.05 * JAW_GAP * below * forward * (lower == 0)

    directions["lips_wide"][:, 0] = 0.15 * half_width * side * near_mouth
    directions["lips_wide"][:, 1] = (0.002 * lower - 0.006 * upper) * lens * near_mouth
    directions["lips_wide"][:, 2] = -0.010 * near_mouth

    directions["lips_round"][:, 0] = (
        -0.27 * half_width * across * np.exp(-((np.abs(across) / 1.6) ** 4)) * np.exp(-(((y - lip_line) / 0.13) ** 2)) * inside
    )
    directions["lips_round"][:, 1] = outer * (0.033 * upper - 0.016 * lower) * lens - 0.021 * corner
    directions["lips_round"][:, 2] = 0.045 * np.exp(-(across**2)) * np.exp(-(((y - lip_line) / 0.09) ** 2))

    raised = 0.12 + 0.88 * lens  # AU 10 takes the corners along; lips that rise in the middle alone would purse
    directions["lip_upper_raise"][:, 1] = 0.036 * np.where((upper > 0) | corners, raised, 0.45 * (y > lip_line) * near_mouth * raised)
    directions["lip_upper_raise"][:, 0] = 0.02 * half_width * side * near_mouth
    lowered = 0.05 * np.where(lower > 0, lens**0.8, np.where(y < lip_line, 0.5 * near_mouth * lens, 0))
    directions["lip_lower_drop"][:, 1] = -lowered - 0.008 * corner  # AU 16; corners that stayed would smile

    cheeks = np.exp(-(((np.abs(across) - 1.3) / 0.8) ** 2) - ((y - lip_line - 0.10) / 0.12) ** 2) * inside
    directions["smile"][:, 0] = 0.050 * half_width * side * near_mouth
    directions["smile"][:, 1] = 0.036 * corner + 0.010 * cheeks  # AU 12; lips that grew thin would be pressed
    directions["smile"][:, 2] = -0.012 * near_mouth + 0.012 * cheeks
    directions["frown"][:, 0] = 0.13 * half_width * side * near_mouth
    upper_red, lower_red = (_thickness(rest, *lip) for lip in ((UPPER_OUTER_LIP, UPPER_INNER_LIP), (LOWER_INNER_LIP, LOWER_OUTER_LIP)))
    taut = rim * lens * (lower * (lower_red - _THIN) - upper * (upper_red - _THIN))
    from_below = np.exp(-(((y - lip_line).clip(0) / 0.07) ** 2))  # the muscle is: the cheek above hardly sinks
    directions["frown"][:, 1] = -0.040 * np.abs(side) * corner * from_below - (0.007 + 0.005 * rim) * lower * lens + 0.41 * taut  # AU 15
    pressed = rim * np.where(y < lip_line, 0.010, -0.50 * upper_red)
    directions["lips_press"][:, 1] = (pressed - 0.004) * lens * near_mouth  # AU 24: a lower lip that rises meanwhile would sulk

    brow = brow_weight(rest)
    directions["brow_raise"][:, 1] = 0.040 * brow
    directions["gaze_y"][:, 1] = _WITH_GAZE * brow
    inner = np.exp(-(((x - rest[168, 0]) / 0.14) ** 2))
    directions["brow_furrow"][:, 0] = -0.030 * np.sign(x - rest[168, 0]) * np.clip(np.abs(x - rest[168, 0]) / 0.05, 0, 1) * inner * brow
    directions["brow_furrow"][:, 1] = -(0.022 + 0.020 * inner) * brow  # AU 4 lowers the whole brow
    return np.stack([directions[name] for name in CONTROLS])


def _thickness(rest: np.ndarray, above: list[int], below: list[int]) -> float:
    """Between two contours of a lip, in the middle of the mouth."""
    return float((rest[above, 1] - rest[below, 1])[3:-3].mean())


def _within_outline(rest: np.ndarray) -> np.ndarray:
    """[468]: 1 in the middle of the face, 0 on its outline, which no mouth draws over the hair beside it."""
    x, y = rest[:, 0] - rest[CHIN, 0], rest[:, 1]
    away = np.ones(MESH_POINTS)
    for side in (-1, 1):
        outline = np.array([point for point in FACE_OVAL if side * x[point] >= 0])
        outline = outline[np.argsort(y[outline])]
        beside = side * x > 0
        away[beside] = 1 - side * x[beside] / np.maximum(np.interp(y[beside], y[outline], side * x[outline]), 1e-3)
    return smooth_step(away / _BESIDE_OUTLINE)


class _LipClosing:
    """Moves the lips towards each other, column by column of the inner lip contour; skin near them goes along."""

    def __init__(self, rest: Tensor):
        x, y = rest[:, 0], rest[:, 1]
        self._upper_points, self._lower_points = torch.tensor(UPPER_INNER_LIP), torch.tensor(LOWER_INNER_LIP)
        columns = (x[self._upper_points] + x[self._lower_points]) / 2
        self._mix = _interpolation(columns, x)
        inside = ((x > columns[0]) & (x < columns[-1])).float()
        upper_edge, lower_edge = self._mix @ y[self._upper_points], self._mix @ y[self._lower_points]
        line = (upper_edge + lower_edge) / 2
        fade_upper, fade_lower = (torch.exp(-(((y - edge) / 0.16) ** 2)) * inside for edge in (upper_edge, lower_edge))
        upper, lower = (torch.from_numpy(_membership(points)).float() for points in (UPPER_LIP, LOWER_LIP))
        skin = 1 - upper - lower
        self._follow_upper = fade_upper * (upper + skin * (y > line))
        self._follow_lower = fade_lower * (lower + skin * (y <= line))
        self._inner = torch.zeros(MESH_POINTS)
        self._inner[INNER_LIP] = 1
        self._follow_upper = torch.where((self._inner > 0) & (upper > 0), 1.0, self._follow_upper)
        self._follow_lower = torch.where((self._inner > 0) & (lower > 0), 1.0, self._follow_lower)
        self._y, self._z = y, rest[:, 2]
        self._own_gap = (y[self._upper_points] - y[self._lower_points]).clamp_min(0)

    def close(self, moved: Tensor, press: Tensor, tuck: Tensor, firmly: float = _FIRMLY, by_upper: float = _CLOSE_UPPER) -> Tensor:
        y = self._y + moved[..., 1]
        gap = y[:, self._upper_points] - y[:, self._lower_points]
        pressed = press[:, None] * (gap + firmly * torch.maximum(gap, self._own_gap))
        tucked = 0.9 * tuck[:, None] * (gap - pressed).clamp_min(0)
        down = (by_upper * pressed) @ self._mix.T * self._follow_upper
        up = ((1 - by_upper) * pressed + tucked) @ self._mix.T * self._follow_lower
        closed = moved.clone()
        closed[..., 1] += up - down
        return closed

    def directions(self) -> tuple[Tensor, Tensor]:
        """[c, 468] each: what closing moves in each column of the upper lip, and of the lower one."""
        return self._mix.T * self._follow_upper, self._mix.T * self._follow_lower

    def levelled(self, moved: Tensor) -> Tensor:
        """The same with both lips equally far forward, as lips are that touch."""
        depth = self._z + moved[..., 2]
        off = (depth[:, self._upper_points] - depth[:, self._lower_points]) / 2 @ self._mix.T
        forward = off * (self._follow_lower - self._follow_upper)
        return moved + torch.stack([torch.zeros_like(forward), torch.zeros_like(forward), forward], dim=-1)


def _below_lower_lip(rest: Tensor) -> Tensor:
    """[468]: 0 down to the lower lip's outer edge, 1 on the chin."""
    y, lip = rest[:, 1], rest[_LOWER_EDGE, 1]
    return eased(((lip - y) / (_LIP_TO_CHIN * (lip - rest[CHIN, 1]))).clamp(0, 1))


def _interpolation(columns: Tensor, x: Tensor) -> Tensor:
    """[points, columns]: linear interpolation weights of x between ascending columns, clamped at the ends."""
    position = torch.searchsorted(columns.contiguous(), x.contiguous()).clamp(1, len(columns) - 1)
    left, right = columns[position - 1], columns[position]
    share = ((x - left) / (right - left)).clamp(0, 1)
    weights = torch.zeros(len(x), len(columns))
    rows = torch.arange(len(x))
    weights[rows, position - 1] = 1 - share
    weights[rows, position] = share
    return weights


def _membership(points: list[int]) -> np.ndarray:
    member = np.zeros(MESH_POINTS)
    member[points] = 1
    return member
