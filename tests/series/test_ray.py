"""On a Ray cluster, each node with a raylet of its own; skipped where Ray is not installed."""

import os
import socket
import sys
import time
import types

import pytest
from series_runs import FEW, frames_of, parts_done, wait_for

from real3d_core.errors import Real3DError
from real3d_core.series.folders import Folders
from real3d_core.series.ray_engine import RayEngine, _end_at_once

ON_THIS_COMPUTER = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_worker_niceness": "0",
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # what these systems do, Linux then does too: all speak over the loopback
    "OMP_NUM_THREADS": "1",
    "REAL3D_MARCH_BACKEND": "torch",
}


def test_without_ray_one_sentence_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(Real3DError, match=r"pip install 'ray\[default\]'"):
        RayEngine(Folders.of(tmp_path), "auto", None, None, False)


@pytest.fixture
def node():
    """What a node has."""
    return {"num_cpus": 1, "object_store_memory": 80 * 2**20, "node_ip_address": "127.0.0.1"}


@pytest.fixture
def cluster(node, monkeypatch):
    pytest.importorskip("ray")
    for name, value in ON_THIS_COMPUTER.items():
        monkeypatch.setenv(name, value)
    from ray.cluster_utils import Cluster

    made = Cluster(initialize_head=True, head_node_args={**node, "num_cpus": 0, "include_dashboard": False})
    yield made
    made.shutdown()


@pytest.mark.skipif(os.name == "nt", reason="Ray's clusters for tests do not run on Windows")
def test_a_node_that_dies_and_comes_back_costs_the_parts_in_work(cluster, node, batch, write_jobs, voice, entries, tmp_path):
    dying = cluster.add_node(**node)
    cluster.wait_for_nodes()
    jobs = write_jobs({"audio": voice(4.0), "out": "film.mp4", **FEW}, {"audio": voice(0.2), "out": "bad.mp4", "size": 7})
    run = batch(jobs, "--part", 1, "--ray", cluster.address)
    wait_for(lambda: parts_done(entries()))
    cluster.remove_node(dying, allow_graceful=False)
    cluster.add_node(**node)
    told, complaints = run.communicate(timeout=200)
    assert run.returncode == 3, complaints
    assert "1 film of 32 frames, 1 set aside" in told and "The size is 7" in told
    (lost,) = (entry for entry in entries() if entry.get("error", "").startswith("The worker ended"))
    assert len(parts_done(entries())) == len(set(parts_done(entries()))) == 4 and tuple(lost["part"]) in parts_done(entries())
    assert frames_of(tmp_path / "films" / "film.mp4") == list(range(32))
    assert len({entry["worker"] for entry in entries() if "worker" in entry}) == 2


@pytest.fixture
def engine(tmp_path, monkeypatch):
    """An engine whose Ray knows nothing of anybody."""
    made = object.__new__(RayEngine)
    made._ray = types.SimpleNamespace(wait=lambda answers, **_: ([], answers), kill=pytest.fail, shutdown=pytest.fail)
    made._actors, made._answers = {0: None}, {}
    made._seen = made._looked = time.monotonic()
    monkeypatch.setattr("real3d_core.series.ray_engine._ANSWERS", 0.0)
    return made


def test_a_head_that_is_lost_is_one_sentence_and_nobody_waits_for_it(engine, monkeypatch):
    ended = []
    monkeypatch.setattr("atexit.register", ended.append)
    with socket.create_server(("127.0.0.1", 0)) as head:
        engine._head = f"127.0.0.1:{head.getsockname()[1]}"
        assert engine.replies(0.0) == []
    assert engine.replies(0.0) == [], "it may come back"
    engine._seen -= 60
    with pytest.raises(Real3DError, match="start the cluster again and give the same command"):
        engine.replies(0.0)
    engine.close()
    assert ended == [_end_at_once]


def test_a_lost_client_connection_is_the_same_sentence(engine, monkeypatch):
    def lost(answers, **_):
        raise ConnectionError("Client is shutting down.")

    engine._ray.wait, engine._head = lost, None
    monkeypatch.setattr("atexit.register", lambda ended: None)
    with pytest.raises(Real3DError, match="start the cluster again and give the same command"):
        engine.replies(0.0)
    engine.close()


@pytest.mark.parametrize("address", ["127.0.0.1:1", "ray://127.0.0.1:1", "127.0.0.1:99999999"])
def test_a_cluster_that_is_not_there_is_one_sentence_at_once(tmp_path, monkeypatch, address):
    monkeypatch.setitem(sys.modules, "ray", types.ModuleType("ray"))
    with pytest.raises(Real3DError, match=f"There is no Ray cluster at '{address}'"):
        RayEngine(Folders.of(tmp_path), address, None, None, False)
