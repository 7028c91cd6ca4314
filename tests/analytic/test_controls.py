"""Speech is absolute: what the voice wants decides how far the lips are apart, whatever the photo's mouth does."""

import numpy as np
import pytest
import torch

from real3d_core.analytic.controls import BASIS, CONTROLS, JAW_GAP, FaceControls, hidden_side
from real3d_core.face.canonical_face import canonical_face
from real3d_core.face.landmark_sets import (
    CHIN,
    FACE_OVAL,
    GAP_PAIRS,
    LEFT_BROW,
    LEFT_UPPER_LID,
    LOWER_INNER_LIP,
    LOWER_OUTER_LIP,
    MOUTH_CORNERS,
    RIGHT_BROW,
    RIGHT_UPPER_LID,
    UPPER_INNER_LIP,
    UPPER_OUTER_LIP,
)
from real3d_core.mediapipe_models.model_files import ModelFolders


def coefficients(**values):
    row = torch.zeros(1, BASIS.size)
    for name, value in values.items():
        row[0, BASIS.index(name)] = value
    return row


@pytest.fixture(scope="module")
def closed():
    """A face whose lips touch."""
    points = canonical_face(ModelFolders()).points
    open_a_little = FaceControls(torch.from_numpy(np.concatenate([points, np.zeros((10, 3))])))
    return FaceControls(open_a_little.rest + open_a_little.displacements(coefficients(lips_press=0.95))[0])


@pytest.fixture(scope="module")
def smiling(closed):
    """The same face with a smile that shows teeth, and is broad as real ones are."""
    shown = coefficients(smile=1.5, lips_wide=0.8, lip_upper_raise=1.0, lip_lower_drop=0.6)
    return FaceControls(closed.rest + closed.displacements(shown)[0])


@pytest.fixture(scope="module")
def gaping(closed):
    """The same face with its jaw dropped."""
    return FaceControls(closed.rest + closed.displacements(coefficients(jaw_open=1.0))[0])


def gap(points):
    """As a viewer in front sees it."""
    return np.mean([points[upper, 1] - points[lower, 1] for upper, lower in GAP_PAIRS])


def shape(face, **values):
    return (face.rest + face.displacements(coefficients(**values))[0]).numpy()


@pytest.mark.parametrize("who", ["smiling", "gaping"])
@pytest.mark.parametrize("said", [{"jaw_open": 0.3}, {"jaw_open": 0.8}, {"jaw_open": 0.5, "lips_round": 0.8}])
def test_a_voice_opens_every_mouth_as_far(closed, who, said, request):
    face = request.getfixturevalue(who)
    assert gap(face.rest.numpy()) > 0.03
    usual, own = (gap(shape(one, speaking=1.0, **said)) for one in (closed, face))
    assert 0.85 < own / usual < 1.2


@pytest.mark.parametrize("who", ["smiling", "gaping"])
def test_lips_of_a_mouth_set_for_speech_touch_in_every_column(who, request):
    face = request.getfixturevalue(who)
    for said in ({}, {"jaw_open": 0.7, "lips_press": 1.0}):
        spoken = shape(face, speaking=1.0, **said)
        forward = spoken[UPPER_INNER_LIP, 2] - spoken[LOWER_INNER_LIP, 2]
        assert abs(forward).max() < 0.003
        apart = spoken[UPPER_INNER_LIP, 1] - spoken[LOWER_INNER_LIP, 1]
        assert apart.max() < 0.003 and apart.min() > -0.01


def test_half_of_a_smile_stays_while_the_mouth_speaks(closed, smiling):
    """Without any of it, it would be another face than the photo's."""

    def raised(points):
        return points[MOUTH_CORNERS, 1].mean() - points[[13, 14], 1].mean()

    none, all_of_it, spoken = (raised(points) for points in (closed.rest.numpy(), smiling.rest.numpy(), shape(smiling, speaking=1.0)))
    assert all_of_it > none + 0.03
    assert 0.3 < (spoken - none) / (all_of_it - none) < 0.65


def test_who_smiles_shows_the_upper_teeth_while_speaking(smiling):
    """The upper lip once came down over them half way, which made another face."""
    opened = (smiling.rest[[82, 13, 312], 1] - smiling.rest[[87, 14, 317], 1]).numpy()
    fallen = smiling.rest[[82, 13, 312], 1].numpy() - shape(smiling, speaking=1.0)[[82, 13, 312], 1]
    assert (fallen < 0.25 * opened).all()


@pytest.mark.parametrize("speaking", [0.0, 1.0])
def test_a_frown_takes_a_smile_away_with_the_teeth_that_it_shows(closed, smiling, speaking):
    """By hand it once left the smile as it was."""

    def raised(points):
        return points[MOUTH_CORNERS, 1].mean() - points[[13, 14], 1].mean()

    frowning = shape(smiling, frown=1.0, speaking=speaking)
    assert raised(frowning) < raised(closed.rest.numpy()) - 0.02
    assert gap(frowning) < 0.01 < gap(smiling.rest.numpy())


def test_half_a_frown_takes_most_of_a_smile(smiling):
    """It took half, and that was read as a smile still; all the frown came at the end."""
    rest, half, full = (gap(shape(smiling, frown=amount)) for amount in (0.0, 0.5, 1.0))
    assert (half - full) / (rest - full) < 0.3


def test_a_mouth_that_does_not_smile_only_sinks_at_its_corners(closed, smiling):
    """The opposite of a smile once pursed it, and rolled in lips that a moustache covers."""
    opposite = coefficients(smile=-1.0)
    moved, of_a_smile = (face.displacements(opposite)[0].numpy() for face in (closed, smiling))
    assert moved[MOUTH_CORNERS, 1].max() < -0.02 < -0.003 < moved[UPPER_INNER_LIP[3:-3], 1].min()
    assert abs(moved[MOUTH_CORNERS, 0]).max() < 1e-6 < 0.005 < abs(of_a_smile[MOUTH_CORNERS, 0]).min()


@pytest.mark.parametrize("control", ["smile", "lips_wide", "lips_round", "frown", "lip_upper_raise"])
def test_no_mouth_draws_the_sides_of_the_face_over_the_hair_beside(smiling, control):
    """A smile once pushed a step of skin out of the jaw's outline, and rounded lips drew one in where the mouth is broad."""
    beside = [point for point in FACE_OVAL if abs(smiling.rest[point, 0]) > 0.7 * smiling.rest[FACE_OVAL, 0].abs().max()]
    assert len(beside) > 10
    assert smiling.directions[CONTROLS.index(control), beside].abs().max() < 5e-4


def broader(face, **values):
    """How much broader than at rest a mouth is, in face heights."""
    return float(np.ptp(shape(face, **values)[MOUTH_CORNERS, 0]) - np.ptp(face.rest[MOUTH_CORNERS, 0].numpy()))


def red(points, upper):
    """How thick a lip is seen in the middle of the mouth."""
    above, below = (UPPER_OUTER_LIP, UPPER_INNER_LIP) if upper else (LOWER_INNER_LIP, LOWER_OUTER_LIP)
    return float((points[above, 1] - points[below, 1])[4:-4].mean())


@pytest.fixture(scope="module")
def full_lipped(closed):
    """The same face with lips that are twice as thick."""
    rest = closed.rest.clone()
    for outer, inner in ((UPPER_OUTER_LIP, UPPER_INNER_LIP), (LOWER_OUTER_LIP, LOWER_INNER_LIP)):
        rest[outer, 1] += rest[outer, 1] - rest[inner, 1]
    return FaceControls(rest)


def test_a_smile_lifts_the_corners_more_than_it_broadens_the_mouth(closed):
    """Broadening was read as stretched lips, of those that smile already above all."""
    lifted = closed.displacements(coefficients(smile=1.0))[0, MOUTH_CORNERS, 1].mean()
    assert lifted > 0.025
    assert broader(closed, smile=1.0) / 2 < 0.5 * lifted


def test_a_smile_leaves_lips_as_thick_as_they_are(closed):
    """Those that grew thin besides were read as pressed."""
    for upper in (True, False):
        assert red(shape(closed, smile=1.0), upper) > 0.97 * red(closed.rest.numpy(), upper)


def test_who_smiles_already_has_less_of_a_smile_left(closed, smiling):
    """It was drawn out into a grimace, with dark corners beside the teeth."""

    def of_a_smile(face):
        return face.displacements(coefficients(smile=1.0))[0, 61, 1] / face.directions[CONTROLS.index("smile"), 61, 1]

    assert of_a_smile(smiling) < 0.93 * of_a_smile(closed)


def test_brows_sink_half_as_far_as_they_rise(closed):
    """By as much, they came down over the eyes, which then were read as looking up."""
    for control in ("brow_raise", "brow_outer_left", "brow_outer_right", "brow_inner_raise"):
        raised, lowered = (closed.displacements(coefficients(**{control: amount}))[0, :, 1] for amount in (1.0, -1.0))
        assert 0.4 < -lowered.min() / raised.max() < 0.6


def test_a_mouth_grows_narrower_as_the_jaw_opens(closed):
    """A smile that kept its breadth was read as a lower lip that drops."""
    assert -0.05 < broader(closed, jaw_open=1.0) < -0.012


def test_a_frown_takes_the_upper_lip_halfway_down_over_the_teeth(smiling):
    """One that stayed farther up sneered."""
    opened = (smiling.rest[[82, 13, 312], 1] - smiling.rest[[87, 14, 317], 1]).numpy()
    fallen = smiling.rest[[82, 13, 312], 1].numpy() - shape(smiling, frown=1.0)[[82, 13, 312], 1]
    assert (fallen > 0.45 * opened).all()


def test_a_frown_draws_a_mouth_out_and_that_of_a_smile_in(closed, smiling):
    """The first was read as a pout, the second as a grimace."""
    assert broader(closed, frown=1.0) > 0.012
    usual, own = (float(np.ptp(shape(face, frown=1.0)[MOUTH_CORNERS, 0])) for face in (closed, smiling))
    assert abs(own - usual) < 0.012


def test_only_full_lips_grow_thinner_when_they_are_drawn_out(closed, full_lipped):
    def left(face, upper):
        return red(shape(face, frown=1.0), upper) / red(face.rest.numpy(), upper)

    assert left(closed, upper=True) > 0.9
    assert max(left(full_lipped, upper) for upper in (True, False)) < 0.92


def test_pressing_takes_the_same_part_of_thin_and_of_full_upper_lips(closed, full_lipped):
    """It took 0.012 face heights of either, which hardly anybody saw of full lips, and then too little of both."""
    thin, full = (red(shape(face, lips_press=1.0), upper=True) / red(face.rest.numpy(), upper=True) for face in (closed, full_lipped))
    assert 0.5 < thin < 0.65
    assert abs(thin - full) < 0.06


def test_pressing_hardly_lifts_the_lower_lip(closed):
    """Lips that touch were read as sulking."""
    lower = sorted({*LOWER_INNER_LIP, *LOWER_OUTER_LIP} - {61, 291})
    assert closed.displacements(coefficients(lips_press=1.0))[0, lower, 1].mean() < 0.003


def test_a_lower_lip_drops_almost_as_far_beside_the_middle(closed):
    """One that hung down in the middle was read as an opened jaw."""
    moved = closed.displacements(coefficients(lip_lower_drop=1.0))[0, :, 1]
    assert moved[[95, 324]].mean() / moved[14] > 0.78


def test_pressing_takes_the_lower_lip_up_less_than_half_of_the_gap(smiling):
    """It went farther than the upper one, over the teeth, and pouted."""
    opened = (smiling.rest[[82, 13, 312], 1] - smiling.rest[[87, 14, 317], 1]).numpy()
    risen = shape(smiling, lips_press=1.0)[[87, 14, 317], 1] - smiling.rest[[87, 14, 317], 1].numpy()
    assert (risen < 0.5 * opened).all()


@pytest.mark.parametrize("looks", [1.0, -1.0])
def test_brows_go_a_little_way_with_eyes_that_look_up_and_down(closed, looks):
    """Above lids that follow an eye down, brows that stay look raised; lids and eyeballs are painted, and no landmark of theirs moves."""
    moved = closed.displacements(coefficients(gaze_y=looks))[0]
    brows = [*RIGHT_BROW, *LEFT_BROW]
    assert 0.004 < (looks * moved[brows, 1]).median() < 0.01
    assert moved[[*RIGHT_UPPER_LID, *LEFT_UPPER_LID, 1, 13, CHIN]].abs().max() < 1e-6
    assert closed.displacements(coefficients(gaze_x=looks)).abs().max() < 1e-6


def test_corners_sink_with_a_lower_lip_that_drops(closed):
    """Those that stayed above it were seen to smile."""
    assert closed.displacements(coefficients(lip_lower_drop=1.0))[0, MOUTH_CORNERS, 1].max() < -0.003


def test_an_upper_lip_hangs_from_the_skull_while_the_jaw_opens(closed):
    """It once rose by its whole height: a sneer, and a pout of full lips. Corners go nearly half as far as the lips part."""
    moved = closed.displacements(coefficients(jaw_open=1.0))[0, :, 1]
    assert moved[UPPER_OUTER_LIP[3:-3]].max() < 0.007
    assert -0.5 < moved[MOUTH_CORNERS].mean() / JAW_GAP < -0.4


def test_a_frown_leaves_the_upper_lip_where_it_is(closed):
    """Lowered, it was read as rolled in where a moustache hangs over it."""
    moved = closed.displacements(coefficients(frown=1.0))[0, :, 1]
    assert moved[MOUTH_CORNERS].max() < -0.02
    assert moved[UPPER_INNER_LIP[3:-3]].abs().max() < 0.004


def test_a_frown_pulls_from_below(closed):
    """The cheek above the corners once sank with them, and a moustache over the lip."""
    moved, up = closed.displacements(coefficients(frown=1.0))[0, :, 1], closed.rest[:, 1] - closed.rest[MOUTH_CORNERS, 1].max()
    assert moved[up > 0.05].min() > -0.012 > -0.02 > moved[MOUTH_CORNERS].max()


def test_rounded_lips_show_their_red(closed):
    """Where their edges hardly moved, and the corners neither, they were read as rolled in or dimpled."""
    assert red(shape(closed, lips_round=1.0), upper=True) > 1.9 * red(closed.rest.numpy(), upper=True)
    assert closed.displacements(coefficients(lips_round=1.0))[0, MOUTH_CORNERS, 1].max() < -0.012


@pytest.mark.parametrize("side", [-1.0, 1.0])
def test_what_a_profile_hides_lies_still(closed, side):
    """Moving far cheeks, brows and lips once tore the outline of nose and mouth."""
    row = coefficients(smile=1.0, jaw_open=0.5, brow_raise=0.7)
    turned, frontal = FaceControls(closed.rest, hidden=side).displacements(row)[0], closed.displacements(row)[0]
    away = side * (closed.rest[:, 0] - closed.rest[CHIN, 0])
    far = (away > 0.06) & (closed.rest[:, 1] > closed.rest[MOUTH_CORNERS, 1].mean())
    assert turned[far].abs().max() < 1e-6 < 0.02 < frontal[far].abs().max()
    assert (turned - frontal)[CHIN].abs().max() < 1e-6
    assert (turned - frontal)[away < -0.06].abs().max() < 1e-6


def test_only_a_profile_hides_half_of_a_face():
    assert hidden_side(np.radians(30)) == hidden_side(np.radians(-30)) == 0
    assert hidden_side(np.radians(60)) == -hidden_side(np.radians(-60)) == 1


def test_pressed_lips_grow_thin_and_not_broad(closed):
    moved = closed.displacements(coefficients(lips_press=1.0))[0]
    assert moved[MOUTH_CORNERS].norm(dim=1).max() < 0.002
    assert moved[0, 1] < -0.005 and moved[17, 1] > 0.005


def test_nobody_frowns_with_a_smile(closed, smiling):
    """Sad and angry people kept half of the photo's smile."""

    def raised(points):
        return points[MOUTH_CORNERS, 1].mean() - points[[13, 14], 1].mean()

    usual, own = (raised(shape(face, speaking=1.0, frown=1.0)) for face in (closed, smiling))
    assert usual < -0.015 and abs(own - usual) < 0.012


def test_a_dropped_jaw_is_lifted_rather_than_its_lips_stretched(gaping):
    assert shape(gaping, speaking=1.0)[CHIN, 1] > gaping.rest[CHIN, 1] + 0.015


def test_lips_that_a_smile_parts_close_and_open_without_the_chin(closed, smiling):
    """The jaw of a smile is closed: a chin that rises bares a neck that the photo does not show, one that drops draws the face out."""

    def dropped(face, **said):
        return face.rest[CHIN, 1] - shape(face, speaking=1.0, **said)[CHIN, 1]

    assert abs(dropped(smiling)) < 0.012
    assert 0.2 < dropped(smiling, jaw_open=0.6) / dropped(closed, jaw_open=0.6) < 0.75


@pytest.mark.parametrize("jaw_open", [0.3, 0.9])
def test_lips_do_a_third_of_a_spoken_opening_themselves(closed, jaw_open):
    """In talking clips the chin goes half as far as the lips part, or less; more draws every vowel out into another face."""

    def chin(**said):
        return closed.rest[CHIN, 1] - shape(closed, jaw_open=jaw_open, **said)[CHIN, 1]

    assert 0.55 < chin(speaking=1.0) / chin() < 0.75
    assert gap(shape(closed, jaw_open=jaw_open, speaking=1.0)) == pytest.approx(gap(shape(closed, jaw_open=jaw_open)), abs=1e-3)


def test_lips_that_touch_stay_where_they_are(closed):
    assert closed.displacements(coefficients(speaking=1.0)).abs().max() < 0.003


def test_pressing_makes_lips_thinner_that_touch_already(closed):
    """The slider once did nothing to a closed mouth: no look at it found the lips pressed."""
    moved = closed.displacements(coefficients(lips_press=1.0))[0, :, 1]
    middle = slice(3, -3)
    upper = (moved[UPPER_INNER_LIP] - moved[UPPER_OUTER_LIP])[middle]
    lower = (moved[LOWER_OUTER_LIP] - moved[LOWER_INNER_LIP])[middle]
    assert upper.min() > 0 and lower.min() > 0 and (upper + lower).mean() > 0.006


def test_a_furrow_lowers_the_whole_brow(closed):
    """It once drew only the inner ends together, which nobody saw."""
    moved = closed.displacements(coefficients(brow_furrow=1.0))[0]
    for brow in (RIGHT_BROW, LEFT_BROW):
        assert moved[brow, 1].median() < -0.015
