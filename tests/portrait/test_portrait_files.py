"""Prepared portraits kept in files."""

from dataclasses import fields, replace

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from real3d_core.errors import Real3DError
from real3d_core.mediapipe_models.model_files import ModelFolders
from real3d_core.portrait.plates import Plates
from real3d_core.portrait.portrait import Portrait, prepare_portrait
from real3d_core.portrait.portrait_files import load_portraits, save_portraits
from real3d_core.render.planes_files import load_planes


@pytest.fixture(scope="module")
def portraits(assets) -> list[Portrait]:
    paths = [assets / "portraits" / name for name in ("astronaut.png", "synthetic_p002.jpg")]
    return [prepare_portrait(np.array(Image.open(path).convert("RGB")), ModelFolders()) for path in paths]


@pytest.fixture(scope="module")
def saved(portraits, tmp_path_factory):
    """(path, tensors, meaning) of a file with one portrait."""
    path = tmp_path_factory.mktemp("portraits") / "p.safetensors"
    save_portraits(path, portraits[:1])
    with safe_open(path, framework="pt") as file:
        return path, load_file(path), file.metadata()


def parts(portrait: Portrait) -> dict:
    """Every value of a portrait by name, those of its plates too."""
    return {one.name: getattr(portrait, one.name) for one in fields(Portrait)} | portrait.plates.__dict__


def test_saved_portraits_come_back_to_the_bit(portraits, tmp_path):
    save_portraits(tmp_path / "p.safetensors", portraits)
    loaded = load_portraits(tmp_path / "p.safetensors")
    assert len(loaded) == len(portraits)
    for one, other in zip(map(parts, loaded), map(parts, portraits), strict=True):
        for name, value in other.items():
            same = torch.equal(one[name], value) and one[name].dtype == value.dtype if isinstance(value, torch.Tensor) else True
            assert same, name
        assert all(one[name] == other[name] for name in ("scale", "window", "photo_size"))


def test_every_value_of_a_portrait_is_in_the_file(saved):
    """A field that is added to Portrait or Plates and forgotten here would be lost."""
    _, tensors, _ = saved
    whole = {one.name for one in fields(Portrait)} - {"plates", "scale", "window", "photo_size"}
    assert set(tensors) == {f"0.{name}" for name in whole} | {f"0.plates.{one.name}" for one in fields(Plates)}


def test_what_the_photo_shows_is_kept_in_bytes(saved):
    path, tensors, _ = saved
    assert tensors["0.plates.photo"].dtype == torch.uint8
    assert path.stat().st_size < 40e6


@pytest.mark.parametrize(
    "spoilt",
    [
        {"0.landmarks": torch.full((478, 3), float("nan"))},
        {"0.landmarks": torch.zeros(468, 3)},
        {"0.plates.head": torch.full((1, 4, 768, 768), float("inf"))},
        {"0.plates.head": torch.full((1, 4, 768, 768), 7.0)},
        {"0.plates.head": torch.zeros(1, 3, 768, 768)},
        {"0.plates.photo": torch.zeros(1, 3, 8, 8)},
        {"0.image": torch.zeros(1)},
        {"0.camera": None},
    ],
    ids=str,
)
def test_portraits_with_values_that_are_none_are_refused(saved, tmp_path, spoilt):
    _, tensors, meaning = saved
    save_file({name: value for name, value in {**tensors, **spoilt}.items() if value is not None}, tmp_path / "p.safetensors", meaning)
    with pytest.raises(Real3DError, match=r"'p\.safetensors' is damaged or incomplete: save the portrait again"):
        load_portraits(tmp_path / "p.safetensors")


@pytest.mark.parametrize(
    "told",
    [
        "[1]",
        "null",
        "[" * 100_000,
        '{"kind": "real3d-portrait-1"}',
        '{"kind": "real3d-portrait-1", "portraits": []}',
        '{"kind": "real3d-portrait-1", "portraits": [{"scale": NaN, "window": [0, 0, 512], "photo_size": [512, 512]}]}',
        '{"kind": "real3d-portrait-1", "portraits": [{"scale": 1, "window": [0, 0, 0], "photo_size": [512, 512]}]}',
        '{"kind": "real3d-portrait-1", "portraits": [{"scale": 1, "window": [0, 1e99, 512], "photo_size": [512, 512]}]}',
        '{"kind": "real3d-portrait-1", "portraits": [{"scale": 1, "window": [0, 0, 512], "photo_size": [512, -1]}]}',
        '{"kind": "real3d-portrait-1", "portraits": 5}',
    ],
    ids=lambda text: text[-40:],
)
def test_what_a_portraits_file_says_of_itself_is_a_table_or_refused(saved, tmp_path, told):
    _, tensors, _ = saved
    save_file(tensors, tmp_path / "p.safetensors", metadata={"real3d": told})
    with pytest.raises(Real3DError, match=r"'p\.safetensors'"):
        load_portraits(tmp_path / "p.safetensors")


def test_a_cut_off_file_is_refused_in_one_sentence(saved, tmp_path):
    whole = saved[0].read_bytes()
    (tmp_path / "p.safetensors").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(Real3DError, match="damaged or incomplete"):
        load_portraits(tmp_path / "p.safetensors")


def test_each_kind_of_file_says_what_it_is_not(saved, portraits, tmp_path):
    with pytest.raises(Real3DError, match="holds no planes: choose one that 'Save planes' wrote"):
        load_planes(saved[0])
    save_portraits(tmp_path / "p.safetensors", [replace(portraits[0], scale=2.0)])
    assert load_portraits(tmp_path / "p.safetensors")[0].scale == 2.0
