"""The op of tensors: what it draws is what the core's marcher draws, and whatever does not fit is refused in one sentence."""

import doctest
from dataclasses import replace

import pytest
import torch
from scenes import solid_scene, trigrid_scene

import cuda_ops
from cuda_ops import op
from real3d_core.errors import Real3DError
from real3d_core.render import MarchSettings, march_table

QUICK = MarchSettings(resolution=9, coarse=12, fine=8)


def tensors(scene):
    """The first arguments of march_planes."""
    cameras = scene.cameras
    return [scene.planes.features, *vars(scene.decoder).values(), cameras[:, :16].view(-1, 4, 4), cameras[:, 16:].view(-1, 3, 3)]


def drawn(*arguments, **options):
    return cuda_ops.march_planes(*arguments, **{"resolution": 9, "coarse": 12, "fine": 8, "backend": "torch", **options})


def test_the_example_runs():
    found = doctest.testmod(op)
    assert found.attempted > 5 and not found.failed


def test_every_option_reaches_the_marcher():
    scene = solid_scene(replace(QUICK, seed=5))
    planes = replace(scene.planes, box_side=1.25)
    expected = march_table(planes, scene.decoder, scene.cameras, scene.settings, first_frame=7)
    found = drawn(*tensors(scene), box_side=1.25, bounds=planes.bounds, seed=5, first_frame=7)
    assert all(torch.equal(*pair) for pair in zip(found, (expected.features, expected.depth, expected.opacity), strict=True))
    for left_out in ("box_side", "bounds", "seed", "first_frame"):
        options = {"box_side": 1.25, "bounds": planes.bounds, "seed": 5, "first_frame": 7}
        del options[left_out]
        assert not torch.equal(drawn(*tensors(scene), **options)[1], expected.depth), left_out


def test_a_trigrid_seen_by_two_cameras():
    scene = trigrid_scene(QUICK)
    scene = replace(scene, cameras=torch.cat([scene.cameras, scene.cameras]))
    features, depth, opacity = drawn(*tensors(scene))
    assert features.shape == (2, 32, 9, 9) and depth.shape == opacity.shape == (2, 1, 9, 9)
    assert torch.equal(features, march_table(scene.planes, scene.decoder, scene.cameras, QUICK).features)


def test_gradients_reach_every_tensor():
    arguments = [part.clone().requires_grad_() for part in tensors(trigrid_scene(QUICK))]
    sum(part.square().sum() for part in drawn(*arguments)).backward()
    assert all(part.grad is not None and part.grad.isfinite().all() and part.grad.abs().max() > 0 for part in arguments)


def replaced(position, change):
    arguments = tensors(trigrid_scene(QUICK))
    arguments[position] = change(arguments[position])
    return arguments


@pytest.mark.parametrize(
    ("position", "change"),
    [
        (0, lambda planes: planes[0]),
        (0, lambda planes: planes[:, :, :40]),
        (0, torch.Tensor.double),
        (1, torch.Tensor.t),
        (2, lambda bias: bias[:-1]),
        (3, lambda weight: weight[:4]),
        (4, torch.Tensor.long),
        (5, lambda matrix: matrix[0]),
        (5, lambda matrix: matrix[:, :3]),
        (5, lambda matrix: 0 * matrix),
        (5, lambda matrix: matrix.expand(2, 4, 4)),
        (5, lambda matrix: torch.tensor(1.0)),
        (6, lambda intrinsics: intrinsics[:, :2]),
        (6, lambda intrinsics: intrinsics * torch.nan),
    ],
)
def test_tensors_that_do_not_fit_are_refused_in_a_sentence(position, change):
    refused(*replaced(position, change))


@pytest.mark.parametrize(
    "options",
    [
        {"coarse": 3},
        {"fine": -1},
        {"resolution": 0},
        {"seed": -1},
        {"box_side": 0.0},
        {"box_side": float("nan")},
        {"bounds": torch.zeros(2, 3)},
        {"bounds": torch.ones(6)},
        {"backend": "abacus"},
    ],
    ids=str,
)
def test_numbers_out_of_range_are_refused_in_a_sentence(options):
    refused(*tensors(trigrid_scene(QUICK)), **options)


def refused(*arguments, **options):
    with pytest.raises(Real3DError) as reason:
        drawn(*arguments, **options)
    assert str(reason.value).endswith(".") and "\n" not in str(reason.value) and len(str(reason.value)) < 300
