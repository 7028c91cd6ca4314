"""Compiled composing is the PyTorch one; whatever goes wrong with it, composing goes on by the next back end."""

import logging
from dataclasses import replace
from importlib import import_module
from types import SimpleNamespace

import pytest
import torch

from cuda_ops import composing
from cuda_ops.build import Refusal
from cuda_ops.composing import COMPILED
from real3d_core.analytic.painting import CELL, IN_TORCH, FrameLayers, Patch
from real3d_core.analytic.ray_maps import enlargement, pixel_centres, plate_places

SIZE, RAYS = 50, 16  # pixels that are no multiple of the rays


@pytest.fixture(scope="module", params=COMPILED)
def fast(request, or_skipped):
    return or_skipped(import_module(COMPILED[request.param], "cuda_ops").load)


@pytest.fixture(autouse=True)
def nothing_chosen_yet():
    composing._chosen.cache_clear()
    yield
    composing._chosen.cache_clear()


def numbers(*shape, low=0.0, high=1.0, seed=0):
    return low + (high - low) * torch.rand(shape, generator=torch.Generator().manual_seed(seed))


def some_layers(box=(slice(4, 37), slice(9, 50)), first_row=21, empty_up_to=0):
    rows, columns = (part.stop - part.start for part in box)
    torso = numbers(1, 4, 33, 33, seed=1)
    torso[..., :empty_up_to] = 0
    return FrameLayers(
        torso=torso,
        first_row=first_row,
        torso_cells=torch.tensor([0, CELL, 2 * CELL]).expand(3, -1) + CELL >= empty_up_to,
        carried=torch.cat([numbers(2, 9, 9, low=-0.2, high=0.2, seed=2), numbers(1, 9, 9, seed=3)]),
        box=box,
        head=numbers(5, rows, columns, low=-0.1, high=1.1, seed=4),
        outline=numbers(3, RAYS, RAYS, low=-0.2, high=1.2, seed=5),
        opaque_from=0.9,
    )


@pytest.mark.parametrize("channels", [1, 3, 5, 8])
def test_plates_are_looked_up_inside_and_beyond_their_border(fast, channels):
    plate, places = numbers(1, channels, 21, 30), numbers(2, 41, 23, low=-1.6, high=1.6)
    assert (fast.look_up(plate, places) - IN_TORCH.look_up(plate, places)).abs().max() < 1e-5


@pytest.mark.parametrize("shape", [(0, 5), (1, 1), (1, 63), (1, 65)])
def test_any_number_of_places(fast, shape):
    plate, places = numbers(1, 5, 9, 9), numbers(2, *shape, low=-1, high=1)
    found = fast.look_up(plate, places)
    assert found.shape == (5, *shape) and torch.allclose(found, IN_TORCH.look_up(plate, places), atol=1e-5)


@pytest.mark.parametrize("size", [32, 50])
def test_rays_look_up_the_pixels_of_a_box(fast, size):
    plate, places = numbers(1, 5, 21, 30), plate_places(pixel_centres(RAYS)[0]) + numbers(2, RAYS, RAYS, low=-0.2, high=0.2)
    box, patches = (slice(0, 29), slice(3, size)), [Patch((4, 3), numbers(1, 5, 9, 8, seed=1))]
    found, expected = (
        operators.look_up_rays(plate, places, size, box, torch.ones(RAYS, RAYS, dtype=torch.bool), patches)
        for operators in (fast, IN_TORCH)
    )
    assert found.shape == expected.shape and (found - expected).abs().max() < 1e-5


@pytest.mark.parametrize("size", [32, 50])
@pytest.mark.parametrize("shown", [(0, 0), (7, 9), (15, 15), (4, 0)])
def test_pixels_of_rays_that_show_something_are_looked_up(fast, size, shown):
    plate, places, rays = numbers(1, 5, 21, 30), plate_places(pixel_centres(RAYS)[0]), torch.zeros(RAYS, RAYS, dtype=torch.bool)
    rays[shown] = True
    box = slice(1, size - 2), slice(2, size)
    found, expected = (operators.look_up_rays(plate, places, size, box, rays) for operators in (fast, IN_TORCH))
    reach = enlargement(RAYS, size, "bicubic")(rays[None].float(), box)[0] != 0
    assert reach.any() and (found - expected)[:, reach].abs().max() < 1e-5
    assert (found[:, ~reach] == 0).float().mean() > 0.8


def test_patches_take_the_place_of_a_part_of_the_plate(fast):
    plate, places = numbers(1, 5, 21, 30), numbers(2, 60, 50, low=-1.2, high=1.2)
    patches = [
        Patch((4, 3), numbers(1, 5, 9, 8, seed=1)),
        Patch((8, 7), numbers(1, 5, 6, 12, seed=2)),
        Patch((22, 13), numbers(1, 5, 8, 8)),
    ]
    expected = IN_TORCH.look_up(plate, places, patches)
    assert (fast.look_up(plate, places, patches) - expected).abs().max() < 1e-5
    assert (IN_TORCH.look_up(plate, places, ()) - expected).abs().amax(dim=0).gt(1e-3).sum() > 100


def test_a_patch_that_is_the_plates_own_changes_nothing():
    plate, places = numbers(1, 3, 21, 30), numbers(2, 60, 50, low=-1.2, high=1.2)
    own = Patch((5, 2), plate[:, :, 2:14, 5:20])
    assert torch.allclose(IN_TORCH.look_up(plate, places, [own]), IN_TORCH.look_up(plate, places, ()), atol=1e-5)


def test_places_that_are_no_numbers_are_survived(fast):
    places = torch.tensor([float("nan"), float("inf"), -float("inf"), 1e30, -1e30]).expand(2, 1, -1)
    assert fast.look_up(numbers(1, 3, 8, 8), places).isfinite().all()


@pytest.mark.parametrize("change", [
    {},
    {"replaced": True},
    {"lacking": None},
    {"box": (slice(0, 50), slice(0, 50))},
    {"box": (slice(0, 1), slice(0, 1)), "first_row": 49},
    {"first_row": 0},
    {"first_row": 0, "empty_up_to": 16},
    {"first_row": 0, "empty_up_to": 17},
])  # fmt: skip
def test_a_frame_is_painted(fast, change):
    beside = {"lacking": numbers(3, SIZE, SIZE, low=-0.5, high=0.5, seed=6), "replaced": False, **change}
    placed = {name: beside.pop(name) for name in ("box", "first_row", "empty_up_to") if name in beside}
    layers = some_layers(**placed)
    given = (layers, numbers(3, SIZE, SIZE, seed=7), *beside.values())
    for found, expected in zip(fast.paint(*given), IN_TORCH.paint(*given), strict=True):
        assert found.shape == expected.shape and (found - expected).abs().max() < 1e-5


def test_layers_may_lie_in_memory_in_any_way(fast):
    layers, beside = some_layers(), (numbers(1, SIZE, SIZE).expand(3, -1, -1), None, False)
    turned = replace(
        layers,
        torso=layers.torso.contiguous(memory_format=torch.channels_last),
        head=layers.head.permute(1, 2, 0).contiguous().permute(2, 0, 1),
        outline=layers.outline.mT.contiguous().mT,
    )
    assert torch.equal(fast.paint(turned, *beside)[0], fast.paint(layers, *beside)[0])


def test_what_is_painted_from_stays_as_it_is(fast):
    layers, beside = some_layers(), (numbers(3, SIZE, SIZE), numbers(3, SIZE, SIZE), True)
    before = [tensor.clone() for tensor in (layers.head, layers.outline, layers.carried, *beside[:2])]
    fast.paint(layers, *beside)
    IN_TORCH.paint(layers, *beside)
    after = (layers.head, layers.outline, layers.carried, *beside[:2])
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))


@pytest.fixture
def offered(monkeypatch):
    """Replaces the back ends by one."""

    def offer(load):
        monkeypatch.setattr(composing, "COMPILED", {"cpu-ext": "one"})
        monkeypatch.setattr(composing, "import_module", lambda name, package: SimpleNamespace(load=load))

    return offer


def refuse():
    raise Refusal("out of luck")


def fail():
    raise OSError("out of luck")


def wrong():
    return replace(IN_TORCH, look_up=lambda *given: IN_TORCH.look_up(*given) + 1e-3)


@pytest.mark.parametrize("load", [refuse, fail, wrong])
def test_a_back_end_that_fails_or_paints_something_else_is_passed_over_with_one_line(offered, caplog, load):
    offered(load)
    with caplog.at_level(logging.INFO):
        assert composing.chosen() == ("torch", IN_TORCH)
    (line,) = [record.getMessage() for record in caplog.records]
    assert "Composing by torch" in line and "cpu-ext" in line


def test_one_that_works_is_taken_and_loaded_once(offered):
    loaded = []
    offered(lambda: loaded.append(1) or replace(IN_TORCH))
    operators = composing.painting()
    for _ in range(2):
        operators.look_up(numbers(1, 3, 8, 8), numbers(2, 4, 4))
    assert composing.chosen()[0] == "cpu-ext" and len(loaded) == 1


def test_the_environment_chooses_as_it_does_for_marching(monkeypatch, caplog):
    monkeypatch.setenv("REAL3D_MARCH_BACKEND", "torch")
    with caplog.at_level(logging.INFO):
        composing.painting().look_up(numbers(1, 3, 8, 8), numbers(2, 4, 4))
    assert "Composing by torch" in caplog.text
