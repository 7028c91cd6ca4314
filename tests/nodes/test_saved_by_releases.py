"""What users saved with a former release still opens: workflows, motions and planes, as that release wrote them (tests/saved)."""

from __future__ import annotations

import json
import re
import shutil

import pytest
import torch
from pack_host import ROOT

SAVED = ROOT / "tests" / "saved"
RELEASES = ("0.1.0", "0.2.0")
WORKFLOWS = sorted(SAVED.glob("*/workflows/*.json"))
OF_THE_MACHINE = {"file", "avatar"}  # lists of what a user's folders hold


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: f"{path.parts[-3]}-{path.stem}")
def test_a_workflow_opens_with_every_widget_and_link_in_its_place(host, path):
    graph = json.loads(path.read_text(encoding="utf-8"))
    nodes = {node["id"]: node for node in graph["nodes"]}
    ours = [node for node in nodes.values() if node["type"].startswith("Real3D")]
    assert ours
    for node in ours:
        schema = host.nodes[node["type"]].GET_SCHEMA()
        inputs = {one.id: one for one in schema.inputs}
        assert {one["name"] for one in node["inputs"]} <= set(inputs)
        assert [one["type"] for one in node["outputs"]] == [one.io_type for one in schema.outputs][: len(node["outputs"])]
        widgets = [one for one in schema.inputs if hasattr(one, "default")]
        values = [value for value in node["widgets_values"] if value != "fixed"]
        assert len(values) <= len(widgets)
        for widget, value in zip(widgets, values, strict=False):
            assert fits(widget, value), f"{node['type']}.{widget.id} cannot be {value!r}"
    for _, source, output, target, place, kind in graph["links"]:
        if nodes[source] in ours:
            assert host.nodes[nodes[source]["type"]].GET_SCHEMA().outputs[output].io_type == kind
        if nodes[target] in ours:
            schema = host.nodes[nodes[target]["type"]].GET_SCHEMA()
            assert nodes[target]["inputs"][place]["name"] in {one.id for one in schema.inputs}


def fits(widget, value: object) -> bool:
    """Whether the page would take a saved value for a widget."""
    if widget.io_type == "COMBO":
        return widget.id in OF_THE_MACHINE or value in widget.options
    if widget.io_type in ("INT", "FLOAT"):
        return isinstance(value, (int, float)) and widget.min <= value <= widget.max
    return isinstance(value, bool if widget.io_type == "BOOLEAN" else str)


@pytest.fixture
def kept(host):
    """A function that puts a saved file where the load nodes look."""
    copies = []

    def put(release: str, name: str) -> str:
        copies.append(host.folder / "input" / name)
        shutil.copy(SAVED / release / name, copies[-1])
        return name

    yield put
    for copy in copies:
        copy.unlink()


@pytest.mark.parametrize("release", RELEASES)
@pytest.mark.parametrize(("avatar", "frames", "fps"), [("analytic", 6, 25.0), ("real3d", 10, 30.0)])
def test_a_motion_opens_and_belongs_to_its_avatar(host, kept, release, avatar, frames, fps):
    (motion,) = host.execute("Real3DLoadMotion", file=kept(release, f"motion_{avatar}.safetensors"))
    basis = host.core("analytic.controls").BASIS if avatar == "analytic" else host.core("real3d.avatar").BASIS
    assert motion.basis == basis and (len(motion), motion.fps) == (frames, fps)
    ramp = torch.linspace(0, 1, frames)
    torch.testing.assert_close(motion.expression[:, 0], ramp)
    torch.testing.assert_close(motion.expression[:, -1], -ramp / 4)
    torch.testing.assert_close(motion.euler, torch.stack([ramp / 10, -ramp / 5, ramp / 20], 1))
    torch.testing.assert_close(motion.translation, torch.stack([ramp * 0, ramp / 8, -ramp / 8], 1))


@pytest.mark.parametrize("release", RELEASES)
def test_planes_open_and_belong_to_their_avatar(host, kept, release):
    (heads,) = host.execute("Real3DLoadPlanes", file=kept(release, "planes_analytic.safetensors"))
    first, second = heads.still("Opening")
    assert heads.avatar == "analytic" and (first.box_side, second.box_side) == (1.0, 0.7)
    ramp = torch.linspace(-1, 1, 3 * 32 * 16).view(1, 3, 32, 4, 4)
    torch.testing.assert_close(first.features, ramp)
    torch.testing.assert_close(second.features, 2 * ramp)
    torch.testing.assert_close(first.bounds, torch.tensor([[-0.4, -0.5, -0.3], [0.4, 0.45, 0.35]]))
    torch.testing.assert_close(first.landmarks, torch.linspace(-1, 1, 478 * 3).view(478, 3))
    assert second.bounds is None and second.landmarks is None


@pytest.mark.parametrize(("name", "depth"), [("planes_real3d", 1), ("planes_real3d_trigrid", 3)])
def test_planes_of_the_official_avatar_know_whose_they_are(host, kept, name, depth):
    (heads,) = host.execute("Real3DLoadPlanes", file=kept("0.2.0", f"{name}.safetensors"))
    (head,) = heads.still("Opening")
    assert heads.avatar == "real3d" and head.depth == depth
    torch.testing.assert_close(head.features, torch.linspace(-1, 1, 3 * 32 * depth * 16).view(1, 3, 32 * depth, 4, 4))
    fit = host.core("real3d.avatar")._fit_in(head)
    torch.testing.assert_close(fit.identity, torch.linspace(-1, 1, 80)[None])
    torch.testing.assert_close(fit.expression, torch.linspace(1, -1, 64)[None])
    torch.testing.assert_close(torch.cat([fit.euler, fit.translation], 1), torch.tensor([[0.1, -0.2, 0.3, 0.0, 0.05, 0.0]]))


@pytest.mark.parametrize("path", sorted(SAVED.glob("*/*.safetensors")), ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_no_file_names_a_module_or_a_class(path):
    """So that both may move."""
    content = path.read_bytes()
    header = content[8 : 8 + int.from_bytes(content[:8], "little")].decode()
    assert set(json.loads(header)["__metadata__"]) == {"real3d"}
    assert not re.search(r"real3d_core|nodes\.|builtins|torch\.|class", header)


def test_a_motion_of_an_earlier_basis_keeps_its_controls_by_name(host, kept):
    saved = kept("0.2.0", "motion_analytic.safetensors")
    before = host.core("motion.motion_files").load_motion(host.folder / "input" / saved)
    (motion,) = host.execute("Real3DLoadMotion", file=saved)
    assert set(before.basis.controls) < set(motion.basis.controls)
    for name in before.basis.controls:
        torch.testing.assert_close(motion.control(name), before.control(name))
    assert not any(motion.control(name).any() for name in set(motion.basis.controls) - set(before.basis.controls))
