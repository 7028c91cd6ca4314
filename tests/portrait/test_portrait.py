import numpy as np
import pytest
import torch

from real3d_core.errors import MissingModelError, NoFaceError
from real3d_core.face.landmarks import FaceLandmarks
from real3d_core.media.pictures import load_picture
from real3d_core.mediapipe_models import model_files
from real3d_core.mediapipe_models.model_files import FACE_LANDMARKER, SELFIE_SEGMENTER, ModelFolders
from real3d_core.portrait.portrait import _cap, prepare_portrait
from real3d_core.portrait.segmentation import person_mask
from real3d_core.render.camera import project


@pytest.fixture(scope="module")
def photo(assets):
    return load_picture(assets / "portraits" / "astronaut.png")


@pytest.fixture(scope="module")
def portrait(photo):
    return prepare_portrait(photo, ModelFolders())


def test_the_face_fills_the_wanted_area_and_the_head_is_in_the_middle(portrait):
    points = portrait.landmarks[:, :2].numpy()
    assert np.prod(np.ptp(points, axis=0)) == pytest.approx(0.2, abs=0.03)
    assert np.abs(points.mean(0) - 0.5).max() < 0.06


def test_the_camera_sees_the_face_where_the_photo_shows_it(portrait):
    from real3d_core.analytic.solid import landmarks_in_world

    world = landmarks_in_world(portrait)
    seen, _ = project(portrait.camera.new_tensor(world), portrait.camera[0])
    assert (seen - portrait.landmarks[:, :2]).abs().max() < 1e-4


def test_the_same_photo_gives_the_same_portrait(photo, portrait):
    again = prepare_portrait(photo, ModelFolders())
    assert (again.plates.person == portrait.plates.person).all()
    assert (again.plates.head == portrait.plates.head).all()


def test_nothing_of_the_head_remains_in_the_background(portrait):
    """Hair and skin are far from this photo's pale wall; behind the face the plate must be wall."""
    face = portrait.landmarks[4, :2]
    row, column = int(face[1] * 512), int(face[0] * 512)
    behind = portrait.background[0, :, row - 20 : row + 20, column - 20 : column + 20]
    wall = portrait.background[0, :, 10:50, 10:50]
    assert (behind.mean((1, 2)) - wall.mean((1, 2))).abs().max() < 0.25


def test_a_mask_given_by_the_user_beats_the_segmenter(photo):
    mask = np.zeros(photo.shape[:2], np.float32)
    mask[:, 150:300] = 1
    person = prepare_portrait(photo, ModelFolders(), mask).person_mask[0, 0]
    columns = (person > 0.5).any(0).nonzero()[:, 0]
    assert columns.min() > 60 and columns.max() < 470  # columns 150..300 of the photo, in the crop of 218 pixels from 116 on


def test_a_soft_mask_that_leaves_the_head_out_is_taken_as_it_is(photo):
    rows, columns = np.mgrid[:512, :512]
    mask = np.clip(1 - np.hypot(rows - 265, columns - 300) / 20, 0, 1).astype(np.float32)
    prepared = prepare_portrait(photo, ModelFolders(), mask)
    assert prepared.plates.person.max() > 0.9 and prepared.plates.head_mask.max() == 0


def with_transparency(photo, opacity):
    return np.dstack([photo[..., :3], np.rint(255 * opacity).astype(np.uint8)])


def test_what_hides_under_transparency_never_shows(photo, portrait):
    """Cutting tools leave the old background, or anything, in the colours of transparent pixels."""
    opacity = person_mask(photo[..., :3].copy(), FaceLandmarks(ModelFolders()).in_picture(photo[..., :3].copy())[0], ModelFolders()).round(
        2
    )
    opacity[opacity < 0.1] = 0
    cut, other = with_transparency(photo, opacity), with_transparency(photo, opacity)
    other[opacity == 0, :3] = np.random.default_rng(0).integers(0, 256, (int((opacity == 0).sum()), 3))
    first, second = prepare_portrait(cut, ModelFolders()), prepare_portrait(other, ModelFolders())
    for name in ("photo", "head", "torso", "background", "person"):
        assert torch.equal(getattr(first.plates, name), getattr(second.plates, name)), name
    assert first.background[0, :, 20:60, 20:60].min() > 0.98
    assert (first.person_mask - portrait.person_mask).abs().mean() < 0.05


def test_a_round_picture_is_no_cut_out_person(photo, portrait):
    rows, columns = np.mgrid[:512, :512] - 255.5
    person = prepare_portrait(with_transparency(photo, rows**2 + columns**2 < 256**2), ModelFolders()).person_mask
    assert (person - portrait.person_mask).abs().mean() < 0.05


def test_a_head_cut_by_the_photos_edge_ends_in_a_cap_and_not_in_a_line_above_it():
    rows, columns = np.mgrid[:200, :201]
    head = (((rows - 95) ** 2 + (columns - 100) ** 2) < 100**2).astype(np.float32)
    cap = _cap(head, rows=60, offset=30, width=261)
    assert cap[-1, 125:136].min() == 1
    assert cap[:50].max() == 0


def test_without_the_segmenter_grabcut_cuts_the_person_out(assets, monkeypatch, tmp_path):
    studio = load_picture(assets / "portraits" / "synthetic_p002.jpg")[..., :3].copy()
    landmarks = FaceLandmarks(ModelFolders()).in_picture(studio)[0]
    known = person_mask(studio, landmarks, ModelFolders()) > 0.5
    monkeypatch.setattr(model_files, "CARRIERS", ("no_such_package",))
    cut = person_mask(studio, landmarks, ModelFolders((tmp_path,))) > 0.5
    assert (known & cut).sum() / (known | cut).sum() > 0.85


def test_a_missing_landmark_model_is_named_with_its_source(monkeypatch, tmp_path):
    monkeypatch.setattr(model_files, "CARRIERS", ("no_such_package",))
    sentence = rf"^The model file 'face_landmarker\.task' is missing: download it from https://\S+ into the folder '{tmp_path}'\.$"
    with pytest.raises(MissingModelError, match=sentence):
        ModelFolders((tmp_path,)).find(FACE_LANDMARKER)


def test_the_users_own_file_comes_first(tmp_path):
    (tmp_path / SELFIE_SEGMENTER.name).write_bytes(b"mine")
    assert ModelFolders((tmp_path,)).find(SELFIE_SEGMENTER).parent == tmp_path


def test_no_face_is_one_sentence():
    with pytest.raises(NoFaceError, match="No face was found"):
        prepare_portrait(np.full((300, 300, 3), 127, np.uint8), ModelFolders())


def test_a_face_index_beyond_the_faces_is_refused(photo):
    with pytest.raises(NoFaceError, match="shows 1"):
        prepare_portrait(photo, ModelFolders(), face_index=1)


@pytest.mark.parametrize("scale", [0.5, 1.7], ids=["smaller", "larger and of another shape"])
def test_a_mask_of_another_size_is_fitted(photo, scale):
    import cv2

    mask = np.zeros(photo.shape[:2], np.float32)
    mask[60:, 120:400] = 1
    other = cv2.resize(mask, (round(mask.shape[1] * scale), round(mask.shape[0] * scale * scale)))
    wanted, fitted = (prepare_portrait(photo, ModelFolders(), one).person_mask for one in (mask, other))
    assert (wanted - fitted).abs().mean() < 0.01


def test_a_small_face_in_a_large_picture_is_found_on_tiles(photo):
    """The detector alone misses it: a face of 30 pixels in 1600."""
    import cv2

    small = cv2.resize(photo[..., :3], (180, 180), interpolation=cv2.INTER_AREA)
    wide = np.full((1200, 1600, 3), 200, np.uint8)
    wide[500:680, 900:1080] = small
    face = FaceLandmarks(ModelFolders()).in_picture(wide)[0]
    nose = face[4, :2]
    assert 900 < nose[0] < 1080 and 500 < nose[1] < 680


def test_a_face_of_many_megapixels_is_found_in_its_place(photo):
    import cv2

    finder = FaceLandmarks(ModelFolders())
    large = cv2.resize(photo[..., :3], None, fx=5, fy=6, interpolation=cv2.INTER_CUBIC)
    face, wanted = finder.in_picture(large)[0], finder.in_picture(photo[..., :3].copy())[0]
    assert np.abs(face[:, :2] / [5, 6] - wanted[:, :2]).mean() < 1


def test_of_two_faces_the_largest_comes_first(assets):
    import cv2

    large = cv2.resize(load_picture(assets / "portraits" / "synthetic_p009.jpg")[..., :3], (512, 512))
    small = cv2.resize(load_picture(assets / "portraits" / "synthetic_p002.jpg")[..., :3], (300, 300))
    both = np.full((512, 900, 3), 128, np.uint8)
    both[:300, :300] = small
    both[:, 388:] = large
    faces = FaceLandmarks(ModelFolders()).in_picture(both)
    assert len(faces) == 2
    assert faces[0][4, 0] > 388 > faces[1][4, 0]
