"""The neck behind the jaw, which a turned head uncovers."""

import cv2
import numpy as np
import pytest

from real3d_core.face.canonical_face import canonical_face
from real3d_core.face.landmark_sets import BELOW_EAR_LOBES, CHIN, FACE_OVAL, MOUTH_CORNERS
from real3d_core.mediapipe_models.model_files import ModelFolders
from real3d_core.portrait.hair import beard_below
from real3d_core.portrait.plates import make_plates
from real3d_core.portrait.segmentation import away_from_face, head_region

SIDE = 300
NOTHING_BARE = np.zeros((SIDE, SIDE), np.float32)
SKIN, COLLAR, BEHIND, HAIR = (0.75, 0.55, 0.42), (0.95, 0.96, 0.98), (0.3, 0.35, 0.4), (0.07, 0.06, 0.06)


@pytest.fixture(scope="module")
def landmarks(canonical):
    """[478, 3] pixels: a frontal face, 150 px high."""
    points = np.concatenate([canonical, canonical[:10]]) * [1, -1, -1]
    points = (points - canonical[:468].mean(axis=0) * [1, -1, -1]) * 150 / np.ptp(canonical[:, 1])
    return (points + np.array([150, 120, 0])).astype(np.float32)


@pytest.fixture(scope="module")
def canonical():
    return canonical_face(ModelFolders()).points


@pytest.fixture(scope="module")
def figure(landmarks):
    """A bald figure with a collar that reaches the jaw on the right: photo [SIDE, SIDE, 3] and person [SIDE, SIDE]."""
    person = np.zeros((SIDE, SIDE), np.uint8)
    cv2.fillConvexPoly(person, cv2.convexHull(landmarks[FACE_OVAL, :2].round().astype(np.int32)), 1)
    neck = person.copy()
    cv2.rectangle(neck, (112, 140), (188, 240), 1, -1)
    cv2.rectangle(neck, (60, 225), (240, SIDE), 1, -1)
    photo = np.where(neck[..., None] > 0, SKIN, BEHIND).astype(np.float32)
    photo[185:, 155:189][neck[185:, 155:189] > person[185:, 155:189]] = COLLAR
    return photo, neck.astype(np.float32)


@pytest.fixture(scope="module")
def plates(figure, landmarks):
    return make_plates(*figure, landmarks, np.ones((SIDE, SIDE), bool))


@pytest.fixture(scope="module")
def torso(plates):
    return plates.torso[0].permute(1, 2, 0).numpy()


def test_the_neck_goes_on_behind_the_jaw_up_to_its_own_edge(torso):
    """It kept a twentieth of the face's height away from the person's outline, so a turned jaw left a pointed gap."""
    beside_the_jaw = 178
    assert torso[beside_the_jaw, 116:184, 3].min() > 0.75


def test_a_collar_does_not_go_on_behind_the_face(torso):
    part = torso[150:175, 116:184, :3]
    chromaticity = part / part.sum(axis=2, keepdims=True)
    assert np.abs(chromaticity - np.array(SKIN) / sum(SKIN)).max() < 0.03


def test_a_head_seen_from_its_side_is_whole(landmarks):
    """The tip of its nose lies on the outline; all that did not hang together with that was taken for a raised collar."""
    angle = np.radians(60)
    turned = landmarks - landmarks.mean(axis=0)
    turned[:, 0] = turned[:, 0] * np.cos(angle) - turned[:, 2] * np.sin(angle)
    turned += landmarks.mean(axis=0)
    person = np.zeros((SIDE, SIDE), np.float32)
    cv2.fillConvexPoly(person, cv2.convexHull(turned[:, :2].round().astype(np.int32)), 1.0)
    region, *_ = head_region(turned, person, away_from_face(turned, SIDE, SIDE), NOTHING_BARE)
    middle = turned[FACE_OVAL, :2].mean(axis=0).round().astype(int)
    assert region[middle[1], middle[0]] == 1


@pytest.fixture(scope="module")
def haired(landmarks):
    """A figure whose hair hangs down beside its face and neck: its plates, and its face [SIDE, SIDE]."""
    face = np.zeros((SIDE, SIDE), np.uint8)
    cv2.fillConvexPoly(face, cv2.convexHull(landmarks[FACE_OVAL, :2].round().astype(np.int32)), 1)
    person, neck = face.copy(), face.copy()
    cv2.rectangle(person, (70, 20), (230, SIDE), 1, -1)
    cv2.rectangle(neck, (110, 140), (190, SIDE), 1, -1)
    photo = np.where(person[..., None] > 0, HAIR, BEHIND)
    photo = np.where(neck[..., None] > 0, SKIN, photo).astype(np.float32)
    return make_plates(photo, person.astype(np.float32), landmarks, np.ones((SIDE, SIDE), bool)), face


def test_a_jaw_that_moves_beside_hair_bares_hair(haired):
    """Skin stood there, which showed as scraps along the jaw when the mouth moved."""
    plates, face = haired
    torso = plates.torso[0].permute(1, 2, 0).numpy()
    row = 175  # of the jaw's corner
    left = int(np.flatnonzero(face[row])[0])
    assert torso[row, left : left + 2, 0].max() < 0.35


def test_behind_a_jaw_that_shades_the_neck_it_stays_in_shadow(figure, landmarks):
    """A head that rose bared a flat light band with a hard lower edge."""
    photo, person = figure
    shaded = photo.copy()
    edge, lit = 205, 222  # rows: the jaw ends at 197
    shadow = np.linspace(0.4, 1, lit - 195)[:, None, None] ** [1, 1.3, 1.4]  # redder, as it is on skin
    shaded[195:lit, 130:150] *= shadow.astype(np.float32)
    torso = make_plates(shaded, person, landmarks, np.ones((SIDE, SIDE), bool)).torso[0].permute(1, 2, 0).numpy()
    at_edge = torso[edge, 136:144, :3].mean()
    assert 0.7 * at_edge < torso[180, 136:144, :3].mean() < 1.1 * at_edge


def test_a_neck_in_warmer_light_than_the_face_goes_on_as_it_is(figure, landmarks):
    """It was taken for cloth: what went on behind the jaw was the shadow beside it, and a dark line showed as soon as the jaw moved."""
    photo, person = figure
    photo, below = photo.copy(), person.copy()
    cv2.fillConvexPoly(below, cv2.convexHull(landmarks[FACE_OVAL, :2].round().astype(np.int32)), 0.0)
    warm = np.array([0.7, 0.44, 0.3], np.float32)
    photo[below > 0] = warm
    photo[below > 0] *= np.where(np.arange(SIDE) < 150, 0.5, 1)[None, :, None].repeat(SIDE, axis=0)[below > 0]  # half of it in shadow
    torso = make_plates(photo, person, landmarks, np.ones((SIDE, SIDE), bool)).torso[0].permute(1, 2, 0).numpy()
    row = int(np.flatnonzero(below[:, 180]).min())
    assert np.abs(torso[row - 3, 172:184, :3] - warm).max() < 0.1


def test_the_neck_behind_the_jaw_is_as_textured_as_the_one_below(figure, landmarks):
    photo, person = figure
    noisy = photo + np.random.default_rng(0).normal(0, 0.03, photo.shape).astype(np.float32)
    torso = make_plates(noisy, person, landmarks, np.ones((SIDE, SIDE), bool)).torso[0].permute(1, 2, 0).numpy()
    below, behind = (np.diff(torso[rows, 120:145, :3], axis=1).std() for rows in (slice(208, 222), slice(165, 180)))
    assert behind > 0.5 * below


def test_hair_on_the_shoulders_ends_in_a_slope_behind_the_heads(haired):
    """A turned head bared a step: the torso's hair ended in a level line, as broad as the photo's."""
    plates, _ = haired
    torso, firmness, head = plates.torso[0, 3].numpy(), plates.head[0, 3].numpy(), plates.head_mask[0, 0].numpy()
    corner = 167  # row of the jaw's corner
    level, above = (int(np.argmax(torso[row] > 0.5)) for row in (corner, corner - 14))
    assert level <= 71 and above > level + 8
    covers = head * (1 - (1 - firmness) * torso)
    assert (1 - (1 - covers) * (1 - torso))[corner - 30 : corner, 72:95].min() > 0.99


def test_a_neck_beside_the_jaw_stays_with_the_torso(haired, landmarks):
    """All that is above the jaw's corners was the head's: a turned one carried a bar of its neck along, or of its collar."""
    hairy, face = haired
    person = face.copy()
    cv2.rectangle(person, (80, 20), (220, 120), 1, -1)
    cv2.rectangle(person, (80, 150), (220, SIDE), 1, -1)
    photo = np.where(person[..., None] > 0, SKIN, BEHIND).astype(np.float32)
    photo[20:120][(person > face)[20:120]] = HAIR
    plates = make_plates(photo, person.astype(np.float32), landmarks, np.ones((SIDE, SIDE), bool))
    row = round(float(landmarks[BELOW_EAR_LOBES, 1].mean())) + 4
    left, right = np.flatnonzero(face[row])[[0, -1]]
    for beside in (left - 10, right + 10):
        assert plates.head_mask[0, 0, row, beside] < 0.05 and plates.torso[0, 3, row, beside] > 0.75
        assert hairy.head_mask[0, 0, row, beside] > 0.95  # what hangs there


def test_below_the_ears_an_outline_without_hair_is_skins(plates, haired, landmarks):
    """It was drawn like strands of hair: flakes of the jaw floated beside a turned one."""
    hairy, face = haired
    row = round(float(landmarks[BELOW_EAR_LOBES, 1].mean())) + 6
    beside = int(np.flatnonzero(face[row])[0]) - 8
    assert plates.hair[0, 0, row, beside] < 0.05 < 0.6 < hairy.hair[0, 0, row, beside]


@pytest.fixture(scope="module")
def bearded(figure, landmarks):
    """The same figure with a beard that hangs down before its neck."""
    photo, person = figure
    rows, columns = np.mgrid[:SIDE, :SIDE]
    chin = landmarks[CHIN]
    beard = (np.hypot((columns - chin[0]) / 40, (rows - chin[1] + 5) / 38) < 1) & (rows > landmarks[MOUTH_CORNERS, 1].mean() + 12)
    strands = np.random.default_rng(0).uniform(0.05, 0.25, (SIDE, SIDE, 1)).astype(np.float32)
    return np.where(beard[..., None], strands, photo), np.maximum(person, beard)


def test_a_beard_goes_with_the_head(bearded, figure, landmarks):
    """What of it hangs down below the chin stayed on the neck, with a grey slit above it, when the head was turned."""
    low = round(float(landmarks[CHIN, 1])) + 20, round(float(landmarks[CHIN, 0]))
    shown = np.ones((SIDE, SIDE), bool)
    with_beard, without = (make_plates(*one, landmarks, shown).head_mask[0, 0] for one in (bearded, figure))
    assert with_beard[low] > 0.99
    assert without[low] == 0
    assert with_beard[low[0] + 25, low[1]] == 0  # the neck below it


def test_a_beard_below_a_bare_chin_goes_with_the_head(bearded, figure, landmarks):
    """One along the jaw alone was none: its lower half stayed on the neck, with a strip of skin above it."""
    rows = np.arange(SIDE)[:, None, None]
    photo = np.where(rows < landmarks[CHIN, 1] - 9, figure[0], bearded[0])
    beard = beard_below(photo, bearded[1], landmarks[:, :2])
    assert beard[round(float(landmarks[CHIN, 1])) + 20, round(float(landmarks[CHIN, 0]))]


def test_a_beards_lowest_strands_go_with_it(bearded, landmarks):
    """They stayed on the neck as crumbs: 37 % of what hangs down in this picture."""
    photo, person = bearded
    dark = (photo.max(axis=2) < 0.3) & (np.arange(SIDE)[:, None] > landmarks[CHIN, 1] + 5)
    assert beard_below(photo, person, landmarks[:, :2])[dark].mean() > 0.75


def test_dark_cloth_below_a_beard_is_none(bearded, landmarks):
    photo, person = bearded
    below = (np.arange(SIDE)[:, None] > landmarks[CHIN, 1] + 10) & (person > 0)
    for cloth in (np.float32(0.12), np.random.default_rng(0).uniform(0.05, 0.25, (SIDE, SIDE, 1)).astype(np.float32)):
        clothed = np.where(below[..., None], cloth, photo)
        assert not beard_below(clothed, person, landmarks[:, :2])[round(float(landmarks[CHIN, 1])) + 20 :].any()
