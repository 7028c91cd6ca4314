"""Checkpoints whose planes have depth: recognised, built, and what their grid module computes (spec 09)."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from golden import make_weight
from reference_checkpoint import write_checkpoint

from real3d_core.errors import MissingModelError
from real3d_core.real3d.grid_refinement import GridRefinement
from real3d_core.real3d.image_to_plane import ImageToPlane
from real3d_core.real3d.weights import checkpoint
from real3d_core.real3d.weights.checkpoint import GRID, IMAGE_TO_PLANE, MOTION_ADAPTER, build_networks, fill
from real3d_core.real3d.weights.config import Real3DConfig
from real3d_core.real3d.weights.key_table import StoredTensors, grid_refinement

LAST = {f"{IMAGE_TO_PLANE}triplane_predictor_vit.final_conv": 128, f"{MOTION_ADAPTER}to_plane_cnn.7": 256}


def trigrid(tensors: dict, depth: int, blocks: int) -> dict:
    """A checkpoint with planes of this depth, and a grid module of so many blocks."""
    changed = dict(tensors)
    for layer, inputs in LAST.items():
        for part, shape in (("weight", (96 * depth, inputs, 3, 3)), ("bias", (96 * depth,))):
            changed[f"{layer}.{part}"] = torch.from_numpy(np.array(make_weight(f"{layer}.{part}", shape)))
    shapes = {f"conv{i}.weight": (32, 32, 3, 3, 3) for i in (1, 2)} | {f"conv{i}.bias": (32,) for i in (1, 2)}
    shapes |= {f"norm{i}.{part}": (32,) for i in (1, 2) for part in ("weight", "bias")} | {"alpha": (1,)}
    for block in range(blocks):
        for key, shape in shapes.items():
            name = f"{GRID}res_blocks_3d.{block}.{key}"
            changed[name] = torch.from_numpy(np.array(make_weight(name, shape)))
    return changed


def test_the_grid_module_is_the_references(goldens):
    vector = np.load(goldens / "trigrid_seed7.npz")
    stored = StoredTensors({key.removeprefix("weight."): torch.from_numpy(vector[key]) for key in vector.files if "weight." in key})
    with torch.device("meta"):
        network = torch.nn.Module()
        network.refine = GridRefinement(depth=3)
    fill(network, grid_refinement(stored, 3), "cpu", torch.float32)
    assert not stored.missing and not stored.unexpected()
    refined = network.refine(torch.from_numpy(vector["planes"]))
    assert torch.allclose(refined, torch.from_numpy(vector["grid"]), rtol=0, atol=2e-6)


@pytest.mark.parametrize("depth, blocks, kind", [(3, 1, "trigrid_v2"), (4, 2, None), (3, 0, "trigrid")])
def test_trigrids_load(official_tensors, depth, blocks, kind):
    """With a configuration that says what they are, or without any."""
    settings = {"triplane_feature_type": kind, "triplane_depth": depth, "triplane_hid_dim": 32} if kind else {}
    networks = build_networks(trigrid(official_tensors, depth, blocks), settings)
    picture = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(0)) * 2 - 1
    planes = networks.image_to_plane(picture)
    assert planes.shape == (1, 3, 32 * depth, 16, 16) and planes.isfinite().all()
    faces = (torch.zeros(1, 3, 64, 64),) * 3
    assert networks.motion_adapter(*faces).shape == (1, 3, 32 * depth, 32, 32)
    assert isinstance(networks.image_to_plane.refine, GridRefinement) == bool(blocks)
    assert networks.config == Real3DConfig()


def test_the_grid_module_is_the_last_thing_that_canonical_planes_pass(official_tensors):
    refined, plain = (build_networks(trigrid(official_tensors, 3, blocks), {}).image_to_plane for blocks in (1, 0))
    picture = torch.zeros(1, 3, 32, 32)
    assert torch.equal(refined(picture), refined.refine(plain(picture)))


@pytest.mark.parametrize("half", [False, True])
def test_a_trigrid_is_converted_with_its_grid_module(official_tensors, tmp_path, monkeypatch, half):
    tensors = {name: tensor for name, tensor in trigrid(official_tensors, 3, 1).items() if name.startswith((GRID, *LAST))}
    write_checkpoint(tmp_path / "in.ckpt", {f"module.{name}": tensor for name, tensor in tensors.items()})
    loaded = SimpleNamespace(config=Real3DConfig(fine=12))  # the whole model takes many seconds and is checked by its own tests
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
def test_a_configuration_of_other_planes_is_refused(official_tensors, settings, words):
    with pytest.raises(MissingModelError, match=words):
        build_networks(trigrid(official_tensors, 3, 1), settings)


def test_a_grid_module_with_parts_missing_is_named(official_tensors):
    tensors = trigrid(official_tensors, 3, 1)
    del tensors[f"{GRID}res_blocks_3d.0.alpha"]
    with pytest.raises(MissingModelError, match=r"misses plane2grid_module\.res_blocks_3d\.0\.alpha"):
        build_networks(tensors, {})


def test_a_triplane_passes_nothing_more():
    with torch.device("meta"):
        assert isinstance(ImageToPlane().refine, torch.nn.Identity)
