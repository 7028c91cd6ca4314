"""Colours beyond a head's outline, which a turn uncovers."""

import cv2
import numpy as np
import pytest

from real3d_core.analytic.outskirts import with_outskirts
from real3d_core.face.landmark_sets import EARS, JAW_CORNERS, MIDLINE
from real3d_core.face.measures import face_height_of
from real3d_core.portrait.plates import plate_pixels

OUTSIDE = 0.1  # face heights


@pytest.fixture(scope="module")
def drawn(portrait):
    """A head plate of curly hair, its matte, landmarks and face height, all in pixels of a 512 px crop."""
    plates = portrait.plates.resized(512)
    points = plate_pixels(portrait.landmarks.numpy()[:, :2], plates.side)
    return plates.head[0, :3].permute(1, 2, 0).numpy(), plates.head_mask[0, 0].numpy(), points, float(face_height_of(points))


def detail(colours):
    """How much neighbours differ, [H, W]."""
    down, across = np.gradient(colours.mean(axis=2))
    return np.hypot(down, across)


def test_hair_goes_on_beyond_its_outline_with_detail_of_its_own(drawn):
    """It was drawn out into bars: each pixel had the colour of the nearest one inside."""
    colours, matte, landmarks, face_height = drawn
    continued = with_outskirts(colours, matte, landmarks, face_height)
    row = round(landmarks[:, 1].min())  # the top of the face: hair on both sides
    left = int(np.flatnonzero(matte[row] > 0.95)[0])
    beyond = np.s_[row - 40 : row + 40, left - round(OUTSIDE * face_height) - 10 : left - 10]
    inside = np.s_[row - 40 : row + 40, left + 10 : left + round(OUTSIDE * face_height) + 10]
    assert detail(continued)[beyond].mean() > 0.5 * detail(colours)[inside].mean()
    assert detail(colours)[beyond].mean() < 0.4 * detail(colours)[inside].mean()


def test_hair_goes_on_as_far_as_the_side_of_a_turned_head_reaches(drawn):
    """Half as far from the outline as that, everything was smooth, and beyond the colours of who knows what."""
    colours, matte, landmarks, face_height = drawn
    continued = with_outskirts(colours, matte, landmarks, face_height)
    row = round(landmarks[:, 1].min())
    left = int(np.flatnonzero(matte[row] > 0.95)[0])
    far, inside = left - round(0.35 * face_height), left + round(0.05 * face_height)
    beyond, hair = (np.s_[row - 30 : row + 30, at - 10 : at + 10] for at in (far, inside))
    assert detail(continued)[beyond].mean() > 0.3 * detail(colours)[hair].mean()
    assert np.abs(continued[beyond].mean(axis=(0, 1)) - colours[hair].mean(axis=(0, 1))).max() < 0.1


def test_far_behind_narrow_hair_there_is_detail_too(drawn):
    """Its mirror image ends soon: behind the ears of short-haired heads all was flat."""
    colours, matte, landmarks, face_height = drawn
    row = round(landmarks[:, 1].min())
    left = int(np.flatnonzero(matte[row] > 0.95)[0])
    narrow = colours.copy()
    skin = np.median(colours[landmarks[MIDLINE, 1].astype(int), landmarks[MIDLINE, 0].astype(int)], axis=0)
    narrow[row - 40 : row + 40, left + round(0.07 * face_height) : left + round(0.4 * face_height)] = skin
    continued = with_outskirts(narrow, matte, landmarks, face_height)
    far = np.s_[row - 15 : row + 15, left - round(0.35 * face_height) - 10 : left - round(0.35 * face_height) + 10]
    assert detail(continued)[far].mean() > 0.4 * detail(colours)[row - 15 : row + 15, left + 2 : left + 12].mean()


@pytest.mark.parametrize("side", [-1, 1])
def test_where_hair_meets_an_ear_nothing_of_the_ear_goes_on_behind_it(drawn, side):
    """Pixels in which both are mixed lent their detail: red lines went to and fro behind the ears of turned heads."""
    colours, _, landmarks, face_height = drawn
    ear, cut, level, middle = with_an_ear(drawn, side)
    share = cv2.GaussianBlur(ear.astype(np.float32), (0, 0), 0.012 * face_height)[..., None]
    eared = (colours + (np.array([0.6, 0.15, 0.1], np.float32) - colours) * share).astype(np.float32)
    continued = with_outskirts(eared, cut, landmarks, face_height)
    rows, columns = np.mgrid[: len(cut), : len(cut)]
    away = ((columns - middle) * side) / face_height
    behind = (cut < 0.05) & (np.abs(rows - level) < 0.15 * face_height) & (away > 0.55) & (away < 0.85)
    assert np.quantile((continued[..., 0] - continued[..., 1])[behind], 0.99) < 0.15


def test_what_the_photo_surely_shows_stays_as_it_is(drawn):
    colours, matte, landmarks, face_height = drawn
    continued = with_outskirts(colours, matte, landmarks, face_height)
    above_jaw = np.arange(len(matte))[:, None] < landmarks[[172, 397], 1].min() - 2
    assert np.abs(continued - colours)[(matte > 0.9) & above_jaw].max() < 1e-6


def test_below_the_jaw_skin_goes_on_not_a_collar(drawn):
    colours, matte, landmarks, face_height = drawn
    collared = colours.copy()
    chin = landmarks[152].round().astype(int)
    collared[chin[1] + round(0.02 * face_height) :] = 1.0
    continued = with_outskirts(collared, matte, landmarks, face_height)
    face = colours[chin[1] - round(0.1 * face_height), chin[0]]
    below = continued[chin[1] + round(0.06 * face_height), chin[0]]
    assert np.abs(below / below.sum() - face / face.sum()).max() < 0.03
    assert 0.5 < below.sum() / face.sum() < 1  # as dark as the jaw's edge


def test_a_beard_below_the_jaw_stays_as_it_is(drawn):
    """As unlike the jaw's skin as a collar, it was smoothed away."""
    colours, matte, landmarks, face_height = drawn
    chin, (rows, columns) = landmarks[152], np.mgrid[: len(matte), : len(matte)]
    beard = np.hypot(columns - chin[0], rows - chin[1]) < 0.18 * face_height
    strands = np.random.default_rng(0).uniform(0.05, 0.3, (*matte.shape, 1)).astype(np.float32)
    bearded = np.where(beard[..., None], strands, colours)
    continued = with_outskirts(bearded, np.maximum(matte, beard), landmarks, face_height)
    inner = np.hypot(columns - chin[0], rows - chin[1]) < 0.15 * face_height
    assert np.abs(continued - bearded)[inner].max() < 1e-6


def test_below_the_jaw_its_own_shadow_stays(drawn):
    """It was taken for something foreign: in speech a light ledge went along with the chin."""
    colours, matte, landmarks, face_height = drawn
    chin = landmarks[152].round().astype(int)
    rows, columns = np.mgrid[: len(matte), : len(matte)]
    below = (matte > 0.99) & (rows > chin[1]) & (np.abs(columns - chin[0]) < 0.1 * face_height)
    assert below.sum() > 20
    shaded = colours.copy()
    shaded[below] = 0.7 * colours[chin[1] - round(0.04 * face_height), chin[0]]
    assert np.abs(with_outskirts(shaded, matte, landmarks, face_height) - shaded)[below].max() < 0.03


def test_below_a_jaw_in_shadow_no_light_band_begins(drawn):
    """A turned head had its jaw's shadow drawn along it as a line: what the turn uncovered below was as light as the face."""
    colours, matte, landmarks, face_height = drawn
    chin = landmarks[152].round().astype(int)
    rows, columns = np.mgrid[: len(matte), : len(matte)]
    near = (np.abs(columns - chin[0]) < 0.1 * face_height) & (rows > chin[1] - 0.01 * face_height)
    shaded = colours.copy()
    shaded[near] = 0.7 * colours[chin[1] - round(0.06 * face_height), chin[0]]
    continued = with_outskirts(shaded, matte, landmarks, face_height)
    assert continued[chin[1] + round(0.05 * face_height), chin[0]].sum() < 1.05 * shaded[chin[1], chin[0]].sum()


def test_where_a_jaw_meets_dark_hair_no_dark_line_is_left(drawn):
    """Pixels in which skin and hair are mixed were taken for skin in shadow: a dotted line went along a turned jaw."""
    colours, matte, landmarks, face_height = drawn
    chin = landmarks[152].round().astype(int)
    rows, columns = np.mgrid[: len(matte), : len(matte)]
    band = (np.abs(columns - chin[0]) < 0.1 * face_height) & (matte > 0.5)
    last = chin[1] + round(0.01 * face_height)
    skin = colours[chin[1] - round(0.06 * face_height), chin[0]]
    haired = colours.copy()
    haired[band & (rows > chin[1] - 0.04 * face_height)] = skin
    haired[band & (rows >= last)] = 0.65 * skin
    haired[band & (rows > last)] = 0.02
    continued = with_outskirts(haired, matte, landmarks, face_height)
    below = np.s_[chin[1] - round(0.03 * face_height) : chin[1] + round(0.05 * face_height), chin[0]]
    assert continued[below].sum(axis=1).min() > 0.8 * skin.sum()


def with_an_ear(drawn, side):
    """Where an ear is on that side [H, W], the matte of a head that ends in it, and the place between the ears: row and column."""
    _, matte, landmarks, face_height = drawn
    rows, columns = np.mgrid[: len(matte), : len(matte)]
    level, middle = landmarks[EARS, 1].mean(), landmarks[MIDLINE, 0].mean()
    beside = (columns - middle) * side
    ear = (np.abs(rows - level) < 0.2 * face_height) & (beside > 0.4 * face_height)
    return ear, np.where(ear & (beside > 0.5 * face_height), 0, matte), level, middle


@pytest.mark.parametrize("side", [-1, 1])
def test_behind_an_ear_hair_goes_on(drawn, side):
    """The ear's skin went on: a turned head had a band of it from the ear up, before the hair."""
    colours, matte, landmarks, face_height = drawn
    ear, cut, level, middle = with_an_ear(drawn, side)
    eared = colours.copy()
    skin = colours[landmarks[[205, 425], 1].round().astype(int), landmarks[[205, 425], 0].round().astype(int)].mean(axis=0)
    eared[ear] = skin
    continued = with_outskirts(eared, cut, landmarks, face_height)
    behind = continued[round(level), round(middle + side * 0.56 * face_height)]
    hair = np.median(colours[round(landmarks[:, 1].min()) - 20, (matte > 0.95)[round(landmarks[:, 1].min()) - 20]], axis=0)
    assert np.linalg.norm(behind - hair) < 0.4 * np.linalg.norm(skin - hair)


@pytest.mark.parametrize("side", [-1, 1])
def test_behind_an_ear_in_the_shade_hair_goes_on(drawn, side):
    """As dark as hair, it was taken for that: it went on as a dark red band."""
    colours, _, landmarks, face_height = drawn
    ear, cut, level, middle = with_an_ear(drawn, side)
    dark = np.array([0.12, 0.1, 0.09], np.float32)
    haired = np.where((np.mgrid[: len(cut), : len(cut)][0] < landmarks[:, 1].min())[..., None], dark, colours)
    haired[ear] = [0.3, 0.08, 0.06]
    behind = with_outskirts(haired.astype(np.float32), cut, landmarks, face_height)[round(level), round(middle + side * 0.58 * face_height)]
    assert behind[0] < 1.5 * behind[1]


@pytest.mark.parametrize("side", [-1, 1])
def test_beside_short_hair_that_is_mixed_with_skin_hair_goes_on(drawn, side):
    """Colours of a bright temple went on: behind short hair a turned head was bald."""
    _, matte, landmarks, face_height = drawn
    rows, columns = np.mgrid[: len(matte), : len(matte)]
    top, middle = landmarks[:, 1].min(), landmarks[MIDLINE, 0].mean()
    hair, skin = np.array([0.3, 0.27, 0.25], np.float32), np.array([0.75, 0.55, 0.45], np.float32)
    cropped = np.where((rows < top + 0.05 * face_height)[..., None], hair, skin).astype(np.float32)
    beside = (columns - middle) * side > 0.28 * face_height
    cropped[beside & (rows > top - 0.1 * face_height) & (rows < top + 0.15 * face_height)] = 0.35 * hair + 0.65 * skin * [0.9, 1, 1]
    continued = with_outskirts(cropped, matte, landmarks, face_height)
    row = round(top + 0.02 * face_height)
    outline = np.flatnonzero(matte[row] > 0.5)[0 if side < 0 else -1]
    beyond = continued[row, round(outline + side * 0.15 * face_height)]
    assert np.linalg.norm(beyond - hair) < 0.4 * np.linalg.norm(skin - hair)


@pytest.mark.parametrize("side", [-1, 1])
def test_hair_that_is_light_and_grey_at_the_sides_goes_on_as_light(drawn, side):
    """As light as skin, it was taken for a bright temple: darker hair from above went on, beyond a line."""
    _, matte, landmarks, face_height = drawn
    rows, columns = np.mgrid[: len(matte), : len(matte)]
    top, middle = landmarks[:, 1].min(), landmarks[MIDLINE, 0].mean()
    hair, light, skin = (np.array(one, np.float32) for one in ((0.4, 0.4, 0.41), (0.8, 0.8, 0.82), (0.8, 0.57, 0.47)))
    grey = np.where((rows < top)[..., None], hair, skin)
    grey[((columns - middle) * side > 0.3 * face_height) & (np.abs(rows - top) < 0.3 * face_height)] = light
    row = round(top)
    outline = np.flatnonzero(matte[row] > 0.5)[0 if side < 0 else -1]
    beyond = with_outskirts(grey, matte, landmarks, face_height)[row, round(outline + side * 0.1 * face_height)]
    assert beyond.min() > 0.7


@pytest.mark.parametrize("side", [-1, 1])
def test_behind_the_ear_of_a_bald_head_its_skin_goes_on(drawn, side):
    """The ear's edge went on, which is red, or dark where light comes from behind: a turned head had a red patch beside its ears."""
    colours, _, landmarks, face_height = drawn
    ear, cut, level, middle = with_an_ear(drawn, side)
    skin, red = np.array([0.75, 0.55, 0.45], np.float32), np.array([0.5, 0.1, 0.1], np.float32)
    bald = np.where(ear[..., None], red, np.broadcast_to(skin, colours.shape)).astype(np.float32)
    behind = with_outskirts(bald, cut, landmarks, face_height)[round(level), round(middle + side * 0.58 * face_height)]
    assert np.linalg.norm(behind - skin) < 0.3 * np.linalg.norm(red - skin)


@pytest.mark.parametrize("side", [-1, 1])
def test_the_skin_of_a_bald_head_goes_on_with_its_texture(drawn, side):
    """Smooth skin stood beside the photo's, and a line between the two was seen."""
    _, matte, landmarks, face_height = drawn
    noise = np.random.default_rng(0).normal(0, 0.03, (*matte.shape, 1))
    bald = (np.array([0.75, 0.55, 0.45]) + noise).astype(np.float32)
    row = round(landmarks[:, 1].min())
    outline = np.flatnonzero(matte[row] > 0.95)[0 if side < 0 else -1]
    beyond, inside = (np.s_[row - 20 : row + 20, at - 10 : at + 10] for at in (outline + side * 25, outline - side * 25))
    continued = detail(with_outskirts(bald, matte, landmarks, face_height))
    assert continued[beyond].mean() > 0.4 * continued[inside].mean()


@pytest.mark.parametrize("corner", JAW_CORNERS)
def test_beside_hanging_hair_a_jaw_comes_out_from_behind_it(long_haired, corner):
    """Its skin began in a level step at the jaw's corner: a flap of it stood out from a turned head, before the hair."""
    plates = long_haired.plates.resized(512)
    landmarks = plate_pixels(long_haired.landmarks.numpy()[:, :2], plates.side)
    face_height = float(face_height_of(landmarks))
    colours, matte = plates.head[0, :3].permute(1, 2, 0).numpy(), plates.head_mask[0, 0].numpy()
    continued = with_outskirts(colours, matte, landmarks, face_height)
    row, column = landmarks[corner, 1] + 0.05 * face_height, landmarks[corner, 0]
    away = np.sign(column - landmarks[MIDLINE, 0].mean()) * 0.05 * face_height
    beyond, jaw = continued[round(row), round(column + away)], continued[round(row), round(column - 2 * away)]
    assert beyond.sum() < 0.4 * jaw.sum()
