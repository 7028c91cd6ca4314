"""Planes kept in files, and mixed."""

from dataclasses import replace

import pytest
import torch
from safetensors.torch import save_file

from real3d_core.errors import Real3DError
from real3d_core.render.mixing import mix_planes
from real3d_core.render.planes import Planes
from real3d_core.render.planes_files import load_planes, save_planes


def head(value: float, side: int = 4) -> Planes:
    return Planes(
        torch.full((1, 3, 2, side, side), value), 1.0, torch.tensor([[-value, -1, -1], [value, 1, 1]]), torch.full((478, 3), value)
    )


def test_kept_planes_come_back(tmp_path):
    bare = Planes(torch.rand(1, 3, 2, 4, 4), box_side=2.0)
    save_planes(tmp_path / "p.safetensors", [head(0.5), bare], "somebody")
    loaded, avatar = load_planes(tmp_path / "p.safetensors")
    assert avatar == "somebody" and torch.equal(loaded[0].landmarks, head(0.5).landmarks)
    assert torch.equal(loaded[1].features, bare.features) and loaded[1].bounds is None and loaded[1].box_side == 2.0


def test_what_an_avatar_knows_of_a_person_is_kept_also_where_heads_share_it(tmp_path):
    person = {"identity": torch.rand(1, 80), "euler": torch.zeros(1, 3)}
    one = replace(head(0.5), person=person)
    save_planes(tmp_path / "p.safetensors", [one, replace(head(0.6), person=person), head(0.7), one], "somebody")
    loaded, _ = load_planes(tmp_path / "p.safetensors")
    assert [one.person and sorted(one.person) for one in loaded] == [
        ["euler", "identity"],
        ["euler", "identity"],
        None,
        ["euler", "identity"],
    ]
    assert all(torch.equal(loaded[1].person[name], value) for name, value in person.items())
    assert mix_planes(loaded[0], loaded[2], 0.5).person == loaded[0].person


def test_trigrids_are_kept_and_mixed(tmp_path):
    first, second = (Planes(torch.full((1, 3, 96, 4, 4), value)) for value in (0.0, 1.0))
    save_planes(tmp_path / "p.safetensors", [first], "somebody")
    (loaded,), _ = load_planes(tmp_path / "p.safetensors")
    assert loaded.depth == 3 and torch.equal(loaded.features, first.features)
    mixed = mix_planes(loaded, second, 0.25)
    assert mixed.depth == 3 and (mixed.features == 0.25).all()
    with pytest.raises(Real3DError, match="cannot be mixed"):
        mix_planes(loaded, Planes(torch.zeros(1, 3, 32, 4, 4)), 0.5)


def test_a_cut_off_file_is_refused_in_one_sentence(tmp_path):
    save_planes(tmp_path / "p.safetensors", [head(0.5)], "somebody")
    whole = (tmp_path / "p.safetensors").read_bytes()
    (tmp_path / "p.safetensors").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(Real3DError, match="damaged or incomplete"):
        load_planes(tmp_path / "p.safetensors")


@pytest.mark.parametrize("told", ["[1]", "null", "[" * 100_000, '{"kind": "real3d-planes-1"}', '{"a":' * 100_000, "9" * 5000])
def test_what_a_file_says_of_itself_is_a_table_or_refused(tmp_path, told):
    save_file({"0.features": torch.zeros(1, 3, 2, 4, 4)}, tmp_path / "p.safetensors", metadata={"real3d": told})
    with pytest.raises(Real3DError, match=r"'p\.safetensors'"):
        load_planes(tmp_path / "p.safetensors")


@pytest.mark.parametrize(
    "spoilt",
    [
        {"box_side": float("nan")},
        {"box_side": float("inf")},
        {"landmarks": torch.full((478, 3), float("nan"))},
        {"person": {"euler": torch.full((1, 3), float("nan"))}},
    ],
)
def test_planes_with_numbers_that_are_none_are_refused(tmp_path, spoilt):
    save_planes(tmp_path / "p.safetensors", [replace(head(0.5), **spoilt)], "somebody")
    with pytest.raises(Real3DError, match="damaged"):
        load_planes(tmp_path / "p.safetensors")


def test_mixing_lies_between_and_its_bounds_hold_both():
    mixed = mix_planes(head(0.2), head(0.6), 0.25)
    assert torch.allclose(mixed.features, torch.tensor(0.3)) and torch.allclose(mixed.landmarks, torch.tensor(0.3))
    assert mixed.bounds[:, 0].tolist() == pytest.approx([-0.6, 0.6])


def test_heads_of_different_shapes_are_not_mixed():
    with pytest.raises(Real3DError, match="cannot be mixed"):
        mix_planes(head(0.2), head(0.2, side=8), 0.5)
