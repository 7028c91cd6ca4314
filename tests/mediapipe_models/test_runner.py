"""MediaPipe runs its models where it can, PyTorch where it cannot, and the two agree."""

import logging
import sys
import zipfile

import numpy as np
import pytest
import torch

from real3d_core.errors import MissingModelError
from real3d_core.face.landmarks import VIDEO_STEP_MS, FaceLandmarks
from real3d_core.media.clip import open_clip
from real3d_core.media.pictures import load_picture
from real3d_core.mediapipe_models.landmarker import TorchLandmarker, TorchVideoLandmarker
from real3d_core.mediapipe_models.model_files import FACE_LANDMARKER, SELFIE_SEGMENTER, ModelFolders
from real3d_core.mediapipe_models.networks import face_networks
from real3d_core.mediapipe_models.runner import landmarker, mediapipe_runs, segmenter, video_landmarker
from real3d_core.mediapipe_models.segmenter import TorchSegmenter
from real3d_core.portrait.portrait import prepare_portrait

AGREEMENT = 0.3  # pixels, the worst of 478 points
AT_A_CUT = 4.0  # pixels, where a clip's face jumps


@pytest.fixture(scope="module")
def model():
    return ModelFolders().find(FACE_LANDMARKER)


def worst(face: np.ndarray, other: np.ndarray) -> float:
    return float(np.linalg.norm(face[:, :2] - other[:, :2], axis=1).max())


def agreement_in_pictures(model, photos) -> None:
    torch_finder = TorchLandmarker(face_networks(model), faces=8)
    with landmarker(model, faces=8) as official:
        for photo in photos:
            expected, found = official.detect(photo), torch_finder.detect(photo)
            assert len(found) == len(expected) > 0
            assert max(worst(*pair) for pair in zip(found, expected, strict=True)) < AGREEMENT


def agreement_in_a_clip(model, frames) -> None:
    follower, apart = TorchVideoLandmarker(face_networks(model)), []
    with video_landmarker(model) as official:
        for number, frame in enumerate(frames):
            expected, found = (each.detect(frame, number * VIDEO_STEP_MS) for each in (official, follower))
            assert len(found) == len(expected)
            apart += [worst(*pair) for pair in zip(found, expected, strict=True)]
    assert np.median(apart) < AGREEMENT and max(apart) < AT_A_CUT


def test_pytorch_and_mediapipe_agree_on_our_portraits(model, assets):
    agreement_in_pictures(model, [load_picture(path)[..., :3] for path in sorted((assets / "portraits").iterdir())])


def test_pytorch_and_mediapipe_agree_on_the_development_portraits(model, shared_media):
    paths = sorted((shared_media / "portraits").iterdir()) + sorted((shared_media / "group").iterdir())
    agreement_in_pictures(model, [load_picture(path)[..., :3] for path in paths])


def test_both_find_nobody_where_nobody_is(model):
    wall = np.full((300, 400, 3), 127, np.uint8)
    with landmarker(model) as official:
        assert official.detect(wall) == TorchLandmarker(face_networks(model)).detect(wall) == []


def test_both_follow_a_face_that_moves_leaves_and_comes_back_elsewhere(model, assets):
    photo = load_picture(assets / "portraits" / "astronaut.png")[..., :3]
    moving = [np.roll(photo, (3 * number, 5 * number), axis=(0, 1)) for number in range(8)]
    nobody = [np.full_like(photo, 127)] * 2
    agreement_in_a_clip(model, [*moving, *nobody, *(frame[:, ::-1] for frame in moving[:3]), *moving[5:]])


@pytest.mark.parametrize("name", ["carphone.mp4", "face_then_noface.mov", "may_5s.mp4"])
def test_both_follow_the_face_of_a_driving_clip(model, shared_media, name):
    agreement_in_a_clip(model, open_clip(shared_media / "driving" / name).frames())


def test_both_see_the_same_person(assets):
    model = ModelFolders().find(SELFIE_SEGMENTER)
    photo = load_picture(assets / "portraits" / "synthetic_p009_selfie.jpg")[..., :3]
    with segmenter(model) as official:
        expected = official.confidences(photo)
    assert np.abs(TorchSegmenter(model).confidences(photo) - expected).mean() < 1e-3


def test_a_class_is_the_likeliest_one(assets, monkeypatch):
    opened = TorchSegmenter(ModelFolders().find(SELFIE_SEGMENTER))
    sure = torch.zeros(1, 2, 2, 3)
    sure[0, 0, 1, 2] = sure[0, 1, 0, 1] = 1
    monkeypatch.setattr(opened, "_network", type("Fixed", (), {"side": 2, "__call__": lambda self, pictures: [sure]})())
    assert opened.categories(np.zeros((2, 2, 3), np.uint8)).tolist() == [[0, 2], [1, 0]]


def test_mediapipe_is_the_first_choice_and_the_log_says_so_once(model, caplog):
    mediapipe_runs.cache_clear()
    with caplog.at_level(logging.DEBUG, "real3d"):
        for _ in range(2):
            with landmarker(model):
                pass
    assert [record.message for record in caplog.records] == ["MediaPipe runs 'face_landmarker.task'."]


@pytest.mark.parametrize("failure", ["OSError('libEGL.so.1')", "ImportError('no wheel')", "TypeError('protobuf')", "AttributeError('x')"])
def test_pytorch_is_the_second_choice_whatever_mediapipe_raises(model, failure, without_mediapipe, broken_mediapipe, caplog):
    (broken_mediapipe / "mediapipe" / "__init__.py").write_text(f"raise {failure}\n")
    with caplog.at_level(logging.INFO, "real3d"):
        for _ in range(2):
            with landmarker(model) as finder:
                assert isinstance(finder, TorchLandmarker)
    assert len(caplog.records) == 1 and "PyTorch runs 'face_landmarker.task'" in caplog.text and failure.partition("(")[0] in caplog.text


def test_pytorch_is_the_second_choice_where_mediapipe_imports_but_opens_nothing(model, monkeypatch):
    vision = pytest.importorskip("mediapipe.tasks.python.vision")

    def fail(options):
        raise RuntimeError("no device")

    monkeypatch.setattr(vision.FaceLandmarker, "create_from_options", fail)
    mediapipe_runs.cache_clear()
    with landmarker(model) as finder:
        assert isinstance(finder, TorchLandmarker)
    mediapipe_runs.cache_clear()


def test_a_portrait_is_the_same_without_mediapipe(assets, request):
    photo = load_picture(assets / "portraits" / "astronaut.png")
    expected = prepare_portrait(photo, ModelFolders())
    request.getfixturevalue("without_mediapipe")
    found = prepare_portrait(photo, ModelFolders())
    assert "mediapipe" not in sys.modules
    assert worst(found.landmarks.numpy() * 512, expected.landmarks.numpy() * 512) < AGREEMENT
    assert (found.plates.person - expected.plates.person).abs().mean() < 0.01


def test_small_faces_are_found_on_tiles_without_mediapipe_too(assets, without_mediapipe):
    photo = load_picture(assets / "portraits" / "synthetic_p002.jpg")[..., :3][::5, ::5]
    canvas = np.full((1600, 1200, 3), 127, np.uint8)
    canvas[300 : 300 + len(photo), 800 : 800 + photo.shape[1]] = photo
    (face,) = FaceLandmarks(ModelFolders()).in_picture(canvas)
    assert 800 < face[:, 0].mean() < 800 + photo.shape[1]


@pytest.mark.parametrize("content", [b"", b"PK\5\6" + bytes(18), b"nothing" * 400])
def test_a_damaged_model_file_is_one_sentence(tmp_path, content):
    for name, opened in ((FACE_LANDMARKER.name, landmarker), (SELFIE_SEGMENTER.name, segmenter)):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(MissingModelError, match=f"{name}' cannot be used .*download it again"), opened(tmp_path / name):
            pass


def test_a_network_that_only_mediapipe_knows_is_one_sentence_and_not_called_damaged(model, tmp_path, without_mediapipe):
    with zipfile.ZipFile(model) as bundle:
        (tmp_path / "other.tflite").write_bytes(bundle.read("face_blendshapes.tflite"))
    with (
        pytest.raises(MissingModelError, match=r"other\.tflite' needs MediaPipe.*operator \d+ is not supported"),
        segmenter(tmp_path / "other.tflite"),
    ):
        pass


def test_the_number_of_threads_stays_as_it_was(model, assets):
    photo = load_picture(assets / "portraits" / "astronaut.png")[..., :3]
    torch.set_num_threads(2)
    TorchLandmarker(face_networks(model)).detect(photo)
    assert torch.get_num_threads() == 2
    torch.set_num_threads(1)
