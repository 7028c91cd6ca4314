"""Checkpoints whose planes have depth: recognised, built, and what their grid module computes (spec 09)."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from reference_checkpoint import write_checkpoint
from small_networks import SMALL, small_tensors

from real3d_core.errors import MissingModelError
from real3d_core.real3d.grid_refinement import GridRefinement
from real3d_core.real3d.image_to_plane import ImageToPlane
from real3d_core.real3d.weights import checkpoint
from real3d_core.real3d.weights.checkpoint import GRID, build_networks, fill
from real3d_core.real3d.weights.config import Real3DConfig
from real3d_core.real3d.weights.key_table import StoredTensors, grid_refinement


def test_the_grid_module_is_the_references(goldens):
    vector = np.load(goldens / "trigrid_seed7.npz")
    stored = StoredTensors({key.removeprefix("weight."): torch.from_numpy(vector[key]) for key in vector.files if "weight." in key})
    with torch.device("meta"):
        refine = GridRefinement(depth=3)
    fill(refine, grid_refinement(refine, stored), "cpu", torch.float32)
    assert not stored.missing and not stored.unexpected()
    refined = refine(torch.from_numpy(vector["planes"]))
    assert torch.allclose(refined, torch.from_numpy(vector["grid"]), rtol=0, atol=2e-6)


@pytest.mark.parametrize("depth, refined, kind", [(3, True, "trigrid_v2"), (4, True, "trigrid_v2"), (3, False, "trigrid")])
def test_trigrids_load(depth, refined, kind):
    tensors = small_tensors(depth, refined)
    settings = {"triplane_feature_type": kind, "triplane_depth": depth, "triplane_hid_dim": 32}
    networks = build_networks(tensors, settings, sizes=SMALL)
    planes = networks.image_to_plane(torch.rand(1, 3, 32, 32) * 2 - 1)
    assert planes.shape == (1, 3, 32 * depth, 16, 16) and planes.isfinite().all()
    faces = (torch.zeros(1, 3, 64, 64),) * 3
    assert networks.motion_adapter(*faces).shape == (1, 3, 32 * depth, 32, 32)
    assert isinstance(networks.image_to_plane.refine, GridRefinement) == refined
    assert build_networks(tensors, {}, sizes=SMALL).config == networks.config


def test_the_grid_module_is_the_last_thing_that_canonical_planes_pass():
    refined, plain = (build_networks(small_tensors(3, refined), {}, sizes=SMALL).image_to_plane for refined in (True, False))
    picture = torch.zeros(1, 3, 32, 32)
    assert torch.equal(refined(picture), refined.refine(plain(picture)))


@pytest.mark.parametrize("half", [False, True])
def test_a_trigrid_is_converted_with_its_grid_module(tmp_path, monkeypatch, half):
    tensors = small_tensors(3, True)
    write_checkpoint(tmp_path / "in.ckpt", {f"module.{name}": tensor for name, tensor in tensors.items()})
    loaded = SimpleNamespace(config=Real3DConfig(fine=12))  # conversion checks the model at its published size
    monkeypatch.setattr(checkpoint, "load_networks", lambda path: loaded)
    checkpoint.convert(tmp_path / "in.ckpt", tmp_path / "out.safetensors", half)
    converted, settings = checkpoint.read_tensors(tmp_path / "out.safetensors")
    assert converted.keys() == tensors.keys() and settings["num_samples_fine"] == 12
    for name, tensor in tensors.items():
        assert converted[name].dtype == (torch.float16 if half and tensor.ndim > 1 else torch.float32)
        assert torch.equal(converted[name], tensor.to(converted[name].dtype)), name
    assert checkpoint.planes_depth(converted) == 3


@pytest.mark.parametrize(
    "settings, words",
    [
        ({"triplane_depth": 1}, "triplane_depth"),
        ({"triplane_feature_type": "triplane"}, "triplane_feature_type"),
        ({"triplane_feature_type": "trigrid"}, "triplane_feature_type"),
        ({"triplane_hid_dim": 16}, "triplane_hid_dim"),
    ],
)
def test_a_configuration_of_other_planes_is_refused(settings, words):
    with pytest.raises(MissingModelError, match=words):
        build_networks(small_tensors(3, True), settings, sizes=SMALL)


def test_a_grid_module_with_parts_missing_is_named():
    tensors = small_tensors(3, True)
    del tensors[f"{GRID}res_blocks_3d.0.alpha"]
    with pytest.raises(MissingModelError, match=r"misses plane2grid_module\.res_blocks_3d\.0\.alpha"):
        build_networks(tensors, {}, sizes=SMALL)


def test_a_triplane_passes_nothing_more():
    with torch.device("meta"):
        assert isinstance(ImageToPlane().refine, torch.nn.Identity)
