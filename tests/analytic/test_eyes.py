"""Eyes that look about and lids that close, in the picture."""

import math

import cv2
import numpy as np
import pytest
import torch

from real3d_core.analytic.controls import BASIS
from real3d_core.analytic.eye_shape import lids_follow
from real3d_core.analytic.eyes import Eyes, Look
from real3d_core.analytic.lids import drawn as lid_drawn
from real3d_core.face.canonical_face import upright
from real3d_core.face.landmark_sets import (
    LEFT_IRIS,
    LEFT_LOWER_LID,
    LEFT_UPPER_LID,
    RIGHT_IRIS,
    RIGHT_LOWER_LID,
    RIGHT_UPPER_LID,
)
from real3d_core.face.landmarks import FaceLandmarks
from real3d_core.face.measures import EYEBALL, iris_places
from real3d_core.mediapipe_models.model_files import ModelFolders
from real3d_core.motion.motion import Motion
from real3d_core.pipeline import render_frames
from real3d_core.portrait.plates import MARGIN, plate_pixels


@pytest.fixture(scope="module")
def plate(portrait):
    return portrait.plates.resized(512).head


@pytest.fixture(scope="module")
def eyes(plate, portrait):
    return Eyes(plate, portrait.landmarks)


def original(plate, painted):
    (x, y), (h, w) = painted.corner, painted.picture.shape[:2]
    return plate[0, :3, y : y + h, x : x + w].permute(1, 2, 0).numpy()


def test_eyes_at_rest_are_not_painted(eyes):
    assert eyes(Look()) == []
    assert len(eyes(Look(gaze=(0.1, 0.0)))) == 2 and len(eyes(Look(closed=(0.0, 0.5)))) == 1


def test_eyes_leave_rest_without_a_jump(eyes, plate):
    for look in (Look(gaze=(1e-5, 0.0)), Look(gaze=(0.0, -1e-5)), Look(closed=(1e-5, 1e-5)), Look(wide=1e-5), Look(tight=1e-5)):
        for painted in eyes(look):
            assert np.abs(painted.picture - original(plate, painted)).max() < 2e-3


@pytest.mark.parametrize(
    "look", [Look(gaze=(0.25, 0.1)), Look(gaze=(-0.25, -0.2)), Look(closed=(1.0, 1.0)), Look(wide=1.0), Look(tight=1.0)]
)
def test_what_is_not_eye_stays_the_photo(eyes, plate, look):
    for painted in eyes(look):
        rim = np.ones(painted.picture.shape[:2], bool)
        rim[3:-3, 3:-3] = False
        assert np.abs(painted.picture - original(plate, painted))[rim].max() < 1e-4


def drawn(portrait, iris=(0.25, 0.15, 0.1), white=(0.85, 0.85, 0.85), skin=(0.8, 0.6, 0.5)):
    """A plate of plain skin with two plain eyes where the portrait has its own."""
    side = 768
    picture = np.full((side, side, 3), skin, np.float32)
    points = (portrait.landmarks[:, :2].numpy() + MARGIN) * (side / (1 + 2 * MARGIN)) - 0.5
    for upper, lower, ring in ((RIGHT_UPPER_LID, RIGHT_LOWER_LID, RIGHT_IRIS), (LEFT_UPPER_LID, LEFT_LOWER_LID, LEFT_IRIS)):
        opening, ball = np.zeros((side, side), np.uint8), np.full((side, side, 3), white, np.float32)
        cv2.fillPoly(opening, [np.round(points[[*upper, *lower[::-1]]]).astype(np.int32)], 1)
        radius = np.linalg.norm(points[ring[1:]] - points[ring[0]], axis=1).mean()
        cv2.circle(ball, np.round(points[ring[0]]).astype(int).tolist(), round(0.95 * radius), iris, -1, cv2.LINE_AA)
        picture = np.where(opening[..., None] > 0, ball, picture)
    return torch.from_numpy(picture).permute(2, 0, 1)[None]


def test_the_iris_turns_with_the_eyeball(portrait):
    """By the sine of the angle, on an eyeball of the documented size; what was under it is white, as the rest of the eye."""
    plate = drawn(portrait)
    for painted, outer, inner in zip(Eyes(plate, portrait.landmarks)(Look(gaze=(0.2, 0.0))), (33, 263), (133, 362), strict=True):
        width = float((portrait.landmarks[outer] - portrait.landmarks[inner])[:2].norm()) * 512

        def middle(picture):
            dark = (picture.mean(axis=2) < 0.3).sum(axis=0)
            return (np.arange(len(dark)) * dark).sum() / dark.sum()

        assert middle(painted.picture) - middle(original(plate, painted)) == pytest.approx(EYEBALL * width * math.sin(0.2), abs=0.8)
        assert painted.picture.max() < 0.9
        uncovered = (original(plate, painted).mean(axis=2) < 0.3) & (painted.picture.mean(axis=2) > 0.7)
        assert uncovered.sum() > 5


@pytest.mark.parametrize(
    ("iris", "white", "seen"),
    [((0.25, 0.15, 0.1), (0.85, 0.85, 0.85), 2), ((0.2, 0.1, 0.08), (0.4, 0.3, 0.25), 2), ((0.05, 0.05, 0.05), (0.08, 0.08, 0.08), 0)],
    ids=["eyes", "tinted glasses", "sunglasses"],
)
def test_what_dark_glasses_hide_is_left_alone(portrait, iris, white, seen):
    """They once blinked: skin was drawn over them."""
    look = Look(gaze=(0.1, 0.0), closed=(0.5, 0.5))
    assert len(Eyes(drawn(portrait, iris, white), portrait.landmarks)(look)) == seen


def test_an_eye_in_the_shade_closes_with_the_other_one(portrait):
    """It once stayed open, and the face winked."""
    lit, dim = drawn(portrait), drawn(portrait, iris=(0.38, 0.38, 0.38), white=(0.46, 0.46, 0.46))
    left = torch.arange(lit.shape[-1]) > (portrait.landmarks[168, 0] + MARGIN) * (lit.shape[-1] / (1 + 2 * MARGIN))
    assert len(Eyes(torch.where(left, lit, dim), portrait.landmarks)(Look(closed=(1.0, 1.0)))) == 2


@pytest.mark.parametrize("lids", [{"lids_wide": 1.0}, {"lids_tight": 1.0}], ids=["wide", "narrow"])
def test_lids_move_over_an_eyeball_that_lies_still(avatar, portrait, lids):
    """They once drew the iris out into an oval, or pressed it flat."""
    motion = Motion.still(BASIS, 2).with_controls(**{name: torch.tensor([0.0, amount]) for name, amount in lids.items()})
    rest, moved = torch.cat(list(render_frames(avatar, portrait, motion).chunks(2))).numpy()
    points = portrait.landmarks[:, :2].numpy() * len(rest)
    y, x = np.mgrid[: len(rest), : len(rest)]
    for ring, upper, lower in ((RIGHT_IRIS, RIGHT_UPPER_LID, RIGHT_LOWER_LID), (LEFT_IRIS, LEFT_UPPER_LID, LEFT_LOWER_LID)):
        across, (outer, inner) = points[ring[0], 0], points[[upper[0], upper[-1]]]
        width = np.linalg.norm(inner - outer)
        top, bottom = points[upper[4], 1], points[lower[4], 1]
        beside = np.abs(x - across) < 0.1 * width
        still = beside & (y > top + 0.09 * width) & (y < bottom - 0.15 * width)
        edges = beside & ((np.abs(y - top) < 0.05 * width) | (np.abs(y - bottom) < 0.05 * width))
        change = np.abs(moved - rest).max(axis=2)
        assert still.any() and change[still].max() < 0.08 < change[edges].max()


def test_closed_eyes_stay_closed(portrait, plate):
    asleep = portrait.landmarks.clone()
    for upper, lower in ((RIGHT_UPPER_LID, RIGHT_LOWER_LID), (LEFT_UPPER_LID, LEFT_LOWER_LID)):
        asleep[upper, 1] = asleep[lower, 1] - 0.08 * (asleep[upper, 1] - asleep[lower, 1]).abs()
    assert Eyes(plate, asleep)(Look(gaze=(0.1, 0.0), closed=(1.0, 1.0))) == []


def test_a_closed_lid_has_no_deep_fold(portrait):
    """That of the open lid once stayed above the line of lashes: the two made a ring about every closed eye."""
    plate, points = drawn(portrait), (portrait.landmarks[:, :2].numpy() + MARGIN) * (768 / (1 + 2 * MARGIN)) - 0.5
    folded = plate[0].permute(1, 2, 0).numpy().copy()
    for upper in (RIGHT_UPPER_LID, LEFT_UPPER_LID):
        lid = points[upper]
        fold = lid[2:-2] - [0, 0.16 * np.linalg.norm(lid[-1] - lid[0])]
        cv2.polylines(folded, [np.round(fold).astype(np.int32)], False, (0.3, 0.2, 0.15), 2, cv2.LINE_AA)
    folded = torch.from_numpy(folded).permute(2, 0, 1)[None]
    smooth, creased = (Eyes(one, portrait.landmarks)(Look(closed=(1.0, 1.0))) for one in (plate, folded))
    for bare, closed in zip(smooth, creased, strict=True):
        before = np.abs(original(plate, bare) - original(folded, bare)).mean(axis=2)
        after = np.abs(bare.picture - closed.picture).mean(axis=2)
        fold = before > 0.25
        assert fold.sum() > 20
        assert after[fold].mean() < 0.42 * before[fold].mean()


@pytest.mark.parametrize("look", [Look(closed=(1.0, 1.0)), Look(gaze=(0.0, -0.5))], ids=["closed", "looking down"])
def test_lashes_are_the_photos_own_and_hang_down_from_a_lowered_lid(portrait, look):
    """Closed lids once had a thin even line like an eyeliner's, and eyes that looked down had no lashes."""
    plate, points = drawn(portrait), (portrait.landmarks[:, :2].numpy() + MARGIN) * (768 / (1 + 2 * MARGIN)) - 0.5
    lashed, upper, lower = plate[0].permute(1, 2, 0).numpy().copy(), points[LEFT_UPPER_LID], points[LEFT_LOWER_LID]
    root, length = upper[5], 0.08 * np.linalg.norm(upper[-1] - upper[0])
    cv2.line(lashed, np.round(root).astype(int).tolist(), np.round(root - [0, length]).astype(int).tolist(), (0.1, 0.1, 0.1), 2)
    lashed = torch.from_numpy(lashed).permute(2, 0, 1)[None]
    bare, hairy = (Eyes(one, portrait.landmarks)(look)[-1] for one in (plate, lashed))
    darker = (bare.picture - hairy.picture).mean(axis=2)
    x, y = np.round(root - hairy.corner).astype(int)
    column = darker[y : round(lower[5, 1] - hairy.corner[1] + 2 * length), x - 2 : x + 3].max(axis=1)
    assert (column > 0.08).sum() > 0.4 * length


def lashed(portrait, lashes, count, thickness):
    """Plates of plain eyes without lashes and with a row at the left one, (x, y) from root to tip in widths of the eye; their tips."""
    bare, points = drawn(portrait), (portrait.landmarks[:, :2].numpy() + MARGIN) * (768 / (1 + 2 * MARGIN)) - 0.5
    upper = points[LEFT_UPPER_LID]
    width = np.linalg.norm(upper[-1] - upper[0])
    mask, tips = np.zeros((2, *bare.shape[-2:]), np.uint8)
    for root in np.linspace(upper[2], upper[-1], count):
        root[1] = np.interp(root[0], upper[:, 0], upper[:, 1])
        places = [np.round(root + part * width * np.array(lashes)).astype(int).tolist() for part in (0, 0.4, 1)]
        cv2.line(mask, places[0], places[2], 1, thickness)
        cv2.line(tips, places[1], places[2], 1, thickness)
    return bare, torch.where(torch.from_numpy(mask) > 0, torch.tensor(0.08), bare), tips > 0


def test_the_lashes_of_a_closed_lid_are_no_black_bar(portrait):
    """A dense row once hung down as a block that ended squarely."""
    bare, hairy, _ = lashed(portrait, (0.02, -0.1), 13, 5)
    without, with_lashes = (Eyes(plate, portrait.landmarks)(Look(closed=(1.0, 1.0)))[-1].picture.mean(axis=2) for plate in (bare, hairy))
    hidden = (without - with_lashes) / (without - 0.08)
    assert (hidden > 0.3).sum() > 10
    assert (hidden > 0.75).sum() < 0.1 * (hidden > 0.3).sum()


def test_closed_lids_meet_in_a_soft_line_from_corner_to_corner_that_hardly_hangs(portrait):
    """It was a thin arc below the lower lid, which ended well before the corners: an eye that somebody had wiped out. A paler line behind
    glasses is not seen at all: such an eye counted as more open when it was closed than half way there."""
    points = (portrait.landmarks[:, :2].numpy() + MARGIN) * (768 / (1 + 2 * MARGIN)) - 0.5
    upper, lower = points[LEFT_UPPER_LID], points[LEFT_LOWER_LID]
    width = np.linalg.norm(upper[-1] - upper[0])
    painted = Eyes(drawn(portrait), portrait.landmarks)(Look(closed=(1.0, 1.0)))[-1]
    grey = painted.picture.mean(axis=2)
    x, bottom = lower[4] - painted.corner
    about = grey[round(bottom - 0.12 * width) : round(bottom + 0.16 * width)]
    line = about[:, round(x)]
    assert line.min() < 0.64 * np.percentile(line, 90)
    assert line.argmin() < (0.12 + 0.05) * width
    assert (line < (line.min() + np.percentile(line, 90)) / 2).sum() > 0.06 * width
    dark = about.max(axis=0) - about.min(axis=0)
    assert (dark > 0.5 * dark[round(x)]).sum() > 0.85 * width


def test_lashes_leave_nothing_behind_where_they_were(portrait):
    """Long ones once stayed above the closed lid, a second row."""
    bare, hairy, tips = lashed(portrait, (0.0, -0.22), 6, 1)
    without, with_lashes = (Eyes(plate, portrait.landmarks)(Look(closed=(1.0, 1.0)))[-1] for plate in (bare, hairy))
    (x, y), (h, w) = with_lashes.corner, with_lashes.picture.shape[:2]
    were = tips[y : y + h, x : x + w]
    assert were.sum() > 20
    assert np.abs(without.picture - with_lashes.picture)[were].mean() < 0.02


def test_paint_that_runs_on_from_the_corner_of_an_eye_goes_with_the_lid(portrait):
    """Its end once stayed beside the closed eye, as a dark spot."""
    bare, points = drawn(portrait), (portrait.landmarks[:, :2].numpy() + MARGIN) * (768 / (1 + 2 * MARGIN)) - 0.5
    inner, outer = points[LEFT_UPPER_LID][[0, -1]]
    along = outer - inner
    wing = np.zeros(bare.shape[-2:], np.uint8)
    up = 0.07 * np.linalg.norm(along) * np.array([0.0, -1.0])
    cv2.fillPoly(wing, [np.round([outer - 0.1 * along, outer - 0.1 * along + up, outer + 0.4 * along + up]).astype(np.int32)], 1)
    painted = torch.where(torch.from_numpy(wing) > 0, torch.tensor(0.08), bare)
    without, closed = (Eyes(plate, portrait.landmarks)(Look(closed=(1.0, 1.0)))[-1] for plate in (bare, painted))
    (x, y), (h, w) = closed.corner, closed.picture.shape[:2]
    ends = (wing[y : y + h, x : x + w] > 0) & (np.arange(w) + x > outer[0] + 0.12 * along[0])
    assert ends.sum() > 20
    assert np.abs(without.picture - closed.picture)[ends].max() < 0.2


def test_the_skin_of_a_closed_lid_is_a_dome(portrait):
    """It once filled a box, whose corner stood in the temple."""
    plate, points = drawn(portrait), (portrait.landmarks[:, :2].numpy() + MARGIN) * (768 / (1 + 2 * MARGIN)) - 0.5
    rough = plate + torch.from_numpy(np.random.default_rng(0).uniform(-0.02, 0.02, plate.shape[-2:])).float()
    inner, outer = points[LEFT_UPPER_LID][[0, -1]]
    closed = Eyes(rough, portrait.landmarks)(Look(closed=(1.0, 1.0)))[-1]
    changed = np.abs(closed.picture - original(rough, closed)).mean(axis=2)
    y, x = np.mgrid[: changed.shape[0], : changed.shape[1]]
    along, up = (x + closed.corner[0] - inner[0]) / (outer[0] - inner[0]), (outer[1] - y - closed.corner[1]) / (outer[0] - inner[0])
    assert changed[(np.abs(along - 1.09) < 0.03) & (np.abs(up - 0.15) < 0.05)].mean() < 0.3 * 0.01  # which the roughness is


def test_narrow_eyes_close_as_wholly_as_wide_ones():
    """Their lids were drawn in part, with the open eye's lashes and fold showing through."""
    assert lid_drawn(1.0, 0.15) == lid_drawn(1.0, 0.35) == 1.0
    assert 0 < lid_drawn(0.3, 0.15) < lid_drawn(0.6, 0.15)


def test_the_gaze_is_seen_where_it_is_meant_to_go(avatar, portrait):
    """MediaPipe sees about half of it: less than of real eyes, whose catchlights move a little."""
    angles = [(0, 0), (12, 0), (-12, 0), (0, 8), (0, -8)]
    gaze = torch.tensor(angles) / 30
    motion = Motion.still(BASIS, len(angles)).with_controls(gaze_x=gaze[:, 0], gaze_y=gaze[:, 1])
    finder = FaceLandmarks(ModelFolders())
    frames = (torch.cat(list(render_frames(avatar, portrait, motion).chunks(5))) * 255).round().byte().numpy()
    found = upright(np.stack([finder.in_picture(frame)[0] for frame in frames]))
    places = iris_places(found, np.eye(3)[None].repeat(len(found), axis=0)).mean(axis=1)
    right, left, up, down = (places - places[0])[1:] / (EYEBALL * math.sin(math.radians(12)))
    assert 0.3 < right[0] < 1.2 and 0.3 < -left[0] < 1.2
    assert up[1] > 0.05 and down[1] < -0.05


def test_lids_behind_glasses_are_as_light_as_the_lit_skin_about_the_eye(portrait, monkeypatch):
    """The shadow of a rim once lent its colour to the whole lid."""
    monkeypatch.setattr("real3d_core.analytic.eyes.glasses_worn", lambda *_: 1.0)
    plate = drawn(portrait)
    points = plate_pixels(portrait.landmarks[:, :2].numpy(), plate.shape[-1])
    for lower in (RIGHT_LOWER_LID, LEFT_LOWER_LID):
        middle, width = points[lower].mean(axis=0), np.ptp(points[lower, 0])
        shade = np.abs(np.arange(plate.shape[-1]) - middle[0]) > 0.58 * width
        shade = shade[None] | (np.arange(plate.shape[-1])[:, None] > points[lower, 1].max() + 0.06 * width)
        near = np.abs(np.arange(plate.shape[-1]) - middle[0])[None] < width
        plate[..., torch.from_numpy(shade & near)] *= 0.6
    for painted in Eyes(plate, portrait.landmarks)(Look(closed=(1.0, 1.0))):
        h, w = painted.picture.shape[:2]
        lid = painted.picture[round(0.42 * h) : round(0.48 * h), round(0.45 * w) : round(0.55 * w)].mean()
        assert lid > 0.92 * np.mean((0.8, 0.6, 0.5))


@pytest.mark.parametrize("gaze", [-0.4, 0.4])
def test_both_lids_go_along_with_a_gaze_and_the_upper_one_farther(gaze):
    """Its iris was once cut into a block, as the lower lid stayed."""
    upper, lower = lids_follow(gaze, 0.3)
    assert 0 < -np.sign(gaze) * lower < -np.sign(gaze) * upper < 0.6


def test_a_narrow_eye_that_looks_down_stays_half_open():
    """It nearly closed, and was read as blinking."""
    upper, _ = lids_follow(-0.45, 0.2)
    assert 0.3 < upper < 0.45


def test_an_upper_lid_rises_with_an_eye_that_looks_up():
    """It hung over the iris: such eyes were read as screwed up."""
    upper, _ = lids_follow(0.4, 0.3)
    assert -upper > 0.65 * EYEBALL * np.sin(0.4) / 0.3


def test_a_catchlight_stays_where_the_light_puts_it(eyes, plate):
    for painted in eyes(Look(gaze=(0.1, 0.0))):
        h, w = painted.picture.shape[:2]
        middle = (slice(h // 3, 2 * h // 3), slice(w // 3, 2 * w // 3))
        before, after = (picture[middle].mean(axis=2) for picture in (original(plate, painted), painted.picture))
        bright = np.unravel_index(before.argmax(), before.shape)
        assert after[bright] > before[bright] - 0.05


def test_a_catchlight_goes_out_when_the_iris_leaves_it(portrait):
    """On the white it was a ghost of the iris that had been there."""
    plate = drawn(portrait)
    picture, points = plate[0].permute(1, 2, 0).numpy(), (portrait.landmarks[:, :2].numpy() + MARGIN) * (768 / (1 + 2 * MARGIN)) - 0.5
    for ring in (RIGHT_IRIS, LEFT_IRIS):
        radius = np.linalg.norm(points[ring[1:]] - points[ring[0]], axis=1).mean()
        cv2.circle(picture, np.round(points[ring[0]] + [0.7 * radius, 0]).astype(int).tolist(), 1, (1, 1, 1), -1)
    eyes = Eyes(plate, portrait.landmarks)
    assert all(painted.picture.max() > 0.95 for painted in eyes(Look(gaze=(0.05, 0.0))))
    assert all(painted.picture.max() < 0.9 for painted in eyes(Look(gaze=(-0.5, 0.0))))


def test_the_side_of_the_head_that_the_photo_hides_has_no_eye(plate, portrait):
    (painted,) = Eyes(plate, in_profile(portrait))(Look(gaze=(0.1, 0.0)))
    assert painted.corner == Eyes(plate, portrait.landmarks)(Look(gaze=(0.1, 0.0)))[0].corner


def test_in_profile_no_white_is_made_up_between_iris_and_nose(portrait):
    """A bright crescent once stood there when the eye turned to the temple or up."""
    plate = drawn(portrait)
    eyes = Eyes(plate, in_profile(portrait))
    for gaze in ((-0.3, 0.0), (0.0, 0.2)):
        (painted,) = eyes(Look(gaze=gaze))
        assert np.abs(painted.picture - original(plate, painted)).max() < 0.05
    (painted,) = eyes(Look(gaze=(0.3, 0.0)))
    assert np.abs(painted.picture - original(plate, painted)).max() > 0.3


def in_profile(portrait):
    """What the landmark model makes of an eye behind the nose."""
    turned = portrait.landmarks.clone()
    turned[[386, 385, 384], 0] = turned[263, 0] + 0.01
    return turned
