"""One official-style checkpoint with reference weights, loaded once by the official loader, and what it computes.

It takes gigabytes: nothing of it outlives this folder's tests, which run in one process (tests/conftest.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from golden import load_vector, make_input
from reference_checkpoint import reference_tensors, write_checkpoint
from small_networks import SMALL, small_tensors
from torch import Tensor, nn

from real3d_core.real3d.super_resolution.frame import HeadSuperResolution
from real3d_core.real3d.weights.checkpoint import SUPER_RESOLUTION, Real3DNetworks, build_networks, fill, load_networks
from real3d_core.real3d.weights.key_table import StoredTensors, super_resolution


@pytest.fixture(scope="package")
def official_tensors() -> dict[str, Tensor]:
    """The reference weights under the official names."""
    return reference_tensors()


@pytest.fixture(scope="package")
def checkpoint(official_tensors, tmp_path_factory) -> Path:
    """The checkpoint as training would have written it."""
    path = tmp_path_factory.mktemp("official") / "model_ckpt_steps_100000.ckpt"
    write_checkpoint(path, official_tensors)
    (path.parent / "config.yaml").write_text("torso_model_version: v2\nhtbsr_head_threshold: 0.9\nnum_samples_fine: 48\n")
    return path


@pytest.fixture(scope="package")
def networks(checkpoint) -> Real3DNetworks:
    """What users get."""
    return load_networks(checkpoint)


@pytest.fixture(scope="package")
def small_networks() -> Real3DNetworks:
    """Networks that are loaded alike, but small: for all that does not depend on the published model's numbers."""
    return build_networks(small_tensors(), {}, sizes=SMALL)


# The bounds were set where sums are made 16 numbers at a time; sums of 8 round otherwise: 2.5e-5 for 1e-5 was measured.
ROUNDING = 1 if torch.backends.cpu.get_cpu_capability() == "AVX512" else 4


class Golden:
    """The arrays of one reference file, and how a full tensor is compared with them."""

    def __init__(self, path: Path):
        self.arrays, self.meta = load_vector(path)

    def compare(self, name: str, full: Tensor, tolerance: tuple[float, float] | None = None) -> None:
        """Takes the stored sample of a full tensor and compares; the tolerance (absolute, relative) is the file's unless given."""
        about = self.meta["tensors"][name]
        assert list(full.shape) == about["shape"], name
        if "sample_step" in about:
            sample = full[tuple(slice(None, None, step) for step in about["sample_step"])]
            atol, rtol = tolerance or (self.meta["strict_atol"], self.meta["strict_rtol"])
        else:
            sample = full.flatten()[:: about["stride"]]
            atol, rtol = tolerance or (about["atol"], self.meta["tolerance"]["rtol"])
        np.testing.assert_allclose(sample.numpy(), self.arrays[name], rtol=rtol, atol=atol * ROUNDING, err_msg=name)
        assert float(full.std()) == pytest.approx(about["std"], rel=1e-3), name


@pytest.fixture(scope="package")
def golden(goldens):
    """Opens a reference file by its name."""
    return lambda name: Golden(goldens / f"{name}.npz")


@contextmanager
def watch(network: nn.Module, names: list[str]) -> Iterator[dict[str, Any]]:
    """Keeps what the named layers compute and, under "name<", their inputs; copies, because activations work in place.

    A single tensor stands for itself, several are a tuple; results that are dataclasses are kept as they are.
    """
    seen: dict[str, Any] = {}

    def copy(values):
        if isinstance(values, Tensor):
            return values.clone()
        return tuple(copy(value) for value in values) if isinstance(values, (tuple, list)) else values

    def keep(name):
        def hook(layer, inputs, output):
            seen[name] = copy(output)
            seen[f"{name}<"] = copy(inputs[0] if len(inputs) == 1 else inputs)

        return hook

    hooks = [network.get_submodule(name).register_forward_hook(keep(name)) for name in names]
    yield seen
    for hook in hooks:
        hook.remove()


def given(label: str, *shape: int, low: float = -1.0, high: float = 1.0) -> Tensor:
    """A reference input."""
    return torch.from_numpy(make_input(label, shape, 0, low, high))


@pytest.fixture(scope="package")
def canonical(networks) -> SimpleNamespace:
    """Image-to-plane on the reference picture: planes, and what the watched layers saw."""
    layers = [
        *(
            "stem",
            "stem_norm",
            "stage1",
            "stage2",
            "stage3",
            "stage4",
            "pyramid.reaches.0",
            "pyramid.reaches.2",
            "pyramid.whole",
            "pyramid.project",
        ),
        *("final",),
    ]
    names = [f"low_resolution_encoder.{layer}" for layer in layers]
    names += [
        "low_resolution_vit.embed.norm",
        "low_resolution_vit.blocks.0.attention",
        *(f"low_resolution_vit.blocks.{i}" for i in range(5)),
    ]
    names += [f"low_resolution_vit.draw.{layer}" for layer in ("shuffle", "up1", "relu1", "relu2")]
    names += ["low_resolution_vit", "high_resolution_encoder.first", "high_resolution_encoder.final", "high_resolution_encoder"]
    names += [
        f"triplane_predictor.{layer}" for layer in ("join.1", "embed.norm", "block.attention", "block", "shuffle", "draw.0", "draw.2")
    ]
    names += ["triplane_predictor"]
    network = networks.image_to_plane
    with torch.inference_mode(), watch(network, names) as seen:
        planes = network(given("i2p.image", 1, 3, 512, 512))
    return SimpleNamespace(planes=planes, seen=seen)


@pytest.fixture(scope="module")
def residual(networks) -> SimpleNamespace:
    """The motion adapter on the reference images."""
    names = ["prenet", "fuse.activation", "fuse", "draw.convs.2", "draw.up", "draw"]
    for stage in range(4):
        own = ("embed.norm", "blocks.0.attention", "blocks.0", "blocks.1")
        names += [f"transformer.stages.{stage}", *(f"transformer.stages.{stage}.{layer}" for layer in own)]
    network = networks.motion_adapter
    with torch.inference_mode(), watch(network, names) as seen:
        planes = network(*(given(f"secc.{which}", 1, 3, 512, 512) for which in ("cano", "src", "tgt")))
    return SimpleNamespace(planes=planes, seen=seen)


@pytest.fixture(scope="package")
def scene_inputs() -> SimpleNamespace:
    """The inputs of the super-resolution vectors (meta of sr_htb)."""
    cells = given("sr:segmap", 1, 6, 16, 16, low=0, high=1).argmax(1)
    classes = cells.repeat_interleave(32, 1).repeat_interleave(32, 2)
    on_plane = torch.tensor([1.0, 1.0, 0.0])
    source = given("sr:kp_s", 1, 68, 3, low=-0.7, high=0.7)
    shift = given("sr:kp_shift", 1, 68, 3, low=-0.15, high=0.15)
    return SimpleNamespace(
        features=given("sr:features", 1, 32, 128, 128),
        opacity=given("sr:weights_img", 1, 1, 128, 128, low=0, high=1),
        torso=given("sr:ref_torso_img", 1, 3, 512, 512),
        background=given("sr:bg_img", 1, 3, 512, 512),
        segmentation=torch.nn.functional.one_hot(classes, 6).permute(0, 3, 1, 2).float(),
        source_keypoints=source * on_plane,
        driven_keypoints=(source + shift).clamp(-1, 1) * on_plane,
    )


@pytest.fixture(scope="module")
def framed(networks, scene_inputs) -> SimpleNamespace:
    """The super-resolution on the reference inputs: the image, and what the watched layers saw."""
    motion = ("compress", "down", "up", "head.residuals", "fuse", "choose.conv", "down.0.conv")
    names = [
        *("head", "torso.appearance.lift", "torso.appearance", *(f"torso.motion_field.{layer}" for layer in motion)),
        *("torso.generator.first", "torso.generator.mid", "torso.generator.residuals", "torso.generator", "torso.opacity"),
        *("torso.motion_field", "torso", "background.conv3", "head_torso", "refine", "person_background", "person_background.conv1"),
        *("person_background.person", "frame"),
    ]
    network, given_scene = networks.super_resolution, scene_inputs
    with torch.inference_mode(), watch(network, names) as seen:
        scene = network.encode(given_scene.torso, given_scene.background, given_scene.segmentation, given_scene.source_keypoints)
        image = network(given_scene.features, given_scene.opacity, given_scene.driven_keypoints, scene, 0.9)
    return SimpleNamespace(image=image, seen=seen, scene=scene)


@pytest.fixture(scope="module")
def head_framed(official_tensors, scene_inputs) -> SimpleNamespace:
    """The super-resolution of the head alone on the reference inputs."""
    with torch.device("meta"):
        network = HeadSuperResolution()
    fill(network, super_resolution(network, StoredTensors(official_tensors).at(SUPER_RESOLUTION)), "cpu", torch.float32)
    with torch.inference_mode(), watch(network, ["head", "frame"]) as seen:
        image = network(scene_inputs.features)
    return SimpleNamespace(image=image, seen=seen)
