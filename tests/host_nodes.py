"""ComfyUI's own nodes that the examples and blueprints use, as a version of ComfyUI describes them.

    python tests/host_nodes.py http://127.0.0.1:8188 > tests/hosts/nodes/VERSION.json

Only names and types are asked of the running server, no texts and no defaults.
"""

from __future__ import annotations

import json
import sys
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
UNSEEN_BY_THE_SERVER = {"MarkdownNote"}  # the page's own


def used_nodes() -> set[str]:
    """Types of the nodes in all examples and blueprints that are not this pack's."""
    types = set()
    for path in [*(ROOT / "example_workflows").glob("*.json"), *(ROOT / "subgraphs").glob("*.json")]:
        workflow = json.loads(path.read_text(encoding="utf-8"))
        subgraphs = workflow.get("definitions", {}).get("subgraphs", [])
        own = {graph["id"] for graph in subgraphs}
        types |= {node["type"] for graph in [workflow, *subgraphs] for node in graph["nodes"]} - own
    return {name for name in types - UNSEEN_BY_THE_SERVER if not name.startswith("Real3D")}


def facts_of(url: str) -> dict:
    """For each node that the server has: inputs by name in the order of its widgets, the optional ones, and the outputs."""
    with urllib.request.urlopen(f"{url}/object_info", timeout=60) as answer:
        known = json.loads(answer.read())
    return {name: _described(known[name]) for name in sorted(used_nodes() & set(known))}


def _described(node: dict) -> dict:
    order = node["input_order"]
    names = [(part, name) for part in ("required", "optional") for name in order.get(part, [])]
    return {
        "inputs": {name: _kind(node["input"][part][name][0]) for part, name in names},
        "optional": order.get("optional", []),
        "outputs": node["output"],
    }


def _kind(kind: str | list) -> str:
    return "COMBO" if isinstance(kind, list) else kind  # older versions list a combo's options here


if __name__ == "__main__":
    print(json.dumps(facts_of(sys.argv[1]), indent=1))
