"""The saved graphs against what each version of ComfyUI knows: examples on every host, blueprints where there are such."""

import json
from pathlib import Path

import pytest
from host_nodes import used_nodes
from pack_host import ROOT

VERSIONS = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted((ROOT / "tests" / "hosts" / "nodes").glob("*.json"))}
EXAMPLES = sorted((ROOT / "example_workflows").glob("*.json"))
BLUEPRINTS = sorted((ROOT / "subgraphs").glob("*.json"))
WITH_BLUEPRINTS = ["0.33.0"]
EVERYWHERE = "0.3.64"
FIND_FACES = {"Real3DTalkingPortrait", "Real3DPreparePortrait", "Real3DVideoToMotion"}
WIDGETS = {"COMBO", "INT", "FLOAT", "STRING", "BOOLEAN", "COMFY_DYNAMICCOMBO_V3"}


def name(path: Path) -> str:
    return path.stem


def graph_of(path: Path) -> dict:
    return json.loads(path.read_text(encoding="utf-8"))


def nodes_of(host, version: str) -> dict[str, dict]:
    """Inputs by name, those that may stay open, and outputs: of the host's nodes and of ours."""
    own = {}
    for node_id, node in host.nodes.items():
        schema = node.GET_SCHEMA()
        own[node_id] = {
            "inputs": {one.id: "COMBO" if getattr(one, "options", None) else one.get_io_type() for one in schema.inputs},
            "optional": [one.id for one in schema.inputs if one.optional],
            "outputs": [one.get_io_type() for one in schema.outputs],
        }
    return VERSIONS[version] | own


def links_of(graph: dict) -> dict[int, tuple]:
    """By number: from node and slot, to node and slot."""
    links = [tuple(link.values()) if isinstance(link, dict) else tuple(link) for link in graph["links"]]
    return {link[0]: link[1:] for link in links}


def refuse_unknown(graph: dict, known: dict[str, dict]) -> None:
    """Fails for a node, input or output that the host does not have, and for what must be connected and is not."""
    links = links_of(graph)
    types = {node["id"]: node["type"] for node in graph["nodes"]}
    for node in graph["nodes"]:
        if node["type"] == "MarkdownNote":
            continue
        assert node["type"] in known, node["type"]
        described = known[node["type"]]
        for slot, one in enumerate(node["inputs"]):
            assert one["name"] in described["inputs"], f"{node['type']} has no input {one['name']}"
            if one["link"] is not None:
                source, output, target, arrives, kind = links[one["link"]]
                assert (target, arrives) == (node["id"], slot)
                if source in types:
                    assert known[types[source]]["outputs"][output] == kind
        connected = {one["name"] for one in node["inputs"] if one["link"] is not None}
        sockets = {one for one, kind in described["inputs"].items() if kind not in WIDGETS} - set(described["optional"])
        assert sockets <= connected, f"{node['type']} lacks {sockets - connected}"


def widget_names(described: dict) -> list[str]:
    return [one for one, kind in described["inputs"].items() if kind in WIDGETS]


def widgets_of(node: dict) -> list:
    """The saved values of a node's own widgets, without the page's: what follows a seed, and the button that uploads a file."""
    values = [value for value in node.get("widgets_values") or [] if value != "fixed"]
    return values[:-1] if node["type"] in ("LoadImage", "LoadAudio", "LoadVideo") else values


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("path", EXAMPLES, ids=name)
def test_an_example_opens_on_every_host(host, path, version):
    known, graph = nodes_of(host, version), graph_of(path)
    refuse_unknown(graph, known)
    for node in graph["nodes"]:
        if node["type"] in known:
            here = widget_names(known[node["type"]])
            saved = widget_names(VERSIONS[EVERYWHERE].get(node["type"], known[node["type"]]))
            count = len(widgets_of(node))
            ours = node["type"] in host.nodes  # gets new widgets behind those of older saved workflows
            assert count == len(saved) or (ours and count < len(saved)), f"{node['type']} has the widgets {saved}"
            assert here[: len(saved)] == saved, f"the widgets of {node['type']} are shifted"


@pytest.mark.parametrize("path", sorted((ROOT / "tests" / "workflows").glob("*.json")), ids=name)
@pytest.mark.parametrize("version", VERSIONS)
def test_an_api_twin_names_only_what_every_host_has(host, path, version):
    known = nodes_of(host, version)
    for node in graph_of(path).values():
        described = known[node["class_type"]]
        required = set(described["inputs"]) - set(described["optional"])
        assert required <= set(node["inputs"]) <= set(described["inputs"]), node["class_type"]


@pytest.mark.parametrize("version", WITH_BLUEPRINTS)
@pytest.mark.parametrize("path", BLUEPRINTS, ids=name)
def test_a_blueprint_is_one_node_of_known_nodes(host, path, version):
    known, whole = nodes_of(host, version), graph_of(path)
    (outer,), (inner,) = whole["nodes"], whole["definitions"]["subgraphs"]
    assert outer["type"] == inner["id"] and inner["name"] == outer["title"] == path.stem
    assert inner["description"].endswith(".") and inner["category"] == "Real3D-Portrait"
    assert [one["name"] for one in outer["inputs"]] == [one["name"] for one in inner["inputs"]]
    assert [one["name"] for one in outer["outputs"]] == [one["name"] for one in inner["outputs"]]
    assert all(one["linkIds"] for one in inner["inputs"] + inner["outputs"]), "a slot that leads nowhere"
    assert len(outer["widgets_values"]) == len([one for one in outer["inputs"] if "widget" in one])
    refuse_unknown(inner, known)


def test_blueprints_show_every_way_to_a_film():
    assert len(BLUEPRINTS) == 4
    kinds = [{node["type"] for node in graph_of(path)["definitions"]["subgraphs"][0]["nodes"]} for path in BLUEPRINTS]
    for wanted in ("Real3DTalkingPortrait", "Real3DAudioToMotion", "Real3DVideoToMotion", "RemoveBackground"):
        assert any(wanted in one for one in kinds), wanted


@pytest.mark.parametrize("path", [*EXAMPLES, *BLUEPRINTS], ids=name)
def test_the_head_threshold_is_left_to_the_checkpoint(path):
    """Its number is the checkpoint's; one in an example would override that for everybody who starts from there."""
    for graph in [graph_of(path), *graph_of(path).get("definitions", {}).get("subgraphs", [])]:
        for node in graph["nodes"]:
            if node["type"] in ("Real3DSuperResolution", "Real3DTalkingPortraitToVideo", "Real3DSideBySide"):
                assert node["widgets_values"][:2] == [0.0, 512]
                assert node.get("widgets_values_named", {}).get("head_threshold", 0.0) == 0.0


def test_a_model_that_a_user_must_load_is_declared():
    for path in [*EXAMPLES, *BLUEPRINTS]:
        for graph in [graph_of(path), *graph_of(path).get("definitions", {}).get("subgraphs", [])]:
            for node in graph["nodes"]:
                if node["type"] == "LoadBackgroundRemovalModel":
                    (model,) = node["properties"]["models"]
                    assert model["name"] == node["widgets_values"][0] and model["directory"] == "background_removal"
                    assert model["url"].startswith("https://") and model["url"].endswith(model["name"])


def test_every_node_that_finds_faces_declares_the_model_that_the_page_offers(host):
    for path in [*EXAMPLES, *BLUEPRINTS]:
        graphs = [graph_of(path), *graph_of(path).get("definitions", {}).get("subgraphs", [])]
        nodes = [node for graph in graphs for node in graph["nodes"] if node["type"] in FIND_FACES]
        assert nodes and all(node["properties"]["models"] == [host.part("landmark_models").DECLARED] for node in nodes), path.stem
        assert not any("models" in graph for graph in graphs), "pages of 2025 ask for those wherever the file itself is not there"


def test_the_facts_know_every_node_that_is_used():
    assert used_nodes() <= set(VERSIONS["0.33.0"])
