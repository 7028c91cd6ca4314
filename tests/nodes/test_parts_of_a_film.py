"""The graphs of docs/examples that share a film among workers: what each renders adds up to the film in one piece."""

import json

import pytest
import torch
from pack_host import ROOT

SMALL = {"size": 128, "resolution": 64}


def graph(name: str) -> dict:
    return json.loads((ROOT / "docs" / "examples" / f"{name}.json").read_text(encoding="utf-8"))


@pytest.fixture
def worker(host, monkeypatch):
    """A function that makes the host a worker of ComfyUI-Distributed; "" is the master. What its collector gets is returned by name."""
    collected = {}

    def be(name: str) -> dict:
        def value(default_value, worker_values):
            values = json.loads(worker_values)
            assert values["_type"] == "INT"
            return (int(values.get(name, default_value)),)

        def collector(images, load_balance):
            collected[name] = images
            return (images, None)

        monkeypatch.setattr(host, "_DistributedValue", value, raising=False)
        monkeypatch.setattr(host, "_DistributedCollector", collector, raising=False)
        return collected

    return be


@pytest.fixture
def whole(host):
    """Frames and sound of the film in one piece."""
    made = graph("part_in_the_queue")
    made["13"]["inputs"] |= {"start_frame": 0, "frame_count": 0}
    return host.run(made, **SMALL)[0].get_components()


def test_workers_of_comfyui_distributed_make_one_film(host, worker, whole, monkeypatch):
    monkeypatch.setattr(host, "_GetVideoComponents", lambda video: (video[0].get_components().images, None, 25.0), raising=False)
    shared = graph("parts_on_distributed_workers")
    for name in ("", "1"):
        collected = worker(name)
        monkeypatch.setattr(host, "_kept", {})  # another worker's memory
        host.run(shared, **SMALL)
    assert [len(collected[name]) for name in ("", "1")] == [8, 7]
    assert torch.equal(torch.cat([collected[""], collected["1"]]), whole.images)


def test_parts_in_the_queue_make_one_film(host, whole):
    made = graph("part_in_the_queue")
    parts = [host.run(made, **SMALL, start_frame=start, frame_count=8)[0].get_components() for start in (0, 8)]
    assert torch.equal(torch.cat([part.images for part in parts]), whole.images)
    assert torch.equal(torch.cat([part.audio["waveform"] for part in parts], dim=2), whole.audio["waveform"])


@pytest.mark.parametrize("name", ["part_in_the_queue", "join_parts", "parts_on_distributed_workers"])
def test_links_lead_to_nodes(name):
    nodes = graph(name)
    links = [value for node in nodes.values() for value in node["inputs"].values() if isinstance(value, list)]
    assert links and all(node_id in nodes for node_id, _ in links)
