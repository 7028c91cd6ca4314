"""The face networks as ComfyUI's own face landmarker keeps them."""

import numpy as np
import pytest
import torch
from core_face_file import write_core_face_file
from safetensors.torch import load_file, save_file

from real3d_core.errors import MissingModelError
from real3d_core.face.canonical_face import canonical_face
from real3d_core.face.landmarks import FaceLandmarks
from real3d_core.media.pictures import load_picture
from real3d_core.mediapipe_models import model_files
from real3d_core.mediapipe_models.landmarker import TorchLandmarker
from real3d_core.mediapipe_models.model_files import FACE_LANDMARKER, ModelFolders
from real3d_core.mediapipe_models.networks import face_networks


@pytest.fixture(scope="module")
def bundle():
    return ModelFolders().find(FACE_LANDMARKER)


@pytest.fixture(scope="module")
def folder(bundle, tmp_path_factory):
    """Holds the file, as the host's folder of detection models does."""
    folder = tmp_path_factory.mktemp("detection")
    write_core_face_file(bundle, canonical_face(ModelFolders()), folder / FACE_LANDMARKER.stand_in)
    return folder


@pytest.fixture
def nothing_carried(monkeypatch):
    monkeypatch.setattr(model_files, "CARRIERS", ("no_such_package",))


def test_its_detector_is_the_bundle_s(bundle, folder):
    pictures = torch.rand(2, 128, 128, 3, generator=torch.manual_seed(1)) * 2 - 1
    expected, found = (face_networks(path).detector(pictures) for path in (bundle, folder / FACE_LANDMARKER.stand_in))
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, atol=2e-3, rtol=1e-4)


def test_its_canonical_face_is_the_bundle_s(folder, nothing_carried, bundle):
    found, expected = canonical_face(ModelFolders((folder,))), canonical_face(ModelFolders((bundle.parent,)))
    assert np.abs(found.points - expected.points).max() < 1e-5 and np.abs(found.weights - expected.weights).max() < 1e-6


def test_it_comes_last(folder, bundle, nothing_carried, tmp_path, monkeypatch):
    assert (
        ModelFolders(
            (
                tmp_path,
                folder,
            )
        )
        .find(FACE_LANDMARKER)
        .suffix
        == ".safetensors"
    )
    (tmp_path / FACE_LANDMARKER.name).write_bytes(b"mine")
    assert (
        ModelFolders(
            (
                folder,
                tmp_path,
            )
        )
        .find(FACE_LANDMARKER)
        .name
        == FACE_LANDMARKER.name
    )
    monkeypatch.undo()
    assert ModelFolders((folder,)).find(FACE_LANDMARKER) == bundle


def test_points_of_its_network_lie_where_the_region_is(folder, assets, nothing_carried):
    photo = load_picture(assets / "portraits" / "astronaut.png")[..., :3]
    networks = face_networks(folder / FACE_LANDMARKER.stand_in)
    (region,) = TorchLandmarker(networks).regions(photo)
    (face,) = FaceLandmarks(ModelFolders((folder,))).in_picture(photo)
    seen, presence = networks.mesh(torch.zeros(1, 192, 192, 3))
    assert face.shape == (478, 3) and seen.shape == (1, 478, 3) and presence.shape == (1,)
    made_up = np.abs(face[:, :2] - (region.centre - region.side / 2)).max()  # made-up weights put all points near the region's corner
    assert made_up < region.side / 4


@pytest.mark.parametrize("damage", ["cut", "lacks", "shape"])
def test_another_or_a_damaged_file_is_one_sentence(folder, tmp_path, nothing_carried, damage, assets):
    target = tmp_path / FACE_LANDMARKER.stand_in
    tensors = load_file(folder / FACE_LANDMARKER.stand_in)
    if damage == "lacks":
        tensors = {name: tensor for name, tensor in tensors.items() if not name.startswith("mesh.")}
    if damage == "shape":
        tensors["mesh.stem.weight"] = torch.zeros(16, 3, 5, 5)
    save_file(tensors, target)
    if damage == "cut":
        target.write_bytes(target.read_bytes()[:5000])
    with pytest.raises(MissingModelError, match=r"mediapipe_face_fp32\.safetensors' cannot be used .*download it again"):
        FaceLandmarks(ModelFolders((tmp_path,))).in_picture(load_picture(assets / "portraits" / "astronaut.png")[..., :3])
